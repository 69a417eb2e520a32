"""One rule for the JSON of all files: NaN and Infinity are texts, wide numbers stay exact."""

import json
from typing import Any

import orjson

_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_WIDE_NUMBER = b"0" * 19
"""From this many digits on a number may not fit 64 bits, and orjson makes a float of it."""


def parse(text: bytes | str) -> Any:
    """A JSON value. NaN and Infinity, which Python programs write, become texts of that name.

    Raises:
        ValueError: The text is not JSON.
    """
    if isinstance(text, str):
        return _parse_exactly(text)
    try:
        values = orjson.loads(text)
        # A regular expression takes ten times as long as this.
        if _WIDE_NUMBER not in text.translate(_AS_ZEROS):
            return values
    except orjson.JSONDecodeError:
        pass
    try:
        return _parse_exactly(text.decode("utf-8").rstrip())
    except UnicodeDecodeError as error:
        raise ValueError(f"this is not UTF-8 (byte {error.start + 1})") from error


def _parse_exactly(text: str) -> Any:
    """Takes wide numbers, lone surrogates, NaN and Infinity, which orjson does not."""
    try:
        return json.loads(text, parse_constant=str)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not JSON: {error.msg} (column {error.colno})") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def json_kind(value: object) -> str:
    """What JSON calls a value: `a number`, `null`."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names: dict[type, str] = {dict: "an object", list: "a list", str: "a string"}
    return names.get(type(value), "a number")
