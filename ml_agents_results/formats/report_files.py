"""Files of a report of `analyze`; the extension selects the format."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from ml_agents_results.errors import OutputError, UsageError
from ml_agents_results.formats.json_encoding import json_bytes
from ml_agents_results.formats.output_files import open_output
from ml_agents_results.reports.html import report_html, text
from ml_agents_results.reports.latex_tables import report_latex
from ml_agents_results.reports.markdown import report_markdown
from ml_agents_results.reports.report import Report

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


WRITERS: dict[str, Callable[[Report, Mapping[str, Any], BinaryIO], None]] = {
    ".json": _json,
    ".md": _markdown,
    ".tex": _latex,
    ".html": _html,
    ".xlsx": _excel,
    ".svg": _svg,
}


def require_report_file(path: Path, *, force: bool = False) -> None:
    """Raises what `write_report` would raise before it writes; called before the analysis."""
    if path.suffix.lower() not in WRITERS:
        raise UsageError(
            f"the extension of {path} is not that of a report format",
            f"Use one of: {', '.join(WRITERS)}",
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
