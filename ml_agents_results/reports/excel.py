"""Excel: tables as sheets, with formats, widths, filters, and texts that a cell can hold."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from textwrap import wrap
from typing import Any, BinaryIO

from ml_agents_results.records import Variant
from ml_agents_results.reports.column import Column, Kind
from ml_agents_results.reports.report import Table

LONGEST_TEXT = 32_767
"""UTF-16 units that a cell holds."""

MOST_NOTES = 1000
DETAILS = (
    *Variant._fields,
    *("se", "interval_method", "method", "samples"),
    *("n_clusters", "accuracy_bounds_low", "accuracy_bounds_high", "null_reason"),
    *("accuracy_error_minus", "accuracy_error_plus", "both_correct", "neither_correct"),
    *("se", "p_value_exact", "family_size", "test", "correction"),
    *("mean_cost_se", "cost_per_correct_se", "priced"),
)
"""Columns that are folded away until a reader opens them with the `+` above."""

_NUMBER_FORMATS = {
    "count": "#,##0",
    "number": "0.000",
    "fraction": "0.0%",
    "points": "+0.0%;-0.0%;0.0%",
    "distance": "0.0%",
    "value": "#,##0.000",
    "change": "+#,##0.000;-#,##0.000;0.000",
    "ms": "#,##0",
    "usd": "[<0.01]$0.000000;$#,##0.0000",
    "p": '[<0.001]"< 0.001";0.000',
    "time": "yyyy-mm-dd hh:mm:ss",
}
_WIDTHS: dict[Kind, int] = {
    "text": 16,
    "usd": 12,
    "time": 20,
    **dict.fromkeys(("count", "fraction", "points", "distance", "ms"), 11),
}
_WIDEST = 60
_VALUE_WIDTH = 100
_LINE_HEIGHT = 15
_MOST_LINES = 27
_WRAPPED = ("sentence", "warnings", "null_reason")
_A4 = 9
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Placed:
    """A table on its sheet; its header is in `first_row`."""

    table: Table
    first_row: int

    @property
    def last_row(self) -> int:
        return self.first_row + len(self.table.rows)

    def column(self, name: str) -> int:
        return [column.name for column in self.table.columns].index(name)


@dataclass
class Book:
    """A workbook that is written row by row, in constant memory."""

    workbook: Any
    formats: dict[str, Any]
    placed: list[tuple[str, Placed]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def open(cls, file: BinaryIO, folder: str) -> Iterator["Book"]:
        """A workbook that is complete when the block ends; `folder` holds temporary files."""
        from xlsxwriter import Workbook
        from xlsxwriter.exceptions import FileCreateError

        output = _Output(file)
        workbook = Workbook(
            output,
            {"constant_memory": True, "tmpdir": folder, "use_zip64": True, "in_memory": False},
        )
        header = {"bold": True, "bg_color": "#1F3864", "font_color": "#FFFFFF", "valign": "top"}
        body = {"valign": "top", "bottom": 1, "bottom_color": "#D9D9D9"}
        formats = {
            kind: workbook.add_format({"num_format": pattern})
            for kind, pattern in _NUMBER_FORMATS.items()
        }
        for kind, pattern in _NUMBER_FORMATS.items():
            formats[f"{kind} cell"] = workbook.add_format({**body, "num_format": pattern})
        text = {**body, "align": "left", "indent": 1}
        formats["text cell"] = formats["flag cell"] = workbook.add_format(text)
        formats["wrapped cell"] = workbook.add_format({**text, "text_wrap": True})
        formats["header"] = workbook.add_format({**header, "align": "left", "indent": 1})
        formats["number header"] = workbook.add_format({**header, "align": "right"})
        formats["title"] = workbook.add_format({"bold": True, "font_size": 13})
        formats["wrong"] = workbook.add_format({"bg_color": "#F8D7DA", "bold": True})
        formats["slow"] = workbook.add_format({"bg_color": "#FFE8B3", "bold": True})
        try:
            yield cls(workbook, formats)
            workbook.close()
        except FileCreateError as error:
            raise error.args[0] from error
        finally:
            output.detach()

    def set_created(self, time: datetime) -> None:
        self.workbook.set_properties({"created": time})

    def add_sheet(self, name: str) -> Any:
        """A sheet that prints with its name and the page at the foot."""
        sheet = self.workbook.add_worksheet(name)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.set_footer("&L&A&RPage &P of &N")
        return sheet

    def _add_page(self, name: str) -> Any:
        """A sheet of tables that prints as wide as the paper. (Runs are too wide for that:
        LibreOffice cannot scale them so far down.)"""
        sheet = self.add_sheet(name)
        sheet.hide_gridlines(2)
        sheet.fit_to_pages(1, 0)
        return sheet

    def sheet(self, name: str) -> Any:
        return self.workbook.get_worksheet_by_name(name)

    def note(self, text: str) -> None:
        """Adds a note to the Metadata sheet; after MOST_NOTES only that there are more."""
        if len(self.notes) < MOST_NOTES:
            self.notes.append(text)
        elif len(self.notes) == MOST_NOTES:
            self.notes.append("further notes are left out")

    def text(self, text: str, where: str) -> str:
        """The text as a cell can hold it; changes are noted."""
        if _SURROGATE.search(text):
            text = _SURROGATE.sub("\ufffd", text)
            self.note(f"{where}: lone surrogates, which Excel cannot hold, are \ufffd")
        if len(text) > LONGEST_TEXT // 2 and _units(text) > LONGEST_TEXT:
            mark = f" ... [cut; {len(text):,} characters in all]"
            text = _cut(text, LONGEST_TEXT - len(mark)) + mark
            self.note(f"{where}: cut; the whole text is in the database")
        return text

    def write_tables(
        self, name: str, tables: Sequence[Table], *, space_after_first: int = 0
    ) -> list[Placed]:
        """A sheet with the first table under a frozen header with filters, the others below."""
        sheet = self._add_page(name)
        self._set_widths(sheet, tables)
        result = []
        row = 0
        for number, table in enumerate(tables):
            if number:
                sheet.write_string(row, 0, table.title, self.formats["title"])
                row += 1
            placed = Placed(table, row)
            self.write_header(sheet, row, table.columns)
            for values in map(table.values, table.rows):
                row += 1
                cells = list(zip(table.columns, values, strict=True))
                wrapped = (value for column, value in cells if column.name in _WRAPPED)
                self._make_room(sheet, row, wrapped, _WIDEST)
                for index, (column, value) in enumerate(cells):
                    self._write(sheet, row, index, self._format_of(column), value)
            if not number:
                sheet.freeze_panes(1, 1)
                if len(tables) == 1:
                    sheet.repeat_rows(0)
                sheet.autofilter(0, 0, max(row, 1), len(table.columns) - 1)
                row += space_after_first
            row += 3
            result.append(placed)
        self.placed += [(name, placed) for placed in result]
        return result

    def write_pairs(self, name: str, rows: Sequence[tuple[str, str, Any]]) -> None:
        """A sheet of names and values in groups; a row without sheet and value begins a group."""
        sheet = self._add_page(name)
        sheet.set_column(0, 0, 16)
        sheet.set_column(1, 1, 34)
        sheet.set_column(2, 2, _VALUE_WIDTH)
        for column, head in enumerate(("sheet", "name", "value")):
            sheet.write_string(0, column, head, self.formats["header"])
        sheet.repeat_rows(0)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(len(rows), 1), 2)
        for row, (group, key, value) in enumerate(rows, 1):
            title = value == "" and not group
            self._make_room(sheet, row, (value,), _VALUE_WIDTH)
            sheet.write_string(row, 0, group, self.formats["text cell"])
            key = self.text(key, f"{name}, row {row + 1}")
            sheet.write_string(row, 1, key, self.formats["title" if title else "text cell"])
            self._write(sheet, row, 2, self.formats["wrapped cell"], value)

    def write_header(self, sheet: Any, row: int, columns: Sequence[Column]) -> None:
        for index, column in enumerate(columns):
            shown = self.formats["header" if column.is_text else "number header"]
            sheet.write_string(row, index, column.name, shown)

    def _format_of(self, column: Column) -> Any:
        wrapped = column.name in _WRAPPED
        return self.formats["wrapped cell" if wrapped else f"{column.kind} cell"]

    def mark_summary(self, placed: Placed) -> None:
        """Draws data bars in the cells of accuracies (not of other metrics) and times."""
        if not placed.table.rows:
            return
        sheet = self.sheet("Summary")
        for name, colour in (
            ("accuracy", "#8FB8DE"),
            ("median_execution_time_ms", "#F4B183"),
            ("p95_execution_time_ms", "#F4B183"),
        ):
            if all(column.name != name for column in placed.table.columns):
                continue
            column = placed.column(name)
            bar = {
                "type": "data_bar",
                "data_bar_2010": True,
                "bar_color": colour,
                "bar_solid": True,
                "min_type": "num",
                "min_value": 0,
            }
            if name == "accuracy":
                bar |= {"max_type": "num", "max_value": 1}
            sheet.conditional_format(placed.first_row + 1, column, placed.last_row, column, bar)

    def _write(self, sheet: Any, row: int, column: int, shown: Any, value: Any) -> None:
        if value is None:
            sheet.write_blank(row, column, None, shown)
        elif isinstance(value, bool):
            sheet.write_boolean(row, column, value, shown)
        elif isinstance(value, int | float):
            sheet.write_number(row, column, value, shown)
        else:
            text = self.text(str(value), f"{sheet.name}, row {row + 1}")
            sheet.write_string(row, column, text, shown)

    def _make_room(self, sheet: Any, row: int, texts: Iterable[Any], width: int) -> None:
        """Excel fits the height of a row to wrapped texts, LibreOffice does not."""
        lines = max((_lines(str(text), width) for text in texts if text is not None), default=1)
        if lines > 1:
            sheet.set_row(row, _LINE_HEIGHT * min(lines, _MOST_LINES))

    def _set_widths(self, sheet: Any, tables: Sequence[Table]) -> None:
        """Fits the widths to the content; columns of details are folded away."""
        widths: dict[int, int] = {}
        details: dict[int, bool] = {}
        for table in tables:
            for index, column in enumerate(table.columns):
                longest = len(column.name)
                if column.kind == "text":
                    texts = (str(row.get(column.name) or "") for row in table.rows)
                    longest = max(map(len, texts), default=0)
                width = max(_WIDTHS.get(column.kind, 10), min(longest + 3, _WIDEST))
                widths[index] = max(widths.get(index, 0), width)
                details[index] = details.get(index, True) and column.name in DETAILS
        for index, width in widths.items():
            folded = {"level": 1, "hidden": True} if details[index] else {}
            opens = details.get(index - 1, False) and not details[index]
            sheet.set_column(index, index, width, None, {**folded, "collapsed": opens})
        if details and details[max(details)]:
            last = max(details) + 1
            sheet.set_column(last, last, None, None, {"collapsed": True})


class _Output:
    """A file that can be detached: Python completes a half-written zip file when it is collected,
    and would complain on stderr that the file is full or closed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file: BinaryIO | None = file
        self._position = 0

    def write(self, data: bytes) -> int:
        if self._file:
            self._file.write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        self._position = self._file.seek(position) if self._file else position
        return self._position

    def flush(self) -> None:
        if self._file:
            self._file.flush()

    def detach(self) -> None:
        self._file = None


def _lines(text: str, width: int) -> int:
    """How many lines a text fills in a cell that wraps it."""
    return sum(len(wrap(line, width)) or 1 for line in text[:LONGEST_TEXT].split("\n"))


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _cut(text: str, units: int) -> str:
    kept = text[:units]
    while (over := _units(kept) - units) > 0:
        kept = kept[: -max(1, over // 2)]
    return kept
