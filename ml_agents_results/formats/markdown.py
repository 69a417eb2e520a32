"""Markdown tables for a README, an issue or a wiki."""

import re
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.reports.paper_tables import Cell, PaperTable, comparison_tables
from ml_agents_results.services.comparison.comparison_service import Comparison

PARTS = ("summary", "comparisons")
# What would be taken for markup in a table cell of GitHub's Markdown.
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>|~$&#]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes the variants with their differences, and the accuracies by task."""
    _write(snapshot.paper_tables, file)


def write_comparison(comparison: Comparison, file: BinaryIO) -> None:
    """Writes the tables of a comparison."""
    _write(comparison_tables(comparison), file)


def _write(tables: Sequence[PaperTable], file: BinaryIO) -> None:
    file.write("\n".join(map(_table, tables)).encode("utf-8", "replace"))


def _table(table: PaperTable) -> str:
    lines = [
        _line(map(escape, table.columns)),
        _line([":--", *["--:"] * (len(table.columns) - 1)]),
        *(_line(map(_cell, row)) for row in table.rows),
        "",
        escape(table.caption),
        "",
    ]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.bold:
        return f"**{text}**"
    return f"<ins>{text}</ins>" if cell.underlined else text


def escape(text: str) -> str:
    """The text as itself, on one line, in Markdown."""
    return _SPECIAL.sub(r"\\\g<0>", _CONTROL.sub(" ", text))
