"""Files of a comparison; the extension selects the format."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from ml_agents_results.errors import OutputError, UsageError
from ml_agents_results.formats.json_encoding import json_bytes
from ml_agents_results.formats.output_files import STANDARD_OUTPUT, open_output
from ml_agents_results.reports.sentences import comparison_document, comparison_frame
from ml_agents_results.services.comparison.comparison_result import Comparison

Writer = Callable[[Comparison, BinaryIO], None]


def _json(comparison: Comparison, file: BinaryIO) -> None:
    file.write(json_bytes(comparison_document(comparison), indent=True) + b"\n")


def _csv(comparison: Comparison, file: BinaryIO) -> None:
    file.write(comparison_frame(comparison).to_csv(index=False).encode("utf-8", "backslashreplace"))


def _of_format(module: str) -> Writer:
    """The writer of a format's module, imported when it is used."""

    def write(comparison: Comparison, file: BinaryIO) -> None:
        import_module(f"ml_agents_results.formats.{module}").write_comparison(comparison, file)

    return write


WRITERS: dict[str, Writer] = {
    ".json": _json,
    ".csv": _csv,
    ".xlsx": _of_format("excel_workbook"),
    ".md": _of_format("markdown_writer"),
    ".tex": _of_format("latex_writer"),
    ".html": _of_format("html_report"),
}


def comparison_writer(path: Path, *, force: bool = False) -> Writer:
    """The writer for the extension of `path`; `-` (standard output) is JSON.

    Call it before the analysis, so that nobody waits for a result that cannot be written.

    Raises:
        UsageError: No format has that extension; the hint lists those that do.
        OutputError: The file exists and `force` is not set.
    """
    if str(path) == STANDARD_OUTPUT:
        return _json
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            f"the extension of {path} is not that of a comparison format",
            f"Use one of: {', '.join(WRITERS)}",
        )
    if path.is_file() and not force:
        raise OutputError(
            f"{path} exists already", "Replace it with --force, or choose another name."
        )
    return writer


def write_comparison(comparison: Comparison, path: Path, *, force: bool = False) -> None:
    """Writes the comparison, whole or not at all.

    Raises:
        UsageError: No format has that extension.
        OutputError: The file exists and `force` is not set, or cannot be written.
    """
    writer = comparison_writer(path, force=force)
    with open_output(str(path), force=force) as file:
        writer(comparison, file)
