"""Scores: the values of metrics for runs, by their authors."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import delete, func, select

from ml_agents_results.database.models import RUN_KEY, Metric, Run, Score
from ml_agents_results.database.primary_values import combined, set_by_scores, set_value
from ml_agents_results.errors import NotFoundError
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.repository import Repository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.score_rows import (
    SCORE_FIELDS,
    score_record,
    scores_of_runs,
)

HISTORY = "history"
"""The key in details_json of what later scores replaced, oldest first."""

_BATCH = 500


class ScoreRepository(Repository):
    """Scores of runs that are recorded.

    The value of the primary metric stands on the run: saving or deleting one of its scores sets it,
    to the mean of the authors or, of a binary metric, their majority.
    """

    def save(self, run_id: str, score: ScoreRecord) -> None:
        """Sets a score; see `save_many`."""
        self.save_many([(run_id, score)])

    def save_many(self, scores: Iterable[tuple[str, ScoreRecord]]) -> None:
        """Sets scores of runs, given by their ids.

        What a score replaces is kept in its `details_json`. A metric that the experiment does not
        have is added to it as numeric.

        Raises:
            NotFoundError: There is no such run.
            InvalidRecordError: A value breaks a rule, or a failed run would get a value of the
                primary metric.
        """
        batch: dict[str, list[ScoreRecord]] = {}
        for run_id, score in scores:
            batch.setdefault(run_id, []).append(score)
            if len(batch) == _BATCH:
                self._save(batch)
                batch = {}
        self._save(batch)

    def _save(self, batch: dict[str, list[ScoreRecord]]) -> None:
        with self._writing() as connection:
            runs = RunRepository(connection)
            records = runs.find_many(list(batch))
            for run_id in batch:
                if run_id not in records:
                    raise NotFoundError(f"there is no run {run_id!r}", "Save it before its scores.")
            primaries = {
                experiment: MetricRepository(connection, experiment).primary()
                for experiment in {run.experiment_id for run in records.values()}
            }
            for run_id, scores in batch.items():
                run = records[run_id]
                _add(run, scores, primaries[run.experiment_id])
            runs.save_many(list(records.values()))

    def get(self, run_id: str, metric: str, author: str = "") -> ScoreRecord:
        """Raises NotFoundError if there is no such score."""
        if (score := self.find(run_id, metric, author)) is None:
            raise NotFoundError(
                f"run {run_id!r} has no score of {metric!r}"
                + (f" by {author!r}" if author else ""),
                "The value of the primary metric stands on the run.",
            )
        return score

    def find(self, run_id: str, metric: str, author: str = "") -> ScoreRecord | None:
        return next(
            (
                score
                for score in self.of_run(run_id)
                if (score.metric, score.author) == (metric, author)
            ),
            None,
        )

    def of_run(self, run_id: str) -> Sequence[ScoreRecord]:
        """The scores of a run, by metric and author."""
        return scores_of_runs(self._connection, [run_id]).get(run_id, [])

    def list(
        self, experiment_id: str, filters: Filters | None = None
    ) -> Iterator[tuple[str, ScoreRecord]]:
        """The run ids and scores of an experiment's runs (that pass), in the order of the runs'
        keys."""
        selected = (
            select(Score.run_id, *SCORE_FIELDS)
            .join(Run, Run.id == Score.run_id)
            .join(Metric, Metric.id == Score.metric_id)
            .where(Run.experiment_id == experiment_id, *(filters or Filters()).conditions())
            .order_by(*(getattr(Run, name) for name in RUN_KEY), Metric.name, Score.author)
        )
        for row in self._connection.execute(selected.execution_options(yield_per=1000)):
            yield row[0], score_record(row[1:])

    def authors(self, experiment_ids: Sequence[str], metric: str) -> Sequence[str]:
        """Who scored by the metric in these experiments, in the order of their names."""
        selected = (
            select(Score.author)
            .join(Metric, Metric.id == Score.metric_id)
            .where(Metric.experiment_id.in_(experiment_ids), Metric.name == metric)
            .distinct()
        )
        return sorted(self._connection.scalars(selected))

    def labels(self, experiment_ids: Sequence[str], metric: str) -> Mapping[str | None, int]:
        """How many scores of the metric have each label, None where there is none."""
        selected = (
            select(Score.label, func.count())
            .join(Metric, Metric.id == Score.metric_id)
            .where(Metric.experiment_id.in_(experiment_ids), Metric.name == metric)
            .group_by(Score.label)
        )
        rows = self._connection.execute(selected)
        return {row[0]: row[1] for row in rows}

    def delete(self, run_id: str, metric: str, author: str = "") -> bool:
        """Deletes a score; returns whether there was one."""
        with self._writing() as connection:
            runs = RunRepository(connection)
            if (run := runs.find(run_id)) is None:
                return False
            metrics = MetricRepository(connection, run.experiment_id)
            number = connection.scalar(
                select(Metric.id).where(
                    Metric.experiment_id == run.experiment_id, Metric.name == metric
                )
            )
            gone = connection.execute(
                delete(Score).where(
                    Score.run_id == run_id, Score.metric_id == number, Score.author == author
                )
            )
            primary = metrics.primary()
            if gone.rowcount and primary is not None and primary.name == metric:
                left = [
                    score
                    for score in run.scores or ()
                    if score.metric == metric and score.author != author
                ]
                set_value(run, primary.kind, combined(primary.kind, left))
                runs.save(replace(run, scores=None))
            return gone.rowcount > 0


def _add(run: RunRecord, scores: Sequence[ScoreRecord], primary: MetricRecord | None) -> None:
    """Makes the run one that brings these scores, and the value that they give together."""
    known = {(score.metric, score.author): score for score in run.scores or ()}
    new = {
        (score.metric, score.author): with_history(score, known.get((score.metric, score.author)))
        for score in scores
    }
    run.scores, run.parsing_metrics = list(new.values()), None
    if primary is None or all(score.metric != primary.name for score in scores):
        return
    of_primary = [score for (metric, _), score in (known | new).items() if metric == primary.name]
    set_by_scores(run, primary.name, primary.kind, of_primary)


def with_history(score: ScoreRecord, known: ScoreRecord | None) -> ScoreRecord:
    """The score, with what it replaces in its details."""
    if known is None:
        return score
    details = dict(known.details_json or {})
    history = details.pop(HISTORY, [])
    before = replace(known, details_json=details or None)
    if replace(score, created_at=known.created_at) == before:
        return replace(known)
    replaced: dict[str, Any] = {
        name: value.isoformat() if name == "created_at" else value
        for name, value in asdict(before).items()
        if value is not None and name not in ("metric", "author")
    }
    return replace(
        score, details_json={**(score.details_json or {}), HISTORY: [*history, replaced]}
    )
