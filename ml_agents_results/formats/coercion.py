"""From the values of logs to those of runs. What is of another kind than expected is absent."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from ml_agents_results.errors import InvalidFileError, InvalidRecordError, UsageError
from ml_agents_results.formats.field_mapping import time_of
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.records import RunRecord
from ml_agents_results.redaction import redact_text

_MAPPED = (
    "sample_id",
    "input_text",
    "expected_answer",
    "raw_output",
    "parsed_answer",
    "task",
    "approach_name",
)
_SECONDS = re.compile(r"\d{9,11}(\.\d+)?")
_LONGEST_ERROR = 10_000
_ABSENT = object()


def text(value: object) -> str | None:
    """A text as it is, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def number(value: object) -> float | None:
    """A finite number; True is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return value if isfinite(value) else None
        except OverflowError:
            return None
    return None


def amount(value: object) -> float | None:
    """A number that is not negative: a time, a count, a cost."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def milliseconds(seconds: object) -> int | None:
    found = amount(seconds)
    return None if found is None else round(found * 1000)


def count(value: object) -> int | None:
    """A number of tokens."""
    found = amount(value)
    return None if found is None else int(found)


def total(values: Iterable[float | None]) -> float | None:
    """The sum of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def moment(value: object) -> datetime | None:
    """A time in ISO 8601 or in seconds since 1970; None where it is neither."""
    if isinstance(value, str):
        try:
            return time_of(value).astimezone(UTC)
        except (InvalidRecordError, OverflowError):
            value = float(value) if _SECONDS.fullmatch(value) else None
    found = amount(value)
    if found is None or found >= 253_402_300_800:
        return None
    return datetime.fromtimestamp(found, UTC)


def error_text(value: object) -> str:
    """What ended a run, without keys that messages of providers quote."""
    told = value.get("message") if isinstance(value, Mapping) else value
    shown = redact_text(text(told) or "error")
    return shown if len(shown) <= _LONGEST_ERROR else shown[:_LONGEST_ERROR] + " [cut]"


def without_absent(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None or empty."""
    return {name: value for name, value in values.items() if value not in (None, [], {}, "")}


class Overrides:
    """`--map FIELD=PATH`: fields of runs that are taken from elsewhere in a log's samples.

    A path names a member, and members of members after a dot: `doc.question`.

    Raises:
        UsageError: A field cannot be taken from elsewhere.
    """

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        if unfit := sorted(set(options.columns) - set(_MAPPED)):
            raise UsageError(
                f"{', '.join(unfit)} of this format cannot be mapped",
                f"--map takes FIELD=PATH; fields are: {', '.join(_MAPPED)}",
            )
        self._source = source
        self._paths = {field: path.split(".") for field, path in options.columns.items()}
        self._unseen = dict(options.columns)

    def apply(self, run: RunRecord, sample: Mapping[str, Any]) -> None:
        """Takes the fields from the sample, where it has them."""
        for field, path in self._paths.items():
            value: Any = sample
            for name in path:
                value = value.get(name, _ABSENT) if isinstance(value, Mapping) else _ABSENT
            if value is not _ABSENT and (found := text(value)) is not None:
                setattr(run, field, found)
                self._unseen.pop(field, None)

    def finish(self) -> None:
        """Raises InvalidFileError where a path never led anywhere."""
        if self._unseen:
            raise InvalidFileError(
                f"{self._source.name} has no {', '.join(sorted(self._unseen.values()))}",
                "Correct --map FIELD=PATH; names are spelled as in the file.",
            )


class SampleIds:
    """The ids of the samples of one log, as texts.

    Raises:
        InvalidFileError: Two of them are the same text, and one is a number.
    """

    def __init__(self, source: LogSource) -> None:
        self._source = source
        self._known: dict[str, object] = {}

    def text(self, sample_id: object) -> str:
        found = text(sample_id) or ""
        if type(self._known.setdefault(found, sample_id)) is not type(sample_id):
            raise InvalidFileError(
                f"{self._source.name} has a sample {found} whose id is a number, and another "
                "one whose id is the same as a text",
                "Give the samples of the data set different ids.",
            )
        return found


def first_of(values: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first value that is there."""
    return next((values[name] for name in names if values.get(name) is not None), None)
