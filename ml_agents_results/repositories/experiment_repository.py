"""Experiments: create, find, resolve, list, delete."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

from sqlalchemy import (
    ColumnClause,
    Connection,
    Row,
    and_,
    column,
    delete,
    func,
    select,
    table,
    update,
)

from ml_agents_results.database.digests import COVERED, digest_of
from ml_agents_results.database.mapper_events import delete_dependents
from ml_agents_results.database.models import Experiment, Metric, Run
from ml_agents_results.database.types import to_stored
from ml_agents_results.database.validation import check_status, check_time, experiment_values
from ml_agents_results.errors import NotFoundError
from ml_agents_results.records import ExperimentRecord, ExperimentStatus
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.repository import Repository
from ml_agents_results.repositories.upserts import insert_of

_COLUMNS = (
    Experiment.id,
    Experiment.name,
    Experiment.description,
    Experiment.status,
    Experiment.created_at,
    Experiment.updated_at,
    Experiment.config_json,
    Experiment.environment_json,
    Experiment.tags_json,
    Experiment.notes_json,
)
_COUNTED = ("correct", "wrong", "scored", "failed")
_DIGESTED = COVERED[Experiment.__tablename__]


@dataclass(frozen=True, slots=True)
class ExperimentCounts:
    """One line of the list of experiments.

    Attributes:
        planned: The runs that were planned; None for an experiment that was not run here.
        graded: Runs for which the primary metric has a value.
        variants: Number of variants.
        metric: Name of the primary metric; None if none is recorded.
        accuracy: A fraction of the graded runs; None unless there is one variant, whose metric is
            binary.
        total_cost: Of its runs so far (USD); None without any price.
    """

    id: str
    name: str | None
    status: str
    tags: Sequence[str]
    created_at: datetime
    runs: int
    planned: int | None
    graded: int
    failed: int
    variants: int
    metric: str | None
    accuracy: float | None
    total_cost: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The line by field; without `accuracy` unless there is one variant."""
        line = asdict(self)
        if self.variants != 1:
            del line["accuracy"]
        return line


