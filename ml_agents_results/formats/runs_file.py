"""The runs file: one run a line, as JSON Lines or CSV, or a JSON list; packed with gzip or not.

Fields are named as the columns of `runs`; `--map` names those of other programs. In CSV an empty
cell is an absent value, and lines `# key: value` before the header describe the experiments, as
`export --format csv` writes them. That export also tells empty texts from absent ones, in a column
`empty_texts`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ml_agents_results.database.types import from_stored
from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import flag_cell, number_cell, time_of
from ml_agents_results.formats.csv_table import CsvTable, open_table
from ml_agents_results.formats.field_mapping import FieldMapping
from ml_agents_results.formats.json_files import beginning, read_lines
from ml_agents_results.formats.json_stream import JsonStream
from ml_agents_results.formats.json_values import parse
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.records import ExperimentRecord

EMPTY_TEXTS = "empty_texts"
"""The column of our own exports that names the cells that are empty texts. In a table that has it,
texts are as the database stores them."""

_SHOWN = 8
_NUMBERS = frozenset(
    (
        "sample_index",
        "repeat_index",
        "execution_time_ms",
        "prompt_tokens",
        "completion_tokens",
        "parsing_attempts",
        "extraction_time_ms",
        "parsing_confidence",
        "confidence_score",
        "score",
        "cost_estimate",
    )
)
_BOOLEANS = frozenset(("is_correct", "fallback_used"))


def sniff(path: Path) -> bool:
    """Whether it is text, or a folder that `export --format csv` wrote."""
    if path.is_dir():
        return _table_of(path).is_file()
    start = beginning(path)
    return b"\x00" not in start and start[:1] != b"<"


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The runs in the order of the file, and the experiments that a CSV file describes.

    Raises:
        InvalidFileError: A line, the header or a row does not fit.
        InvalidRecordError: A required field is missing, or a value is of the wrong kind.
    """
    if _is_json(source):
        yield Log((), _json_runs(source, options))
        return
    with open_table(source, _table_of(source.path)) as table:
        with source.locate("before the header"):
            experiments = _experiments(table.metadata)
        yield Log(experiments, _csv_runs(source, options, table))


def _table_of(path: Path) -> Path:
    """The file itself, or `runs.csv` of an exported folder."""
    return path / "runs.csv" if path.is_dir() else path


def _is_json(source: LogSource) -> bool:
    if source.path.is_dir():
        return False
    endings = {ending.lower() for ending in Path(source.name).suffixes}
    if endings & {".jsonl", ".ndjson", ".json", ".csv"}:
        return ".csv" not in endings
    return beginning(source.path)[:1] in (b"{", b"[")


def _json_runs(source: LogSource, options: ImportOptions) -> Iterator[Item]:
    mapping = FieldMapping(source, options)
    line = beginning(source.path).partition(b"\n")[0].rstrip()
    if line[:1] == b"{" and line[-1:] in b"{[,":
        _refuse_document(source)
    for position, values, size in _list(source) if line[:1] == b"[" else read_lines(source):
        with source.locate(position):
            run = mapping.record(values)
        yield Item(position, run, size)
    mapping.finish()


def _list(source: LogSource) -> Iterator[tuple[str, dict[str, Any], int]]:
    """The objects of a JSON list, however it is laid out."""
    with source.open() as file:
        stream = JsonStream(source, file)
        for index in stream.elements():
            position, raw = f"element {index + 1}", stream.raw()
            values = stream.parse(raw)
            if not isinstance(values, dict):
                raise InvalidFileError(
                    f"{source.where(position)}: it is a {type(values).__name__}, not an object",
                    "A runs file has one JSON object for each run.",
                )
            yield position, values, len(raw)
        stream.finish()


def _refuse_document(source: LogSource) -> None:
    """Raises InvalidFileError if the file holds one object over several lines."""
    with source.open() as file:
        stream = JsonStream(source, file)
        try:
            names = list(stream.members())
            stream.finish()
        except InvalidFileError:
            return
    if {"results", "versions"} <= set(names):
        raise InvalidFileError(
            f"{source.name} holds totals of lm-eval without samples",
            "Run lm-eval with --log_samples to have every answer written.",
        )
    raise InvalidFileError(
        f"{source.name} holds one JSON object, with the members {', '.join(names[:_SHOWN])}",
        "A runs file has one JSON object a line. For a list inside: jq -c '.MEMBER[]' FILE",
    )


def _csv_runs(source: LogSource, options: ImportOptions, table: CsvTable) -> Iterator[Item]:
    mapping = FieldMapping(source, options, _cell)
    _check_header(source, table.header, options)
    exported = EMPTY_TEXTS in table.header
    for number, row, size in table:
        with source.locate(number):
            run = mapping.record(_original(row) if exported else row)
        yield Item(number, run, size)
    mapping.finish()


def _experiments(metadata: Sequence[tuple[str, str]]) -> Sequence[ExperimentRecord]:
    experiments: list[ExperimentRecord] = []
    for key, text in metadata:
        value = _metadata_value(text)
        if key == "experiment_id":
            experiments.append(ExperimentRecord(str(value), status="completed"))
        elif experiments:
            _describe(experiments[-1], key, value)
    return experiments


def _metadata_value(text: str) -> Any:
    if text[:1] in ('"', "{"):
        with suppress(ValueError):
            return parse(text)
    return text


def _describe(experiment: ExperimentRecord, key: str, value: Any) -> None:
    match key:
        case "name" | "description":
            setattr(experiment, key, str(value))
        case "created_at":
            experiment.created_at = time_of(value)
        case "status" if value in ("completed", "failed"):
            experiment.status = value
        case "config" | "environment" if isinstance(value, dict):
            setattr(experiment, f"{key}_json", value)


def _check_header(source: LogSource, header: list[str], options: ImportOptions) -> None:
    needed = {options.columns.get(name, name): name for name in ("sample_index", "approach_name")}
    if options.approach is not None:
        needed.pop(options.columns.get("approach_name", "approach_name"), None)
    missing = {column: field for column, field in needed.items() if column not in header}
    if missing:
        columns = ", ".join(header) or "none"
        raise InvalidFileError(
            f"{source.name} has no column {' and '.join(missing)}; its columns are: {columns}",
            "Name them: "
            + " ".join(f"--map {field}=COLUMN" for field in missing.values())
            + (
                "; or name one approach for all: --approach NAME"
                if "approach_name" in missing.values()
                else ""
            ),
        )
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise InvalidFileError(
            f"{source.name} has two columns {twice[0]!r}", "Rename or remove one of them."
        )


def _original(row: dict[str, Any]) -> dict[str, Any]:
    """A row of our own export with its texts as they were before they were stored."""
    empty = row.pop(EMPTY_TEXTS)
    values = {name: None if cell is None else from_stored(cell) for name, cell in row.items()}
    return values | dict.fromkeys((empty or "").split(), "")


def _cell(field: str, cell: str) -> Any:
    if field in _BOOLEANS:
        return flag_cell(field, cell)
    return number_cell(field, cell) if field in _NUMBERS else cell
