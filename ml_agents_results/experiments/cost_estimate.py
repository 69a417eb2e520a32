"""Estimate: what an experiment will ask and cost, before it asks anything.

Output tokens decide the cost, and nobody knows them beforehand: they are those of earlier answers
or of a pilot, where there are some, and at most the limit. Tokens of a text are weighed by its
characters, which real tokenizers differ from, and from each other, by a quarter and more.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from sqlalchemy import Connection

from ml_agents_results.experiments.approaches import Approach
from ml_agents_results.experiments.approaches.base import PromptingApproach
from ml_agents_results.experiments.approaches.prompt_files import fill
from ml_agents_results.experiments.plan import PlannedVariant
from ml_agents_results.experiments.study import Study
from ml_agents_results.providers.interface import Message, Provider
from ml_agents_results.providers.prices import Prices
from ml_agents_results.providers.token_weight import token_weight
from ml_agents_results.repositories.earlier_usage import AnswerUsage, earlier_usage
from ml_agents_results.services.result_rows import Row
from ml_agents_results.statistics.distributions import t_quantile

_SEEN = 500
"""Earlier answers that are looked at, the newest."""

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class VariantEstimate(Row):
    """What one variant will ask; None where it is not known.

    Attributes:
        runs: Those that are left to ask.
        calls: Requests to the model, at least: some approaches decide on the way.
        input_tokens: About so many, over all calls.
        output_tokens: About so many, as earlier answers were; None without any.
        most_output_tokens: With every call at the limit; None without a limit.
        cost, most_cost: USD with these; None where the price is not known.
        cost_low, cost_high: The 95% prediction interval of `cost`, as far as earlier answers vary
            (Student's t); None with fewer than two.
        based_on: Earlier answers, or those of a pilot, that the figures come from.
    """

    approach_name: str
    provider: str
    model: str
    runs: int
    calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    most_output_tokens: int | None
    cost: float | None
    cost_low: float | None
    cost_high: float | None
    most_cost: float | None
    based_on: int


def estimate(
    study: Study,
    settled: bytearray,
    providers: Sequence[Provider],
    connection: Connection | None,
    pilot: Mapping[PlannedVariant, Sequence[AnswerUsage]] | None = None,
) -> list[VariantEstimate]:
    """One estimate for each variant.

    Args:
        study: Planned for the models of the providers.
        settled: One byte for each position of its plan: 1 where nothing is left to do.
        connection: Where earlier answers of the same model are looked up.
        pilot: Answers that were asked for the estimate; earlier ones are then not looked at.
    """
    left = _left(study, settled)
    estimates = []
    for index, variant in enumerate(study.plan.variants):
        model, approach = divmod(index, len(study.approaches))
        seen: Sequence[AnswerUsage] = ()
        if pilot is not None:
            seen = pilot.get(variant, ())
        elif connection is not None:
            seen = earlier_usage(connection, *variant, _SEEN)
        estimates.append(
            _estimated(
                study, study.approaches[approach], providers[model], variant, left[index], seen
            )
        )
    return estimates


def _left(study: Study, settled: bytearray) -> list[Counter[int]]:
    """Of each variant, how often each question is left to ask, by its index."""
    indexes = {id(question): index for index, question in enumerate(study.plan.questions)}
    left: list[Counter[int]] = [Counter() for _ in study.plan.variants]
    for position in range(len(study.plan)):
        if not settled[position]:
            run = study.plan.at(position)
            variant = run.model * len(study.approaches) + run.approach
            left[variant][indexes[id(run.question)]] += 1
    return left


def _estimated(
    study: Study,
    approach: Approach,
    provider: Provider,
    variant: PlannedVariant,
    left: Mapping[int, int],
    seen: Sequence[AnswerUsage],
) -> VariantEstimate:
    runs = sum(left.values())
    calls = len(approach.steps) if isinstance(approach, PromptingApproach) else None
    read = _read(study, approach, left, seen)
    output, low, high = _written(runs, seen)
    most = None
    if calls is not None and study.config.max_tokens is not None:
        most = study.config.max_tokens * calls * runs
    prices = _Pricing(provider, runs, seen)
    return VariantEstimate(
        *variant,
        runs,
        None if calls is None else calls * runs,
        read,
        output,
        most,
        prices.cost(read, output),
        prices.cost(read, low),
        prices.cost(read, high),
        prices.of_tokens(read, most),
        len(seen),
    )


def _read(
    study: Study, approach: Approach, left: Mapping[int, int], seen: Sequence[AnswerUsage]
) -> int | None:
    """Tokens to read: as earlier answers did for each character of their questions, else those of
    the first prompt for every step."""
    questions = study.plan.questions
    own = sum(times * token_weight(questions[index].prompt) for index, times in left.items())
    weighed = sum(token_weight(one.question) for one in seen)
    if weighed and own:
        return round(own * sum(one.read for one in seen) / weighed)
    if not isinstance(approach, PromptingApproach):
        return None
    prompt = approach.prompts[approach.steps[0]]
    weight = 0.0
    for index, times in left.items():
        question = questions[index]
        asked = fill(prompt, {"question": question.prompt})
        system = Message("system", study.config.system or "")
        messages = [system, *study.history(approach, question), Message("user", asked)]
        weight += times * sum(token_weight(message.content) for message in messages)
    return round(weight * len(approach.steps))


def _written(runs: int, seen: Sequence[AnswerUsage]) -> tuple[int | None, int | None, int | None]:
    """Tokens that the runs will write, with the 95% prediction interval of their sum."""
    total, half = _predicted(runs, [one.written for one in seen])
    if total is None:
        return None, None, None
    if half is None:
        return round(total), None, None
    return round(total), round(max(total - half, 0.0)), round(total + half)


def _predicted(runs: int, values: Sequence[float]) -> tuple[float | None, float | None]:
    """The sum of `runs` further values, and half the width of its 95% prediction interval."""
    if not values:
        return None, None
    n = len(values)
    if n < 2:
        return runs * values[0], None
    spread = stdev(values) * math.sqrt(runs * runs / n + runs)
    return runs * fmean(values), t_quantile(CONFIDENCE, n - 1.0) * spread


class _Pricing:
    """What tokens cost at a provider; where no table has its prices, what earlier answers cost."""

    def __init__(self, provider: Provider, runs: int, seen: Sequence[AnswerUsage]) -> None:
        self._provider = provider
        self._prices = Prices(provider.endpoint)
        self._written = _predicted(runs, [one.written for one in seen])[0]
        costs = [one.cost for one in seen if one.cost is not None]
        self._seen = _predicted(runs, costs)[0] if len(costs) == len(seen) else None

    def of_tokens(self, read: int | None, written: int | None) -> float | None:
        """USD by the table of prices."""
        if self._provider.name == "local":
            return 0.0
        if read is None or written is None:
            return None
        return self._prices.cost(self._provider.model, read, written)

    def cost(self, read: int | None, written: int | None) -> float | None:
        """USD by the table of prices, else in proportion to what earlier answers wrote and cost."""
        if written is None:
            return 0.0 if self._provider.name == "local" else None
        cost = self.of_tokens(read, written)
        if cost is None and self._seen is not None and self._written:
            return self._seen * written / self._written
        return cost
