"""Formats that can be imported: one module each, found by name or by their contents.

A format module offers three functions, and a fourth where a path can stand for several logs::

    def sniff(path: Path) -> bool
        Whether the file or folder looks like this format. Reads its beginning only.

    def read(source: LogSource, options: ImportOptions) -> Iterator[Item]
        The runs in a fixed order, each with its place. A run whose experiment_id is empty goes to
        the first of `experiments`, or to an experiment named after the file.

    def experiments(source: LogSource, options: ImportOptions) -> Sequence[ExperimentRecord]
        What the file says about its experiments.

    def parts(path: Path) -> Sequence[Path]
        The files or folders that `read` takes one at a time, for a path that `sniff` accepts.

Other packages add formats as entry points of the group `ml_agents_results.importers`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from ml_agents_results.errors import InvalidFileError, UsageError
from ml_agents_results.formats.log_source import ImportOptions, Item, LogSource
from ml_agents_results.records import ExperimentRecord

FORMATS = {
    name: f"ml_agents_results.formats.{module}"
    for name, module in (
        ("archive", "archive_reader"),
        ("database", "database_file"),
        ("inspect", "inspect_reader"),
        ("lm-eval", "lm_eval"),
        ("promptfoo", "promptfoo"),
        ("helm", "helm"),
        ("openai-evals", "openai_evals"),
        ("eee", "every_eval_ever_reader"),
        ("legacy", "legacy_csv"),
        ("runs", "runs_file"),
    )
}
"""Name to module."""

GENERIC = "runs"
"""The format that is asked last: with `--map` it reads files of any program."""

WHOLE = ("archive", "database")
"""Formats that carry whole databases: taken where they are named, never picked out of a folder."""

ENTRY_POINTS = "ml_agents_results.importers"

_TABLES = re.compile(r"\.(jsonl|ndjson|csv)(\.gz)?$", re.IGNORECASE)
_SHOWN = 5


class Format(Protocol):
    """What a format module looks like."""

    def sniff(self, path: Path) -> bool: ...

    def read(self, source: LogSource, options: ImportOptions) -> Iterator[Item]: ...

    def experiments(
        self, source: LogSource, options: ImportOptions
    ) -> Sequence[ExperimentRecord]: ...


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


def find(source: LogSource, format_name: str | None = None) -> list[tuple[LogSource, str]]:
    """What there is to import in a file or folder, each part with the name of its format.

    A folder is one part where a format says so; otherwise it is searched. A format that is named
    takes a file unseen, and of a folder only what it recognises.

    Raises:
        InvalidFileError: Nothing is in a known format, or a folder holds several formats.
        UsageError: There is no format of this name.
    """
    names = format_names() if format_name is None else [format_name]
    formats = {name: load_format(name) for name in sorted(names, key=lambda name: name == GENERIC)}
    with source.reading():
        return _find(source, formats, format_name)


def _find(
    source: LogSource, formats: Mapping[str, Format], format_name: str | None
) -> list[tuple[LogSource, str]]:
    if claims := _claims(source.path, formats):
        return _parts(source, claims, formats)
    if not source.path.is_dir():
        if format_name is not None:
            return _parts(source, [format_name], formats)
        raise InvalidFileError(
            f"{source.name} is in no format that is known here",
            f"Name its format with --format: {', '.join(format_names())}",
        )
    return _search(source, formats)


def _claims(path: Path, formats: Mapping[str, Format]) -> list[str]:
    claims = [name for name, module in formats.items() if module.sniff(path)]
    return [name for name in claims if name != GENERIC] or claims


def _parts(
    source: LogSource, claims: Sequence[str], formats: Mapping[str, Format]
) -> list[tuple[LogSource, str]]:
    taken, *others = claims
    if others:
        source.warn(
            f"{source.name} could also be {' or '.join(others)}; it was read as {taken} "
            f"(to choose: --format {others[0]})"
        )
    parts = getattr(formats[taken], "parts", None)
    paths = [source.path] if parts is None else parts(source.path)
    if list(paths) == [source.path]:
        return [(source, taken)]
    found = [LogSource(path) for path in paths]
    found[0].warnings.update(source.warnings)
    return [(one, taken) for one in found]


def _search(folder: LogSource, formats: Mapping[str, Format]) -> list[tuple[LogSource, str]]:
    found: dict[Path, tuple[LogSource, str]] = {}
    unknown: list[str] = []
    generic: list[Path] = []
    formats = {name: one for name, one in formats.items() if name not in WHOLE} or formats
    for path in _walk(folder.path, formats):
        if claims := _claims(path, formats):
            if claims == [GENERIC] and len(formats) > 1:
                generic.append(path)
                continue
            for part, name in _parts(LogSource(path), claims, formats):
                found.setdefault(part.path, (part, name))
        else:
            unknown.append(path.name)
    if not found:
        # Tables and texts of all kinds lie beside logs; they are runs only where nothing else is.
        tables = [path for path in generic if _TABLES.search(path.name)]
        found = {path: (LogSource(path), GENERIC) for path in tables}
        generic = [path for path in generic if path not in found]
    by_format: dict[str, list[str]] = {}
    for part, name in found.values():
        by_format.setdefault(name, []).append(part.path.name)
    if not found:
        raise InvalidFileError(
            f"{folder.name} holds no file in a format that is known here",
            f"Formats are: {', '.join(format_names())}",
        )
    if len(by_format) > 1:
        held = "; ".join(
            f"{name} ({len(paths)}, such as {paths[0]})" for name, paths in by_format.items()
        )
        raise InvalidFileError(
            f"{folder.name} holds files of several formats: {held}",
            f"Choose one: --format {next(iter(by_format))}",
        )
    parts = list(found.values())
    if unknown := sorted({*unknown, *(path.name for path in generic)}):
        parts[0][0].warn(
            f"{folder.name}: left out {len(unknown)} files that are no logs: "
            f"{', '.join(unknown[:_SHOWN])}{' ...' if len(unknown) > _SHOWN else ''}"
        )
    return parts


def _walk(folder: Path, formats: Mapping[str, Format]) -> Iterator[Path]:
    """The files below it, and those folders that a format takes as they are."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_file() or (path.is_dir() and _claims(path, formats)):
            yield path
        elif path.is_dir() and not path.is_symlink():
            yield from _walk(path, formats)
