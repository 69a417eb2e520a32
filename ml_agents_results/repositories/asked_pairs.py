"""Samples that two arms were both asked, and that lack a grade on some side."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.orm import aliased

from ml_agents_results.database.models import Run
from ml_agents_results.records import Arm
from ml_agents_results.repositories.filters import Filters

_GRADED = ("correct", "wrong")
_NOT_GRADED = ("failed", "unparsed", "ungraded")


class AskedPairsRepository:
    """Counts over the runs that pass `filters`, where no arm has repeats."""

    def __init__(self, connection: Connection, filters: Filters | None = None) -> None:
        self._connection = connection
        self._filters = filters or Filters()

    def not_graded(self, treatment: Arm, baseline: Arm) -> dict[str, int]:
        """By task, the samples asked in both arms that have a grade in one at most.

        Only runs without a grade are looked up in the other arm: they are few, pairs are many.
        """
        counts: dict[str, int] = {}
        for first, second, outcomes in (
            (treatment, baseline, (*_GRADED, *_NOT_GRADED)),
            # Where both lack a grade, the sample was counted before.
            (baseline, treatment, _GRADED),
        ):
            one, two = aliased(Run, name="one"), aliased(Run, name="two")
            # A column of the index: for `SELECT *` SQLite would look the row up.
            partner = (
                select(two.outcome)
                .where(
                    *self._of_arm(two, second),
                    two.task == one.task,
                    two.sample_index == one.sample_index,
                    two.outcome.in_(outcomes),
                )
                .exists()
            )
            rows = self._connection.execute(
                select(one.task, func.count())
                .where(*self._of_arm(one, first), one.outcome.in_(_NOT_GRADED), partner)
                .group_by(one.task)
            )
            for task, samples in rows:
                counts[task] = counts.get(task, 0) + samples
        return counts

    def _of_arm(self, run: Any, arm: Arm) -> list[ColumnElement[bool]]:
        return [
            run.experiment_id == arm.experiment_id,
            run.approach_name == arm.approach_name,
            run.provider == arm.provider,
            run.model == arm.model,
            *self._filters.conditions(run),
        ]
