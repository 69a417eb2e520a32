"""Values of options: lists with commas, pairs, and text that must be UTF-8."""

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ml_agents_results.errors import UsageError

_SURROGATE = re.compile("[\ud800-\udfff]")


def listed(values: Sequence[str] | None) -> list[str]:
    """The parts of a repeatable option that also takes commas.

    Raises:
        UsageError: It was given and names nothing: an empty shell variable must not mean all.
    """
    parts = [part.strip() for value in values or () for part in value.split(",") if part.strip()]
    if values and not parts:
        raise UsageError(
            f"{', '.join(map(repr, values))} names nothing",
            "Give names with commas between them, or leave the option out.",
        )
    return parts


def pairs(option: str, values: Sequence[str] | None, example: str) -> dict[str, str]:
    """The pairs of a repeatable option whose values are `FIELD=COLUMN`; a column may be empty.

    Raises:
        UsageError: A value is not a pair, or a field is given twice; the hint shows `example`.
    """
    columns: dict[str, str] = {}
    for value in values or ():
        field, equals, column = value.partition("=")
        if not (field and equals):
            raise UsageError(f"{option} {value} is not FIELD=COLUMN", f"As in: {option} {example}")
        if field in columns:
            raise UsageError(f"{option} names the field {field} twice", "Give it one column.")
        columns[field] = column
    return columns


def require_utf8(value: str) -> None:
    """Refuses an argument that was not UTF-8; no id is like that, and no database takes it.

    Raises:
        UsageError: It holds lone surrogates, by which Python passes undecodable bytes on.
    """
    if _SURROGATE.search(value):
        raise UsageError(f"{value!r} is not UTF-8", "Check the encoding of your terminal.")


def path_here(value: str) -> Path:
    """A path on this machine.

    Raises:
        UsageError: It is a URL.
    """
    if "://" in value:
        raise UsageError(
            f"{value} is not a file on this machine",
            "Name one; ml-agents export and import reach stores, too.",
        )
    return Path(value)


def completing(values: "Callable[[], Collection[str]]") -> Callable[[str], list[str]]:
    """Completion of an option whose last name, after a comma or none, begins one of `values`."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [before + comma + value for value in values() if value.startswith(last)]

    return complete
