"""Result cache: keeps results of analyses until something in the database changes."""

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

    The database reports whether it has changed; one in memory cannot, and is not cached.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._results: OrderedDict[Hashable, tuple[str, Any]] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[Connection], T]) -> T:
        """The result under `key`, computed on a connection unless it is known and fresh."""
        with self._lock:
            state = self._database.state()
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
        """Forgets everything."""
        with self._lock:
            self._results.clear()
