"""Metric columns: the value of each metric of a run, for formats with one row for each run."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from ml_agents_results.database.primary_values import combined
from ml_agents_results.database.types import to_stored
from ml_agents_results.records import ExperimentRecord, MetricRecord, ScoreRecord
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS
from ml_agents_results.repositories.score_rows import COLUMN_PREFIX

_EXPERIMENT_AT = RECORD_COLUMNS.index("experiment_id")
_CORRECT_AT = RECORD_COLUMNS.index("is_correct")
_SCORE_AT = RECORD_COLUMNS.index("score")


class MetricColumns:
    """The metrics of some experiments, those that are primary first.

    Attributes:
        names: The names of the columns, in stored form: not every file holds every character.
    """

    def __init__(self, experiments: Sequence[ExperimentRecord]) -> None:
        self._metrics: dict[str, dict[str, MetricRecord]] = {
            experiment.id: {metric.name: metric for metric in experiment.metrics or ()}
            for experiment in experiments
        }
        every = [metric for known in self._metrics.values() for metric in known.values()]
        every.sort(key=lambda metric: not metric.is_primary)
        self._index = {name: i for i, name in enumerate(dict.fromkeys(m.name for m in every))}
        self.names = tuple(COLUMN_PREFIX + to_stored(name) for name in self._index)

    def values(self, row: Sequence[Any], scores: Sequence[ScoreRecord]) -> list[float | None]:
        """The value of each column for a streamed row; several authors give one value together."""
        values: list[float | None] = [None] * len(self._index)
        metrics = self._metrics[row[_EXPERIMENT_AT]]
        for name, of_metric in groupby(scores, attrgetter("metric")):
            values[self._index[name]] = combined(metrics[name].kind, of_metric)
        for metric in metrics.values():
            if metric.is_primary:
                correct = row[_CORRECT_AT]
                values[self._index[metric.name]] = (
                    row[_SCORE_AT] if correct is None else float(correct)
                )
        return values
