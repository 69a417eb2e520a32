"""CSV: a folder of files that `ml-agents import` reads back, or the runs as one file."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from ml_agents_results.database.models import PARSING_COLUMNS
from ml_agents_results.database.types import to_json, to_stored
from ml_agents_results.formats.json_encoding import TEXTS_AT, WIDTH, flat, metrics_text
from ml_agents_results.formats.record_objects import experiment_object
from ml_agents_results.formats.snapshot import ExportOptions, Snapshot
from ml_agents_results.records import SCHEMA_VERSION, ScoreRecord
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS

PARTS = ("runs", "summary", "parsing", "metadata")
FOLDER_ENTRY = r"(runs|summary|parsing_metrics|scores)\.csv"
RUN_COLUMNS = (*RECORD_COLUMNS, "parsing_metrics", "empty_texts")
SCORE_COLUMNS = ("run_id", *(field.name for field in fields(ScoreRecord)))
SUMMARY_COLUMNS = (
    *("experiment_id", "approach_name", "provider", "model", "metric", "runs", "graded", "failed"),
    *("unparsed", "ungraded", "correct", "mean", "accuracy", "ci_low", "ci_high", "se", "sd"),
    *("interval_method", "mean_execution_time_ms", "median_execution_time_ms"),
    *("p95_execution_time_ms", "total_cost", "cost_per_correct", "mean_parsing_confidence"),
    *("method", "samples", "warnings"),
)
_CORRECT_AT = RECORD_COLUMNS.index("is_correct")
_CREATED_AT = RECORD_COLUMNS.index("created_at")
_ID_AT = RECORD_COLUMNS.index("id")
# These columns are never null: an empty cell is an empty text there.
_NULLABLE_AT = tuple(
    index
    for index in TEXTS_AT
    if RECORD_COLUMNS[index] not in ("approach_name", "provider", "model", "task")
)
_FLAGS = {True: "true", False: "false", None: ""}


def is_folder(path: Path, _options: ExportOptions) -> bool:
    """Whether it is a folder: always, unless the name ends in `.csv`."""
    return path.suffix.lower() != ".csv"


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes `runs.csv` alone."""
    with _writer(file, snapshot) as runs:
        runs.writerow(RUN_COLUMNS)
        runs.writerows(map(_run_cells, snapshot.rows()))


def write_folder(snapshot: Snapshot, folder: Path) -> None:
    """Writes runs.csv, scores.csv, parsing_metrics.csv, summary.csv; lines with `#` head each."""
    if snapshot.includes("runs"):
        _write_runs(snapshot, folder)
    if snapshot.includes("summary"):
        with _table(folder / "summary.csv", snapshot, SUMMARY_COLUMNS) as summary:
            for report in (snapshot.accuracy, *snapshot.further):
                for variant in report.variants:
                    cells = flat(variant.to_dict())
                    summary.writerow([_cell(cells[name]) for name in SUMMARY_COLUMNS])


def _write_runs(snapshot: Snapshot, folder: Path) -> None:
    with ExitStack() as stack:

        def table(name: str, columns: Sequence[str]) -> Any:
            return stack.enter_context(_table(folder / name, snapshot, columns))

        runs, scores = table("runs.csv", RUN_COLUMNS), table("scores.csv", SCORE_COLUMNS)
        metrics = None
        if snapshot.includes("parsing"):
            metrics = table("parsing_metrics.csv", ("run_id", *PARSING_COLUMNS))
        for row, scored in snapshot.scored_rows():
            runs.writerow(_run_cells(row))
            scores.writerows(_score_cells(row[_ID_AT], score) for score in scored)
            if metrics is not None and row[WIDTH] is not None:
                metrics.writerow((row[_ID_AT], *map(_cell, row[WIDTH + 1 :])))


@contextmanager
def _table(path: Path, snapshot: Snapshot, columns: Sequence[str]) -> Iterator[Any]:
    with path.open("wb") as file, _writer(file, snapshot) as table:
        table.writerow(columns)
        yield table


def _score_cells(run_id: str, score: ScoreRecord) -> list[Any]:
    return [run_id, *(_cell(_text(getattr(score, name))) for name in SCORE_COLUMNS[1:])]


def _text(value: Any) -> Any:
    """Objects and times as texts."""
    if isinstance(value, datetime):
        return value.isoformat()
    return to_json(value) if isinstance(value, dict) else value


@contextmanager
def _writer(file: BinaryIO, snapshot: Snapshot) -> Iterator[Any]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    try:
        if snapshot.includes("metadata"):
            text.writelines(f"# {line}\r\n" for line in metadata_lines(snapshot))
        yield csv.writer(text)
        text.flush()
    finally:
        text.detach()


def metadata_lines(snapshot: Snapshot) -> Iterable[str]:
    """`key: value` of every experiment; `experiment_id` begins the next one."""
    yield f"schema_version: {SCHEMA_VERSION}"
    for experiment in snapshot.experiments:
        values = experiment_object(experiment)
        values["experiment_id"] = values.pop("id")
        values["created_at"] = values["created_at"].isoformat()
        values["metrics"] = [asdict(metric) for metric in experiment.metrics or ()] or None
        for key in ("experiment_id", *(key for key in values if key != "experiment_id")):
            if values[key] is not None:
                yield f"{key}: {_line(values[key])}"


def _line(value: Any) -> str:
    """The text itself if it fits on a line and cannot be mistaken for JSON; else JSON."""
    if isinstance(value, str):
        plain = value.isprintable() and value == value.strip() and value[:1] not in ("", '"', "{")
        if plain:
            return value
    return json.dumps(value, ensure_ascii=True, sort_keys=True)


def _run_cells(row: Sequence[Any]) -> list[Any]:
    cells = list(row[:WIDTH])
    cells[_CORRECT_AT] = _FLAGS[cells[_CORRECT_AT]]
    cells[_CREATED_AT] = cells[_CREATED_AT].isoformat()
    cells.append(metrics_text(row))
    empty = [RECORD_COLUMNS[index] for index in _NULLABLE_AT if cells[index] == ""]
    cells.append(" ".join(empty))
    return cells


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return _FLAGS[value]
    return to_stored(value) if isinstance(value, str) else value
