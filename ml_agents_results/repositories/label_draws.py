"""Draws of labels: how the runs were drawn that people labelled, as each label keeps it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from ml_agents_results.database.models import Metric, Run, Score
from ml_agents_results.repositories.filters import Filters

QUEUE = "queue"
"""The key in the details of a label under which stands how its run was drawn."""


@dataclass(frozen=True, slots=True)
class LabelDraw:
    """Labels of runs that were drawn together; those of no draw have no queue.

    Attributes:
        size: Runs that were drawn at random from `population`, which is None where they were
            chosen; `matching` runs are what it would be drawn from now.
        labels: Labels with a value.
        skipped: Runs before the last labelled one, in the order of the queue, without such a label.
    """

    experiment_id: str
    queue: str | None
    size: int | None
    population: int | None
    matching: int | None
    seed: int | None
    filters: Mapping[str, Any]
    labels: int
    skipped: int

    @property
    def is_random(self) -> bool:
        return self.population is not None


def label_draws(
    connection: Connection, experiment_ids: Sequence[str], metric: str
) -> Sequence[LabelDraw]:
    """The draws of a metric's labels, in the order of experiments and queues."""
    selected = (
        select(Run.experiment_id, Score.run_id, Score.details_json)
        .join(Run, Run.id == Score.run_id)
        .join(Metric, Metric.id == Score.metric_id)
        .where(
            Metric.name == metric,
            Run.experiment_id.in_(experiment_ids),
            Score.value.is_not(None),
            Run.outcome != "failed",
        )
    )
    runs: dict[tuple[str, str], dict[str, int | None]] = {}
    for experiment_id, run_id, details in connection.execute(selected):
        drawn = (details or {}).get(QUEUE)
        drawn = dict(drawn) if isinstance(drawn, Mapping) else {}
        position = drawn.pop("position", None)
        key = (experiment_id, json.dumps(drawn, sort_keys=True))
        runs.setdefault(key, {})[run_id] = position if isinstance(position, int) else None
    return [
        _draw(connection, experiment_id, json.loads(drawn), of_draw)
        for (experiment_id, drawn), of_draw in sorted(runs.items())
    ]


def _draw(
    connection: Connection,
    experiment_id: str,
    drawn: Mapping[str, Any],
    runs: Mapping[str, int | None],
) -> LabelDraw:
    positions = [position for position in runs.values() if position is not None]
    filters = drawn.get("filters") or {}
    matching = None
    if drawn.get("population") is not None:
        conditions = Filters.of(filters).conditions()
        matching = connection.scalar(
            select(func.count())
            .select_from(Run)
            .where(Run.experiment_id == experiment_id, Run.outcome != "failed", *conditions)
        )
    return LabelDraw(
        experiment_id=experiment_id,
        queue=drawn.get("name"),
        size=drawn.get("size"),
        population=drawn.get("population"),
        matching=matching,
        seed=drawn.get("seed"),
        filters=filters,
        labels=len(runs),
        skipped=max(positions, default=-1) + 1 - len(set(positions)),
    )
