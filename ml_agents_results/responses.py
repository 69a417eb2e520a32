"""Responses of experiment platforms, and the runs that they describe."""

from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.database.validation import check_number, refused
from ml_agents_results.errors import InvalidRecordError
from ml_agents_results.records import ParsingMetrics, RunRecord, StandardResponse
from ml_agents_results.redaction import redact

_FROM_METADATA = (
    "sample_index",
    "task",
    "repeat_index",
    "sample_id",
    "input_text",
    "expected_answer",
    "is_correct",
    "score",
    "error",
    "parsing_method",
    "parsing_confidence",
    "finish_reason",
    "reasoning_text",
    "reasoning_tokens",
    "cached_tokens",
)
_METRIC_NAMES = {"attempts": "parsing_attempts", "confidence": "confidence_score"}


_FROM_RESPONSE = ("total_tokens", "response_id", "parameters", "parsing_metadata")
_SAVED = "database_saved"


def run_of_response(response: object) -> RunRecord:
    """The run that a response and its metadata describe.

    Raises:
        InvalidRecordError: experiment_id, approach or sample_index is missing.
    """
    given = getattr(response, "metadata", None)
    # A dict is nearly always given: asking for the abstract type takes longer.
    if not isinstance(given, dict | Mapping):
        raise refused("metadata", given, "a mapping with experiment_id, approach and sample_index")
    metadata = dict(given)
    metadata.pop(_SAVED, None)
    long_name = metadata.pop("approach_name", None)
    if metadata.get("approach") is None:
        metadata["approach"] = long_name
    missing = [
        name for name in ("experiment_id", "approach", "sample_index") if metadata.get(name) is None
    ]
    if missing:
        raise InvalidRecordError(
            f"the response's metadata lacks {', '.join(missing)}",
            "Put them into response.metadata before saving.",
        )
    metrics = metadata.pop("parsing_metrics", None)
    latency = metadata.pop("latency", None)
    if latency is None:
        latency = getattr(response, "generation_time", None)
    known = {
        name: value
        for name in metadata.keys() & _FROM_METADATA
        if (value := metadata.pop(name)) is not None
    }
    if isinstance(metadata.get("created_at"), datetime):
        known["created_at"] = metadata.pop("created_at")
    run = RunRecord(
        id=metadata.pop("run_id", None),
        experiment_id=metadata.pop("experiment_id"),
        approach_name=metadata.pop("approach"),
        provider=getattr(response, "provider", None) or "",
        model=getattr(response, "model", None) or "",
        raw_output=getattr(response, "text", None),
        parsed_answer=getattr(response, "extracted_answer", None),
        prompt_tokens=getattr(response, "prompt_tokens", None),
        completion_tokens=getattr(response, "completion_tokens", None),
        execution_time_ms=_milliseconds(latency),
        cost_estimate=metadata.pop("cost", None),
        parsing_metrics=None if metrics is None else parsing_metrics_of(metrics),
        **known,
    )
    for name in _FROM_RESPONSE:
        if value := getattr(response, name, None):
            metadata.setdefault(name, value)
    if run.error is not None:
        run.error, run.raw_output = redact(run.error), run.raw_output or None
    run.metadata_json = redact(metadata) or None
    return run


def response_of_run(run: RunRecord) -> StandardResponse:
    """The inverse of `run_of_response`; a failed run is a response without text."""
    own = {
        "experiment_id": run.experiment_id,
        "run_id": run.id,
        "approach": run.approach_name,
        "created_at": run.created_at,
        "cost": run.cost_estimate,
        "parsing_metrics": run.parsing_metrics and asdict(run.parsing_metrics),
        **{name: getattr(run, name) for name in _FROM_METADATA},
    }
    return StandardResponse(
        text=run.raw_output or "",
        provider=run.provider,
        model=run.model,
        prompt_tokens=run.prompt_tokens,
        completion_tokens=run.completion_tokens,
        generation_time=None if run.execution_time_ms is None else run.execution_time_ms / 1000,
        metadata={
            **(run.metadata_json or {}),
            **{name: value for name, value in own.items() if value is not None},
        },
        extracted_answer=run.parsed_answer,
    )


def mark_saved(response: object, run_id: str, experiment_id: str) -> None:
    """Notes in the response's metadata, if it can be changed, which run it became."""
    metadata = getattr(response, "metadata", None)
    if isinstance(metadata, dict | MutableMapping):
        metadata.update({"run_id": run_id, "experiment_id": experiment_id, _SAVED: True})


def _milliseconds(seconds: object) -> int | None:
    number = check_number("latency", seconds)
    if number is None:
        return None
    if 0 <= number <= 2e6:
        return round(number * 1000)
    raise refused("latency", seconds, "a number of seconds from 0 to 2000000, or null")


def parsing_metrics_of(values: Mapping[str, Any]) -> ParsingMetrics:
    """Parsing metrics under the names of either; raises InvalidRecordError."""
    if not isinstance(values, dict | Mapping):
        raise refused("parsing_metrics", values, "a mapping, or null")
    named = {_METRIC_NAMES.get(name, name): value for name, value in values.items()}
    known = ParsingMetrics.__dataclass_fields__
    if unknown := named.keys() - known.keys():
        raise InvalidRecordError(
            f"parsing metrics have no {', '.join(sorted(unknown))}",
            f"Known are: {', '.join(known)}",
        )
    return ParsingMetrics(**named)


def settings_of(config: object) -> dict[str, Any]:
    """A configuration of any kind as a mapping; raises InvalidRecordError."""
    if isinstance(config, ExperimentConfig):
        return config.to_dict()
    if isinstance(config, Mapping):
        return dict(config)
    if is_dataclass(config) and not isinstance(config, type):
        return asdict(config)
    raise InvalidRecordError(
        f"a configuration holds settings, and a value of type {type(config).__name__} has none",
        "Give an ExperimentConfig, a dataclass or a mapping.",
    )
