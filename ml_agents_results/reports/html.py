"""HTML: views as tables for pages and notebooks; every text is escaped."""

from html import escape

from ml_agents_results.reports.columns import Column
from ml_agents_results.reports.report import Report, View

MOST_ROWS = 60
"""Rows that a page has room for."""

# Control characters have pictures of their own.
_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}
_MARKS = {"best": "strong", "close": "u"}


def report_html(report: Report) -> str:
    """The report on its own, for a notebook: sentences, tables, notes."""
    return "\n".join(
        [
            *(f"<p>{text(sentence)}</p>" for sentence in report.sentences),
            *(view_html(view) for view in report.views if not view.detail),
            *(f"<p>Note: {text(note)}.</p>" for note in report.notes),
        ]
    )


def view_html(view: View) -> str:
    """A table in a region that scrolls sideways, with its caption below."""
    titles = "".join(
        f'<th scope="col"{_class(column)}>{text(column.title)}</th>' for column in view.columns
    )
    rows = [_row(view, index) for index in range(min(len(view.rows), MOST_ROWS))]
    if not rows:
        rows = [f'<tr><td colspan="{len(view.columns)}">none</td></tr>']
    title = text(view.title)
    caption = f'<p class="note">{text(view.caption)}</p>' if view.caption else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{title}"><table>'
        f"<caption>{title}</caption><thead><tr>{titles}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>{caption}"
    )


def text(value: str) -> str:
    """A text as itself in HTML, control characters as pictures."""
    return escape(value.translate(_PICTURES))


def _row(view: View, index: int) -> str:
    cells: list[str] = []
    for column, cell in zip(view.columns, view.cells(view.rows[index]), strict=True):
        shown = text(cell)
        if mark := view.marks.get((index, column.name)):
            shown = f"<{_MARKS[mark]}>{shown}</{_MARKS[mark]}>"
        if cells:
            cells.append(f"<td{_class(column)}>{shown}</td>")
        else:
            cells.append(f'<th scope="row">{shown}</th>')
    return f"<tr>{''.join(cells)}</tr>"


def _class(column: Column) -> str:
    return ' class="text"' if column.is_text else ""
