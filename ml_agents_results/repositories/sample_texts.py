"""Single samples to look at: which ones, and what each variant answered."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from ml_agents_results.database.models import Run
from ml_agents_results.records import Variant
from ml_agents_results.repositories.filters import of_variant

Sample = tuple[str, int]
"""Task and sample_index."""

_ANSWER = (
    Run.id,
    Run.outcome,
    Run.input_text,
    Run.expected_answer,
    Run.raw_output,
    Run.parsed_answer,
    Run.parsing_confidence,
    Run.execution_time_ms,
    Run.cost_estimate,
    Run.error,
    Run.score,
)


class SampleRepository:
    """Finds samples and answers by the key of their runs, however many there are."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def first(self, variant: Variant, limit: int, outcome: str | None = None) -> Sequence[Sample]:
        """The first samples of a variant, or those of its runs that ended in `outcome`."""
        conditions = list(of_variant(variant))
        if outcome is not None:
            conditions.append(Run.outcome == outcome)
        rows = self._connection.execute(
            select(Run.task, Run.sample_index)
            .where(*conditions, Run.repeat_index == 0)
            .order_by(Run.task, Run.sample_index)
            .limit(limit)
        )
        return [(row[0], row[1]) for row in rows]

    def answers(
        self, variant: Variant, samples: Iterable[Sample]
    ) -> Iterator[tuple[Sample, Row[*tuple[Any, ...]]]]:
        """A variant's answers at the first repeat: id, outcome, texts, time and cost."""
        for task, index in samples:
            row = self._connection.execute(
                select(*_ANSWER).where(
                    *of_variant(variant),
                    Run.task == task,
                    Run.sample_index == index,
                    Run.repeat_index == 0,
                )
            ).one_or_none()
            if row is not None:
                yield (task, index), row
