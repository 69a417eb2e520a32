"""Labels: what people say of runs, as scores of a metric and of their author."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricKind, MetricRecord, QueueRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.label_draws import QUEUE
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.queue_repository import QueuedRun, QueueRepository
from ml_agents_results.repositories.score_repository import ScoreRepository

HUMAN = "human"
"""The metric that labels are scores of, unless another is named."""


@dataclass(frozen=True)
class LabelScale:
    """What a person may say of a run: `correct` or not, `partial` too, or points of a range."""

    lower: float
    upper: float
    partial: bool = False
    points: bool = False

    @classmethod
    def of(cls, text: str) -> "LabelScale":
        """A scale from its name: `correct`, `partial`, or a range such as `1-10`.

        Raises:
            UsageError: It is none of these.
        """
        if text in ("correct", "partial"):
            return cls(0, 1, partial=text == "partial")
        low, _, high = text.partition("-")
        try:
            scale = cls(float(low), float(high), points=True)
        except ValueError:
            scale = cls(0, 0, points=True)
        if not scale.lower < scale.upper:
            raise UsageError(
                f"{text!r} is not a scale", "Choose correct, partial, or a range such as 1-10."
            )
        return scale

    @classmethod
    def of_metric(cls, metric: MetricRecord) -> "LabelScale":
        """The scale of a metric that people have used before."""
        lower = 0 if metric.lower is None else metric.lower
        upper = 1 if metric.upper is None else metric.upper
        unit = (lower, upper) == (0, 1)
        return cls(lower, upper, partial=unit and metric.kind != "binary", points=not unit)

    def metric(self, name: str) -> MetricRecord:
        kind: MetricKind = "numeric" if self.partial or self.points else "binary"
        return MetricRecord(name, kind, self.lower, self.upper, True, scorer="person")

    def value(self, answer: str) -> float | None:
        """The value of what was typed; None if it is not on the scale."""
        try:
            value = float(answer)
        except ValueError:
            return None
        if self.points:
            return value if self.lower <= value <= self.upper else None
        if answer == "5" and self.partial:
            return 0.5
        return value if value in (0, 1) else None


def draw_queue(
    processor: ResultsProcessor,
    experiment_id: str,
    size: int,
    *,
    seed: int,
    metric: str = HUMAN,
    scale: LabelScale | None = None,
    filters: Filters | None = None,
    blind: bool = False,
    author: str = "",
    name: str | None = None,
    whole_samples: bool = False,
) -> QueueRecord:
    """Draws runs (or whole samples) at random for people to label; a metric that is not there is
    added.

    Raises:
        UsageError: There are fewer runs, or the scale is not that of the metric.
        NotFoundError: There is no such experiment.
        DuplicateError: There is a queue of this name.
    """
    with processor.database.write() as connection:
        _ensure_metric(connection, experiment_id, metric, scale)
        queues = QueueRepository(connection, experiment_id)
        return queues.draw(
            name or _free_name(metric, queues),
            metric,
            size,
            seed=seed,
            filters=filters,
            blind=blind,
            author=author,
            whole_samples=whole_samples,
        )


def choose_queue(
    processor: ResultsProcessor,
    experiment_id: str,
    run_ids: Sequence[str],
    size: int,
    *,
    selection: str,
    seed: int,
    metric: str = HUMAN,
    scale: LabelScale | None = None,
    blind: bool = False,
    author: str = "",
) -> QueueRecord:
    """Keeps runs that were selected for a reason as a queue, in random order, at most `size` of
    them. What people say of these holds for no others.

    Args:
        selection: What they were selected by, as the queue keeps it.

    Raises:
        UsageError: There are none, or the scale is not that of the metric.
        NotFoundError: There is no such experiment.
    """
    if not run_ids or size < 1:
        raise UsageError("no run fits", "Failed runs have nothing to label; loosen the filters.")
    chosen = random.Random(seed).sample(run_ids, min(size, len(run_ids)))
    with processor.database.write() as connection:
        _ensure_metric(connection, experiment_id, metric, scale)
        queues = QueueRepository(connection, experiment_id)
        queue = QueueRecord(
            name=_free_name(metric, queues),
            metric=metric,
            size=len(chosen),
            seed=seed,
            filters={"list": selection},
            blind=blind,
            author=author,
        )
        return queues.save(queue, chosen)


class Labelling:
    """A person's labels for the runs of one queue.

    Labels never change another metric: `edit --primary` makes theirs the primary one.
    """

    def __init__(
        self, processor: ResultsProcessor, experiment_id: str, queue: QueueRecord, author: str
    ) -> None:
        self._processor = processor
        self.experiment_id = experiment_id
        self.queue = queue
        self.author = author
        with processor.database.read() as connection:
            self.metric = MetricRepository(connection, experiment_id).get(queue.metric)
        self.scale = LabelScale.of_metric(self.metric)

    def open_runs(self) -> Sequence[QueuedRun]:
        """The runs that the person has not labelled, in the order of the queue."""
        with self._processor.database.read() as connection:
            queues = QueueRepository(connection, self.experiment_id)
            return queues.open_runs(self.queue.name, self.author)

    def run(self, queued: QueuedRun) -> RunRecord:
        return self._processor.get_run(queued.run_id)

    def save(
        self,
        queued: QueuedRun,
        value: float | None,
        *,
        label: str | None = None,
        note: str | None = None,
        seconds: float | None = None,
        blind: bool | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        """Saves a label, durably; one's own label is replaced and kept in its history.

        Args:
            value: On the scale of the metric; None if the person cannot tell.
            label: What the person chose, in words.
            note: Why.
            seconds: The time that it took.
            blind: Whether model and approach were hidden; None is as the queue has it.
        """
        details: dict[str, Any] = {
            QUEUE: {
                "name": self.queue.name,
                "position": queued.position,
                "size": self.queue.size,
                "population": self.queue.population,
                "seed": self.queue.seed,
                "filters": self.queue.filters,
                **({} if self.queue.unit == "run" else {"unit": self.queue.unit}),
            },
            "blind": self.queue.blind if blind is None else blind,
        }
        if seconds is not None:
            details["seconds"] = round(seconds, 1)
        if tags:
            details["tags"] = list(tags)
        score = ScoreRecord(
            value,
            label,
            note,
            details,
            metric=self.queue.metric,
            author=self.author,
            created_at=datetime.now(UTC),
        )
        with self._processor.database.write() as connection:
            ScoreRepository(connection).save(queued.run_id, score)

    def undo(self, queued: QueuedRun) -> bool:
        """Deletes the person's label of a run; returns whether there was one."""
        with self._processor.database.write() as connection:
            return ScoreRepository(connection).delete(queued.run_id, self.queue.metric, self.author)


def _ensure_metric(
    connection: Connection, experiment_id: str, name: str, scale: LabelScale | None
) -> None:
    """Adds the metric of labels, unless it is there on this scale."""
    metrics = MetricRepository(connection, experiment_id)
    known = metrics.find(name)
    wanted = (scale or LabelScale(0, 1)).metric(name)
    if known is None:
        metrics.save(wanted)
    elif scale is not None and (known.lower, known.upper) != (wanted.lower, wanted.upper):
        raise UsageError(
            f"the metric {name!r} has another scale", "Name another one with --metric."
        )


def _free_name(metric: str, queues: QueueRepository) -> str:
    taken = {queue.name for queue in queues.list()}
    number = 1
    while (name := f"{metric}-{number}") in taken:
        number += 1
    return name
