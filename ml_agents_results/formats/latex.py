"""LaTeX tables to \\input into a paper; they need the package booktabs."""

import re
from collections.abc import Sequence
from typing import BinaryIO

from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.reports.paper_tables import Cell, PaperTable, comparison_tables
from ml_agents_results.services.comparison.comparison_service import Comparison

PARTS = ("summary", "comparisons")
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


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes the variants with their differences, and the accuracies by task."""
    _write(snapshot.paper_tables, file)


def write_comparison(comparison: Comparison, file: BinaryIO) -> None:
    """Writes the tables of a comparison."""
    _write(comparison_tables(comparison), file)


def _write(tables: Sequence[PaperTable], file: BinaryIO) -> None:
    head = "% Needs \\usepackage[T1]{fontenc}, \\usepackage{textcomp} and \\usepackage{booktabs}.\n"
    file.write((head + "\n".join(map(_table, tables))).encode())


def _table(table: PaperTable) -> str:
    lines = [
        r"\begin{table}[t]",
        r"  \centering",
        rf"  \caption{{{escape(table.caption)}}}",
        rf"  \label{{tab:{table.name}}}",
        r"  \medskip",
        # Intervals in every cell are wide.
        r"  \footnotesize\setlength{\tabcolsep}{4pt}",
        rf"  \begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
        r"    \toprule",
        "    " + " & ".join(map(escape, table.columns)) + r" \\",
        r"    \midrule",
        *("    " + " & ".join(map(_cell, row)) + r" \\" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _cell(cell: Cell) -> str:
    text = _number(cell.text) if cell.number else escape(cell.text)
    if text[:1] in ("[", "*"):
        # The end of the line before would take it for its argument.
        text = "{}" + text
    if cell.bold:
        return rf"\textbf{{{text}}}"
    return rf"\underline{{{text}}}" if cell.underlined else text


def _number(text: str) -> str:
    """Signs and powers of ten as mathematics sets them."""
    if found := _EXPONENT.fullmatch(text):
        sign = "-" if found[2] == "-" else ""
        return rf"${found[1]} \times 10^{{{sign}{found[3]}}}$"
    return f"${text}$".replace(" ", r"\ ") if text[:1] in "+-<" and text != "-" else escape(text)


def escape(text: str) -> str:
    """The text as itself, on one line. Characters that pdflatex does not know become `[U+...]`."""
    return "".join(map(_escaped, _SPACE.sub(" ", text).strip()))


def _escaped(character: str) -> str:
    if character > _LAST_KNOWN:
        return f"[U+{ord(character):04X}]"
    return _ESCAPES.get(character, character)
