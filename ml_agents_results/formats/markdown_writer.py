"""Markdown files: the tables of a paper."""

from typing import BinaryIO

from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.reports.markdown import report_markdown
from ml_agents_results.reports.paper_report import paper_comparison
from ml_agents_results.services.comparison.comparison_result import Comparison

PARTS = ("summary", "comparisons")


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes the variants with their differences, and the accuracies by task."""
    file.write(report_markdown(snapshot.paper).encode("utf-8", "replace"))


def write_comparison(comparison: Comparison, file: BinaryIO) -> None:
    """Writes the tables of a comparison."""
    file.write(report_markdown(paper_comparison(comparison)).encode("utf-8", "replace"))
