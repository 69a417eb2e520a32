"""Paper tables: the variants of experiments and their differences, as Markdown or LaTeX."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.reports.latex_tables import report_latex
from ml_agents_results.reports.markdown import report_markdown
from ml_agents_results.reports.report import Report


@dataclass(frozen=True)
class PaperTables:
    """Writes the variants with their differences, and the accuracies by task."""

    render: Callable[[Report], str]
    PARTS: ClassVar = ("summary", "comparisons")

    def write(self, snapshot: Snapshot, file: BinaryIO) -> None:
        file.write(self.render(snapshot.paper).encode("utf-8", "replace"))


MARKDOWN = PaperTables(report_markdown)
LATEX = PaperTables(report_latex)
