"""Excel workbook: results with charts, the runs with filters, and the meaning of the columns."""

import json
from collections.abc import Iterator
from datetime import UTC
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from ml_agents_results.formats.excel_runs import write_runs
from ml_agents_results.formats.metric_columns import MetricColumns
from ml_agents_results.formats.record_objects import described_object
from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.reports.accuracy_report import (
    accuracy_report,
    metrics_table,
    summary_report,
)
from ml_agents_results.reports.column import UNITS
from ml_agents_results.reports.comparison_report import comparisons_table
from ml_agents_results.reports.cost_report import cost_report
from ml_agents_results.reports.excel import Book
from ml_agents_results.reports.excel_charts import (
    add_cost_chart,
    add_summary_charts,
    rows_of_charts,
)
from ml_agents_results.reports.failure_report import failure_report
from ml_agents_results.reports.parsing_report import parsing_report
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.summary import SummaryReport

PARTS = ("summary", "comparisons", "runs", "parsing", "costs", "failures", "metadata")


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes the sheets Summary, Comparisons, Runs, Parsing, Costs, Failures and Metadata."""
    made = max((one.created_at for one in snapshot.experiments if one.created_at), default=None)
    with TemporaryDirectory() as folder, Book.open(file, folder) as book:
        if made is not None:
            # A workbook is the same bytes whenever it is written.
            book.set_created(made.astimezone(UTC).replace(tzinfo=None))
        if snapshot.includes("summary"):
            _write_summary(book, snapshot)
        if snapshot.includes("comparisons"):
            book.write_tables("Comparisons", [comparisons_table(snapshot.comparison)])
        if snapshot.includes("runs"):
            metrics = MetricColumns(snapshot.experiments)
            rows = ((*row, *metrics.values(row, scores)) for row, scores in snapshot.scored_rows())
            write_runs(book, rows, metrics=metrics.names)
        if snapshot.includes("parsing"):
            book.write_tables("Parsing", parsing_report(snapshot.parsing).tables)
        if snapshot.includes("costs"):
            (table, *_) = cost_report(snapshot.costs).tables
            (costs,) = book.write_tables("Costs", [table])
            if costs.table.rows:
                add_cost_chart(book, costs, below=costs.last_row + 2)
        if snapshot.includes("failures"):
            book.write_tables("Failures", failure_report(snapshot.failures).tables)
        if snapshot.includes("metadata"):
            book.write_pairs("Metadata", list(_metadata(book, snapshot)))


def write_comparison(comparison: Comparison, file: BinaryIO) -> None:
    """Writes the sheets Summary, Comparisons and Metadata of a comparison."""
    with TemporaryDirectory() as folder, Book.open(file, folder) as book:
        report = SummaryReport(comparison.confidence_level, comparison.variants)
        (variants,) = book.write_tables("Summary", summary_report(report).tables)
        book.mark_summary(variants)
        add_summary_charts(book, variants, row=variants.last_row + 2)
        book.write_tables("Comparisons", [comparisons_table(comparison)])
        facts = [("", "Comparison", ""), ("", "confidence_level", comparison.confidence_level)]
        facts += [("", "warning", warning) for warning in comparison.warnings]
        book.write_pairs("Metadata", [*facts, *_definitions(book)])


def _write_summary(book: Book, snapshot: Snapshot) -> None:
    variants, *others = accuracy_report(snapshot.accuracy).tables
    if len(snapshot.accuracy.tasks) == 1:
        # One task says what all tasks say.
        others = others[1:]
    if snapshot.further:
        others = [*others, metrics_table(snapshot.further)]
    space = rows_of_charts(variants) if variants.rows else 0
    (placed, *_) = book.write_tables("Summary", [variants, *others], space_after_first=space)
    book.mark_summary(placed)
    if variants.rows:
        add_summary_charts(book, placed, row=placed.last_row + 2)


def _metadata(book: Book, snapshot: Snapshot) -> Iterator[tuple[str, str, Any]]:
    for experiment in snapshot.experiments:
        values = described_object(experiment)
        yield "", f"Experiment {values.pop('id')}", ""
        for group in ("config", "environment"):
            values |= {f"{group}.{key}": value for key, value in values.pop(group).items()}
        for key, value in values.items():
            if value is not None:
                # Names of metrics are read back: no character may be lost.
                yield "", key, json.dumps(value) if key == "metrics" else _cell(value)
    if book.notes:
        yield "", "Notes", ""
        for note in book.notes:
            yield "", "note", note
    yield from _definitions(book)


def _definitions(book: Book) -> Iterator[tuple[str, str, Any]]:
    """What the columns mean, sheet by sheet; a repeated name means the same."""
    yield "", "Columns", ""
    seen: set[tuple[str, str]] = set()
    for sheet, placed in book.placed:
        for column in placed.table.columns:
            if (sheet, column.name) not in seen:
                seen.add((sheet, column.name))
                unit = f" [{UNITS[column.kind]}]" if column.kind in UNITS else ""
                yield sheet, column.name, column.meaning + unit


def _cell(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, str | int | float):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
