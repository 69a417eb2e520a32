"""The runs file: one run a line, as JSON Lines or CSV, a JSON list or document, a workbook or
Parquet; packed with gzip, alone in a zip archive, or not.

Fields are named as the columns of `runs`, or as people name them (`column_names`); `--map` names
others. In CSV an empty cell is an absent value, and lines `# key: value` before the header describe
the experiments, as `export --format csv` writes them. That export also tells empty texts from
absent ones, in a column `empty_texts`.
"""

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from ml_agents_results.database.types import from_stored
from ml_agents_results.errors import InvalidFileError, UsageError
from ml_agents_results.formats.answer_reader import AnswerReader
from ml_agents_results.formats.coercion import TYPED, cell, number_cell
from ml_agents_results.formats.column_names import says_what, widened
from ml_agents_results.formats.csv_table import open_table
from ml_agents_results.formats.field_mapping import FieldMapping
from ml_agents_results.formats.json_files import beginning
from ml_agents_results.formats.json_tables import export_rows, is_export, is_json, json_rows
from ml_agents_results.formats.json_values import parse
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.recipe_reading import RecipeReading, recipe_of
from ml_agents_results.formats.record_objects import experiment_of, metrics_of
from ml_agents_results.formats.table_files import (
    Row,
    is_parquet,
    is_single,
    is_workbook,
    parquet_table,
    unpacked,
    workbook_table,
)
from ml_agents_results.records import ExperimentRecord, MetricRecord, ScoreRecord

EMPTY_TEXTS = "empty_texts"
"""The column of our own exports that names the cells that are empty texts. In a table that has it,
texts are as the database stores them."""

_SCORES = "scores.csv"
_METRICS = "metrics"
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def sniff(path: Path) -> bool:
    """Whether it is text, a workbook, Parquet, an archive of one file, or a folder that
    `export --format csv` wrote."""
    if path.is_dir():
        return _table_of(path).is_file()
    start = beginning(path)
    if start[:2] in _UTF_16 or is_parquet(path) or is_workbook(path) or is_single(path):
        return True
    return b"\x00" not in start and start[:1] != b"<"


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The runs in the order of the file, and the experiments that a CSV file describes.

    Raises:
        InvalidFileError: A line, the header or a row does not fit.
        InvalidRecordError: A required field is missing, or a value is of the wrong kind.
    """
    path = source.path
    if is_workbook(path) or is_parquet(path):
        experiments, rows = (workbook_table if is_workbook(path) else parquet_table)(source)
        yield _log(source, options, rows, experiments)
    elif is_single(path):
        with unpacked(source) as inner, open(inner, options) as log:
            yield log
    elif is_export(path):
        exported: list[ExperimentRecord] = []
        yield _log(source, options, export_rows(source, exported), exported)
    elif is_json(source):
        yield _log(source, options, json_rows(source, options))
    else:
        with open_table(source, _table_of(path)) as table:
            with source.locate("before the header"):
                experiments = _experiments(table.metadata)
            _check_header(source, table.header)
            rows = iter(table)
            if EMPTY_TEXTS in table.header:
                rows = ((number, _original(row), size) for number, row, size in table)
            if path.is_dir() and (path / _SCORES).is_file():
                rows = _with_scores(LogSource(path / _SCORES), rows)
            convert = _decimal_comma if table.delimiter == ";" else None
            yield _log(source, options, rows, experiments, convert)


def _log(
    source: LogSource,
    options: ImportOptions,
    rows: Iterable[Row],
    experiments: list[ExperimentRecord] | None = None,
    convert: Callable[[str, str], Any] | None = None,
) -> Log:
    experiments = [] if experiments is None else experiments
    described = tuple(experiments)
    reading, rows = recipe_of(source, options, iter(rows))
    if reading is not None:
        options = reading.options
    mapping = FieldMapping(source, options, convert)
    grading = mapping.grading
    if reading is not None:
        grading.describe(reading.recipe.definitions(), f"recipe {reading.recipe.name}")
    for experiment in described:
        grading.describe(experiment.metrics or ())
        primary = next((one.name for one in experiment.metrics or () if one.is_primary), None)
        if options.metric is not None and primary not in (None, options.metric):
            raise UsageError(
                f"{source.name} says itself that {primary} is the metric of {experiment.id}",
                "Import it without --metric, then: ml-agents edit --experiment-id "
                f"{experiment.id} --primary {options.metric}",
            )
    reader = AnswerReader(source, options, reparse=True)

    def measure(metric: MetricRecord, *, has_grades: bool) -> None:
        if options.grader is not None or not has_grades:
            rule = "no other grades" if options.grader is None else "--grader"
            grading.describe([replace(metric, is_primary=True)], rule)
        else:
            # After the file's own metrics, of which the first of right and wrong stays primary.
            grading.define(metric.name, scorer=metric.scorer, definition=metric.definition_json)

    def items() -> Iterator[Item]:
        read = _items(source, options, mapping, rows, experiments, reading)
        yield from grading.streamed(reader.items(read, measure))
        if not grading.metrics:
            reader.finish()

    return Log(experiments, items(), grading.metrics)


def _items(
    source: LogSource,
    options: ImportOptions,
    mapping: FieldMapping,
    rows: Iterable[Row],
    experiments: list[ExperimentRecord],
    reading: RecipeReading | None,
) -> Iterator[Item]:
    for position, row, size in rows:
        if _METRICS in row and isinstance(name := row.get("experiment_id"), str):
            with source.locate(position):
                metrics = metrics_of(row.pop(_METRICS))
            experiments.append(ExperimentRecord(name, name=source.stem, metrics=metrics))
        further: Mapping[str, ScoreRecord] = {}
        if reading is not None:
            with source.locate(position):
                row, further = reading.read(row)
        for part in _parts(row, options) if options.wide else (row,):
            with source.locate(position):
                run, scores = mapping.scored(part)
            yield Item(position, run, size, {**scores, **further} if further else scores)
    mapping.finish()
    if reading is not None:
        reading.finish(source)


def _with_scores(source: LogSource, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows of an exported folder with the scores of their runs, which are in their order."""
    with open_table(source) as table:
        if missing := sorted({"run_id", "metric", "value"} - set(table.header)):
            raise InvalidFileError(
                f"{source.name} has no column {missing[0]!r}", "Export the folder again."
            )
        cells = (_score(source, position, row) for position, row, _ in table)
        grouped = groupby(cells, itemgetter("run_id"))
        run_id, scores = next(grouped, (None, iter(())))
        for position, row, size in rows:
            if row.get("id") == run_id:
                row["scores"] = list(scores)
                run_id, scores = next(grouped, (None, iter(())))
            yield position, row, size
        if run_id is not None:
            raise InvalidFileError(
                f"{source.name} has scores of run {run_id}, which is not among the runs or not in "
                "their order",
                "Export the folder again, or remove the file to import the runs alone.",
            )


