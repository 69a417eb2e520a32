"""When a request is made, and made again: pace, backoff, and the endpoint's own Retry-After."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from ml_agents_results.providers.interface import ProviderError

T = TypeVar("T")

LONGEST_RETRY_AFTER = 120.0
"""Seconds; an endpoint that asks for a longer pause is not waited for."""


@dataclass(frozen=True)
class Retries:
    """How stubbornly a request is repeated.

    The n-th pause is drawn between half and all of `first_pause * 2**(n-1)` seconds, at most
    `longest_pause`; where the endpoint names a pause, that comes on top
    of it, so that many waiting requests do not all return at the same moment.
    """

    times: int = 5
    first_pause: float = 0.5
    longest_pause: float = 30.0

    def pause(self, attempt: int, retry_after: float | None) -> float:
        """Seconds to wait after the `attempt`-th attempt failed."""
        backoff = min(self.longest_pause, self.first_pause * 2.0 ** min(attempt - 1, 30))
        jittered = backoff * (0.5 + random.random() / 2)
        return jittered if retry_after is None else retry_after + jittered


class Pace:
    """Spaces requests evenly so that no minute sees more than a given number of them."""

    def __init__(self, requests_per_minute: float | None) -> None:
        self._gap = 60 / requests_per_minute if requests_per_minute else 0.0
        self._next = -math.inf

    async def turn(self) -> None:
        """Wait until it is this request's turn."""
        if self._gap:
            now = asyncio.get_running_loop().time()
            mine = max(now, self._next)
            self._next = mine + self._gap
            await asyncio.sleep(mine - now)


async def attempt(ask: Callable[[], Awaitable[T]], retries: Retries, pace: Pace) -> tuple[T, int]:
    """The first answer that `ask` gets, and how many attempts that took.

    A plain loop: a library for it costs more time than all else here but the HTTP client itself.

    Raises:
        ProviderError: The last attempt's, saying how many there were.
    """
    made = 0
    while True:
        await pace.turn()
        made += 1
        try:
            return await ask(), made
        except ProviderError as error:
            if made > retries.times or not _worth_repeating(error):
                if made == 1:
                    raise
                message = f"{error.message} ({made} attempts)"
                raise type(error)(message, error.hint, error.retry_after) from None
            pause = retries.pause(made, error.retry_after)
        await asyncio.sleep(pause)


def _worth_repeating(error: ProviderError) -> bool:
    return error.retryable and (error.retry_after or 0) <= LONGEST_RETRY_AFTER
