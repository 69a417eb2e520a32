"""HTML: views as tables for pages and notebooks; every text is escaped."""

import re
from collections.abc import Callable, Iterable
from html import escape

from ml_agents_results.reports.column import Column
from ml_agents_results.reports.interval_plot import Axis, Estimate
from ml_agents_results.reports.interval_svg import axis_of, head_svg, interval_svg
from ml_agents_results.reports.report import Report, Row, View, value_of

MOST_ROWS = 60
"""Rows that a page has room for."""

Link = Callable[[Row, Column], str | None]
"""Where a cell leads: an address of this page's site, or nowhere."""

# Control characters have pictures of their own. Those that turn the direction of the text, which
# could make it look like another one, have their code; so have lone surrogates: UTF-8 has none.
_PICTURES: dict[int, int | str] = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"},
    127: 0x2421,
}
_PICTURES |= {
    code: f"\u27e8U+{code:04X}\u27e9"
    for code in (
        *range(0x80, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *(0x200E, 0x200F),
        *range(0xD800, 0xE000),
    )
}
_PICTURED = re.compile(f"[{re.escape(''.join(map(chr, _PICTURES)))}]")
_CONTROLS = bytes(code for code in _PICTURES if code < 128)
_MARKS = {"best": "strong", "close": "u"}
_SIGNED = ("points", "change")


def report_html(report: Report) -> str:
    """The report on its own, for a notebook: sentences, tables, notes."""
    return "\n".join(
        [
            *(f"<p>{text(sentence)}</p>" for sentence in report.sentences),
            *(view_html(view) for view in report.views if not view.detail),
            *(f"<p>Note: {text(note)}.</p>" for note in report.notes),
        ]
    )


def view_html(view: View, link: Link | None = None, *, most: int = MOST_ROWS) -> str:
    """A table in a region that scrolls sideways, with its caption below. An interval is also drawn.

    Args:
        link: Where cells lead.
        most: Rows that are shown; a line says how many more there are.
    """
    axis = _axis(view)
    at = _plot_index(view)
    titles = [
        f'<th scope="col"{_class(column)} title="{text(column.meaning)}">{text(column.title)}</th>'
        for column in view.columns
    ]
    if axis is not None:
        titles.insert(at, f'<td class="plot">{head_svg(axis)}</td>')
    rows = [_row(view, index, link, axis, at) for index in range(min(len(view.rows), most))]
    if not rows:
        rows = [f'<tr><td colspan="{len(titles)}">none</td></tr>']
    title = text(view.title)
    notes = [view.caption] if view.caption else []
    if len(view.rows) > most:
        notes.append(f"The first {most:,} of {len(view.rows):,} rows are shown.")
    caption = "".join(f'<p class="note">{text(note)}</p>' for note in notes)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{title}"><table>'
        f"<caption>{title}</caption><thead><tr>{''.join(titles)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>{caption}"
    )


def text(value: str) -> str:
    """A text as itself in HTML, control characters as pictures."""
    return escape(pictured(value))


def pictured(value: str) -> str:
    """A text with its control characters as pictures."""
    return value if value.isprintable() or _is_plain(value) else value.translate(_PICTURES)


def texts(values: Iterable[str]) -> list[str]:
    """`text` of each value: plain ones all at once, which takes a tenth of the time."""
    listed = list(values)
    if listed and _is_plain("".join(listed)):
        # No plain text has the separator.
        return escape("\x1f".join(listed)).split("\x1f")
    return [text(value) for value in listed]


def _is_plain(value: str) -> bool:
    """Whether there is no character that a picture is shown for."""
    if value.isascii():
        return len(value.encode().translate(None, _CONTROLS)) == len(value)
    return _PICTURED.search(value) is None


def _row(view: View, index: int, link: Link | None, axis: Axis | None, at: int) -> str:
    cells: list[str] = []
    row = view.rows[index]
    for column, cell, mark in view.marked(index):
        shown = text(cell)
        if mark is not None:
            shown = f"<{_MARKS[mark]}>{shown}</{_MARKS[mark]}>"
        if link is not None and (target := link(row, column)) is not None:
            shown = f'<a href="{escape(target)}">{shown}</a>'
        if cells:
            cells.append(f"<td{_class(column)}>{shown}</td>")
        else:
            cells.append(f'<th scope="row">{shown}</th>')
    if axis is not None:
        estimate = _estimate(view, row)
        drawn = interval_svg(axis, estimate, _state(axis, estimate))
        cells.insert(at, f'<td class="plot">{drawn}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _axis(view: View) -> Axis | None:
    if view.interval is None or not view.rows:
        return None
    kind = view.interval.kind
    rows = [_estimate(view, row) for row in view.rows]
    if all(value is None for row in rows for value in row):
        return None
    return axis_of(rows, signed=kind in _SIGNED, share=kind in ("fraction", "points"))


def _estimate(view: View, row: Row) -> Estimate:
    assert view.interval is not None
    point, low, high = value_of(row, view.interval)
    return point, low, high


def _plot_index(view: View) -> int:
    """After the interval in figures."""
    parts = set(view.interval.parts) if view.interval is not None else set()
    shown = [
        index for index, column in enumerate(view.columns) if {column.name, *column.parts} & parts
    ]
    return shown[-1] + 1 if shown else len(view.columns)


def _state(axis: Axis, estimate: Estimate) -> str:
    """The class of a difference whose interval lies on one side of zero."""
    _, low, high = estimate
    if not axis.signed or low is None or high is None or low <= 0 <= high:
        return ""
    return "clear"


def _class(column: Column) -> str:
    return ' class="text"' if column.is_text else ""
