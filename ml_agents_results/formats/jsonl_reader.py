"""JSON Lines: one object a line, the fields named as the columns of `runs`."""

import json
from collections.abc import Iterator
from typing import Any

import orjson

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.archive_reader import LONGEST_LINE
from ml_agents_results.formats.field_mapping import KNOWN, FieldMapping, strict_json
from ml_agents_results.formats.json_stream import bounded_lines
from ml_agents_results.formats.log_source import ImportOptions, Item, LogSource

BOM = b"\xef\xbb\xbf"
# orjson takes whole numbers beyond 64 bits for floats. Only what is kept as it is may be so large.
_BOUNDED = KNOWN - {"metadata_json"}
_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_WIDE_NUMBER = b"0" * 19


def read(source: LogSource, options: ImportOptions) -> Iterator[Item]:
    """The runs, line by line; empty lines do not count.

    Raises:
        InvalidFileError: A line is no JSON object.
        InvalidRecordError: A required field is missing, or a value is of the wrong kind.
    """
    mapping = FieldMapping(source, options)
    with source.open() as file:
        for number, line in bounded_lines(source, file, LONGEST_LINE):
            if number == 1:
                line = line.removeprefix(BOM)
            if line.isspace() or not line:
                continue
            values = _values(source, number, line)
            with source.locate(number):
                run = mapping.record(values)
            yield Item(number, run, len(line))
    mapping.finish()


def _values(source: LogSource, number: int, line: bytes) -> dict[str, Any]:
    try:
        values = orjson.loads(line)
        kept = isinstance(values, dict) and not values.keys() <= _BOUNDED
        # A regular expression takes ten times as long: a fifth of all of an import.
        if kept and _WIDE_NUMBER in line.translate(_AS_ZEROS):
            values = _exactly(source, number, line)
    except orjson.JSONDecodeError:
        values = _exactly(source, number, line)
    if not isinstance(values, dict):
        raise _broken(source, number, f"it is a {type(values).__name__}, not an object")
    return values


def _exactly(source: LogSource, number: int, line: bytes) -> Any:
    """Takes what orjson does not, lone surrogates and wide numbers, and says what is wrong with
    anything else."""
    try:
        return strict_json(line.decode("utf-8").rstrip("\r\n"))
    except UnicodeDecodeError as error:
        raise InvalidFileError(
            f"{source.where(number)}: this is not UTF-8 (byte {error.start + 1})",
            "Convert the file: iconv -f LATIN1 -t UTF-8 FILE",
        ) from error
    except json.JSONDecodeError as error:
        reason = f"this is not JSON: {error.msg} (column {error.colno})"
        raise _broken(source, number, reason) from error
    except ValueError as error:
        raise _broken(source, number, str(error)) from error


def _broken(source: LogSource, number: int, reason: str) -> InvalidFileError:
    return InvalidFileError(
        f"{source.where(number)}: {reason}",
        "A runs file has one JSON object a line; a list becomes one by: jq -c '.[]' FILE",
    )
