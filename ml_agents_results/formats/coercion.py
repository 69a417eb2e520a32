"""From the values of files to those of runs.

Values of logs that are of another kind than expected are absent. Cells of tables and fields of runs
files are named by their writer: there a wrong value is an error.
"""

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from ml_agents_results.database.validation import refused
from ml_agents_results.errors import InvalidRecordError
from ml_agents_results.redaction import redact_text

_SECONDS = re.compile(r"\d{9,11}(\.\d+)?")
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NUMBERS = {
    *("sample_index", "repeat_index", "execution_time_ms", "prompt_tokens", "completion_tokens"),
    *("reasoning_tokens", "cached_tokens", "parsing_attempts", "extraction_time_ms"),
    *("parsing_confidence", "confidence_score", "score", "cost_estimate"),
}
_BOOLEANS = {"is_correct", "fallback_used"}

TYPED = _NUMBERS | _BOOLEANS
"""Fields of runs that are not texts."""

_YES = ("true", "1", "1.0", "yes", "y", "correct", "right", "pass", "passed", "✓", "✔", "✅")
_NO = ("false", "0", "0.0", "no", "n", "incorrect", "wrong", "fail", "failed", "✗", "✘", "❌")
FLAGS = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}
_PARTLY = re.compile(r"(partial(ly)?|partly)([ _-]?(correct|right))?")
_PERCENT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*%")
_LONGEST_ERROR = 10_000


def text(value: object) -> str | None:
    """A text unchanged, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def number(value: object) -> float | None:
    """A finite number; true and false are not numbers."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            return value if isfinite(value) else None
    return None


def amount(value: object) -> float | None:
    """A number that is not negative: a time, a count, a cost."""
    known = number(value)
    return known if known is not None and known >= 0 else None


def milliseconds(seconds: object) -> int | None:
    known = amount(seconds)
    return None if known is None else round(known * 1000)


def count(value: object) -> int | None:
    """A number of tokens."""
    known = amount(value)
    return None if known is None else int(known)


def total(values: Iterable[float | None]) -> float | None:
    """The sum of the known values; None if there are none."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def at(value: object, path: str, absent: Any = None) -> Any:
    """The value at a path of names and indexes, as in `output.choices.0.message`.

    Args:
        absent: What is given where the path leads nowhere.
    """
    for name in path.split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return absent
    return value


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def moment(value: object) -> datetime | None:
    """A time in ISO 8601 or in seconds since 1970; None if it is neither."""
    if isinstance(value, str):
        try:
            return time_of(value).astimezone(UTC)
        except (InvalidRecordError, OverflowError):
            value = float(value) if _SECONDS.fullmatch(value) else None
    seconds = amount(value)
    if seconds is None or seconds >= 253_402_300_800:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def error_text(value: object) -> str:
    """What ended a run, without the keys that messages of providers quote."""
    message = value.get("message") if isinstance(value, Mapping) else value
    shown = redact_text(text(message) or "error")
    return shown if len(shown) <= _LONGEST_ERROR else shown[:_LONGEST_ERROR] + " [cut]"


def without_absent(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are neither None nor empty."""
    return {name: value for name, value in values.items() if value not in (None, [], {}, "")}


def first_of(values: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first of these values that is there."""
    return next((values[name] for name in names if values.get(name) is not None), None)


def time_of(value: object) -> datetime:
    """A time in ISO 8601, in UTC if it names no zone.

    Raises:
        InvalidRecordError: It is something else.
    """
    with suppress(ValueError):
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(time, datetime):
            return time if time.tzinfo else time.replace(tzinfo=UTC)
    raise refused("created_at", value, "a time such as 2026-11-23T10:15:00Z")


def flag_cell(field: str, cell: str) -> bool:
    """The cell of a table as yes or no.

    Raises:
        InvalidRecordError: It is something else.
    """
    if (flag := FLAGS.get(cell.strip().lower())) is None:
        raise refused(
            field, cell, "true, false, 1, 0, yes, no, correct, wrong, pass, fail or empty"
        )
    return flag


def grade_of(cell: str) -> float | None:
    """The value of a grade in words: right or wrong, partly right as half, percents as fractions;
    None if it is another word."""
    word = cell.strip().lower()
    if (flag := FLAGS.get(word)) is not None:
        return float(flag)
    if (percent := _PERCENT.fullmatch(word)) is not None:
        return float(percent[1].replace(",", ".")) / 100
    return 0.5 if _PARTLY.fullmatch(word) else None


def cell(field: str, value: str) -> Any:
    """The text as a value of a field. A `sample_index` that is not a number may be an id.

    Raises:
        InvalidRecordError: It is of another kind.
    """
    if field in _BOOLEANS:
        return flag_cell(field, value)
    if field == "sample_index" and not _INTEGER.fullmatch(value.strip()):
        return value
    return number_cell(field, value) if field in _NUMBERS else value


def number_cell(field: str, cell: str) -> float:
    """The cell of a table as a number.

    Raises:
        InvalidRecordError: It is something else.
    """
    digits = cell.strip()
    if _INTEGER.fullmatch(digits):
        return int(digits)
    if not _NUMBER.fullmatch(digits):
        raise refused(field, cell, "a number or empty")
    return float(digits)
