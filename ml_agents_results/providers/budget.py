"""Budget: the USD that requests to models may cost, all of them together."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ml_agents_results.providers.interface import ProviderError


class BudgetSpent(ProviderError):
    """The next answer could cost more than is left; the experiment can be resumed."""

    fatal = True
    exit_code = 5


@dataclass
class Attempt:
    """One attempt of a request.

    Attributes:
        cost: USD that it has cost; None where that is not known: then it counts as the most.
    """

    cost: float | None = None


class Budget:
    """Reserves the most that an attempt may cost before it is made, and settles after.

    What does not fit waits for others to settle. Only where nothing is in flight it is refused, so
    that what is spent stays within the budget however much is asked at once. Every attempt of a
    request is reserved by itself: those that fail are rarely paid, and a budget that held back
    the cost of all possible retries would leave most of itself unspent.

    Args:
        limit: USD; infinity limits nothing.
    """

    def __init__(self, limit: float = math.inf) -> None:
        self.limit = limit
        self._spent = self._reserved = 0.0
        self._in_flight = 0
        self._settled: asyncio.Condition | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit."""
        return self.limit < math.inf

    @asynccontextmanager
    async def attempt(self, most: float) -> AsyncIterator[Attempt]:
        """Surrounds an attempt that may cost up to `most` USD; it is to state its cost.

        One that raises a ProviderError cost nothing, unless the error says that it may be billed;
        one that is cancelled may be billed.

        Raises:
            BudgetSpent: It could cost more than is left.
        """
        await self._reserve(most)
        attempt = Attempt()
        try:
            yield attempt
        except ProviderError as error:
            if attempt.cost is None and not error.may_be_billed:
                attempt.cost = 0.0
            raise
        finally:
            cost = most if attempt.cost is None else attempt.cost
            await asyncio.shield(self._settle(most, cost))

    async def _reserve(self, most: float) -> None:
        if self._settled is None:
            self._settled = asyncio.Condition()
        async with self._settled:
            while self._spent + self._reserved + most > self.limit:
                if not self._in_flight:
                    raise BudgetSpent(
                        f"{self._spent:.2g} of {self.limit:g} USD are spent, and the next answer "
                        f"may cost up to {most:.2g}",
                        "Nothing that was answered is lost. Go on with a budget of its own: "
                        "resume --max-cost USD",
                    )
                await self._settled.wait()
            self._reserved += most
            self._in_flight += 1

    async def _settle(self, most: float, cost: float) -> None:
        assert self._settled is not None
        async with self._settled:
            self._reserved -= most
            self._spent += cost
            self._in_flight -= 1
            self._settled.notify_all()
