"""Connections: opened well, one transaction per `with` block, failures said in plain words."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import StaticPool
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database.failures import translate
from ml_agents_results.errors import DatabaseError, DatabaseLockedError, NotFoundError, UsageError

SQLITE_HEADER = b"SQLite format 3\x00"
MIGRATION_LOCK = 7_305_118
"""The PostgreSQL advisory lock that lets one process migrate at a time."""


class Database:
    """One database, opened on first use. Threads share it; each has its own connection.

    Args:
        config: Settings, a path to a SQLite file, or a SQLAlchemy URL.
        create: Whether a missing SQLite file is created. Reading never needs this.

    Raises:
        NotFoundError: The file is missing and `create` is False.
        UsageError: The URL names an engine that is not supported.
    """

    def __init__(
        self, config: DatabaseConfig | str | os.PathLike[str], *, create: bool = True
    ) -> None:
        if not isinstance(config, DatabaseConfig):
            given = os.fspath(config)
            config = DatabaseConfig(url=given) if "://" in given else DatabaseConfig(db_path=given)
        self.config = config
        self.url = _url(config)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._local = threading.local()
        if self.path is not None:
            _check_file(self.path, create)

    @property
    def path(self) -> Path | None:
        """The SQLite file; None for a database in memory or on a server."""
        if not self.is_sqlite or self.url.database in (None, "", ":memory:"):
            return None
        return Path(str(self.url.database))

    def __str__(self) -> str:
        """The file or the URL without its password."""
        return str(self.path or self.url.render_as_string(hide_password=True))

    @property
    def option(self) -> str:
        """How the command line names this database."""
        return f"--db-path {self.path}" if self.path else f"--db-url '{self}'"

    @cached_property
    def engine(self) -> Engine:
        """The SQLAlchemy engine; its connections carry our pragmas."""
        seconds = self.config.connection_timeout
        if not self.is_sqlite:
            return _server_engine(self.url, seconds)
        options: dict[str, Any] = {"connect_args": {"timeout": seconds, "check_same_thread": False}}
        url = self.url
        if self.path is None:
            options["poolclass"] = StaticPool
        else:
            url = url.set(database=_file_uri(self.path), query={"uri": "true"})
        engine = create_engine(url, **options)
        event.listen(engine, "connect", self._configure)
        event.listen(engine, "begin", _begin)
        return engine

    def _configure(self, connection: Any, _record: object) -> None:
        # The driver would begin transactions of its own, and only before writes.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        # Each run is somebody's money: it survives a power cut, not only a crash.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    def _prepare_file(self) -> None:
        """Settings that live in the file: they are made before it has tables."""
        with self._translated(), self.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            if self.config.auto_vacuum and not driver.execute("PRAGMA page_count").fetchone()[0]:
                driver.execute("PRAGMA auto_vacuum=INCREMENTAL")
            # Readers and one writer do not wait for each other. A network disk may refuse; then
            # the rollback journal serves, correct but slower.
            driver.execute("PRAGMA journal_mode=WAL")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the data, as of its first query."""
        with self._translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        The write lock is taken at the start and waited for up to `connection_timeout` seconds.
        The connection stays open for the thread's next write.

        Raises:
            DatabaseLockedError: Another process did not let go of the database in that time.
        """
        with self._translated():
            connection = self._writer()
            with connection.begin():
                yield connection

    @contextmanager
    def bulk(self) -> Iterator[Connection]:
        """`write` for imports, which can be repeated: relaxed durability and a large cache."""
        with self._translated(), self.engine.connect() as connection:
            if not self.is_sqlite:
                with connection.begin():
                    yield connection
                return
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute("PRAGMA synchronous=NORMAL")
            driver.execute("PRAGMA cache_size=-65536")
            try:
                with connection.execution_options(write=True).begin():
                    yield connection
            finally:
                # The pool would hand the settings on.
                connection.invalidate()

    @contextmanager
    def migration(self) -> Iterator[Connection]:
        """One transaction for changes of the schema, alone on the database.

        Foreign keys are off, or rebuilding a table would delete the rows that refer to it; they
        are checked before the commit.
        """
        if self.path is not None:
            self._prepare_file()
        with self._translated(), self.engine.connect() as connection:
            if not self.is_sqlite:
                with connection.begin():
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}
                    )
                    yield connection
                return
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.execution_options(write=True).begin():
                    yield connection
                    if broken := driver.execute("PRAGMA foreign_key_check").fetchall():
                        raise DatabaseError(
                            f"the migration would leave {len(broken)} rows without their parent; "
                            "it was undone",
                            "Check the database with: PRAGMA foreign_key_check",
                        )
            finally:
                driver.execute("PRAGMA foreign_keys=ON")

    def close(self) -> None:
        """Lets go of every connection."""
        if "engine" in self.__dict__:
            if (connection := getattr(self._local, "connection", None)) is not None:
                connection.close()
                del self._local.connection
            self.engine.dispose()

    def _writer(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed or self._local.pid != os.getpid():
            connection = self.engine.connect().execution_options(write=True)
            self._local.connection = connection
            self._local.pid = os.getpid()
        return connection

    def retrying(self) -> Retrying:
        """Attempts of a unit of work that another process or a lost connection may disturb.

        Use as `for attempt in database.retrying(): with attempt: ...`; waits with backoff, up to
        `connection_timeout` seconds in all, then raises what the last attempt raised.
        """
        return Retrying(
            retry=retry_if_exception_type(DatabaseLockedError),
            wait=wait_random_exponential(multiplier=0.05, max=2),
            stop=stop_after_delay(self.config.connection_timeout),
            reraise=True,
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise translate(error, str(self)) from error


def _url(config: DatabaseConfig) -> URL:
    if config.url is None:
        return URL.create("sqlite", database=os.fspath(config.db_path))
    try:
        url = make_url(config.url)
    except ArgumentError as error:
        raise UsageError(
            "the database URL cannot be read", "It looks like postgresql+psycopg://user@host/name"
        ) from error
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise UsageError(
            f"databases of the kind {url.drivername!r} are not supported",
            "Use sqlite:///FILE or postgresql+psycopg://user@host/name",
        )
    return url


def _server_engine(url: URL, seconds: float) -> Engine:
    try:
        return create_engine(
            url,
            pool_pre_ping=True,
            pool_timeout=seconds,
            connect_args={"connect_timeout": max(2, int(seconds)), "options": "-c timezone=UTC"},
        )
    except (ImportError, NoSuchModuleError) as error:
        raise UsageError(
            "PostgreSQL needs the psycopg driver",
            "Install it with: pip install 'ml-agents-results[postgres]'",
        ) from error


def _check_file(path: Path, create: bool) -> None:
    if path.is_dir():
        raise DatabaseError(f"{path} is a folder, not a database", "Name a file inside it.")
    if not path.exists():
        if not create:
            raise NotFoundError(
                f"there is no database at {path}",
                f"Create one with: ml-agents db-init --db-path {path}",
            )
        if not path.parent.is_dir():
            raise DatabaseError(
                f"the folder {path.parent} does not exist", f"Create it: mkdir -p {path.parent}"
            )
        if not os.access(path.parent, os.W_OK):
            raise DatabaseError(f"the folder {path.parent} is not writable", "Choose another one.")
        return
    try:
        with path.open("rb") as file:
            header = file.read(16)
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be read: {error.strerror}", "Check its permissions."
        ) from error
    if header and header != SQLITE_HEADER:
        raise DatabaseError(f"{path} is not a SQLite database", "Name another file with --db-path.")
    if not header and not create:
        raise DatabaseError(
            f"{path} is empty", f"Make it a database with: ml-agents db-init --db-path {path}"
        )


def _file_uri(path: Path) -> str:
    """Opens the file as far as its permissions go: a missing -wal on a read-only disk is fine."""
    uri = path.absolute().as_uri()
    if path.exists() and not os.access(path, os.W_OK):
        folder_writable = os.access(path.parent, os.W_OK)
        return f"{uri}?mode=ro" if folder_writable else f"{uri}?mode=ro&immutable=1"
    return f"{uri}?mode=rwc"


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another process wrote in
    # between, whatever the timeout: writers take the lock at the start.
    writes = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
