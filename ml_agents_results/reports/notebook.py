"""Notebook: reports as HTML, and intervals drawn with matplotlib."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ml_agents_results.errors import UsageError
from ml_agents_results.reports.columns import columns
from ml_agents_results.reports.comparison_report import comparison_report
from ml_agents_results.reports.html import report_html, view_html
from ml_agents_results.reports.report import View, value_of
from ml_agents_results.reports.wording import moment, percent
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.notebook_display import NotebookDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ml_agents_results.repositories.experiment_repository import ExperimentCounts

_LISTED = 20
_CLEAR, _UNCLEAR = "#1c4f8f", "#6b7078"


class _ComparisonRenderer:
    """Draws comparisons."""

    def html(self, comparison: Comparison, /) -> str:
        return report_html(comparison_report(comparison))

    def plot(self, comparison: Comparison, axes: "Axes | None", /) -> "Axes":
        views = comparison_report(comparison).views
        return forest_plot(next(view for view in views if view.name == "differences"), axes)


def forest_plot(view: View, axes: "Axes | None" = None) -> "Axes":
    """The intervals of a table as a forest plot, in the order of its rows.

    Differences have a line at zero, and those whose interval does not hold it stand out.

    Raises:
        UsageError: matplotlib is not installed, or the table has no intervals.
    """
    if view.interval is None:
        raise UsageError("this table has no intervals", "Draw one of accuracies or differences.")
    axes = axes or _new_axes(len(view.rows))
    signed = view.interval.kind in ("points", "change")
    scale = 100 if view.interval.kind in ("points", "fraction") else 1
    for index, row in enumerate(view.rows):
        point, low, high = (
            None if value is None else scale * value for value in value_of(row, view.interval)
        )
        clear = not signed or (low is not None and high is not None and not low <= 0 <= high)
        colour = _CLEAR if clear else _UNCLEAR
        if low is not None and high is not None:
            axes.plot([low, high], [index, index], color=colour, linewidth=2)
        if point is not None:
            axes.plot(point, index, marker="o", color=colour, markersize=6)
    if signed:
        axes.axvline(0, color=_UNCLEAR, linewidth=1, linestyle=(0, (2, 2)))
    axes.set_yticks(range(len(view.rows)), [_label(view, row) for row in view.rows])
    axes.set_ylim(len(view.rows) - 0.5, -0.5)
    axes.set_title(view.title, loc="left", fontsize="medium")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return axes


def experiments_html(lines: "Sequence[ExperimentCounts]") -> str:
    """The newest experiments as a table."""
    rows = [
        {
            **line.to_dict(),
            "experiment_id": line.id,
            "created": moment(line.created_at),
            "accuracy": percent(line.accuracy),
        }
        for line in lines[:_LISTED]
    ]
    shown = columns(
        *("experiment_id", "name", "status", "created", "runs", "graded", "failed", "variants"),
        "accuracy",
    )
    title = f"{len(lines):,} experiment{'' if len(lines) == 1 else 's'}"
    more = len(lines) - len(rows)
    caption = f"{more:,} older ones are not shown." if more else ""
    return view_html(View("experiments", title, shown, rows, caption=caption))


def _label(view: View, row: Any) -> str:
    """What the columns before the first figure say."""
    texts = [cell for column, cell in zip(view.columns, view.cells(row), strict=True)
             if column.is_text]  # fmt: skip
    return ", ".join(texts)


def _new_axes(rows: int) -> "Axes":
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise UsageError(
            "charts need matplotlib", "Install it with: pip install 'ml-agents-results[plots]'"
        ) from error
    _, drawn = pyplot.subplots(figsize=(7, 1 + 0.4 * rows), layout="constrained")
    axes: Axes = drawn
    return axes


NotebookDisplay.renderer = _ComparisonRenderer()
