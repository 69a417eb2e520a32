"""Sheets of runs: `Runs`, then `Runs 2` and so on if there are more than a sheet holds."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any

from ml_agents_results.database.models import PARSING_COLUMNS
from ml_agents_results.database.types import from_stored
from ml_agents_results.formats.json_encoding import WIDTH
from ml_agents_results.reports.column import Column, Kind
from ml_agents_results.reports.columns import columns
from ml_agents_results.reports.excel import LONGEST_TEXT, Book, Placed
from ml_agents_results.reports.report import Table
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS

ROWS_PER_SHEET = 1_048_575
"""A sheet has 1,048,576 rows, of which one is the header."""

RUN_COLUMNS = (*RECORD_COLUMNS, *PARSING_COLUMNS)
_COLUMNS = columns(*RUN_COLUMNS)
_ID_AT = RECORD_COLUMNS.index("id")
_LONG = (
    *("input_text", "raw_output", "reasoning_text", "metadata_json"),
    *("error", "error_details"),
)
_MEANING = "value of a metric, in its own unit"
_PLAIN_UP_TO = LONGEST_TEXT // 2


def write_runs(
    book: Book,
    rows: Iterable[Sequence[Any]],
    rows_per_sheet: int = ROWS_PER_SHEET,
    metrics: Sequence[str] = (),
) -> None:
    """Writes rows to as many sheets as they need, at least one.

    Args:
        rows: Streamed rows, each followed by the values of `metrics`.
        metrics: The names of the columns of metrics.
    """
    columns = (*_COLUMNS, *(Column(name, name, "value", _MEANING) for name in metrics))
    remaining = iter(rows)
    number = 0
    while True:
        first = list(islice(remaining, 1))
        if number and not first:
            return
        number += 1
        part = chain(first, islice(remaining, rows_per_sheet - 1))
        _write_sheet(book, "Runs" if number == 1 else f"Runs {number}", columns, part)


def _write_sheet(
    book: Book, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]]
) -> None:
    sheet = book.add_sheet(name)
    for index, column in enumerate(columns):
        width = 50 if column.name in _LONG else 20 if column.kind in ("text", "time") else 12
        sheet.set_column(index, index, width)
    book.write_header(sheet, 0, columns)
    sheet.freeze_panes(1, 1)
    sheet.repeat_rows(0)
    # The metrics of a streamed row follow after their id.
    sources = (*range(WIDTH), *range(WIDTH + 1, len(columns) + 1))
    cells = [
        (source, index, _writer(sheet, column.kind), book.formats.get(column.kind))
        for index, (source, column) in enumerate(zip(sources, columns, strict=True))
    ]
    last = 0
    for last, row in enumerate(rows, 1):
        for source, index, write, shown in cells:
            value = row[source]
            if value is not None:
                if value.__class__ is str and (len(value) > _PLAIN_UP_TO or "\ufdd0" in value):
                    where = f"run {row[_ID_AT]}, {columns[index].name}"
                    value = book.text(from_stored(value), where)
                write(last, index, value, shown)
    sheet.autofilter(0, 0, max(last, 1), len(columns) - 1)
    _mark(book, sheet, max(last, 1))
    book.placed.append((name, Placed(Table("Runs", tuple(columns), []), 0)))


def _writer(sheet: Any, kind: Kind) -> Callable[..., Any]:
    match kind:
        case "text":
            write: Callable[..., Any] = sheet.write_string
        case "flag":
            write = sheet.write_boolean
        case "time":

            def write(row: int, column: int, value: datetime, shown: Any) -> None:
                sheet.write_datetime(row, column, value.replace(tzinfo=None), shown)
        case _:
            write = sheet.write_number
    return write


def _mark(book: Book, sheet: Any, last: int) -> None:
    """Marks wrong answers and the slowest 5%; bold, so that it shows without colour as well."""
    from xlsxwriter.utility import xl_rowcol_to_cell

    correct = RUN_COLUMNS.index("is_correct")
    first = xl_rowcol_to_cell(1, correct)
    sheet.conditional_format(
        1,
        correct,
        last,
        correct,
        # An empty cell equals FALSE, but is not a wrong answer.
        {
            "type": "formula",
            "criteria": f"=AND(ISLOGICAL({first}),NOT({first}))",
            "format": book.formats["wrong"],
        },
    )
    time = RUN_COLUMNS.index("execution_time_ms")
    sheet.conditional_format(
        1,
        time,
        last,
        time,
        {"type": "top", "value": 5, "criteria": "%", "format": book.formats["slow"]},
    )
