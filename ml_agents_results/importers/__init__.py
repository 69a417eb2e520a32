"""Formats that can be imported: one module each, found by name or by their contents.

A format module offers two functions, and a third where the format describes its experiments::

    def sniff(path: Path) -> bool
        Whether the file or folder looks like this format. Reads its beginning only.

    def read(source: Source, options: Options) -> Iterator[Item]
        The runs in a fixed order, each with its place. A run whose experiment_id is empty goes to
        the first of `experiments`, or to an experiment named after the file.

    def experiments(source: Source, options: Options) -> Sequence[ExperimentRecord]
        What the file says about its experiments.

Other packages add formats as entry points of the group `ml_agents_results.importers`.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from ml_agents_results.errors import InvalidFileError, UsageError
from ml_agents_results.importers.source import Item, Options, Source
from ml_agents_results.records import ExperimentRecord

FORMATS = {"runs": "ml_agents_results.importers.runs"}
"""Name to module. The first whose `sniff` accepts a file reads it."""

ENTRY_POINTS = "ml_agents_results.importers"


class Format(Protocol):
    """What a format module looks like."""

    def sniff(self, path: Path) -> bool: ...

    def read(self, source: Source, options: Options) -> Iterator[Item]: ...

    def experiments(self, source: Source, options: Options) -> Sequence[ExperimentRecord]: ...


def format_names() -> list[str]:
    """The names that `--format` takes."""
    return [*FORMATS, *(point.name for point in entry_points(group=ENTRY_POINTS))]


def load_format(name: str) -> Format:
    """The module of a format.

    Raises:
        UsageError: There is no format of this name.
    """
    if name in FORMATS:
        return cast(Format, import_module(FORMATS[name]))
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return cast(Format, point.load())
    raise UsageError(
        f"there is no import format {name!r}", f"Formats are: {', '.join(format_names())}"
    )


def recognise(source: Source) -> str:
    """The name of the first format that the source looks like.

    Raises:
        InvalidFileError: It looks like none.
    """
    for name in format_names():
        if load_format(name).sniff(source.path):
            return name
    raise InvalidFileError(
        f"{source.name} is in no format that is known here",
        f"Name its format with --format: {', '.join(format_names())}",
    )
