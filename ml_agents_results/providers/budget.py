"""Budget: asks a model until the next answer could cost more than is left."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml_agents_results.errors import UsageError
from ml_agents_results.providers.interface import Completion, Message, Provider, ProviderError
from ml_agents_results.providers.prices import Prices
from ml_agents_results.providers.token_weight import token_weight

if TYPE_CHECKING:
    from pydantic import BaseModel

_SAFETY = 1.3
"""Factor on the estimated tokens of a request."""
_OVERHEAD = 20
"""Tokens that a request has besides its texts."""


class BudgetSpent(ProviderError):
    """The next answer could cost more than is left; the experiment can be resumed."""

    fatal = True
    exit_code = 5


class BudgetedProvider:
    """A provider that reserves the most an answer may cost before it asks, and settles after.

    What does not fit waits for others to settle. Only where nothing is in flight it is refused, so
    that what is spent stays within the budget however much is asked at once.

    Args:
        limit: USD for everything that is asked through it.
        max_tokens: The most that an answer may have.

    Raises:
        UsageError: The price is not known.
    """

    def __init__(self, provider: Provider, limit: float, max_tokens: int) -> None:
        self.name = provider.name
        self.model = provider.model
        self.endpoint = provider.endpoint
        self._provider = provider
        self._limit = limit
        self._max_tokens = max_tokens
        self._prices = Prices(provider.endpoint)
        self._spent = self._reserved = 0.0
        self._in_flight = 0
        self._settled: asyncio.Condition | None = None
        if provider.name != "local" and self._prices.cost(provider.model, 1, 1) is None:
            raise UsageError(
                f"the price of {provider.model} is not known, so no budget can hold",
                "Leave out --max-cost, and mind --dry-run.",
            )

    @property
    def structured_output(self) -> bool:
        return self._provider.structured_output

    @structured_output.setter
    def structured_output(self, possible: bool) -> None:
        self._provider.structured_output = possible

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: "type[BaseModel] | None" = None,
        seed: int | None = None,
    ) -> Completion:
        """As the provider, within the budget.

        Raises:
            BudgetSpent: The answer could cost more than is left.
            ProviderError: As the provider.
        """
        most = self._most(messages)
        await self._reserve(most)
        # What is cancelled may be billed.
        cost: float | None = most
        try:
            completion = await self._provider.complete(messages, schema=schema, seed=seed)
            cost = completion.cost_estimate
        except ProviderError as error:
            cost = error.paid.cost_estimate if error.paid is not None else 0.0
            raise
        else:
            return completion
        finally:
            await asyncio.shield(self._settle(most, most if cost is None else cost))

    async def aclose(self) -> None:
        await self._provider.aclose()

    def _most(self, messages: Sequence[Message]) -> float:
        if self.name == "local":
            return 0.0
        weight = sum(token_weight(message.content) + _OVERHEAD for message in messages)
        cost = self._prices.cost(self.model, round(_SAFETY * weight), self._max_tokens)
        return cost or 0.0

    async def _reserve(self, most: float) -> None:
        if self._settled is None:
            self._settled = asyncio.Condition()
        async with self._settled:
            while self._spent + self._reserved + most > self._limit:
                if not self._in_flight:
                    spent, limit = f"{self._spent:.2g}", f"{self._limit:g}"
                    raise BudgetSpent(
                        f"{spent} of {limit} USD are spent, and the next answer may cost up to "
                        f"{most:.2g}",
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
