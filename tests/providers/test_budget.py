"""Budgets: never more is spent, whatever is asked at once, and everything is asked that fits."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_agents_results.config import ProviderSettings
from ml_agents_results.errors import UsageError
from ml_agents_results.providers import open_provider
from ml_agents_results.providers.budget import Budget, BudgetSpent
from ml_agents_results.providers.interface import Message, ProviderUnavailable, billed
from ml_agents_results.providers.prices import Prices
from tests.endpoint import Endpoint, Fault

QUESTION = [Message("user", "How much is that? " * 20)]
MOST = 130e-6


class Spender:
    """Asks within a budget; each attempt costs what a test says, None fails and costs nothing."""

    def __init__(self, budget: Budget, costs: Sequence[float | None]) -> None:
        self._budget, self._costs = budget, list(costs)
        self.spent, self.answered = 0.0, 0

    async def ask(self) -> None:
        async with self._budget.attempt(MOST) as attempt:
            cost = self._costs.pop()
            await asyncio.sleep(0)
            if cost is None:
                raise ProviderUnavailable("down")
            attempt.cost = cost
            self.spent += cost
            self.answered += 1

    def ask_all(self) -> int:
        """Asks everything at once; returns how often the budget refused."""

        async def together() -> list[Any]:
            asked = (self.ask() for _ in range(len(self._costs)))
            return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 20)

        return sum(isinstance(result, BudgetSpent) for result in asyncio.run(together()))


@given(st.integers(0, 10**6), st.integers(1, 30), st.floats(0.1, 40))
def test_never_more_is_spent(seed: int, number: int, answers: float) -> None:
    generator = random.Random(seed)
    costs = [generator.choice([None, 0.0, generator.random() * MOST, MOST]) for _ in range(number)]
    limit = answers * MOST
    spender = Spender(Budget(limit), costs)
    refused = spender.ask_all()
    assert spender.spent <= limit * (1 + 1e-9)
    if answers >= number:
        assert refused == 0
    if refused:
        # What is left would not have paid another answer at the most it may cost.
        assert spender.spent + MOST > limit * (1 - 1e-9)


def test_what_does_not_fit_waits_for_others_to_settle() -> None:
    spender = Spender(Budget(1.95 * MOST), [MOST / 10] * 10)
    assert spender.ask_all() == 0
    assert spender.answered == 10


def test_an_attempt_whose_cost_is_not_known_counts_as_the_most() -> None:
    async def lose(budget: Budget) -> None:
        with pytest.raises(ProviderUnavailable):
            async with budget.attempt(MOST):
                raise billed(ProviderUnavailable("cut off"))
        async with budget.attempt(MOST):
            pass
        with pytest.raises(BudgetSpent, match="may cost up to"):
            async with budget.attempt(MOST):
                pass

    asyncio.run(lose(Budget(2.5 * MOST)))


def open_priced(url: str, **settings: Any) -> Any:
    limits = ProviderSettings(base_url=url, max_tokens=200, **settings)
    provider = open_provider("openai", "gpt-4o-mini", limits)
    # No table has prices of an endpoint on this machine.
    provider._prices = Prices("https://api.openai.com/v1")
    return provider


def test_every_attempt_of_a_request_counts() -> None:
    """An empty answer is paid, and asked again only where the next attempt fits."""
    with Endpoint("The answer is 4.", cost=MOST) as endpoint:
        endpoint.fail(Fault.EMPTY_TEXT, None)
        provider = open_priced(endpoint.url, max_retries=5)
        provider.retry_policy = type(provider.retry_policy)(5, 0.001, 0.001)
        provider.spend_within(Budget(3.5 * MOST))

        async def ask() -> None:
            try:
                await provider.complete(QUESTION)
            finally:
                await provider.aclose()

        with pytest.raises(BudgetSpent):
            asyncio.run(ask())
        assert endpoint.requests == 3


def test_a_price_that_is_not_known_is_refused() -> None:
    settings = ProviderSettings(base_url="http://127.0.0.1:9/v1", max_tokens=5)
    provider = open_provider(None, "nobody/knows", settings)
    with pytest.raises(UsageError, match="the price of nobody/knows is not known"):
        provider.spend_within(Budget(1.0))
    asyncio.run(provider.aclose())
