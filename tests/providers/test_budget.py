"""Budgets: never more is spent, whatever is asked at once, and everything is asked that fits."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_agents_results.errors import UsageError
from ml_agents_results.providers.budget import BudgetedProvider, BudgetSpent
from ml_agents_results.providers.interface import (
    Completion,
    Message,
    ProviderUnavailable,
)

QUESTION = [Message("user", "How much is that? " * 20)]
LIMIT = 200


class Priced:
    """A provider with the prices of a public model, whose answers cost what a test says."""

    name = "openai"
    model = "gpt-4o-mini"
    endpoint = "https://api.openai.com/v1"
    structured_output = False

    def __init__(self, costs: Sequence[float | None]) -> None:
        self._costs = list(costs)
        self.spent = 0.0
        self.answered = 0

    async def complete(self, messages: Sequence[Message], **_: Any) -> Completion:
        cost = self._costs.pop()
        await asyncio.sleep(0)
        if cost is None:
            raise ProviderUnavailable("down")
        self.spent += cost
        self.answered += 1
        return Completion("x", cost_estimate=cost)

    async def aclose(self) -> None:
        return None


# (1.3 x the tokens of the question) x 0.15 + 200 x 0.60 USD for a million tokens.
MOST = BudgetedProvider(Priced([]), 1.0, LIMIT)._most(QUESTION)


def test_the_most_that_an_answer_may_cost() -> None:
    assert pytest.approx(130e-6, rel=0.2) == MOST


def ask_all(provider: BudgetedProvider, number: int) -> int:
    """Asks everything at once; returns how often the budget refused."""

    async def ask() -> list[Any]:
        asked = (provider.complete(QUESTION) for _ in range(number))
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 20)

    results = asyncio.run(ask())
    return sum(isinstance(result, BudgetSpent) for result in results)


@given(st.integers(0, 10**6), st.integers(1, 30), st.floats(0.1, 40))
def test_never_more_is_spent(seed: int, number: int, answers: float) -> None:
    generator = random.Random(seed)
    costs = [generator.choice([None, 0.0, generator.random() * MOST, MOST]) for _ in range(number)]
    inner = Priced(costs)
    budget = answers * MOST
    refused = ask_all(BudgetedProvider(inner, budget, LIMIT), number)
    assert inner.spent <= budget * (1 + 1e-9)
    if answers >= number:
        assert refused == 0
    if refused:
        # What is left would not have paid another answer at the most it may cost.
        assert inner.spent + MOST > budget * (1 - 1e-9)


def test_what_does_not_fit_waits_for_others_to_settle() -> None:
    inner = Priced([MOST / 10] * 10)
    assert ask_all(BudgetedProvider(inner, 1.95 * MOST, LIMIT), 10) == 0
    assert inner.answered == 10


def test_a_price_that_is_not_known_is_refused() -> None:
    inner = Priced([])
    inner.model = "nobody/knows"
    with pytest.raises(UsageError, match="the price of nobody/knows is not known"):
        BudgetedProvider(inner, 1.0, LIMIT)
