"""Result of a comparison: its rows and averages, as a document and as a data frame; and the results
by several metrics, with the family that their tests form."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_agents_results.errors import UsageError
from ml_agents_results.records import SCHEMA_VERSION
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.asked_samples import IncompleteExperiment
from ml_agents_results.services.comparison.averages import PooledDifference
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.comparison.correction import rejudged
from ml_agents_results.services.notebook_display import NotebookDisplay
from ml_agents_results.services.result_rows import Row, TwoVariantRow
from ml_agents_results.services.variant_summary import VariantSummary
from ml_agents_results.statistics.choices import Family
from ml_agents_results.statistics.cochrans_q import CochranQ

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class TaskComparison(Row):
    """The variants and their comparisons within one task."""

    task: str
    variants: Sequence[VariantSummary]
    comparisons: Sequence[ComparisonRow]


@dataclass(frozen=True, slots=True)
class Refusal(TwoVariantRow):
    """Two variants that were not compared, because more than the approach differs."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison(Row, NotebookDisplay):
    """Everything that `compare` says. See docs/statistics for the meaning of each figure."""

    experiment_ids: Sequence[str]
    metric: str
    numeric: bool
    higher_is_better: bool
    confidence_level: float
    variants: Sequence[VariantSummary]
    comparisons: Sequence[ComparisonRow]
    tasks: Sequence[TaskComparison]
    micro: Sequence[PooledDifference]
    macro: Sequence[PooledDifference]
    refused: Sequence[Refusal]
    incomplete: Sequence[IncompleteExperiment]
    cochrans_q: CochranQ | None
    warnings: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """The document of `compare --json`."""
        values = Row.to_dict(self)
        kind = "numeric" if values.pop("numeric") else "binary"
        return {"schema_version": SCHEMA_VERSION, **values, "metric_kind": kind}

    def to_frame(self) -> "pd.DataFrame":
        """One row per comparison, over all tasks (`task` is empty) and then in each task.

        Columns: task, the parts of both variants as baseline_approach_name, candidate_model and so
        on, then the fields of ComparisonRow; `difference_bounds` as _low and _high, what is in
        `denominators` by itself, and `warnings` as one text.
        """
        import pandas as pd

        rows = [("", pair) for pair in self.comparisons]
        rows += [(task.task, pair) for task in self.tasks for pair in task.comparisons]
        return pd.DataFrame([{"task": task, **_flat(pair)} for task, pair in rows])


def _flat(pair: ComparisonRow) -> dict[str, Any]:
    nested = ("baseline", "candidate", "denominators", "warnings", "difference_bounds")
    values = {name: value for name, value in pair.to_dict().items() if name not in nested}
    for side, variant in (("baseline", pair.baseline), ("candidate", pair.candidate)):
        values |= {f"{side}_{name}": part for name, part in variant._asdict().items()}
    low, high = pair.difference_bounds or (None, None)
    values |= {"difference_bounds_low": low, "difference_bounds_high": high}
    return {**values, **pair.denominators, "warnings": ", ".join(pair.warnings)}


@dataclass(frozen=True, slots=True)
class ComparisonsByMetric:
    """The comparisons of the same variants by several metrics.

    Attributes:
        family: What p values are corrected for: the comparisons by one `metric`, or those by all
            `metrics` together.
    """

    comparisons: Sequence[Comparison]
    family: Family

    def to_dict(self, documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The document of `compare --json`.

        Args:
            documents: Those of the comparisons.
        """
        return {
            "schema_version": SCHEMA_VERSION,
            "experiment_ids": list(self.comparisons[0].experiment_ids),
            "metrics": [comparison.metric for comparison in self.comparisons],
            "family": self.family,
            "by_metric": list(documents),
        }


def by_metric(
    comparisons: Sequence[Comparison], family: Family, options: AnalysisOptions
) -> ComparisonsByMetric:
    """The comparisons by several metrics, judged as one family where that is asked for.

    Tables over all tasks are corrected together; those within tasks stay families of their own.

    Raises:
        UsageError: A margin or simultaneous intervals were asked for, which are of one metric.
    """
    if options.margin is not None:
        raise UsageError(
            "a margin is in the unit of one metric",
            "Compare by one metric: --metric NAME --margin M.",
        )
    if family == "metrics" and options.simultaneous:
        raise UsageError(
            "--simultaneous widens the intervals of one table", "Leave it out, or --family."
        )
    if family == "metrics":
        judged = rejudged([(one.comparisons, one.higher_is_better) for one in comparisons], options)
        comparisons = [
            replace(one, comparisons=rows) for one, rows in zip(comparisons, judged, strict=True)
        ]
    return ComparisonsByMetric(comparisons, family)
