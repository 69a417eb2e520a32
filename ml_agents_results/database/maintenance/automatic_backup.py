"""Automatic backups while runs are recorded, in a background thread."""

import logging
import threading
import time

from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import backup_now
from ml_agents_results.errors import ResultsError

_LOG = logging.getLogger(__name__)

REST = 20.0
"""Wait this many times the duration of the last backup before the next: a large database that
grows fast is not copied all the time. A backup that falls due meanwhile is made afterwards."""


class AutomaticBackup:
    """Backs a SQLite file up after every `backup_frequency` saved runs.

    Whoever saves runs counts them here, from any thread. A backup that fails is logged as a
    warning; recording continues.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._every = database.config.backup_frequency if database.path is not None else 0
        self._due = 0
        self._rested_at = 0.0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def saved(self, runs: int = 1) -> None:
        """Counts runs that were saved."""
        if not self._every:
            return
        with self._lock:
            self._due += runs
            if self._due < self._every or time.monotonic() < self._rested_at:
                return
            if self._thread is None or not self._thread.is_alive():
                self._due = 0
                self._thread = threading.Thread(target=self._back_up, name="backup", daemon=True)
                self._thread.start()

    def finish(self) -> None:
        """Waits for the backup that is being made, and makes the one that is due."""
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            due, self._due = self._due, self._due if self._due < self._every else 0
        if self._every and due >= self._every:
            self._back_up()

    def _back_up(self) -> None:
        start = time.monotonic()
        try:
            backup_now(self._database)
        except ResultsError as error:
            _LOG.warning("no backup was made: %s. %s", error.message, error.hint or "")
        self._rested_at = time.monotonic() + REST * (time.monotonic() - start)
