"""Heat map: tasks by variants, each cell the figure and how far it lies along its scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_agents_results.records import Variant
from ml_agents_results.reports.wording import measured, percent
from ml_agents_results.repositories.run_filters import RunFilters
from ml_agents_results.services.summary import SummaryReport
from ml_agents_results.services.variant_summary import VariantSummary
from ml_agents_results.viewer.run_query import RunQuery


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A figure; `share` is 0 at the low and 1 at the high end of the scale."""

    text: str
    share: float | None
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The rows are tasks, with a cell for each of the labels."""

    labels: Sequence[str]
    rows: Sequence[tuple[str, Sequence[HeatCell | None]]]


def heat_map(report: SummaryReport, labels: Mapping[Variant, str]) -> HeatMap:
    """The means of every variant in every task."""
    means = [row.mean for _, rows in report.tasks for row in rows if row.mean is not None]
    numeric = any(row.numeric for row in report.variants)
    low, high = (min(means, default=0.0), max(means, default=1.0)) if numeric else (0.0, 1.0)
    rows = []
    for task, variants in report.tasks:
        known = {row.variant: _cell(row, task, low, high, labels) for row in variants}
        rows.append((task, [known.get(variant) for variant in labels]))
    return HeatMap(list(labels.values()), rows)


def _cell(
    row: VariantSummary, task: str, low: float, high: float, labels: Mapping[Variant, str]
) -> HeatCell:
    shown = measured if row.numeric else percent
    share = None if row.mean is None else (row.mean - low) / (high - low) if high > low else 0.5
    interval = (
        "" if row.ci_low is None else f", interval {shown(row.ci_low)} to {shown(row.ci_high)}"
    )
    return HeatCell(
        shown(row.mean),
        share,
        f"{labels[row.variant]} in {task}: {shown(row.mean)}{interval}, n = {row.graded:,}",
        RunQuery(RunFilters(row.variant.experiment_id, (row.variant,), (task,))).url(),
    )
