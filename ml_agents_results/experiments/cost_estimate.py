"""Estimate: what an experiment will ask and cost, before it asks anything.

Output tokens decide the cost, and nobody knows them beforehand: they are those of earlier answers
where there are some, and at most the limit. Tokens of a text are weighed by its characters, which
real tokenizers differ from, and from each other, by a quarter and more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from ml_agents_results.database.models import Run
from ml_agents_results.experiments.approaches.own import FunctionApproach
from ml_agents_results.experiments.approaches.prompt_files import fill
from ml_agents_results.experiments.plan import Study
from ml_agents_results.providers.prices import Prices
from ml_agents_results.providers.token_weight import token_weight
from ml_agents_results.services.result_rows import Row

if TYPE_CHECKING:
    from ml_agents_results.experiments.approaches import Approach
    from ml_agents_results.providers.interface import Provider

_SEEN = 500
"""Earlier answers that are looked at, the newest."""


@dataclass(frozen=True, slots=True)
class ApproachEstimate(Row):
    """What one approach will ask; None where it is not known.

    Attributes:
        calls: Requests to the model, at least: some approaches decide on the way.
        input_tokens: About so many, over all calls.
        output_tokens: About so many, as earlier answers were; None without any.
        most_output_tokens: With every call at the limit; None without a limit.
        cost, most_cost: USD with these; None where the price is not known.
        based_on: Earlier answers that the figures come from.
    """

    approach_name: str
    runs: int
    calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    most_output_tokens: int | None
    cost: float | None
    most_cost: float | None
    based_on: int


def estimate(
    study: Study, provider: "Provider", connection: Connection | None
) -> list[ApproachEstimate]:
    """One estimate for each approach.

    Args:
        connection: Where earlier answers of the same model are looked up.
    """
    return [_estimated(study, approach, provider, connection) for approach in study.approaches]


def _estimated(
    study: Study, approach: "Approach", provider: "Provider", connection: Connection | None
) -> ApproachEstimate:
    questions = study.plan.questions
    repeats = study.config.repeats
    runs = len(questions) * repeats
    if isinstance(approach, FunctionApproach):
        nothing = (None,) * 6
        return ApproachEstimate(approach.name, runs, *nothing, based_on=0)
    calls = len(approach.steps)
    seen = _earlier(connection, provider, approach.name)
    prompt = approach.prompts[approach.steps[0]]
    weight = sum(token_weight(fill(prompt, {"question": one.prompt})) for one in questions)
    factor = float(calls)
    output = None
    if seen:
        weighed = sum(token_weight(text) for text, _, _ in seen)
        own = sum(token_weight(one.prompt) for one in questions)
        if weighed and own:
            factor = sum(tokens for _, tokens, _ in seen) / weighed
            weight = own
        output = round(median(tokens for _, _, tokens in seen) * runs)
    read = round(weight * factor * repeats)
    limit = study.config.max_tokens
    most = None if limit is None else limit * calls * runs
    return ApproachEstimate(
        approach.name,
        runs,
        calls * runs,
        read,
        output,
        most,
        _cost(provider, read, output),
        _cost(provider, read, most),
        len(seen),
    )


def _earlier(
    connection: Connection | None, provider: "Provider", approach: str
) -> Sequence[tuple[str, int, int]]:
    """Question, tokens read and tokens written of earlier answers, the newest first."""
    if connection is None:
        return ()
    rows = connection.execute(
        select(Run.input_text, Run.prompt_tokens, Run.completion_tokens)
        .where(
            Run.approach_name == approach,
            Run.provider == provider.name,
            Run.model == provider.model,
            Run.input_text.is_not(None),
            Run.prompt_tokens.is_not(None),
            Run.completion_tokens.is_not(None),
        )
        .order_by(Run.created_at.desc())
        .limit(_SEEN)
    )
    return [(text or "", read or 0, written or 0) for text, read, written in rows]


def _cost(provider: "Provider", read: int, written: int | None) -> float | None:
    if provider.name == "local":
        return 0.0
    if written is None:
        return None
    return Prices(provider.endpoint).cost(provider.model, read, written)
