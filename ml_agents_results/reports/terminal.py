"""Terminal: the one place that prints, so that no text of a model or a file steers the screen."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from ml_agents_results.reports.report import Report, Row, View

WIDTH = 80
"""Columns of a page where the output is not a terminal."""

MOST_NOTES = 3
_PLOT_WIDTHS = (12, 31)
"""Least and most characters of an interval plot."""

_GAP = 2
# C0 and C1 controls but tab and line feed, lone surrogates, line and paragraph separators, and what
# turns the direction of text.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


# What the runner of GitHub Actions takes for a command in what a step prints.
_COMMAND = re.compile(r"^(?=\s*::)|(?<=#)(?=#\[)", re.MULTILINE)


def printable(text: str) -> str:
    """The text with everything that could steer a terminal as visible escapes.

    Line feeds and tabs stay; `\\x1b`, `\\u202e` and lone surrogates are escaped. Where GitHub
    Actions reads along, so are the commands of its runner.
    """
    safe = _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return _COMMAND.sub("\\\\", safe) if os.environ.get("GITHUB_ACTIONS") == "true" else safe


def workflow_command(command: str) -> None:
    """Gives the runner of GitHub Actions a command; its texts are escaped by the caller."""
    sys.stderr.write(_UNSAFE.sub("?", command) + "\n")


def json_printable(text: str) -> str:
    """JSON of the same value with everything that could steer a terminal escaped."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write(text: str = "", *, to: TextIO | None = None) -> None:
    """Prints a line of the output, on stdout unless told otherwise."""
    stream = to or sys.stdout
    stream.write(printable(text) + "\n")
    stream.flush()


def say(message: str) -> None:
    """Prints a message for people on stderr."""
    write(message, to=sys.stderr)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: int = 0, titles: int = 0
) -> None:
    """Prints a list in a frame; the last `numbers` columns go to the right, None is shown as `-`.

    No text is ever cut. On a terminal that is too narrow (elsewhere: in more than 80 columns) the
    first `titles` columns stand on a line of their own over the others; without `titles` cells
    wrap.
    """
    texts = [[_cell(value) for value in row] for row in rows]
    first_number = len(columns) - numbers
    drawn = [
        _Drawn(printable(name), index >= first_number, [row[index] for row in texts])
        for index, name in enumerate(columns)
    ]
    console = _console()
    if titles and _total(drawn) + _GAP * 2 + len(drawn) - 1 > _page(console):
        _draw_titled(console, drawn[:titles], drawn[titles:])
    else:
        _draw(console, drawn, framed=True)


def print_report(report: "Report", *, verbose: bool = False) -> None:
    """Prints sentences, tables and notes.

    Args:
        verbose: Whether all tables, rows, notes, methods and the meaning of the columns are
            printed.
    """
    console = _console()
    for sentence in report.sentences:
        _paragraph(console, sentence)
    views = [view for view in report.views if verbose or not view.detail]
    for index, view in enumerate(views):
        if index or report.sentences:
            console.print()
        _print_view(console, view, view.rows if verbose else view.rows[: view.brief])
    notes = report.notes if verbose else report.notes[:MOST_NOTES]
    if notes:
        console.print()
    for note in notes:
        _paragraph(console, f"Note: {note}.")
    if hidden := len(report.notes) - len(notes):
        _paragraph(console, f"{hidden} more note{'' if hidden == 1 else 's'} with --verbose.")
    if verbose:
        console.print()
        for method in report.methods:
            _paragraph(console, method)
        meanings = {column.label: column.meaning for view in views for column in view.columns}
        for label, meaning in meanings.items():
            _paragraph(console, f"{label}: {meaning}.")


@dataclass(slots=True)
class _Drawn:
    """A column of texts; `label` breaks at spaces where the texts are narrow."""

    label: str
    is_number: bool
    texts: Sequence[str]

    @property
    def head(self) -> str:
        if not self.is_number:
            return self.label
        most = max(max(map(len, self.texts), default=0), 5)
        return "\n".join(wrap(self.label, most, break_long_words=False, break_on_hyphens=False))

    @property
    def width(self) -> int:
        from rich.cells import cell_len

        return max(map(cell_len, (*self.texts, *self.head.split("\n"))))


def _page(console: "Console") -> int:
    return console.width if console.is_terminal else WIDTH


