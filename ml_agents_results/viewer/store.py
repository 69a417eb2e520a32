"""Store: the database behind the pages, read without writing, its figures kept while they hold."""

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from time import monotonic, thread_time
from typing import Any, TypeVar

from sqlalchemy import Connection

from ml_agents_results.database.engine import Database
from ml_agents_results.database.limited_reads import limited_read, may_write, without_writes
from ml_agents_results.errors import MovedDatabaseError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.viewer.process_memory import give_back

T = TypeVar("T")

LIST_SECONDS = 5.0
"""How long the statements of a list may take."""

_TRUSTED_FOR = 2.0
"""Seconds for which a schema is taken to be the one that was seen."""

_CAPACITY = 64
_LEAST_AGE = 1.0
_REST = 20.0
"""While something records, figures are computed again after so many times what they took."""

_LONG = 0.2
"""Seconds of work that only the reading of many runs takes."""


@dataclass(frozen=True, slots=True)
class _Kept:
    state: str | None
    value: Any
    at: float
    took: float


class Store:
    """One database for as long as the viewer runs.

    Args:
        read_only: Whether nothing may be graded; it is also found out at the start.
    """

    def __init__(self, database: Database, *, read_only: bool = False) -> None:
        self.database = database
        self.why_read_only = "it was started with --read-only" if read_only else ""
        if not read_only and not may_write(database, "scores"):
            self.why_read_only = "you may not write to this database"
        self._file = self._identity()
        self._reader = without_writes(database)
        self._trusted_until = monotonic() + _TRUSTED_FOR
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._computing: dict[Hashable, Lock] = {}

    @cached_property
    def processor(self) -> ResultsProcessor:
        """What grades are stored through."""
        return ResultsProcessor(self.database)

    @property
    def read_only(self) -> bool:
        return bool(self.why_read_only)

    @contextmanager
    def read(self, seconds: float | None = LIST_SECONDS) -> Iterator[Connection]:
        """A consistent view of the data that cannot write and ends after `seconds`."""
        self._follow()
        with limited_read(self._reader, seconds) as connection:
            yield connection

    def state(self) -> str | None:
        """Changes whenever anything is committed; None if that is not known."""
        self._follow()
        return self._reader.state()

    def figures(self, key: Hashable, compute: Callable[[Connection], T]) -> T:
        """What `compute` gives, kept as by `rendered`."""

        def computed() -> T:
            worked = thread_time()
            with self.read(None) as connection:
                value = compute(connection)
                if thread_time() - worked > _LONG:
                    if self.database.is_sqlite:
                        # SQLite would keep the pages that it read.
                        connection.exec_driver_sql("PRAGMA shrink_memory")
                    give_back()
            return value

        return self.rendered(key, computed)

    def rendered(self, key: Hashable, build: Callable[[], T]) -> T:
        """What `build` gives, from memory while the database stands still.

        While something records, figures are a little old rather than computed for each request:
        they are computed again after twenty times what they took.
        """
        with self._lock:
            turn = self._computing.setdefault(key, Lock())
        with turn:
            known, state = self._known(key), self.state()
            if known is not None and state is not None:
                rest = max(_LEAST_AGE, _REST * known.took)
                if known.state == state or monotonic() - known.at < rest:
                    value: T = known.value
                    return value
            started = monotonic()
            value = build()
            ended = monotonic()
            with self._lock:
                self._kept[key] = _Kept(state, value, ended, ended - started)
                self._computing.pop(key, None)
                while len(self._kept) > _CAPACITY:
                    self._kept.popitem(last=False)
            return value

    def _known(self, key: Hashable) -> _Kept | None:
        """What was computed before; what nobody asks for is forgotten first."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def forget(self) -> None:
        """Lets figures be computed again: something was written here."""
        with self._lock:
            self._kept.clear()

    def close(self) -> None:
        """Closes all connections; they are opened again when needed."""
        self._reader.close()
        self.database.close()

    def _identity(self) -> tuple[int, int] | None:
        if self.database.path is None:
            return None
        try:
            status = os.stat(self.database.path)  # noqa: PTH116 - called for every request
        except FileNotFoundError as error:
            raise MovedDatabaseError(
                f"{self.database} is gone: it was moved or deleted",
                "Put it back, or start the viewer again with its new name.",
            ) from error
        return status.st_dev, status.st_ino

    def _follow(self) -> None:
        """Opens the file again if another one has its name now: a restored backup, for example.
        Now and then it looks whether the database was migrated meanwhile."""
        now = self._identity()
        if now == self._file and monotonic() < self._trusted_until:
            return
        from ml_agents_results.database.schema import require_current

        if now != self._file:
            with self._lock:
                self.close()
                self._kept.clear()
        require_current(self._reader)
        self._file, self._trusted_until = now, monotonic() + _TRUSTED_FOR
