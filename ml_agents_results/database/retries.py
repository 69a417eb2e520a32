"""Repeats units of work that another process or a lost connection disturbed."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from ml_agents_results.errors import DatabaseLockedError

T = TypeVar("T")

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
"""Bounds of the random pause between two attempts, in seconds."""


def retried(work: Callable[[], T], seconds: float) -> T:
    """The result of `work`, which is called again with growing pauses as long as it raises
    DatabaseLockedError, for up to `seconds`."""
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE
    while True:
        try:
            return work()
        except DatabaseLockedError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, LONGEST_PAUSE)
