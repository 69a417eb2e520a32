"""The value of the primary metric: what the scores of its authors give together, on the run.

Repositories set it when they save scores; a Session sets it when it flushes them.
"""

from collections.abc import Iterable, Sequence
from math import fsum
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from ml_agents_results.database.validation import refused
from ml_agents_results.errors import InvalidRecordError
from ml_agents_results.records import MetricKind, RunRecord, ScoreRecord


def combined(kind: MetricKind | None, scores: Iterable[ScoreRecord]) -> float | None:
    """The value that several authors give together: the mean, or of a binary metric the majority;
    a tie has no value."""
    values = [score.value for score in scores if score.value is not None]
    if not values:
        return None
    mean = fsum(values) / len(values)
    if kind != "binary":
        return mean
    return None if mean == 0.5 else float(mean > 0.5)


def set_value(run: RunRecord, kind: MetricKind | None, value: float | None) -> None:
    """Puts the value of the primary metric on a run; a failed run has none.

    Raises:
        InvalidRecordError: A binary metric has a value other than 0 and 1.
    """
    run.is_correct = run.score = None
    if value is None or run.error is not None:
        return
    if kind != "binary":
        run.score = value
    elif value in (0, 1):
        run.is_correct = value == 1
    else:
        raise refused("value", value, "0 or 1, since the metric is binary")


def set_by_scores(
    run: RunRecord, name: str, kind: MetricKind | None, scores: Sequence[ScoreRecord]
) -> None:
    """Puts on a run what all scores of the primary metric give together.

    Raises:
        InvalidRecordError: The run failed, or a value of a binary metric is neither 0 nor 1.
    """
    if run.error is not None:
        raise InvalidRecordError(
            f"run {run.id!r} failed, and {name!r} is the primary metric",
            "A failed run has no value of the primary metric.",
        )
    if kind == "binary":
        for one in scores:
            if one.value not in (None, 0, 1):
                raise refused("value", one.value, f"0 or 1: {name} is binary")
    set_value(run, kind, combined(kind, scores))


def set_before_flush(session: Session, *_: object) -> None:
    """Sets the values of the runs whose scores of the primary metric a Session is about to write.

    A score without a value, such as a label alone, leaves the value of its run as it is. A value
    that is set on a run goes to its one score of the primary metric.

    Raises:
        InvalidRecordError: A run's value would contradict its scores, or another metric would
            become the primary one without its values.
    """
    for target in session.dirty:
        if getattr(target, "__tablename__", None) == "metrics":
            _refuse_to_exchange(target)
        elif getattr(target, "__tablename__", None) == "runs":
            _score_as_run(session, target)
    dirty = (one for one in session.dirty if _is_score(one) and session.is_modified(one))
    written = [*filter(_is_score, session.new), *dirty]
    removed = {*filter(_is_score, session.deleted), *filter(_is_orphan, written)}
    changed: dict[tuple[Any, Any], bool] = {}
    for score in (*written, *removed):
        run, metric = _parent(session, score, "run"), _parent(session, score, "metric")
        gone = run is None or metric is None or {run, metric} & {*session.deleted}
        if not gone and metric.is_primary:
            has_value = score in removed or score.value is not None
            changed[run, metric] = changed.get((run, metric), False) or has_value
    for (run, metric), has_value in changed.items():
        if has_value:
            of_run = {*run.scores, *(one for one in written if one.run_id == run.id)} - removed
            own = [one for one in of_run if _parent(session, one, "metric") is metric]
            set_by_scores(run, metric.name, metric.kind, own)


def _refuse_to_exchange(metric: Any) -> None:
    history = inspect(metric).attrs.is_primary.history
    if history.has_changes() and history.deleted:
        raise InvalidRecordError(
            f"setting is_primary of {metric.name!r} would leave the values of another metric on "
            "the runs",
            "MetricRepository(session, experiment_id).make_primary(name) moves them.",
        )


def _score_as_run(session: Session, run: Any) -> None:
    """Gives the score of the primary metric the value that was set on its run."""
    attributes = inspect(run).attrs
    changed = [n for n in ("is_correct", "score", "error") if attributes[n].history.has_changes()]
    if not changed or run in session.deleted:
        return
    own = [
        score
        for score in run.scores
        if score.value is not None and score.metric.is_primary and score not in session.deleted
    ]
    value = run.score if run.is_correct is None else float(run.is_correct)
    if not own or combined(own[0].metric.kind, own) == value:
        return
    if len(own) > 1 or session.is_modified(own[0]):
        raise InvalidRecordError(
            f"the value of run {run.id!r} is what its {len(own)} scores of "
            f"{own[0].metric.name!r} give together",
            "Edit the scores.",
        )
    own[0].value = value


def _is_score(target: Any) -> bool:
    return getattr(target, "__tablename__", None) == "scores"


def _is_orphan(score: Any) -> bool:
    """Whether a stored score was taken out of the scores of its run."""
    return bool(inspect(score).persistent) and (score.run is None or score.metric is None)


def _parent(session: Session, score: Any, name: str) -> Any:
    """The run or metric of a score that has the object or only its id."""
    if (parent := getattr(score, name)) is not None:
        return parent
    key = getattr(score, f"{name}_id")
    model = inspect(type(score)).relationships[name].mapper.class_
    return None if key is None else session.get(model, key)
