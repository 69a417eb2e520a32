"""Results of analyses, kept as long as nothing in the database has changed, and never longer."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from ml_agents_results.database.engine import Database

T = TypeVar("T")

CAPACITY = 64


class ResultCache:
    """Remembers what was computed while the database stands still.

    The database itself says whether it moved: SQLite by `PRAGMA data_version`, which changes for
    one connection whenever any other one, of whatever process, commits; PostgreSQL by the snapshot
    that a new transaction would see. Both take microseconds to milliseconds and read no table.
    A database in memory has one connection only and is not cached.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._results: OrderedDict[Hashable, tuple[str, Any]] = OrderedDict()
        self._watcher: Connection | None = None

    def get(self, key: Hashable, compute: Callable[[Connection], T]) -> T:
        """The result under `key`, computed on a connection unless it is known and fresh."""
        with self._lock:
            state = self._state()
            known = self._results.get(key)
            if known is not None and state is not None and known[0] == state:
                self._results.move_to_end(key)
                return cast(T, known[1])
        # The state was taken before the computation: a change in between makes it stale at once.
        with self._database.read() as connection:
            result = compute(connection)
        if state is not None:
            with self._lock:
                self._results[key] = (state, result)
                while len(self._results) > CAPACITY:
                    self._results.popitem(last=False)
        return result

    def close(self) -> None:
        """Lets go of the connection that watches the database."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
        self._results.clear()

    def _state(self) -> str | None:
        if not self._database.is_sqlite:
            with self._database.read() as connection:
                return str(
                    connection.exec_driver_sql("SELECT pg_current_snapshot()::text").scalar_one()
                )
        if self._database.path is None:
            return None
        if self._watcher is None:
            self._watcher = self._database.engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
        return str(self._watcher.exec_driver_sql("PRAGMA data_version").scalar_one())
