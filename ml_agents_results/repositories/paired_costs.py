"""Sums for the difference in cost between two arms on the samples they share."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, and_, func, select
from sqlalchemy.orm import aliased

from ml_agents_results.database.models import Run
from ml_agents_results.records import Arm
from ml_agents_results.repositories.analysis import Missing, PairingRule
from ml_agents_results.repositories.filters import Filters


class PairedCostRepository:
    """Sums over the runs that pass `filters`.

    Args:
        missing: As in AnalysisRepository: whether runs without a grade take part.
    """

    def __init__(
        self, connection: Connection, filters: Filters | None = None, missing: Missing = "exclude"
    ) -> None:
        self._connection = connection
        self._filters = filters or Filters()
        self._missing = missing

    def differences(
        self,
        treatment: Arm,
        baseline: Arm,
        *,
        rule: PairingRule = "sample_index",
        repeated: bool = False,
    ) -> tuple[int, float, float]:
        """Treatment minus baseline in USD on samples with a cost on both sides.

        Repeats of a sample are averaged first. Returns the number of pairs, the sum of the
        differences and the sum of their squares.

        Args:
            repeated: Whether a sample may have several runs in an arm. Without repeats, pairs are
                found on the index without sorting.
        """
        if rule == "sample_index" and not repeated:
            one, two = aliased(Run, name="treatment"), aliased(Run, name="baseline")
            difference = one.cost_estimate - two.cost_estimate
            joined = (
                select(*_sums(difference))
                .join_from(
                    one, two, and_(one.task == two.task, one.sample_index == two.sample_index)
                )
                .where(*self._counted_of(one, treatment), *self._counted_of(two, baseline))
            )
        else:
            mean_one = self._means(treatment, rule)
            mean_two = self._means(baseline, rule)
            joined = select(*_sums(mean_one.c.cost - mean_two.c.cost)).join_from(
                mean_one,
                mean_two,
                and_(mean_one.c.key == mean_two.c.key, mean_one.c.place == mean_two.c.place),
            )
        row = self._connection.execute(joined).one()
        return int(row[0]), float(row[1] or 0), float(row[2] or 0)

    def _means(self, arm: Arm, rule: PairingRule) -> Subquery:
        """The mean cost of each sample; (key, place) identifies it as in AnalysisRepository."""
        place = Run.sample_id if rule == "sample_id" else Run.sample_index
        cost = func.avg(Run.cost_estimate).filter(*self._counted(Run))
        table = (
            select(
                Run.task.label("key"),
                place.label("place"),
                func.min(Run.input_fingerprint).label("fingerprint"),
                cost.label("cost"),
            )
            .where(*self._of_arm(Run, arm), place.is_not(None))
            .group_by(Run.task, place)
            .subquery()
        )
        if rule != "content":
            return table
        occurrence = func.row_number().over(
            partition_by=table.c.fingerprint, order_by=(table.c.key, table.c.place)
        )
        return (
            select(table.c.fingerprint.label("key"), occurrence.label("place"), table.c.cost)
            .where(table.c.fingerprint.is_not(None))
            .subquery()
        )

    def _counted_of(self, run: Any, arm: Arm) -> list[ColumnElement[bool]]:
        return [*self._of_arm(run, arm), *self._counted(run)]

    def _counted(self, run: Any) -> list[ColumnElement[bool]]:
        return [run.outcome.in_(("correct", "wrong"))] if self._missing == "exclude" else []

    def _of_arm(self, run: Any, arm: Arm) -> list[ColumnElement[bool]]:
        return [
            run.experiment_id == arm.experiment_id,
            run.approach_name == arm.approach_name,
            run.provider == arm.provider,
            run.model == arm.model,
            *self._filters.conditions(run),
        ]


def _sums(difference: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [func.count(difference), func.sum(difference), func.sum(difference * difference)]
