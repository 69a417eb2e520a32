"""Files of reports of `analyze` and of comparisons; the extension selects the format."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from ml_agents_results.errors import OutputError, UsageError
from ml_agents_results.formats.json_encoding import json_bytes
from ml_agents_results.formats.output_files import STANDARD_OUTPUT, open_output
from ml_agents_results.reports.html import report_html, text
from ml_agents_results.reports.latex_tables import report_latex
from ml_agents_results.reports.markdown import report_markdown
from ml_agents_results.reports.paper_report import paper_comparison
from ml_agents_results.reports.report import Report
from ml_agents_results.reports.sentences import comparison_document, comparison_frame
from ml_agents_results.services.comparison.comparison_result import Comparison

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto }}
table {{ border-collapse: collapse }} th, td {{ padding: .2rem .6rem; text-align: right }}
th:first-child, .text {{ text-align: left }} thead th {{ border-bottom: 2px solid }}
caption {{ text-align: left; font-weight: 600 }} .scroll {{ overflow-x: auto }}</style></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""


def _json(_: Report, document: Mapping[str, Any], file: BinaryIO) -> None:
    file.write(json_bytes(document, indent=True) + b"\n")


def _markdown(report: Report, _: Mapping[str, Any], file: BinaryIO) -> None:
    file.write(report_markdown(report).encode("utf-8", "replace"))


def _latex(report: Report, _: Mapping[str, Any], file: BinaryIO) -> None:
    file.write(report_latex(report).encode())


def _html(report: Report, _: Mapping[str, Any], file: BinaryIO) -> None:
    body = "\n".join(filter(None, (report_html(report), report.diagram)))
    file.write(_PAGE.format(title=text(report.title), body=body).encode("utf-8", "replace"))


def _excel(report: Report, _: Mapping[str, Any], file: BinaryIO) -> None:
    from ml_agents_results.reports.excel import Book

    with TemporaryDirectory() as folder, Book.open(file, folder) as book:
        book.write_tables(report.title, report.tables)
        sentences = [("", "sentence", one) for one in report.sentences]
        notes = [("", "note", one) for one in report.notes]
        methods = [("", "method", one) for one in report.methods]
        book.write_pairs("Metadata", [("", report.title, ""), *sentences, *notes, *methods])


def _svg(report: Report, _: Mapping[str, Any], file: BinaryIO) -> None:
    if report.diagram is None:
        raise UsageError(
            f"the report {report.title} has no diagram",
            "A ranking has one, where there are at least five tasks and three variants.",
        )
    file.write(report.diagram.encode("utf-8", "replace"))


def _comparison_csv(comparison: Comparison, file: BinaryIO) -> None:
    file.write(comparison_frame(comparison).to_csv(index=False).encode("utf-8", "backslashreplace"))


def _comparison_excel(comparison: Comparison, file: BinaryIO) -> None:
    from ml_agents_results.formats.excel_workbook import write_comparison

    write_comparison(comparison, file)


def _comparison_html(comparison: Comparison, file: BinaryIO) -> None:
    from ml_agents_results.formats.html_report import write_comparison

    write_comparison(comparison, file)


_AS_REPORT = {".json": _json, ".md": _markdown, ".tex": _latex}
WRITERS: dict[str, Callable[[Report, Mapping[str, Any], BinaryIO], None]] = {
    **_AS_REPORT,
    ".html": _html,
    ".xlsx": _excel,
    ".svg": _svg,
}
_COMPARISONS: dict[str, Callable[[Comparison, BinaryIO], None]] = {
    ".csv": _comparison_csv,
    ".xlsx": _comparison_excel,
    ".html": _comparison_html,
}


COMPARISON_SUFFIXES = (*_AS_REPORT, *_COMPARISONS)


def require_report_file(path: Path, *, force: bool = False) -> None:
    """Raises what `write_report` would raise before it writes; called before the analysis."""
    _require(path, WRITERS, "report", force)


def require_comparison_file(path: Path, *, force: bool = False) -> None:
    """Raises what `write_comparison` would raise before it writes; called before the analysis."""
    if str(path) != STANDARD_OUTPUT:
        _require(path, COMPARISON_SUFFIXES, "comparison", force)


def _require(path: Path, known: Collection[str], what: str, force: bool) -> None:
    if path.suffix.lower() not in known:
        raise UsageError(
            f"the extension of {path} is not that of a {what} format",
            f"Use one of: {', '.join(known)}",
        )
    if path.is_file() and not force:
        raise OutputError(
            f"{path} exists already", "Replace it with --force, or choose another name."
        )


def write_report(
    report: Report, document: Mapping[str, Any], path: Path, *, force: bool = False
) -> None:
    """Writes the report, whole or not at all: its tables, or in JSON the document.

    Raises:
        UsageError: No format has that extension, or the report has no diagram (.svg).
        OutputError: The file exists and `force` is not set, or cannot be written.
    """
    require_report_file(path, force=force)
    with open_output(str(path), force=force) as file:
        WRITERS[path.suffix.lower()](report, document, file)


def write_comparison(comparison: Comparison, path: Path, *, force: bool = False) -> None:
    """Writes the comparison, whole or not at all; on `-`, standard output, as JSON.

    Raises:
        UsageError: No format has that extension.
        OutputError: The file exists and `force` is not set, or cannot be written.
    """
    require_comparison_file(path, force=force)
    suffix = path.suffix.lower() or ".json"
    with open_output(str(path), force=force) as file:
        if (write := _COMPARISONS.get(suffix)) is not None:
            write(comparison, file)
        else:
            report, document = paper_comparison(comparison), comparison_document(comparison)
            _AS_REPORT[suffix](report, document, file)
