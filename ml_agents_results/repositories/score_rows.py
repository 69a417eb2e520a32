"""Rows of scores: the metrics that they refer to, and the scores of runs that are read."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from ml_agents_results.database.models import Metric, Score
from ml_agents_results.database.types import from_stored
from ml_agents_results.database.validation import check_name, metric_row, score_row
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.upserts import metric_insert, metrics_of_experiment

SCORE_FIELDS = (
    Metric.name.label("metric"),
    Score.author,
    Score.value,
    Score.label.label("score_label"),
    Score.explanation,
    Score.details_json,
    Score.cost_estimate,
    Score.created_at,
)
"""The columns that make up a `ScoreRecord`; see `score_record`."""

COLUMN_PREFIX = "scores."
"""Before the name of a metric, in the name of its column in a table of runs."""

_OF_RUNS = (
    select(Score.run_id, *SCORE_FIELDS)
    .join(Metric, Metric.id == Score.metric_id)
    .where(Score.run_id.in_(bindparam("runs", expanding=True)))
    .order_by(Score.run_id, Metric.name, Score.author)
)
_BATCH = 500


class MetricId(NamedTuple):
    """The row of a metric, and whether it is the primary one."""

    id: int
    is_primary: bool


class MetricIds:
    """The metrics of experiments by name, looked up once for each experiment.

    Args:
        fetch: Executes a statement with positional parameters and returns the rows.
        add: Executes a statement for each of several rows of metrics.
    """

    def __init__(
        self,
        engine: str,
        fetch: Callable[[str, tuple[Any, ...]], Sequence[Any]],
        add: Callable[[str, list[tuple[Any, ...]]], object],
    ) -> None:
        self._engine = engine
        self._fetch = fetch
        self._add = add
        self._known: dict[str, dict[str, MetricId]] = {}

    def rows(self, run: RunRecord) -> list[tuple[Any, ...]]:
        """Metric id and `score_row` of each score of a run.

        A metric that the experiment does not have is added to it as numeric. A score that is only a
        value of the primary metric stands on the run and has no row.

        Raises:
            InvalidRecordError: A value breaks a rule.
        """
        scores = run.scores or ()
        known = self._known.get(run.experiment_id) or self._look_up(run.experiment_id)
        if missing := {score.metric for score in scores} - known.keys():
            known = self._create(run.experiment_id, missing)
        sqlite = self._engine == "sqlite"
        rows = []
        for score in scores:
            metric, row = known[score.metric], score_row(score, sqlite)
            if not (metric.is_primary and row[0] == "" and row[-1] is None):
                rows.append((metric.id, *row))
        return rows

    def _look_up(self, experiment: str) -> dict[str, MetricId]:
        rows = self._fetch(metrics_of_experiment(self._engine), (experiment,))
        known = {from_stored(name): MetricId(number, primary) for name, number, primary in rows}
        self._known[experiment] = known
        return known

    def _create(self, experiment: str, names: Iterable[str]) -> dict[str, MetricId]:
        for name in names:
            check_name("metric", name)
        sqlite = self._engine == "sqlite"
        new = [
            metric_row(experiment, MetricRecord(name, "numeric"), None, sqlite)
            for name in sorted(names)
        ]
        self._add(metric_insert(self._engine), new)
        return self._look_up(experiment)


def scores_of_runs(connection: Connection, ids: Sequence[str]) -> dict[str, list[ScoreRecord]]:
    """The scores of those runs that have some."""
    scores: dict[str, list[ScoreRecord]] = {}
    for first in range(0, len(ids), _BATCH):
        for row in connection.execute(_OF_RUNS, {"runs": ids[first : first + _BATCH]}):
            scores.setdefault(row[0], []).append(score_record(row[1:]))
    return scores


def score_record(values: Sequence[Any]) -> ScoreRecord:
    """The record of values of SCORE_FIELDS."""
    metric, author, value, label, explanation, details, cost, created_at = values
    return ScoreRecord(value, label, explanation, details, metric, author, cost, created_at)


def value_of_run(run: RunRecord) -> float | None:
    """The value of the primary metric that stands on a run."""
    if run.score is not None or run.is_correct is None:
        return run.score
    return float(run.is_correct)
