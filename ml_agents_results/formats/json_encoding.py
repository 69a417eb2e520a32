"""Values as JSON, as text and as plain cells: shared by all formats."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson

from ml_agents_results.database.models import PARSING_COLUMNS
from ml_agents_results.database.types import from_stored, to_json, to_stored
from ml_agents_results.formats.record_objects import score_objects
from ml_agents_results.records import MetricRecord, ScoreRecord
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS

WIDTH = len(RECORD_COLUMNS)
JSON_AT = RECORD_COLUMNS.index("metadata_json")
TEXTS_AT = tuple(
    RECORD_COLUMNS.index(name)
    for name in (
        *("approach_name", "provider", "model", "task", "sample_id", "input_text"),
        *("expected_answer", "raw_output", "parsed_answer", "error", "finish_reason"),
        "reasoning_text",
    )
)
"""Indexes, in a row of `RunRepository.stream`, of texts by a model or a data set."""

_ERROR_DETAILS_AT = WIDTH + 1 + PARSING_COLUMNS.index("error_details")
_MARKED = "\ufdd0".encode()
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def json_bytes(value: Any, *, indent: bool = False) -> bytes:
    """JSON without NaN or Infinity, in the order of the keys; any text, any JSON number."""
    try:
        return orjson.dumps(value, option=_OPTIONS | (orjson.OPT_INDENT_2 if indent else 0))
    except TypeError:
        # Lone surrogates are not UTF-8, and integers may be wider than 64 bits.
        return json.dumps(
            value, allow_nan=False, default=_plain, indent=2 if indent else None
        ).encode()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value.item()


def run_object(row: Sequence[Any]) -> dict[str, Any]:
    """A streamed row as the object that runs files hold, its texts decoded."""
    values = decoded(row)
    run = dict(zip(RECORD_COLUMNS, values, strict=False))
    run["metadata_json"] = _loaded(run["metadata_json"])
    run["parsing_metrics"] = _metrics(values)
    return run


def run_bytes(
    row: Sequence[Any],
    scores: Sequence[ScoreRecord] = (),
    metrics: Sequence[MetricRecord] = (),
) -> bytes:
    """`run_object` as one line of JSON, without decoding what needs no decoding.

    Args:
        metrics: The definitions of the experiment's metrics, if the line carries them.
    """
    if scores or metrics:
        run = run_object(row)
        if scores:
            run["scores"] = score_objects(scores)
        if metrics:
            run["metrics"] = list(map(asdict, metrics))
        return json_bytes(run) + b"\n"
    run = dict(zip(RECORD_COLUMNS, row, strict=False))
    if (metadata := row[JSON_AT]) is not None:
        if not _is_object(metadata):
            return json_bytes(run_object(row)) + b"\n"
        run["metadata_json"] = orjson.Fragment(metadata)
    run["parsing_metrics"] = _metrics(row)
    line = orjson.dumps(run, option=orjson.OPT_APPEND_NEWLINE)
    # Most texts lack the first byte of the mark, and one byte is found much faster than three.
    if _MARKED[0] in line and _MARKED in line:
        return json_bytes(run_object(row)) + b"\n"
    return line


def decoded(row: Sequence[Any]) -> list[Any]:
    """A streamed row with its original texts."""
    values = list(row)
    for index in (*TEXTS_AT, JSON_AT, _ERROR_DETAILS_AT):
        if values[index] is not None:
            values[index] = from_stored(values[index])
    return values


def metrics_text(row: Sequence[Any]) -> str | None:
    """The metrics of a streamed row as JSON text, as it would be stored."""
    if (metrics := _metrics(row)) is None:
        return None
    text = orjson.dumps(metrics).decode()
    if "\ufdd0" in text:
        return to_stored(to_json(_metrics(decoded(row))))
    return text


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A result as one row of plain cells: objects spread over columns, lists joined."""
    cells: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            cells |= flat(value, f"{name}_")
        elif isinstance(value, list | tuple):
            cells[name] = ", ".join(map(str, value))
        else:
            cells[name] = value
    return cells


def _metrics(row: Sequence[Any]) -> dict[str, Any] | None:
    if row[WIDTH] is None:
        return None
    return dict(zip(PARSING_COLUMNS, row[WIDTH + 1 :], strict=True))


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _loaded(text: str | None) -> Any:
    if text is None:
        return None
    loaded = json.loads(text, parse_constant=lambda _: None)
    return loaded if isinstance(loaded, dict) else {"value": loaded}
