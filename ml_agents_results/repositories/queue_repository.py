"""Queues: runs that are drawn for people to label."""

import random
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, select
from sqlalchemy.orm import Session

from ml_agents_results.database.mapper_events import delete_dependents
from ml_agents_results.database.models import RUN_KEY, Metric, Queue, QueueItem, Run, Score
from ml_agents_results.database.validation import check_id, check_name
from ml_agents_results.errors import DuplicateError, NotFoundError, UsageError
from ml_agents_results.records import QueueRecord
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.repository import Repository


class QueuedRun(NamedTuple):
    """A run of a queue and its place in the order in which the runs are shown, from 0."""

    position: int
    run_id: str


class QueueRepository(Repository):
    """The queues of one experiment."""

    def __init__(self, source: Connection | Session, experiment_id: str) -> None:
        super().__init__(source)
        self._experiment_id = experiment_id

    def draw(
        self,
        name: str,
        metric: str,
        size: int,
        *,
        seed: int,
        filters: Filters | None = None,
        blind: bool = False,
        author: str = "",
        whole_samples: bool = False,
    ) -> QueueRecord:
        """Draws runs at random, in random order, and keeps them as a queue.

        Every run that the filters let pass and that has not failed is as likely as any other; the
        same seed draws the same runs on every database that holds them.

        Args:
            metric: The metric that the labels will be scores of.
            size: Runs to draw, or samples.
            whole_samples: Draws samples, and takes all runs of each, one after the other: labels of
                several variants are then of the same samples.

        Raises:
            UsageError: There are fewer.
            DuplicateError: There is a queue of this name.
            NotFoundError: The experiment has no such metric.
        """
        chosen = filters or Filters()
        matching = self._connection.execute(
            select(Run.id, Run.task, Run.sample_index)
            .where(
                Run.experiment_id == self._experiment_id,
                Run.outcome != "failed",
                *chosen.conditions(),
            )
            .order_by(*(getattr(Run, column) for column in RUN_KEY))
        ).all()
        units: dict[Any, list[str]] = {}
        for run_id, *sample in matching:
            units.setdefault(tuple(sample) if whole_samples else run_id, []).append(run_id)
        unit: Literal["run", "sample"] = "sample" if whole_samples else "run"
        if not 1 <= size <= len(units):
            raise UsageError(
                f"{size} {unit}s cannot be drawn from {len(units)}",
                "Draw fewer, or loosen the filters. Failed runs have nothing to label.",
            )
        given = {
            field.name: value
            for field in fields(chosen)
            if (value := getattr(chosen, field.name)) is not None
        }
        generator = random.Random(seed)
        drawn = generator.sample(list(units.values()), size)
        run_ids = [one for runs in drawn for one in generator.sample(runs, len(runs))]
        queue = QueueRecord(
            name=name,
            metric=metric,
            size=len(run_ids),
            population=len(matching),
            seed=seed,
            filters={key: _plain(value) for key, value in given.items()},
            blind=blind,
            author=author,
            unit=unit,
        )
        return self.save(queue, run_ids)

    def save(self, queue: QueueRecord, run_ids: Sequence[str]) -> QueueRecord:
        """Keeps a queue of these runs, in this order.

        Raises:
            DuplicateError, NotFoundError: As for `draw`.
        """
        metric_id = MetricRepository(self._connection, self._experiment_id).row_id(queue.metric)
        if metric_id is None:
            raise NotFoundError(
                f"experiment {self._experiment_id!r} has no metric {queue.metric!r}",
                "Save the metric before its queue.",
            )
        if self.find(queue.name) is not None:
            raise DuplicateError(
                f"experiment {self._experiment_id!r} has a queue {queue.name!r} already",
                "Go on with it, or choose another name.",
            )
        check_name("author", queue.author, empty=True)
        with self._writing() as connection:
            created_at = queue.created_at or datetime.now(UTC)
            selection = {
                key: value
                for key, value in asdict(queue).items()
                if key in ("size", "population", "seed", "filters", "unit")
            }
            queue_id = connection.execute(
                insert(Queue)
                .values(
                    experiment_id=self._experiment_id,
                    metric_id=metric_id,
                    name=check_id("name", queue.name),
                    selection_json=selection,
                    blind=queue.blind,
                    author=queue.author,
                    created_at=created_at,
                )
                .returning(Queue.id)
            ).scalar_one()
            connection.execute(
                insert(QueueItem),
                [
                    {"queue_id": queue_id, "position": position, "run_id": run_id}
                    for position, run_id in enumerate(run_ids)
                ],
            )
        return self.get(queue.name)

    def get(self, name: str) -> QueueRecord:
        """Raises NotFoundError, with the names of the queues there are, if there is no such
        queue."""
        if (queue := self.find(name)) is None:
            known = ", ".join(other.name for other in self.list())
            raise NotFoundError(
                f"experiment {self._experiment_id!r} has no queue {name!r}",
                f"It has: {known}" if known else "Draw one: ml-agents grade --random 50",
            )
        return queue

    def find(self, name: str) -> QueueRecord | None:
        return next((queue for queue in self.list() if queue.name == name), None)

    def list(self) -> Sequence[QueueRecord]:
        """All queues of the experiment, oldest first."""
        rows = self._connection.execute(
            select(
                Queue.name,
                Metric.name.label("metric"),
                Queue.selection_json,
                Queue.blind,
                Queue.author,
                Queue.created_at,
            )
            .join(Metric, Metric.id == Queue.metric_id)
            .where(Queue.experiment_id == self._experiment_id)
            .order_by(Queue.id)
        )
        return [_record(row) for row in rows]

    def number(self, name: str) -> int:
        """The row id of a queue: what a link names it by that is to say nothing of what is in it.
        Raises NotFoundError if there is no such queue."""
        self.get(name)
        return self._connection.execute(select(Queue.id).where(self._ours(name))).scalar_one()

    def labelled(self, name: str) -> dict[str, int]:
        """How many runs of a queue each author has labelled."""
        rows = self._connection.execute(
            select(Score.author, func.count())
            .join_from(QueueItem, Queue, Queue.id == QueueItem.queue_id)
            .join(
                Score,
                (Score.run_id == QueueItem.run_id) & (Score.metric_id == Queue.metric_id),
            )
            .where(self._ours(name))
            .group_by(Score.author)
            .order_by(Score.author)
        )
        return {row[0]: row[1] for row in rows}

    def runs(self, name: str) -> Sequence[QueuedRun]:
        """The runs of a queue, in the order in which they are shown."""
        return self._runs(name)

    def open_runs(self, name: str, author: str) -> Sequence[QueuedRun]:
        """The runs of a queue that this author has not labelled."""
        labelled = (
            select(Score.run_id)
            .where(
                Score.run_id == QueueItem.run_id,
                Score.metric_id == Queue.metric_id,
                Score.author == author,
            )
            .exists()
        )
        return self._runs(name, ~labelled)

    def _runs(self, name: str, *conditions: Any) -> Sequence[QueuedRun]:
        rows = self._connection.execute(
            select(QueueItem.position, QueueItem.run_id)
            .join(Queue, Queue.id == QueueItem.queue_id)
            .where(self._ours(name), *conditions)
            .order_by(QueueItem.position)
        )
        return [QueuedRun(*row) for row in rows]

    def delete(self, name: str) -> bool:
        """Deletes a queue; returns whether there was one. Labels stay."""
        with self._writing() as connection:
            queue_id = connection.scalar(select(Queue.id).where(self._ours(name)))
            if queue_id is None:
                return False
            delete_dependents(connection, Queue, queue_id)
            connection.execute(delete(Queue).where(Queue.id == queue_id))
            return True

    def _ours(self, name: str) -> Any:
        return (Queue.experiment_id == self._experiment_id) & (Queue.name == name)


def queue_of_number(connection: Connection, number: int) -> tuple[str, str]:
    """The experiment and the name of the queue with this row id.

    Raises:
        NotFoundError: There is no such queue.
    """
    row = connection.execute(
        select(Queue.experiment_id, Queue.name).where(Queue.id == number)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no queue {number}", "It may have been deleted.")
    return row[0], row[1]


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else list(value)  # type: ignore[call-overload]


def _record(row: Row[*tuple[Any, ...]]) -> QueueRecord:
    values = dict(row._mapping)
    return QueueRecord(**values.pop("selection_json"), **values)
