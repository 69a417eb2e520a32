"""What there is to import in a file or folder, and in which format."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.json_files import beginning
from ml_agents_results.formats.json_tables import holds_samples
from ml_agents_results.formats.log_source import LogSource
from ml_agents_results.formats.registry import GENERIC, WHOLE, Reader, find_reader, reader_names

_TABLES = re.compile(r"\.((jsonl|ndjson|csv|tsv)(\.gz)?|parquet)$", re.IGNORECASE)
_GIT_LFS = b"version https://git-lfs.github.com/spec/"
_SHOWN = 5


def find_logs(source: LogSource, format_name: str | None = None) -> list[tuple[LogSource, str]]:
    """The logs in a file or folder, each with the name of its format.

    A folder is one log if a format says so; otherwise it is searched. A format that is named takes
    any file, but of a folder only what it recognises.

    Raises:
        InvalidFileError: Nothing is in a known format, or a folder holds several formats.
        UsageError: There is no format of this name.
    """
    names = reader_names() if format_name is None else [format_name]
    readers = {name: find_reader(name) for name in sorted(names, key=lambda name: name == GENERIC)}
    with source.reading():
        if claims := _claims(source.path, readers):
            return _parts(source, claims, readers)
        if source.path.is_dir():
            return _search(source, readers)
        if format_name is not None:
            return _parts(source, [format_name], readers)
        if beginning(source.path)[:1] == b"<":
            raise InvalidFileError(
                f"{source.name} is XML or HTML, which is not imported",
                "Let its program write JSON; promptfoo: promptfoo eval --output results.json",
            )
    raise InvalidFileError(
        f"{source.name} is in no format that is known here",
        f"Name its format with --format: {', '.join(reader_names())}",
    )


def _claims(path: Path, readers: Mapping[str, Reader]) -> list[str]:
    if beginning(path).startswith(_GIT_LFS):
        raise InvalidFileError(
            f"{path} is a Git LFS pointer, not the file itself", "Fetch the file: git lfs pull"
        )
    claims = [name for name, reader in readers.items() if name != GENERIC and reader.sniff(path)]
    # What a format has claimed is not opened again to see whether it could be a table as well.
    if not claims and GENERIC in readers and readers[GENERIC].sniff(path):
        return [GENERIC]
    return claims


def _parts(
    source: LogSource, claims: Sequence[str], readers: Mapping[str, Reader]
) -> list[tuple[LogSource, str]]:
    chosen, *others = claims
    if others:
        source.warn(
            f"{source.name} could also be {' or '.join(others)}; it was read as {chosen} "
            f"(to choose: --format {others[0]})"
        )
    parts = getattr(readers[chosen], "parts", None)
    paths = [source.path] if parts is None else parts(source.path)
    if list(paths) == [source.path]:
        return [(source, chosen)]
    sources = [LogSource(path) for path in paths]
    sources[0].warnings.update(source.warnings)
    return [(part, chosen) for part in sources]


def _search(folder: LogSource, readers: Mapping[str, Reader]) -> list[tuple[LogSource, str]]:
    logs: dict[Path, tuple[LogSource, str]] = {}
    incomplete: list[InvalidFileError] = []
    unknown: list[str] = []
    generic: list[Path] = []
    readers = {name: reader for name, reader in readers.items() if name not in WHOLE} or readers
    for path in _walk(folder.path, readers):
        if claims := _claims(path, readers):
            if claims == [GENERIC] and len(readers) > 1:
                generic.append(path)
                continue
            try:
                parts = _parts(LogSource(path), claims, readers)
            except InvalidFileError as error:
                incomplete.append(error)
                continue
            for part, name in parts:
                logs.setdefault(part.path, (part, name))
        else:
            unknown.append(path.name)
    if not logs and incomplete:
        raise incomplete[0]
    if not logs:
        # Tables and texts of all kinds lie next to logs; they are runs only if nothing else is.
        tables = [path for path in generic if _is_table(path)]
        logs = {path: (LogSource(path), GENERIC) for path in tables}
        generic = [path for path in generic if path not in logs]
    if not logs:
        raise InvalidFileError(
            f"{folder.name} holds no file in a format that is known here",
            f"Formats are: {', '.join(reader_names())}",
        )
    _check_one_format(folder, list(logs.values()))
    parts = list(logs.values())
    for without_samples in incomplete:
        parts[0][0].warn(f"{without_samples.message}; it was left out")
    if unknown := sorted({*unknown, *(path.name for path in generic)}):
        parts[0][0].warn(
            f"{folder.name}: left out {len(unknown)} files that are not logs: "
            f"{', '.join(unknown[:_SHOWN])}{' ...' if len(unknown) > _SHOWN else ''}"
        )
    return parts


def _is_table(path: Path) -> bool:
    """Whether it is a table by its name, a JSON list, or a JSON document with samples."""
    if path.suffix.lower() == ".json":
        return beginning(path)[:1] == b"[" or holds_samples(path)
    return _TABLES.search(path.name) is not None


def _check_one_format(folder: LogSource, logs: Sequence[tuple[LogSource, str]]) -> None:
    by_format: dict[str, list[str]] = {}
    for part, name in logs:
        by_format.setdefault(name, []).append(part.path.name)
    if len(by_format) > 1:
        held = "; ".join(
            f"{name} ({len(paths)}, such as {paths[0]})" for name, paths in by_format.items()
        )
        raise InvalidFileError(
            f"{folder.name} holds files of several formats: {held}",
            f"Choose one: --format {next(iter(by_format))}",
        )


def _walk(folder: Path, readers: Mapping[str, Reader]) -> Iterator[Path]:
    """The files in it and below, and those folders that are a log."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_file() or (path.is_dir() and _claims(path, readers)):
            yield path
        elif path.is_dir() and not path.is_symlink():
            yield from _walk(path, readers)
