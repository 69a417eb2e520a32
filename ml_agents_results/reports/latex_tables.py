"""LaTeX: tables to \\input into a paper; they need the package booktabs."""

import re
from collections.abc import Iterable

from ml_agents_results.reports.column import Column
from ml_agents_results.reports.report import Report, View

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_SPACE = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_EXPONENT = re.compile(r"(.*)e([+-]?)0*(\d+)")
_LAST_KNOWN = "\u017f"
"""pdflatex knows Latin letters up to here; it stops at most others."""

_MARKS = {"best": r"\textbf{%s}", "close": r"\underline{%s}", None: "%s"}


def report_latex(report: Report) -> str:
    """The views of a report as floating tables with their captions."""
    head = "% Needs \\usepackage[T1]{fontenc}, \\usepackage{textcomp} and \\usepackage{booktabs}.\n"
    return head + "\n".join(map(_view, report.views))


def escape(text: str) -> str:
    """The text as itself, on one line. Characters that pdflatex does not know become `[U+...]`."""
    return "".join(map(_escaped, _SPACE.sub(" ", text).strip()))


def _view(view: View) -> str:
    aligned = "".join("l" if column.is_text else "r" for column in view.columns)
    lines = [
        r"\begin{table}[t]",
        r"  \centering",
        rf"  \caption{{{escape(view.caption)}}}",
        rf"  \label{{tab:{view.name}}}",
        r"  \medskip",
        # Intervals in every cell are wide.
        r"  \footnotesize\setlength{\tabcolsep}{4pt}",
        rf"  \begin{{tabular}}{{{aligned}}}",
        r"    \toprule",
        _line(escape(column.title) for column in view.columns),
        r"    \midrule",
        *(
            _line(_MARKS[mark] % _text(text, column) for column, text, mark in view.marked(index))
            for index in range(len(view.rows))
        ),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return "    " + " & ".join(cells) + r" \\"


def _text(text: str, column: Column) -> str:
    shown = _number(text) if column.kind in ("points", "change", "p") else escape(text)
    # The end of the line before would take [ and * for its argument.
    return "{}" + shown if shown[:1] in ("[", "*") else shown


def _number(text: str) -> str:
    """Signs and powers of ten as mathematics sets them."""
    if match := _EXPONENT.fullmatch(text):
        sign = "-" if match[2] == "-" else ""
        return rf"${match[1]} \times 10^{{{sign}{match[3]}}}$"
    return f"${text}$".replace(" ", r"\ ") if text[:1] in "+-<" and text != "-" else escape(text)


def _escaped(character: str) -> str:
    if character > _LAST_KNOWN:
        return f"[U+{ord(character):04X}]"
    return _ESCAPES.get(character, character)
