"""Metrics and scores as the objects that our own files hold."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from ml_agents_results.database.validation import refused
from ml_agents_results.formats.coercion import time_of
from ml_agents_results.records import MetricRecord, ScoreRecord

_METRIC = tuple(one.name for one in fields(MetricRecord))
_SCORE = tuple(one.name for one in fields(ScoreRecord))


def score_objects(scores: Iterable[ScoreRecord]) -> list[dict[str, Any]]:
    """The scores of a run without what they do not have."""
    return [
        {
            name: value
            for name, value in asdict(score).items()
            if name == "value" or value not in (None, "")
        }
        for score in scores
    ]


def scores_of(value: object) -> list[ScoreRecord] | None:
    """The scores that `score_objects` made; None if the value is something else."""
    if not isinstance(value, list) or not all(_is_score(one) for one in value):
        return None
    scores = [ScoreRecord(**{name: one[name] for name in _SCORE if name in one}) for one in value]
    for score in scores:
        if score.created_at is not None:
            score.created_at = time_of(score.created_at)
    return scores


def metrics_of(value: object) -> list[MetricRecord] | None:
    """The metrics of an experiment; None if it has none.

    Raises:
        InvalidRecordError: It is not a list of objects with names.
    """
    if value is None:
        return None
    if not isinstance(value, list) or not all(_has(one, "name") for one in value):
        raise refused("metrics", value, "a list of objects with a name, or null")
    return [MetricRecord(**{name: one[name] for name in _METRIC if name in one}) for one in value]


def _is_score(value: object) -> bool:
    return _has(value, "metric") and "value" in value  # type: ignore[operator]


def _has(value: object, name: str) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get(name), str)
