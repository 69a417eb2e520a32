"""Experiments, metrics and scores as the objects that our own files hold, and read back."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from ml_agents_results.database.validation import check_id, refused
from ml_agents_results.formats.coercion import mapping, text, time_of
from ml_agents_results.records import ExperimentRecord, MetricRecord, ScoreRecord

_METRIC = tuple(one.name for one in fields(MetricRecord))
_SCORE = tuple(one.name for one in fields(ScoreRecord))


def experiment_object(experiment: ExperimentRecord) -> dict[str, Any]:
    """The experiment under the names that exports use."""
    return {
        "id": experiment.id,
        "name": experiment.name,
        "description": experiment.description,
        "status": experiment.status,
        "created_at": experiment.created_at,
        "config": experiment.config_json,
        "environment": experiment.environment_json,
    }


def described_object(experiment: ExperimentRecord) -> dict[str, Any]:
    """The same with the definitions of the metrics."""
    metrics = [asdict(metric) for metric in experiment.metrics or ()]
    return {**experiment_object(experiment), "metrics": metrics}


def experiment_of(values: Mapping[str, Any]) -> ExperimentRecord:
    """The experiment that `described_object` made; one that was running is completed.

    Raises:
        InvalidRecordError: It has no valid id, or its time or metrics are something else.
    """
    check_id("experiment_id", values.get("id"))
    created = values.get("created_at")
    return ExperimentRecord(
        id=values["id"],
        name=text(values.get("name")),
        description=text(values.get("description")),
        status="failed" if values.get("status") == "failed" else "completed",
        created_at=None if created is None else time_of(created),
        config_json=mapping(values.get("config")),
        environment_json=mapping(values.get("environment")),
        metrics=metrics_of(values.get("metrics")),
    )


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
    if not isinstance(value, list) or not all(_has(one, "metric", "value") for one in value):
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


def _has(value: object, name: str, *others: str) -> bool:
    """Whether it is an object with a text of this name, and with these others."""
    return isinstance(value, Mapping) and isinstance(value.get(name), str) and {*others} <= {*value}
