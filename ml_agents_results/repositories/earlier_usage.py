"""Usage of earlier answers: what a variant has read, written and cost before, in any experiment."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from ml_agents_results.database.models import Run


class AnswerUsage(NamedTuple):
    """What one run has used, over all its calls.

    Attributes:
        question: Its text.
        read: Tokens of the prompts.
        written: Tokens of the answers.
        cost: USD; None where it is not known.
    """

    question: str
    read: int
    written: int
    cost: float | None


def earlier_usage(
    connection: Connection, approach: str, provider: str, model: str, limit: int
) -> Sequence[AnswerUsage]:
    """The newest `limit` answers of a variant whose usage is known."""
    rows = connection.execute(
        select(Run.input_text, Run.prompt_tokens, Run.completion_tokens, Run.cost_estimate)
        .where(
            Run.approach_name == approach,
            Run.provider == provider,
            Run.model == model,
            Run.input_text.is_not(None),
            Run.prompt_tokens.is_not(None),
            Run.completion_tokens.is_not(None),
        )
        .order_by(Run.created_at.desc())
        .limit(limit)
    )
    return [
        AnswerUsage(text or "", read or 0, written or 0, cost) for text, read, written, cost in rows
    ]
