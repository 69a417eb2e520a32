"""Connections: the open providers of an experiment's models."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.approaches import Approach
from ml_agents_results.experiments.plan import PlannedModel
from ml_agents_results.providers import named_model, open_provider
from ml_agents_results.providers.budget import Budget
from ml_agents_results.providers.interface import Provider
from ml_agents_results.providers.unasked import Unasked


@contextmanager
def connected(
    config: ExperimentConfig, approaches: Sequence[Approach] = ()
) -> Iterator[Sequence[Provider]]:
    """An open provider for each model, closed at the end even if it was never asked; closing twice
    is harmless. `max_cost` is one budget for all of them.

    Functions that ask whom they like need none: then they have only the names for the record.

    Raises what `open_provider` raises.
    """
    budget = None
    if config.max_cost is not None:
        if config.max_tokens is None:
            raise UsageError(
                "--max-cost needs to know the most that an answer may cost", "Add --max-tokens N."
            )
        budget = Budget(config.max_cost)
    asks_model = not approaches or any(approach.asks_model for approach in approaches)
    with ExitStack() as opened:
        yield [
            opened.enter_context(_connection(config, model, budget, asks_model=asks_model))
            for model in config.model_names
        ]


@contextmanager
def _connection(
    config: ExperimentConfig, model: str | None, budget: Budget | None, *, asks_model: bool
) -> Iterator[Provider]:
    name = config.provider
    if model is not None:
        own, model = named_model(model)
        if own not in (None, name):
            name, config = own, copy(config)
            config.base_url = None
    if not asks_model:
        yield Unasked(name or "function", model or "")
        return
    provider = open_provider(name, model, config)
    try:
        if config.parsing == "instructor" and not provider.structured_output:
            raise UsageError(
                f"{provider.name} does not support structured output",
                "Choose --parsing auto or regex.",
            )
        if budget is not None:
            provider.spend_within(budget)
        yield provider
    finally:
        # In a thread: the caller's may have an event loop already.
        closing = threading.Thread(target=lambda: asyncio.run(provider.aclose()))
        closing.start()
        closing.join()


def names_of(providers: Sequence[Provider]) -> list[PlannedModel]:
    """The names that the runs of each provider are stored by."""
    return [PlannedModel(provider.name, provider.model) for provider in providers]
