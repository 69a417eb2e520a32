"""Markdown: tables for a README, an issue or a wiki."""

import re
from collections.abc import Iterable

from ml_agents_results.reports.report import Report, View

# Characters that a table cell of GitHub's Markdown treats as markup.
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>|~$&#]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_MARKS = {"best": "**{}**", "close": "<ins>{}</ins>", None: "{}"}


def report_markdown(report: Report) -> str:
    """The views of a report with their captions."""
    return "\n".join(map(_view, report.views))


def escape(text: str) -> str:
    """The text as itself, on one line, in Markdown."""
    return _SPECIAL.sub(r"\\\g<0>", _CONTROL.sub(" ", text))


def _view(view: View) -> str:
    lines = [
        _line(escape(column.title) for column in view.columns),
        _line(":--" if column.is_text else "--:" for column in view.columns),
        *(
            _line(_MARKS[mark].format(escape(text)) for _, text, mark in view.marked(index))
            for index in range(len(view.rows))
        ),
        "",
        escape(view.caption),
        "",
    ]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