class ExperimentRepository(Repository):
    """Experiments with their metrics, without their runs."""

    def save(self, experiment: ExperimentRecord, *, redate: bool = False) -> None:
        """Creates the experiment, or updates the one of this id; its runs stay.

        Args:
            redate: Whether an update changes `created_at`, too.

        Raises:
            InvalidRecordError: A value breaks a rule.
        """
        experiment_values(experiment)
        now = datetime.now(UTC)
        with self._writing() as connection:
            insert = insert_of(self._engine)(Experiment).values(
                id=experiment.id,
                name=experiment.name,
                description=experiment.description,
                status=experiment.status,
                created_at=check_time("created_at", experiment.created_at or now),
                updated_at=now,
                config_json=experiment.config_json,
                environment_json=experiment.environment_json,
                tags_json=experiment.tags_json,
                notes_json=experiment.notes_json,
                content_digest="",
            )
            unchanged = ("id",) if redate else ("id", "created_at")
            changed = {c.name: insert.excluded[c.name] for c in _COLUMNS if c.name not in unchanged}
            connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=changed))
            _seal(connection, experiment.id)
            metrics = MetricRepository(connection, experiment.id)
            for metric in experiment.metrics or ():
                metrics.save(metric)

    def get(self, experiment_id: str, *, lock: bool = False) -> ExperimentRecord:
        """Raises NotFoundError, with the nearest ids, if there is no such experiment.

        Args:
            lock: Lets nobody else change it until the transaction ends.
        """
        if (experiment := self.find(experiment_id, lock=lock)) is None:
            raise self.missing(experiment_id)
        return experiment

    def find(self, experiment_id: str, *, lock: bool = False) -> ExperimentRecord | None:
        wanted = select(*_COLUMNS).where(Experiment.id == experiment_id)
        # SQLite locks the whole database when a writer begins.
        row = self._connection.execute(wanted.with_for_update() if lock else wanted).one_or_none()
        if row is None:
            return None
        record = _record(row)
        record.metrics = list(MetricRepository(self._connection, experiment_id).list()) or None
        return record

    def set_status(self, experiment_id: str, status: ExperimentStatus) -> None:
        """Raises NotFoundError if there is no such experiment."""
        check_status(status)
        with self._writing() as connection:
            changed = connection.execute(
                update(Experiment)
                .where(Experiment.id == experiment_id)
                .values(status=status, updated_at=datetime.now(UTC), content_digest="")
            )
            if not changed.rowcount:
                raise self.missing(experiment_id)
            _seal(connection, experiment_id)

    def delete(self, experiment_id: str) -> bool:
        """Deletes the experiment with its runs and all that belongs to them; returns whether there
        was one."""
        with self._writing() as connection:
            delete_dependents(connection, Experiment, experiment_id)
            gone = connection.execute(delete(Experiment).where(Experiment.id == experiment_id))
            return gone.rowcount > 0

    def resolve(self, reference: str) -> str:
        """The id that is meant by an id, a name, the unique beginning of an id, or `latest`.

        Raises:
            NotFoundError: Nothing or several experiments fit; the message names the candidates.
        """
        if reference == "latest":
            newest = self._connection.scalar(
                select(Experiment.id)
                .order_by(Experiment.created_at.desc(), Experiment.id.desc())
                .limit(1)
            )
            if newest is None:
                raise NotFoundError(
                    "the database holds no experiments", "Import some with: ml-agents import FILE"
                )
            return newest
        if not reference:
            raise self.missing(reference)
        exact = select(Experiment.id).where(Experiment.id == reference)
        if (match := self._connection.scalar(exact)) is not None:
            return match
        beginning = to_stored(reference)
        for condition in (
            Experiment.name == reference,
            # LIKE would not tell capitals in SQLite.
            func.substr(Experiment.id, 1, len(beginning)) == beginning,
        ):
            matches = self._connection.scalars(
                select(Experiment.id).where(condition).order_by(Experiment.id).limit(6)
            ).all()
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise NotFoundError(
                    f"several experiments fit {reference!r}: {', '.join(matches)}",
                    "Give the whole id.",
                )
        raise self.missing(reference)

    def missing(self, reference: str) -> NotFoundError:
        from difflib import get_close_matches

        names = self._connection.execute(select(Experiment.id, Experiment.name)).all()
        known = {row.name: row.id for row in names if row.name} | {row.id: row.id for row in names}
        near = list(
            dict.fromkeys(known[text] for text in get_close_matches(reference, known, 3, 0.5))
        )
        hint = "Did you mean " + " or ".join(near) + "?" if near else "See: ml-agents list"
        return NotFoundError(f"there is no experiment {reference!r}", hint)

    def ids(self) -> Sequence[str]:
        """The ids of all experiments, sorted."""
        return self._connection.scalars(select(Experiment.id).order_by(Experiment.id)).all()

    def list(self) -> Sequence[ExperimentCounts]:
        """All experiments with the counts of their runs, newest first."""
        return self._counted()

    def counts(self, experiment_id: str) -> ExperimentCounts:
        """The line of one experiment. Raises NotFoundError if there is no such experiment."""
        if not (lines := self._counted(experiment_id)):
            raise self.missing(experiment_id)
        return lines[0]

    def _counted(self, experiment_id: str | None = None) -> Sequence[ExperimentCounts]:
        # By variant, in the order of an index: grouped by outcomes, the runs would be sorted.
        counted = select(
            Run.experiment_id,
            func.count(),
            *(func.count().filter(Run.outcome == outcome) for outcome in _COUNTED),
            func.sum(Run.cost_estimate),
        ).group_by(Run.experiment_id, Run.approach_name, Run.provider, Run.model)
        primary = and_(Metric.experiment_id == Experiment.id, Metric.is_primary)
        listed = select(
            Experiment.id,
            Experiment.name,
            Experiment.status,
            Experiment.tags_json,
            Experiment.created_at,
            Experiment.environment_json,
            Metric.name.label("metric"),
        ).outerjoin(Metric, primary)
        if experiment_id is not None:
            counted = counted.where(Run.experiment_id == experiment_id)
            listed = listed.where(Experiment.id == experiment_id)
        variants: dict[str, list[Sequence[Any]]] = {}
        for experiment, *numbers in self._connection.execute(counted):
            variants.setdefault(experiment, []).append(numbers)
        newest_first = listed.order_by(Experiment.created_at.desc(), Experiment.id.desc())
        return [
            _line(row, variants.get(row.id, ())) for row in self._connection.execute(newest_first)
        ]


def _line(row: Row[Any], variants: Sequence[Sequence[Any]]) -> ExperimentCounts:
    """A line from the number of runs of each variant, those with each outcome of _COUNTED, and
    what they cost."""
    *numbers, costs = zip(*variants, strict=True) if variants else repeat((), 2 + len(_COUNTED))
    runs, correct, wrong, scored, failed = map(sum, numbers)
    priced = [float(cost) for cost in costs if cost is not None]
    has_accuracy = len(variants) == 1 and correct + wrong and not scored
    return ExperimentCounts(
        row.id,
        row.name,
        row.status,
        row.tags_json or [],
        row.created_at,
        runs=runs,
        planned=((row.environment_json or {}).get("plan") or {}).get("runs"),
        graded=correct + wrong + scored,
        failed=failed,
        variants=len(variants),
        metric=row.metric,
        accuracy=correct / (correct + wrong) if has_accuracy else None,
        total_cost=sum(priced) if priced else None,
    )


def _seal(connection: Connection, experiment_id: str) -> None:
    """Digests the row as stored: an update sets only some of its columns."""
    columns: list[ColumnClause[Any]] = [column(name) for name in _DIGESTED]
    stored = select(*columns).select_from(table(Experiment.__tablename__))
    row = connection.execute(stored.where(column("id") == experiment_id)).one()
    connection.execute(
        update(Experiment)
        .where(Experiment.id == experiment_id)
        .values(content_digest=digest_of(_DIGESTED, row))
    )


def _record(row: Row[*tuple[object, ...]]) -> ExperimentRecord:
    values = dict(row._mapping)
    values["config_json"] = values["config_json"] or {}
    values["environment_json"] = values["environment_json"] or {}
    values["tags_json"] = values["tags_json"] or []
    values["notes_json"] = values["notes_json"] or []
    return ExperimentRecord(**values)
