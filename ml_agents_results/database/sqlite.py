"""SQLite: settings of its connections, locks, and the check that a file is still the open one."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database.dialects import Backend, driver_of
from ml_agents_results.database.driver_errors import translate
from ml_agents_results.database.location import file_uri
from ml_agents_results.database.moved_files import moved_error
from ml_agents_results.database.retries import retried
from ml_agents_results.errors import DatabaseError

FileId = tuple[int, int] | None
"""Device and inode of a file; None if there is none."""


class SqliteBackend(Backend):
    """A SQLite file, or a database in memory (`path` is None)."""

    def __init__(self, url: URL, path: Path | None, config: DatabaseConfig) -> None:
        self._url = url
        self._path = path
        self._config = config
        if path is not None:
            self._file_name = os.fspath(path.absolute())
            self._log_name = f"{self._file_name}-wal"

    def create_engine(self) -> Engine:
        options: dict[str, Any] = {
            "connect_args": {"timeout": self._config.connection_timeout, "check_same_thread": False}
        }
        if self._path is None:
            return create_engine(self._url, poolclass=StaticPool, **options)
        url = self._url.set(database=file_uri(self._path), query={"uri": "true"})
        return create_engine(url, max_overflow=-1, **options)

    def listen(self, engine: Engine) -> None:
        if event.contains(engine, "begin", _begin):
            return
        event.listen(engine, "checkout", self._configure)
        event.listen(engine, "begin", _begin)

    def _configure(self, connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        """Prepares a connection the first time that it leaves the pool."""
        if connection.isolation_level is not None:
            # The driver would begin transactions of its own, and only before writes.
            connection.isolation_level = None
        if record.info.get("configured"):
            return
        connection.execute("PRAGMA foreign_keys=ON")
        # Each run cost money: it survives a power cut, not only a crash.
        connection.execute("PRAGMA synchronous=FULL")
        if self._path is not None:
            record.info["file"] = _file_id(self._file_name)
            record.info["opened"] = time.time()
        record.info["configured"] = True

    def begin(self, connection: Connection) -> None:
        """The driver begins and ends the transaction: SQLAlchemy takes a third of a save for it,
        and joins in as soon as it executes a statement."""
        driver_of(connection).execute("BEGIN IMMEDIATE")

    def commit(self, connection: Connection) -> None:
        connection.commit()
        driver_of(connection).commit()

    def rollback(self, connection: Connection) -> None:
        connection.rollback()
        driver_of(connection).rollback()

    def confirm(self, connection: Connection) -> None:
        """Raises MovedDatabaseError if the file was moved, deleted or replaced while it was open.

        SQLite goes on writing to the open files, which nobody finds any more. It does not check
        this by itself; two calls of `stat` after each commit do.
        """
        if self._path is None:
            return
        info = connection.info
        file, log = _file_id(self._file_name), _file_id(self._log_name)
        # The log appears with the first transaction and stays while the connection is open.
        known = info.get("log") or info.setdefault("log", log)
        if file != info["file"] or log != known:
            mark = "-".join(f"{number[1]:x}" for number in (info["file"], known) if number)
            raise moved_error(driver_of(connection), self._path, mark, info["opened"])

    @contextmanager
    def bulk(self, connection: Connection) -> Iterator[None]:
        """Relaxed durability, since an import can be repeated, and a larger cache."""
        if self._path is None:
            with connection.begin():
                yield
            return
        pragma(connection, "synchronous=NORMAL")
        # With 64 MiB an import takes 6% less time, and 72 MiB more memory.
        pragma(connection, "cache_size=-8192")
        try:
            with connection.begin():
                yield
            self.confirm(connection)
        except BaseException:
            # A log full of what was undone would keep a full disk full.
            with suppress(sqlite3.Error):
                pragma(connection, "wal_checkpoint(TRUNCATE)")
            raise
        finally:
            # The pool would hand the settings on.
            connection.invalidate()

    @contextmanager
    def migration(self, connection: Connection) -> Iterator[None]:
        """Foreign keys are off, since rebuilding a table would delete the rows that refer to it;
        they are checked before the commit."""
        if self._path is not None:
            self._prepare_file(connection)
        pragma(connection, "foreign_keys=OFF")
        try:
            with connection.begin():
                yield
                if orphans := pragma(connection, "foreign_key_check"):
                    raise DatabaseError(
                        f"the migration would leave {len(orphans)} rows without their parent; "
                        "it was undone",
                        "Check the database with: PRAGMA foreign_key_check",
                    )
            self.confirm(connection)
        finally:
            pragma(connection, "foreign_keys=ON")
        if self._path is not None:
            # The tables are in the file itself, whatever becomes of the log.
            pragma(connection, "wal_checkpoint(TRUNCATE)")

    def _prepare_file(self, connection: Connection) -> None:
        """Settings that are stored in the file; auto_vacuum has to precede the first table."""
        if self._config.auto_vacuum and pragma(connection, "page_count") == [(0,)]:
            pragma(connection, "auto_vacuum=INCREMENTAL")
        retried(lambda: self._keep_a_log(connection), self._config.connection_timeout)

    def _keep_a_log(self, connection: Connection) -> None:
        # Readers and one writer do not wait for each other. A network disk may refuse; then the
        # rollback journal serves, correct but slower.
        try:
            pragma(connection, "journal_mode=WAL")
        except sqlite3.Error as error:
            raise translate(error, str(self._path)) from error

    def schema_version(self, connection: Connection) -> int:
        number: int = driver_of(connection).execute("PRAGMA schema_version").fetchone()[0]
        return number

    def version(self, connection: Connection) -> str:
        return str(connection.exec_driver_sql("SELECT sqlite_version()").scalar_one())

    def size(self, connection: Connection) -> tuple[int, int]:
        page, pages, free = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("page_size", "page_count", "freelist_count")
        )
        return page * pages, page * free


class ChangeWatcher:
    """Detects commits to a file, on a connection that does nothing else."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._number = 0
        self._lock = threading.Lock()

    def state(self, engine: Engine) -> str:
        """A value that changes whenever another connection of any process commits."""
        with self._lock:
            if self._connection is None:
                self._connection = engine.connect()
                # The counts of two connections cannot be compared.
                self._number += 1
            [(version,)] = pragma(self._connection, "data_version")
        return f"{self._number}.{version}"

    def close(self) -> None:
        """Closes the connection; the next call of `state` opens another one."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def pragma(connection: Connection, statement: str) -> list[Any]:
    """Executes a PRAGMA on the driver and returns its rows."""
    rows: list[Any] = driver_of(connection).execute(f"PRAGMA {statement}").fetchall()
    return rows


def quoted(name: str) -> str:
    """A name of a table or an index as SQL."""
    return '"' + name.replace('"', '""') + '"'


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once if another process wrote in
    # between, whatever the timeout: writers take the lock at the start.
    driver = driver_of(connection)
    if not driver.in_transaction:
        writes = connection.get_execution_options().get("write", False)
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def _file_id(name: str) -> FileId:
    try:
        status = os.stat(name)  # noqa: PTH116 - a Path costs more than the call
    except OSError:
        return None
    return status.st_dev, status.st_ino
