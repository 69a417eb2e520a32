"""Database: opens a SQLite file or a database on a server, and runs units of work on it.

There are four kinds: `read`, `write`, `bulk` for imports, and `migration` for changes of the
schema. Each is one `with` block and one transaction.
"""

import os
import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import NoSuchModuleError

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database.dialects import Backend
from ml_agents_results.database.driver_errors import Translation
from ml_agents_results.database.location import check_file, file_of, identity, shown, url_of
from ml_agents_results.database.retries import retried
from ml_agents_results.database.sqlite import ChangeWatcher, SqliteBackend
from ml_agents_results.errors import UsageError

T = TypeVar("T")


class Database:
    """One database, opened on first use. Threads share it.

    Each thread that writes keeps a connection, so the pool has no limit; a server that has no
    connection left is asked again (see `write_retried`).

    Args:
        config: Settings, a path to a SQLite file, a SQLAlchemy URL, or an Engine to work with.
        create: Whether a missing SQLite file is created. Reading never needs this.

    Raises:
        NotFoundError: The file is missing and `create` is False.
        UsageError: The URL names an engine that is not supported, or its driver is missing.
    """

    def __init__(
        self, config: DatabaseConfig | str | os.PathLike[str] | Engine, *, create: bool = True
    ) -> None:
        self._given = config if isinstance(config, Engine) else None
        if isinstance(config, Engine):
            config = DatabaseConfig(url=config.url.render_as_string(hide_password=False))
        elif not isinstance(config, DatabaseConfig):
            name = os.fspath(config)
            config = DatabaseConfig(url=name) if "://" in name else DatabaseConfig(db_path=name)
        self.config = config
        self.url = url_of(config)
        self.path = file_of(self.url)
        """The SQLite file; None for a database in memory or on a server."""
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._create = create
        self._translated = Translation(str(self))
        self._local = threading.local()
        self._writers: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        """The connections that threads write on, with the process that opened them."""
        self._watcher = ChangeWatcher()
        # A database in memory may have one connection for all threads.
        in_memory = self.is_sqlite and self.path is None
        self._turn: AbstractContextManager[Any] = threading.RLock() if in_memory else nullcontext()
        self.check_file()

    def __str__(self) -> str:
        """The file or the URL without its password."""
        if self.is_sqlite:
            return str(self.path or ":memory:")
        return shown(self.url)

    @property
    def option(self) -> str:
        """The option of the command line that selects this database."""
        kind = "--db-path" if self.is_sqlite else "--db-url"
        return f"{kind} {shlex.quote(str(self))}"

    @property
    def identity(self) -> str:
        """The database by a name that is the same from any folder; without passwords."""
        return identity(self.path) if self.path is not None else str(self)

    def check_file(self) -> None:
        """Checks that a SQLite file can be opened, or created where it may be: it may have been
        moved away since it was named.

        Raises:
            NotFoundError: It is missing and is not to be created.
            DatabaseError: It, or its folder, cannot be used.
        """
        if self.path is not None and self._given is None:
            check_file(self.path, self._create)

    @cached_property
    def backend(self) -> Backend:
        """The operations that are specific to the engine of this database."""
        if self.is_sqlite:
            return SqliteBackend(self.url, self.path, self.config)
        return _postgres_backend(self.url, self.config)

    @cached_property
    def engine(self) -> Engine:
        """The SQLAlchemy engine; its connections carry our settings."""
        self.check_file()
        engine = self._given or self.backend.create_engine()
        self.backend.listen(engine)
        _OPEN.add(self)
        return engine

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection outside of a transaction; one that is left open is rolled back."""
        with self._turn, self._translated, self.engine.connect() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the data, as of its first query."""
        with self.connection() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed and durable when the block ends, rolled back when it raises.

        The write lock is taken at the start; other writers are waited for up to
        `connection_timeout` seconds. The connection stays open for the thread's next write.

        Raises:
            DatabaseLockedError: Another process held the lock for all of that time.
            MovedDatabaseError: The file is no longer the one of that name; the error says where
                everything that was recorded has been saved.
        """
        with self._turn, self._translated:
            connection, backend = self._writer(), self.backend
            try:
                backend.begin(connection)
                self.require_own(connection)
                yield connection
                backend.commit(connection)
            except BaseException:
                backend.rollback(connection)
                raise
            backend.confirm(connection)

    @contextmanager
    def bulk(self) -> Iterator[Connection]:
        """`write` for imports, which can be repeated: faster, and durable a little later."""
        with self._unit(self.backend.bulk) as connection:
            yield connection

    @contextmanager
    def migration(self) -> Iterator[Connection]:
        """`write` that may change the schema; two processes that migrate at once take turns.

        Raises:
            DatabaseError: A row would lose its parent; everything is undone.
        """
        with self._unit(self.backend.migration) as connection:
            yield connection

    @contextmanager
    def _unit(
        self, transaction: Callable[[Connection], AbstractContextManager[None]]
    ) -> Iterator[Connection]:
        with self.connection() as connection:
            connection.execution_options(write=True)
            with transaction(connection):
                self.require_own(connection)
                yield connection

    def state(self) -> str | None:
        """A value that changes whenever any process commits; None if it is not known.

        Takes microseconds (SQLite) to milliseconds (a server) and reads no table.
        """
        if not self.is_sqlite:
            from ml_agents_results.database import postgres

            with self.read() as connection:
                return postgres.state(connection)
        if self.path is None:
            return None
        with self._translated:
            return self._watcher.state(self.engine)

    def close(self) -> None:
        """Closes all connections; an Engine of the caller keeps those that are idle."""
        if "engine" not in self.__dict__:
            return
        for connection, pid in tuple(self._writers.items()):
            # Those of threads that have ended would stay open until garbage is collected.
            if pid == os.getpid():
                connection.close()
        self._watcher.close()
        if self._given is None:
            self.engine.dispose()

    def release(self) -> None:
        """Closes the connections that this thread has no transaction on; they are opened again
        when needed.

        A SQLite file that is open must not be carried into a forked process, whose locks would
        fall when the parent's do.
        """
        connection = getattr(self._local, "connection", None)
        if connection is not None and not connection.in_transaction():
            connection.close()
            del self._local.connection
        self._watcher.close()
        self.engine.dispose()

    def _writer(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed or self._local.pid != os.getpid():
            # One that a parent process began to use is left alone: closing it would end the
            # parent's transaction.
            self._local.inherited = connection
            connection = self.engine.connect().execution_options(write=True)
            self._local.connection = connection
            self._local.pid = os.getpid()
            self._writers[connection] = os.getpid()
        return connection

    def require_own(self, connection: Connection) -> None:
        """Raises SchemaError if triggers of others would change what is written.

        Each connection looks before its first transaction, and again when the schema has changed.
        """
        version = self.backend.schema_version(connection)
        if connection.info.get("own_schema") != version:
            from ml_agents_results.database import foreign_objects

            foreign_objects.require_own(connection, str(self), self.option, to_write=True)
            connection.info["own_schema"] = version

    def write_retried(self, work: Callable[[Connection], T]) -> T:
        """The result of `work` in a write transaction of its own.

        If another process or a lost connection disturbs it, all of it is done again, for up to
        `connection_timeout` seconds.
        """

        def attempt() -> T:
            with self.write() as connection:
                return work(connection)

        return retried(attempt, self.config.connection_timeout)


def _postgres_backend(url: URL, config: DatabaseConfig) -> Backend:
    try:
        from ml_agents_results.database.postgres import PostgresBackend

        return PostgresBackend(url, config)
    except (ImportError, NoSuchModuleError) as error:
        raise UsageError(
            "PostgreSQL needs the psycopg driver",
            "Install it with: pip install 'ml-agents-results[postgres]'",
        ) from error


_OPEN: WeakSet[Database] = WeakSet()


def _before_fork() -> None:
    for database in tuple(_OPEN):
        if database.path is not None or not database.is_sqlite:
            database.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
