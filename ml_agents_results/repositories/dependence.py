"""What makes runs depend on each other: clusters and repeats; and content that occurs twice."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, select

from ml_agents_results.database.models import Run
from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import CLUSTERS, Missing
from ml_agents_results.repositories.filters import Filters

_VARIANT = (Run.experiment_id, Run.approach_name, Run.provider, Run.model)


@dataclass(frozen=True, slots=True)
class ClusterSums:
    """The graded runs of a cluster.

    Attributes:
        group: The value that they share; None where a sample has none and stands alone.
        priced: Runs with a cost; `cost` (USD) and `priced_correct` are over these.
        rated: Runs with a parsing confidence; `confidence` and `rated_correct` are over these.
    """

    group: str | None
    priced: int
    cost: float
    priced_correct: int
    rated: int
    confidence: float
    rated_correct: int


class DependenceRepository:
    """Aggregates over the runs that pass `filters`; `missing` as in AnalysisRepository."""

    def __init__(
        self, connection: Connection, filters: Filters | None = None, missing: Missing = "exclude"
    ) -> None:
        self._connection = connection
        self._filters = filters or Filters()
        self._missing = missing

    def sums(self, cluster: str) -> dict[Variant, list[ClusterSums]]:
        """By variant and cluster: one of CLUSTERS, or "sample" for all repeats of a sample."""
        columns: tuple[Any, ...] = (Run.task, Run.sample_index)
        name: Any = literal("")
        if cluster != "sample":
            if cluster not in CLUSTERS:
                raise ValueError(f"runs cannot be clustered by {cluster!r}")
            name = getattr(Run, cluster)
            # A sample without a value is a cluster of its own.
            columns = (name, *(case((name.is_(None), column)) for column in columns))
        correct = Run.outcome == "correct"
        rated = Run.parsing_confidence.is_not(None)
        selected = (
            select(
                *_VARIANT,
                func.min(name),
                func.count(Run.cost_estimate),
                func.coalesce(func.sum(Run.cost_estimate), 0),
                func.count().filter(and_(correct, Run.cost_estimate.is_not(None))),
                func.count().filter(rated),
                func.coalesce(func.sum(Run.parsing_confidence), 0),
                func.count().filter(and_(correct, rated)),
            )
            .where(*self._filters.conditions(), self._counted())
            .group_by(*_VARIANT, *columns)
            .order_by(*_VARIANT, *columns)
        )
        sums: dict[Variant, list[ClusterSums]] = {}
        for row in self._connection.execute(selected):
            cells = (row[4], row[5], float(row[6]), row[7], row[8], float(row[9]), row[10])
            sums.setdefault(Variant(*row[:4]), []).append(ClusterSums(*cells))
        return sums

    def partial_repeats(self) -> dict[Variant, int]:
        """By variant, how many samples have repeats with and repeats without a grade."""
        graded = func.count().filter(Run.outcome.in_(("correct", "wrong")))
        samples = (
            select(*_VARIANT)
            .where(*self._filters.conditions())
            .group_by(*_VARIANT, Run.task, Run.sample_index)
            .having(and_(graded > 0, graded < func.count()))
            .subquery()
        )
        variants = tuple(samples.c)
        selected = select(*variants, func.count()).group_by(*variants)
        return {Variant(*row[:4]): row[4] for row in self._connection.execute(selected)}

    def conflicting_targets(self) -> int:
        """How many question texts have several expected answers. Reads the texts."""
        contents = (
            select(Run.experiment_id, Run.input_text)
            .where(
                *self._filters.conditions(),
                Run.input_text.is_not(None),
                Run.expected_answer.is_not(None),
            )
            .group_by(Run.experiment_id, Run.input_text, Run.expected_answer)
            .subquery()
        )
        keys = (contents.c.experiment_id, contents.c.input_text)
        several = select(*keys).group_by(*keys).having(func.count() > 1).subquery()
        return self._connection.scalar(select(func.count()).select_from(several)) or 0

    def _counted(self) -> ColumnElement[bool]:
        if self._missing == "incorrect":
            return literal(True)
        return Run.outcome.in_(("correct", "wrong"))
