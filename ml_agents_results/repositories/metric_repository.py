"""Metrics: the quantities that are measured on the runs of an experiment."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update
from sqlalchemy.orm import Session

from ml_agents_results.database.mapper_events import delete_dependents
from ml_agents_results.database.models import METRIC_COLUMNS, Metric, Run
from ml_agents_results.database.primary_values import combined, set_value
from ml_agents_results.database.validation import metric_row
from ml_agents_results.errors import InvalidRecordError, NotFoundError
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.repository import Repository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.score_rows import value_of_run

_FIELDS = (
    Metric.name,
    Metric.kind,
    Metric.lower,
    Metric.upper,
    Metric.higher_is_better,
    Metric.scorer,
    Metric.definition_json,
    Metric.is_primary,
)
_PRIMARY = select(*_FIELDS).where(
    Metric.experiment_id == bindparam("experiment_id"), Metric.is_primary
)
_BATCH = 1000


class MetricRepository(Repository):
    """The metrics of one experiment."""

    def __init__(self, source: Connection | Session, experiment_id: str) -> None:
        super().__init__(source)
        self._experiment_id = experiment_id

    def save(self, metric: MetricRecord) -> None:
        """Adds the metric, or replaces the definition of the one of this name; scores stay.

        Raises:
            InvalidRecordError: A value breaks a rule, or another metric is the primary one.
            NotFoundError: There is no such experiment.
        """
        with self._writing() as connection:
            self._require_experiments(connection, (self._experiment_id,))
            ours = self._ours(metric.name)
            known = connection.execute(select(Metric.id, Metric.created_at).where(ours)).first()
            created_at = known.created_at if known is not None else None
            row = metric_row(self._experiment_id, metric, created_at, False)
            if metric.is_primary:
                self._require_no_other_primary(connection, metric.name)
            # Texts are not encoded here: the columns do that.
            values = dict(zip(METRIC_COLUMNS, row, strict=True)) | {
                "name": metric.name,
                "scorer": metric.scorer,
                "definition_json": metric.definition_json,
            }
            if known is None:
                connection.execute(Metric.__table__.insert().values(values))  # type: ignore[attr-defined]
            else:
                connection.execute(update(Metric).where(Metric.id == known.id).values(values))

    def get(self, name: str) -> MetricRecord:
        """Raises NotFoundError, with the names of the metrics there are, if there is no such
        metric."""
        if (metric := self.find(name)) is None:
            known = ", ".join(other.name for other in self.list())
            raise NotFoundError(
                f"experiment {self._experiment_id!r} has no metric {name!r}",
                f"It has: {known}" if known else "It has none.",
            )
        return metric

    def find(self, name: str) -> MetricRecord | None:
        row = self._connection.execute(select(*_FIELDS).where(self._ours(name))).one_or_none()
        return None if row is None else _record(row)

    def row_id(self, name: str) -> int | None:
        """The id that `scores` refer to the metric by."""
        row_id: int | None = self._connection.scalar(select(Metric.id).where(self._ours(name)))
        return row_id

    def list(self) -> Sequence[MetricRecord]:
        """All metrics of the experiment: the primary one, then the others by name."""
        return [
            _record(row)
            for row in self._connection.execute(
                select(*_FIELDS)
                .where(Metric.experiment_id == self._experiment_id)
                .order_by(Metric.is_primary.desc(), Metric.name)
            )
        ]

    def primary(self) -> MetricRecord | None:
        """The metric whose values stand on the runs; None if it is not known."""
        given = {"experiment_id": self._experiment_id}
        row = self._connection.execute(_PRIMARY, given).one_or_none()
        return None if row is None else _record(row)

    def make_primary(self, name: str) -> None:
        """Puts the values of this metric on the runs; those of the former primary metric become
        scores. Nothing happens if it is the primary one.

        Raises:
            NotFoundError: There is no such metric.
            InvalidRecordError: The metric is binary, and a value is neither 0 nor 1.
        """
        chosen = self.get(name)
        if chosen.is_primary:
            return
        former = self.primary() or self._unnamed()
        if former is not None:
            self.save(replace(former, is_primary=False))
        self.save(replace(chosen, is_primary=True))
        runs = RunRepository(self._connection)
        batch: list[RunRecord] = []
        for run in runs.iterate([self._experiment_id]):
            batch.append(self._exchanged(run, former, chosen))
            if len(batch) == _BATCH:
                runs.save_many(batch)
                batch.clear()
        with self._writing():
            runs.save_many(batch)

    def _unnamed(self) -> MetricRecord | None:
        """The metric of values that stand on runs while no metric is primary."""
        outcome = self._connection.scalar(
            select(Run.outcome)
            .where(
                Run.experiment_id == self._experiment_id,
                Run.outcome.in_(("correct", "wrong", "scored")),
            )
            .limit(1)
        )
        if outcome is None:
            return None
        if outcome == "scored":
            return MetricRecord("score", "numeric")
        return MetricRecord("correct", "binary", 0, 1, True)

    def _exchanged(
        self, run: RunRecord, former: MetricRecord | None, chosen: MetricRecord
    ) -> RunRecord:
        scores = run.scores or []
        value = value_of_run(run)
        known = former is not None and any(score.metric == former.name for score in scores)
        replaced = []
        if former is not None and value is not None and not known:
            replaced = [ScoreRecord(value, metric=former.name)]
        run.scores, run.parsing_metrics = replaced, None
        of_chosen = (score for score in scores if score.metric == chosen.name)
        set_value(run, chosen.kind, combined(chosen.kind, of_chosen))
        return run

    def delete(self, name: str) -> bool:
        """Deletes the metric with its scores; returns whether there was one. Values of the primary
        metric stay on the runs."""
        with self._writing() as connection:
            number = connection.scalar(select(Metric.id).where(self._ours(name)))
            if number is None:
                return False
            delete_dependents(connection, Metric, number)
            connection.execute(delete(Metric).where(Metric.id == number))
            return True

    def _ours(self, name: str) -> Any:
        return (Metric.experiment_id == self._experiment_id) & (Metric.name == name)

    def _require_no_other_primary(self, connection: Connection, name: str) -> None:
        other = connection.scalar(
            select(Metric.name).where(
                Metric.experiment_id == self._experiment_id,
                Metric.is_primary,
                Metric.name != name,
            )
        )
        if other is not None:
            raise InvalidRecordError(
                f"the primary metric of experiment {self._experiment_id!r} is {other!r}, "
                f"not {name!r}",
                "Save it as one that is not primary, or make it the primary one.",
            )


def _record(row: Row[*tuple[Any, ...]]) -> MetricRecord:
    values = dict(row._mapping)
    values["definition_json"] = values["definition_json"] or {}
    return MetricRecord(**values)
