"""Rows of scores: the metrics that they refer to, and the scores of runs that are read."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from ml_agents_results.database.models import Metric, Score
from ml_agents_results.database.types import from_stored, to_stored
from ml_agents_results.database.validation import check_name, metric_row, score_row
from ml_agents_results.errors import InvalidRecordError
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
        execute: Executes a statement for each of several rows.
    """

    def __init__(
        self,
        engine: str,
        fetch: Callable[[str, tuple[Any, ...]], Sequence[Any]],
        execute: Callable[[str, list[tuple[Any, ...]]], int],
    ) -> None:
        self._engine = engine
        self._fetch = fetch
        self._execute = execute
        self._known: dict[str, dict[str, MetricId]] = {}

    def require(self, runs: Iterable[RunRecord]) -> None:
        """Looks up the metrics of the runs' scores; those that are missing are added as numeric."""
        wanted: dict[str, set[str]] = {}
        for number, run in enumerate(runs):
            if run.scores:
                names = wanted.setdefault(run.experiment_id, set())
                try:
                    new = {score.metric for score in run.scores} - names
                    names.update(check_name("metric", name) for name in new)
                except InvalidRecordError as error:
                    error.record_number = number
                    raise
        for experiment, names in wanted.items():
            if not names <= self._known.get(experiment, {}).keys():
                self._look_up(experiment)
                if missing := names - self._known[experiment].keys():
                    self._add(experiment, missing)
                    self._look_up(experiment)

    def rows(self, run: RunRecord) -> list[tuple[Any, ...]]:
        """Metric id and `score_row` of each score of a run.

        A score that is only a value of the primary metric stands on the run and has no row.
        """
        known = self._known[run.experiment_id]
        rows = []
        for score in run.scores or ():
            metric = known[to_stored(score.metric)]
            row = score_row(score, self._engine == "sqlite")
            if not (metric.is_primary and row[0] == "" and row[-1] is None):
                rows.append((metric.id, *row))
        return rows

    def _look_up(self, experiment: str) -> None:
        rows = self._fetch(metrics_of_experiment(self._engine), (experiment,))
        self._known[experiment] = {
            name: MetricId(number, bool(primary)) for name, number, primary in rows
        }

    def _add(self, experiment: str, names: Iterable[str]) -> None:
        sqlite = self._engine == "sqlite"
        new = [
            metric_row(experiment, MetricRecord(from_stored(name), "numeric"), None, sqlite)
            for name in sorted(names)
        ]
        self._execute(metric_insert(self._engine), new)


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