def _score(source: LogSource, position: int, row: dict[str, str | None]) -> dict[str, Any]:
    """A row of scores as `score_fields` reads it."""
    score: dict[str, Any] = {name: from_stored(cell) for name, cell in row.items() if cell}
    score.setdefault("run_id", "")
    value, cost = score.get("value"), score.get("cost_estimate")
    with source.locate(position):
        score["value"] = None if value is None else number_cell("value", value)
        if cost is not None:
            score["cost_estimate"] = number_cell("cost_estimate", cost)
    if "details_json" in score:
        try:
            score["details_json"] = parse(score["details_json"])
        except ValueError as error:
            raise InvalidFileError(
                f"{source.where(position)}: details_json: {error}", "Export the folder again."
            ) from error
    return score


def _parts(row: dict[str, Any], options: ImportOptions) -> Iterator[dict[str, Any]]:
    """The rows of a wide table: one for each variant."""
    groups = widened(row, options.wide)
    of_variants = {column for group in groups.values() for column in group}
    field = "approach_name" if options.approach is None else "model"
    shared = {name: value for name, value in row.items() if name not in of_variants}
    for column, variant in options.wide.items():
        own = {name: row.get(one) for one, name in groups[column].items()}
        if column not in row:
            continue
        if (named := groups[column].get(column)) is not None and not says_what(named):
            own["raw_output"] = own.pop(named)
        yield {**shared, **own, field: variant}


def _decimal_comma(field: str, value: str) -> Any:
    if field in TYPED and _DECIMAL_COMMA.fullmatch(value.strip()):
        value = value.replace(",", ".")
    return cell(field, value)


def _table_of(path: Path) -> Path:
    """The file itself, or `runs.csv` of an exported folder."""
    return path / "runs.csv" if path.is_dir() else path


def _experiments(metadata: Sequence[tuple[str, str]]) -> list[ExperimentRecord]:
    """The experiments that the lines before the header describe."""
    described: list[dict[str, Any]] = []
    for key, text in metadata:
        value = parse(text) if key == "metrics" else _metadata_value(text)
        if key == "experiment_id":
            described.append({"id": str(value)})
        elif described:
            described[-1][key] = value
    return list(map(experiment_of, described))


def _metadata_value(text: str) -> Any:
    if text[:1] in ('"', "{"):
        with suppress(ValueError):
            return parse(text)
    return text


def _check_header(source: LogSource, header: list[str]) -> None:
    if twice := sorted(name for name, count in Counter(header).items() if count > 1):
        raise InvalidFileError(
            f"{source.name} has two columns {twice[0]!r}", "Rename or remove one of them."
        )


def _original(row: dict[str, Any]) -> dict[str, Any]:
    """A row of our own export with its texts as they were before they were stored."""
    empty = row.pop(EMPTY_TEXTS)
    values = {name: None if cell is None else from_stored(cell) for name, cell in row.items()}
    return values | dict.fromkeys((empty or "").split(), "")
