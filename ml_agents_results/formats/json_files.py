"""Files of JSON: objects line by line, small documents, and how a file begins."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.json_stream import JsonStream
from ml_agents_results.formats.json_values import json_kind, parse
from ml_agents_results.formats.log_source import BOM, LogSource

LONGEST_LINE = 1 << 28
"""Bytes of one line; memory is bounded by it."""

_CHECKED = 100
"""The first lines are looked through for keys that occur twice."""

_BEGINNING = 64 * 1024
_FIRST_LINE = 1 << 20
_LISTED = "A runs file has one JSON object a line; a list becomes one by: jq -c '.[]' FILE"
_JOINED = "A runs file has one JSON object a line; to part those of one line: jq -c . FILE"


def read_lines(source: LogSource) -> Iterator[tuple[int, dict[str, Any], int]]:
    """The number, the object and the size in bytes of each line; empty lines do not count.

    Raises:
        InvalidFileError: A line is not a JSON object, or too long.
    """
    with source.open() as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise _bad_line(source, number, f"it is longer than {LONGEST_LINE >> 20} MiB")
            if number == 1:
                line = line.removeprefix(BOM)
            if not line or line.isspace():
                continue
            try:
                values = parse(line)
            except ValueError as error:
                hint = _JOINED if "Extra data" in str(error) else _LISTED
                raise _bad_line(source, number, str(error), hint) from error
            if not isinstance(values, dict):
                raise _bad_line(source, number, f"it is {json_kind(values)}, not an object")
            if number <= _CHECKED and (twice := _repeated_key(line)) is not None:
                source.warn(
                    f"{source.where(number)} has {twice!r} twice in one object; the last one counts"
                )
            yield number, values, len(line)


def _repeated_key(line: bytes) -> str | None:
    """The name that an object of the line has twice; None if there is none."""
    repeated: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.extend(name for name, count in counts.items() if count > 1)

    with suppress(ValueError, RecursionError):
        json.loads(line, object_pairs_hook=note)
    return repeated[0] if repeated else None


def read_document(source: LogSource, path: Path) -> Any:
    """The value that a small file holds.

    Raises:
        InvalidFileError: It is not JSON.
    """
    with source.open(path) as file:
        stream = JsonStream(source, file, path.name)
        value = stream.value()
        stream.finish()
    return value


def read_object(source: LogSource, path: Path) -> dict[str, Any]:
    """The object that a small file holds.

    Raises:
        InvalidFileError: It holds something else.
    """
    value = read_document(source, path)
    if not isinstance(value, dict):
        raise InvalidFileError(
            f"{path}: it is {json_kind(value)}, not an object", "Check its path."
        )
    return value


def beginning(path: Path) -> bytes:
    """The first bytes of a file, decompressed, without byte order mark; of a folder b""."""
    if not path.is_file():
        return b""
    state = path.stat()
    return _beginning(path, _BEGINNING, state.st_size, state.st_mtime_ns)


def first_line(path: Path) -> dict[str, Any]:
    """The object on the first line of a file; empty where there is none."""
    try:
        start = beginning(path)
        if start[:1] != b"{":
            return {}
        if b"\n" not in start and len(start) >= _BEGINNING // 2:
            state = path.stat()
            start = _beginning(path, _FIRST_LINE, state.st_size, state.st_mtime_ns)
        value = parse(start.partition(b"\n")[0])
    except (ValueError, InvalidFileError):
        return {}
    return value if isinstance(value, dict) else {}


@lru_cache(maxsize=4)
def _beginning(path: Path, size: int, _file_size: int, _changed: int) -> bytes:
    """Every format looks at the same file: it is read once for all of them."""
    with LogSource(path).open() as file:
        return file.read(size).removeprefix(BOM).lstrip()


def _bad_line(source: LogSource, number: int, reason: str, hint: str = _LISTED) -> InvalidFileError:
    return InvalidFileError(f"{source.where(number)}: {reason}", hint)
