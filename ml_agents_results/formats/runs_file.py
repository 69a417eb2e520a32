"""The runs file: one run a line, as JSON Lines or CSV, packed with gzip or not.

It is also the format for files of other programs: `--map` names their columns.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ml_agents_results.formats import csv_reader as csv_lines
from ml_agents_results.formats import jsonl_reader as json_lines
from ml_agents_results.formats.log_source import ImportOptions, Item, LogSource
from ml_agents_results.records import ExperimentRecord

_BEGINNING = 64 * 1024


def sniff(path: Path) -> bool:
    """Whether it is text, or a folder that `export --format csv` wrote."""
    if path.is_dir():
        return csv_lines.runs_file(path).is_file()
    return b"\x00" not in _beginning(LogSource(path))


def read(source: LogSource, options: ImportOptions) -> Iterator[Item]:
    """The runs in the order of the file."""
    yield from (json_lines if _is_json(source) else csv_lines).read(source, options)


def experiments(source: LogSource, options: ImportOptions) -> Sequence[ExperimentRecord]:
    """Those that a CSV file describes in the lines before its header."""
    return () if _is_json(source) else csv_lines.experiments(source)


def _is_json(source: LogSource) -> bool:
    if source.path.is_dir():
        return False
    endings = {ending.lower() for ending in Path(source.name).suffixes}
    if endings & {".jsonl", ".ndjson", ".json", ".csv"}:
        return ".csv" not in endings
    return _beginning(source)[:1] in (b"{", b"[")


def _beginning(source: LogSource) -> bytes:
    with source.open() as file:
        return file.read(_BEGINNING).removeprefix(json_lines.BOM).lstrip()
