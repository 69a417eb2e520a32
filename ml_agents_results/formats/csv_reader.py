"""CSV: a header with the columns of `runs`, an empty cell where a value is absent.

Lines `# key: value` before the header describe the experiments, as `export --format csv` writes
them. That export also tells empty texts from absent ones, in a column `empty_texts`.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from ml_agents_results.database.types import from_stored
from ml_agents_results.database.validation import refused
from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.archive_reader import LONGEST_LINE
from ml_agents_results.formats.field_mapping import FieldMapping, strict_json, time_of
from ml_agents_results.formats.log_source import ImportOptions, Item, LogSource
from ml_agents_results.records import ExperimentRecord

EMPTY_TEXTS = "empty_texts"
"""The column of our own exports that names the cells that are empty texts. Where it is, texts are
written as they are stored."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_METADATA = re.compile(r"#\s*(?P<key>\w+)\s*:\s*(?P<value>.*)")
_INTEGER = re.compile(r"[+-]?\d+")
_FLAGS = {
    **dict.fromkeys(("true", "1", "1.0", "yes"), True),
    **dict.fromkeys(("false", "0", "0.0", "no"), False),
}
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


def runs_file(path: Path) -> Path:
    """The file itself, or `runs.csv` of an exported folder."""
    return path / "runs.csv" if path.is_dir() else path


def read(source: LogSource, options: ImportOptions) -> Iterator[Item]:
    """The runs, row by row.

    Raises:
        InvalidFileError: The header or a row does not fit.
        InvalidRecordError: A required field is missing, or a value is of the wrong kind.
    """
    mapping = FieldMapping(source, options, _value)
    with _opened(source) as (metadata, lines):
        rows = csv.reader(lines, strict=True)
        before = len(metadata)
        place = before + 1
        try:
            header = [name.strip() for name in next(rows, [])]
            _check_header(source, header, options)
            own = EMPTY_TEXTS in header
            while True:
                place = before + rows.line_num + 1
                if (cells := next(rows, None)) is None:
                    break
                if not cells:
                    continue
                if len(cells) != len(header):
                    counted = f"{len(cells)} cells where the header has {len(header)}"
                    raise _broken(source, place, counted)
                line = {name: cell or None for name, cell in zip(header, cells, strict=True)}
                with source.locate(place):
                    run = mapping.record(_exported(line) if own else line)
                yield Item(place, run, sum(map(len, cells)))
        except csv.Error as error:
            raise _broken(source, place, str(error)) from error
    mapping.finish()


def experiments(source: LogSource) -> Sequence[ExperimentRecord]:
    """Those that the lines before the header describe."""
    found: list[ExperimentRecord] = []
    with _opened(source) as (metadata, _), source.locate("before the header"):
        for key, value in metadata:
            if key == "experiment_id":
                found.append(ExperimentRecord(str(value), status="completed"))
            elif found:
                _describe(found[-1], key, value)
    return found


@contextmanager
def _opened(source: LogSource) -> Iterator[tuple[list[tuple[str, Any]], Iterator[str]]]:
    """The keys and values before the header, and the lines from the header on."""
    csv.field_size_limit(LONGEST_LINE)
    with source.open(runs_file(source.path)) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        try:
            metadata: list[tuple[str, Any]] = []
            header = ""
            lines = _bounded(source, text)
            for header in lines:
                if (found := _METADATA.fullmatch(header.strip())) is None:
                    break
                metadata.append((found["key"], _metadata_value(found["value"])))
            else:
                header = ""
            yield metadata, chain([header] if header else [], lines)
        except UnicodeDecodeError as error:
            raise InvalidFileError(
                f"{source.name} is not UTF-8: {error.reason}",
                "Convert the file: iconv -f LATIN1 -t UTF-8 FILE",
            ) from error
        finally:
            text.detach()


def _bounded(source: LogSource, text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise InvalidFileError(
                f"{source.name} has a line longer than {LONGEST_LINE >> 20} MiB",
                "No honest table has one: check where the file is from.",
            )
        yield line


def _metadata_value(text: str) -> Any:
    if text[:1] in ('"', "{"):
        with suppress(ValueError):
            return strict_json(text)
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


def _exported(line: dict[str, Any]) -> dict[str, Any]:
    """A line of our own export with its texts as they were."""
    empty = line.pop(EMPTY_TEXTS)
    values = {name: None if cell is None else from_stored(cell) for name, cell in line.items()}
    return values | dict.fromkeys((empty or "").split(), "")


def _value(field: str, cell: str) -> Any:
    if field in _BOOLEANS:
        if (flag := _FLAGS.get(cell.strip().lower())) is None:
            raise refused(field, cell, "true, false, 1, 0, yes, no or empty")
        return flag
    if field in _NUMBERS:
        text = cell.strip()
        if _INTEGER.fullmatch(text):
            return int(text)
        if not _NUMBER.fullmatch(text):
            raise refused(field, cell, "a number or empty")
        return float(text)
    return cell


def _broken(source: LogSource, place: int, reason: str) -> InvalidFileError:
    return InvalidFileError(
        f"{source.where(place)}: {reason}",
        'A cell that holds commas, quotes or line ends stands in "quotes", its quotes doubled.',
    )
