"""Connections: opened well, one transaction per `with` block, failures said in plain words."""

import os
import shlex
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database.driver_errors import translate
from ml_agents_results.database.location import check_file, file_of, file_uri, shown, url_of
from ml_agents_results.database.postgres import server_engine, take_time
from ml_agents_results.errors import DatabaseError, DatabaseLockedError

if TYPE_CHECKING:
    from tenacity import Retrying

T = TypeVar("T")

MIGRATION_LOCK = 7_305_118
"""The PostgreSQL advisory lock that lets one process migrate at a time."""

LARGE = 64 * 2**20
"""Bytes of a SQLite file from which reading by two threads is worth a second connection."""


class Database:
    """One database, opened on first use. Threads share it.

    Each thread that writes keeps a connection, so the pool has no limit; a server's limit is waited
    for (see `retrying`).

    Args:
        config: Settings, a path to a SQLite file, a SQLAlchemy URL, or an Engine to work with.
        create: Whether a missing SQLite file is created. Reading never needs this.

    Raises:
        NotFoundError: The file is missing and `create` is False.
        UsageError: The URL names an engine that is not supported.
    """

    def __init__(
        self, config: DatabaseConfig | str | os.PathLike[str] | Engine, *, create: bool = True
    ) -> None:
        self._given = config if isinstance(config, Engine) else None
        if isinstance(config, Engine):
            config = DatabaseConfig(url=config.url.render_as_string(hide_password=False))
        elif not isinstance(config, DatabaseConfig):
            given = os.fspath(config)
            config = DatabaseConfig(url=given) if "://" in given else DatabaseConfig(db_path=given)
        self.config = config
        self.url = url_of(config)
        self.path = file_of(self.url)
        """The SQLite file; None for a database in memory or on a server."""
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._translated = _Translated(str(self))
        self._local = threading.local()
        self._watcher: Connection | None = None
        self._watchers = 0
        self._watching = threading.Lock()
        # A database in memory may have one connection for all threads.
        in_memory = self.is_sqlite and self.path is None
        self._turn: AbstractContextManager[Any] = threading.RLock() if in_memory else nullcontext()
        if self.path is not None and self._given is None:
            check_file(self.path, create)

    def __str__(self) -> str:
        """The file or the URL without its password."""
        if self.is_sqlite:
            return str(self.path or ":memory:")
        return shown(self.url)

    @property
    def option(self) -> str:
        """How the command line names this database."""
        kind = "--db-path" if self.is_sqlite else "--db-url"
        return f"{kind} {shlex.quote(str(self))}"

    @cached_property
    def engine(self) -> Engine:
        """The SQLAlchemy engine; its connections carry our pragmas."""
        engine = self._given or self._new_engine()
        if self.is_sqlite and not event.contains(engine, "begin", _begin):
            event.listen(engine, "checkout", _configure)
            event.listen(engine, "begin", _begin)
        _OPEN.add(self)
        return engine

    def _new_engine(self) -> Engine:
        seconds = self.config.connection_timeout
        if not self.is_sqlite:
            return server_engine(self.url, self.config)
        options: dict[str, Any] = {"connect_args": {"timeout": seconds, "check_same_thread": False}}
        if self.path is None:
            return create_engine(self.url, poolclass=StaticPool, **options)
        url = self.url.set(database=file_uri(self.path), query={"uri": "true"})
        return create_engine(url, max_overflow=-1, **options)

    def _prepare_file(self) -> None:
        """Settings that live in the file: they are made before it has tables."""
        with self._translated, self.engine.connect() as connection:
            if self.config.auto_vacuum and self._driver(connection, "PRAGMA page_count") == [(0,)]:
                self._driver(connection, "PRAGMA auto_vacuum=INCREMENTAL")
            # Readers and one writer do not wait for each other. A network disk may refuse; then
            # the rollback journal serves, correct but slower.
            for attempt in self.retrying():
                with attempt:
                    self._driver(connection, "PRAGMA journal_mode=WAL")

    def _driver(self, connection: Connection, statement: str) -> list[Any]:
        """What SQLite answers outside of a transaction."""
        try:
            rows: list[Any] = driver_of(connection).execute(statement).fetchall()
        except sqlite3.Error as error:
            raise translate(error, str(self)) from error
        return rows

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the data, as of its first query."""
        with (
            self._turn,
            self._translated,
            self.engine.connect() as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def read_by_two(self) -> Iterator[Connection]:
        """`read` for analyses: where the file is large, a second connection, the execution option
        `beside`, sees the same data, so that two threads can read.

        There is none on servers, in memory, on an Engine that was given, and where somebody wrote
        just when both began.
        """
        with self.read() as connection:
            if self.path is None or self._given or self.path.stat().st_size < LARGE:
                yield connection
                return
            with self.engine.connect() as second:
                state = self.state()
                for view in (connection, second):
                    # A transaction sees what is there at its first query.
                    view.execute(text("SELECT 1 FROM sqlite_schema")).first()
                if self.state() == state:
                    connection.execution_options(beside=second)
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        The write lock is taken at the start and waited for up to `connection_timeout` seconds.
        The connection stays open for the thread's next write.

        Raises:
            DatabaseLockedError: Another process did not let go of the database in that time.
        """
        with self._turn, self._translated:
            connection = self._writer()
            with connection.begin():
                yield connection

    def record(self, work: Callable[[Connection], T]) -> T:
        """Does `work` as in `write`, but for SQLite its statements may only go to `driver_of`.

        What SQLAlchemy does around a transaction takes a tenth of a save.
        """
        if not self.is_sqlite:
            with self.write() as connection:
                return work(connection)
        with self._turn, self._translated:
            connection = self._writer()
            driver = driver_of(connection)
            try:
                driver.execute("BEGIN IMMEDIATE")
                done = work(connection)
                driver.execute("COMMIT")
            except BaseException:
                driver.rollback()
                raise
            return done

    @contextmanager
    def bulk(self) -> Iterator[Connection]:
        """`write` for imports, which can be repeated: relaxed durability and a larger cache."""
        if self.path is None:
            with self._turn, self._translated, self.engine.connect() as connection:
                with connection.execution_options(write=True).begin():
                    if not self.is_sqlite:
                        take_time(connection)
                    yield connection
                return
        with self._translated, self.engine.connect() as connection:
            self._driver(connection, "PRAGMA synchronous=NORMAL")
            # With 64 MiB an import takes 6% less time, and 72 MiB more memory.
            self._driver(connection, "PRAGMA cache_size=-8192")
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
        with self._turn, self._translated, self.engine.connect() as connection:
            if not self.is_sqlite:
                with connection.begin():
                    take_time(connection)
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}
                    )
                    yield connection
                return
            self._driver(connection, "PRAGMA foreign_keys=OFF")
            try:
                with connection.execution_options(write=True).begin():
                    yield connection
                    if broken := self._driver(connection, "PRAGMA foreign_key_check"):
                        raise DatabaseError(
                            f"the migration would leave {len(broken)} rows without their parent; "
                            "it was undone",
                            "Check the database with: PRAGMA foreign_key_check",
                        )
            finally:
                self._driver(connection, "PRAGMA foreign_keys=ON")

    def state(self) -> str | None:
        """Changes whenever anybody commits, in whatever process; None where that is not known.

        SQLite says so by `PRAGMA data_version`, which tells a connection that other ones changed
        something; PostgreSQL by the snapshot that a new transaction would see. Both take
        microseconds to milliseconds and read no table.
        """
        if not self.is_sqlite:
            with self.read() as connection:
                return str(connection.scalar(text("SELECT pg_current_snapshot()::text")))
        if self.path is None:
            return None
        with self._watching, self._translated:
            if self._watcher is None:
                self._watcher = self.engine.connect()
                # What one connection counts says nothing to another one.
                self._watchers += 1
            [(version,)] = self._driver(self._watcher, "PRAGMA data_version")
        return f"{self._watchers}.{version}"

    def close(self) -> None:
        """Lets go of every connection; an Engine that was given keeps those that it has idle."""
        if "engine" not in self.__dict__:
            return
        if (connection := getattr(self._local, "connection", None)) is not None:
            connection.close()
            del self._local.connection
        self._stop_watching()
        if self._given is None:
            self.engine.dispose()

    def release(self) -> None:
        """Closes the files that this thread has no transaction on; they are opened when needed.

        A SQLite file that is open must not be carried into a forked process, whose locks would
        fall when the parent's do.
        """
        connection = getattr(self._local, "connection", None)
        if connection is not None and not connection.in_transaction():
            connection.close()
            del self._local.connection
        self._stop_watching()
        self.engine.dispose()

    def _stop_watching(self) -> None:
        with self._watching:
            if self._watcher is not None:
                self._watcher.close()
                self._watcher = None

    def _writer(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed or self._local.pid != os.getpid():
            # One that a parent process began to use is left alone: to close it would end the
            # parent's transaction.
            self._local.inherited = connection
            connection = self.engine.connect().execution_options(write=True)
            self._local.connection = connection
            self._local.pid = os.getpid()
        return connection

    def retrying(self) -> "Retrying":
        """Attempts of a unit of work that another process or a lost connection may disturb.

        Use as `for attempt in database.retrying(): with attempt: ...`; waits with backoff, up to
        `connection_timeout` seconds in all, then raises what the last attempt raised.
        """
        from tenacity import (
            Retrying,
            retry_if_exception_type,
            stop_after_delay,
            wait_random_exponential,
        )

        return Retrying(
            retry=retry_if_exception_type(DatabaseLockedError),
            wait=wait_random_exponential(multiplier=0.05, max=2),
            stop=stop_after_delay(self.config.connection_timeout),
            reraise=True,
        )


class _Translated:
    """Failures of the driver inside the block become errors of ours."""

    def __init__(self, database: str) -> None:
        self._database = database

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        if isinstance(error, DBAPIError):
            raise translate(error.orig or error, self._database) from error
        if isinstance(error, sqlite3.Error):
            raise translate(error, self._database) from error
        if isinstance(error, PoolTimeoutError):
            raise DatabaseLockedError(
                f"every connection to {self._database} was in use all the time we waited",
                "Use fewer threads.",
            ) from error


_OPEN: WeakSet[Database] = WeakSet()


def _before_fork() -> None:
    for database in tuple(_OPEN):
        if database.path is not None or not database.is_sqlite:
            database.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)


def _configure(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Prepares a SQLite connection on its first way out of the pool."""
    if connection.isolation_level is not None:
        # The driver would begin transactions of its own, and only before writes.
        connection.isolation_level = None
    if record.info.get("configured"):
        return
    connection.execute("PRAGMA foreign_keys=ON")
    # Each run is somebody's money: it survives a power cut, not only a crash.
    connection.execute("PRAGMA synchronous=FULL")
    record.info["configured"] = True


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another process wrote in
    # between, whatever the timeout: writers take the lock at the start.
    writes = connection.get_execution_options().get("write", False)
    driver_of(connection).execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def driver_of(connection: Connection) -> Any:
    """The driver's own connection: a statement costs a quarter of what it costs on ours."""
    return connection.connection.driver_connection
