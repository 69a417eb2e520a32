"""Automatic backups while runs are recorded, in a thread beside."""

import threading
import time
from collections.abc import Callable

from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import backup_now
from ml_agents_results.errors import ResultsError

REST = 20.0
"""After a backup follows a rest of so many times its duration: a large database that grows fast is
not copied all the time. What fell due meanwhile is done after that, or at the end."""


class AutomaticBackup:
    """Backs a SQLite file up after every `backup_frequency` saved runs.

    A backup that fails is reported to `warn`; recording goes on.
    """

    def __init__(self, database: Database, warn: Callable[[str], None]) -> None:
        self._database = database
        self._warn = warn
        self._every = database.config.backup_frequency if database.path is not None else 0
        self._due = 0
        self._rested_at = 0.0
        self._thread: threading.Thread | None = None

    def saved(self) -> None:
        """One more run was saved."""
        self._due += 1
        if not self._every or self._due < self._every or time.monotonic() < self._rested_at:
            return
        if self._thread is None or not self._thread.is_alive():
            self._due = 0
            self._thread = threading.Thread(target=self._back_up, name="backup", daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Waits for the backup that is being made, and makes the one that is due."""
        if self._thread is not None:
            self._thread.join()
        if self._every and self._due >= self._every:
            self._back_up()

    def _back_up(self) -> None:
        start = time.monotonic()
        try:
            backup_now(self._database)
        except ResultsError as error:
            self._warn(f"No backup was made: {error.message}. {error.hint or ''}".strip())
        self._rested_at = time.monotonic() + REST * (time.monotonic() - start)
