"""Repeats units of work that another process or a lost connection disturbed."""

import random
import time
from collections.abc import Iterator
from types import TracebackType

from ml_agents_results.errors import DatabaseLockedError

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
"""Bounds of the random pause between two attempts, in seconds."""


class Attempt:
    """One attempt, as a `with` block; it swallows DatabaseLockedError before the deadline."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.repeat = False

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> bool:
        self.repeat = isinstance(error, DatabaseLockedError) and time.monotonic() < self._deadline
        return self.repeat


def attempts(seconds: float) -> Iterator[Attempt]:
    """Attempts for up to `seconds`, with growing pauses; the last one raises what went wrong."""
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE
    while True:
        attempt = Attempt(deadline)
        yield attempt
        if not attempt.repeat:
            return
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, LONGEST_PAUSE)
