"""Retries of a request: pace, backoff, and the endpoint's own Retry-After."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from ml_agents_results.providers.interface import ProviderError

T = TypeVar("T")

LONGEST_RETRY_AFTER = 120.0
"""Seconds; a request for which the endpoint asks for a longer pause is not repeated."""


@dataclass(frozen=True)
class RetryPolicy:
    """When a failed request is repeated: up to `times` times, after growing pauses (seconds).

    The bound of the pause doubles from `first_pause` to `longest_pause`; a pause is drawn between
    half of it and all, so that many waiting requests do not return at the same moment. A pause
    that the endpoint asks for comes on top.
    """

    times: int = 5
    first_pause: float = 0.5
    longest_pause: float = 30.0

    def pause(self, attempt: int, retry_after: float | None) -> float:
        """Seconds to wait after the given attempt failed; attempts count from 1."""
        bound = min(self.longest_pause, self.first_pause * 2.0 ** min(attempt - 1, 30))
        return (retry_after or 0.0) + bound * (0.5 + random.random() / 2)


class Pace:
    """Spaces requests evenly, so that at most a given number start in a minute."""

    def __init__(self, requests_per_minute: float | None) -> None:
        self._gap = 60 / requests_per_minute if requests_per_minute else 0.0
        self._next = -math.inf

    async def turn(self) -> None:
        """Waits until the next request may start."""
        if self._gap:
            now = asyncio.get_running_loop().time()
            start = max(now, self._next)
            self._next = start + self._gap
            await asyncio.sleep(start - now)


async def first_answer(ask: Callable[[int], Awaitable[T]], policy: RetryPolicy, pace: Pace) -> T:
    """The first answer that `ask` gets; it is called with the number of the attempt, from 1.

    Raises:
        ProviderError: The last attempt's; the message says how many there were.
    """
    attempt = 0
    while True:
        await pace.turn()
        attempt += 1
        try:
            return await ask(attempt)
        except ProviderError as error:
            if attempt > policy.times or not _worth_repeating(error):
                if attempt == 1:
                    raise
                message = f"{error.message} ({attempt} attempts)"
                last = type(error)(message, error.hint, error.retry_after)
                last.by_content = error.by_content
                raise last from None
            pause = policy.pause(attempt, error.retry_after)
        await asyncio.sleep(pause)


def _worth_repeating(error: ProviderError) -> bool:
    return error.retryable and (error.retry_after or 0) <= LONGEST_RETRY_AFTER