def _print_view(console: "Console", view: "View", rows: "Sequence[Row]") -> None:
    texts = [[_cell(text) for text in view.cells(row)] for row in rows]
    drawn = [
        _Drawn(printable(column.label), not column.is_text, [row[index] for row in texts])
        for index, column in enumerate(view.columns)
    ]
    page = _page(console)
    plot = None
    if view.interval is not None and rows:
        plot = _Drawn("", is_number=False, texts=[" " * _PLOT_WIDTHS[0]])
        at = [column.parts == view.interval.parts[1:] for column in view.columns].index(True) + 1
        drawn.insert(at, plot)
    console.print(printable(view.title), style="bold")
    for number, block in enumerate(_blocks(drawn, plot, page)):
        if number:
            console.print()
        if plot is not None and plot in block:
            room = page - _total(one for one in block if one is not plot) - _GAP
            _plot(plot, view, rows, min(max(room, _PLOT_WIDTHS[0]), _PLOT_WIDTHS[1]), console)
        _draw(console, block)
    if len(rows) < len(view.rows):
        _paragraph(console, f"{len(view.rows) - len(rows):,} more rows with --verbose.")
    if view.caption:
        _paragraph(console, view.caption)


def _plot(
    plot: _Drawn, view: "View", rows: "Sequence[Row]", width: int, console: "Console"
) -> None:
    """Fills the plot of the intervals of a view."""
    from ml_agents_results.reports.interval_plot import Axis
    from ml_agents_results.reports.report import value_of

    assert view.interval is not None
    estimates = [value_of(row, view.interval) for row in rows]
    axis = Axis.of(
        estimates,
        width,
        signed=view.interval.kind in ("points", "change"),
        share=view.interval.kind in ("fraction", "points"),
    )
    plot.label = axis.label
    ascii_only = console.options.ascii_only
    plot.texts = [axis.draw(estimate, ascii_only=ascii_only) for estimate in estimates]


def _blocks(drawn: Sequence[_Drawn], plot: _Drawn | None, width: int) -> list[list[_Drawn]]:
    """The columns in as many blocks as the width asks for; each begins with what names the rows."""
    first = next((i for i, one in enumerate(drawn) if one.is_number or one is plot), len(drawn))
    keys, figures = list(drawn[:first]), drawn[first:]
    # Names that leave no room for a figure wrap.
    widest = max((one.width for one in figures), default=0)
    used = start = min(_total(keys), width - _GAP - widest)
    blocks = [[*keys]]
    for one in figures:
        if used + _GAP + one.width > width and len(blocks[-1]) > len(keys):
            blocks.append([*keys])
            used = start
        blocks[-1].append(one)
        used += _GAP + one.width
    return blocks


def _total(drawn: Iterable[_Drawn]) -> int:
    widths = [one.width for one in drawn]
    return sum(widths) + _GAP * (len(widths) - 1)


def _draw(console: "Console", drawn: Sequence[_Drawn], *, framed: bool = False) -> None:
    from rich.box import HEAVY_HEAD, SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=HEAVY_HEAD if framed else SIMPLE_HEAD,
        header_style="bold",
        pad_edge=framed,
        show_edge=framed,
        collapse_padding=not framed,
    )
    for one in drawn:
        if one.is_number:
            table.add_column(one.head, justify="right", no_wrap=True)
        else:
            table.add_column(one.head, overflow="fold")
    for cells in zip(*(one.texts for one in drawn), strict=True):
        table.add_row(*map(Text, cells))
    console.print(table)


def _draw_titled(console: "Console", titles: Sequence[_Drawn], drawn: Sequence[_Drawn]) -> None:
    """Prints each row under a line with its titles."""
    widths = [max(map(len, (one.label, *one.texts))) for one in drawn]

    def line(texts: Iterable[str]) -> str:
        cells = zip(texts, drawn, widths, strict=True)
        gap = " " * _GAP
        return gap + gap.join(
            text.rjust(width) if one.is_number else text.ljust(width) for text, one, width in cells
        )

    console.print(" / ".join(one.label for one in titles), style="bold")
    console.print(line(one.label for one in drawn).rstrip(), style="bold")
    for number in range(len(drawn[0].texts)):
        names = [one.texts[number] for one in titles if one.texts[number] != "-"]
        console.print("  ".join(names))
        console.print(line(one.texts[number] for one in drawn).rstrip())


def _paragraph(console: "Console", text: str) -> None:
    """Prints a paragraph; on a terminal it breaks between words."""
    console.print(printable(text), soft_wrap=not console.is_terminal)


def _console() -> "Console":
    """The console on stdout. In a pipe it is as wide as need be: nothing is cut."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(width=None if terminal else 10_000, markup=False, highlight=False, emoji=False)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return printable(str(value)).replace("\n", "\\n").replace("\t", "\\t")
