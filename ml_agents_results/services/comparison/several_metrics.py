"""Several metrics in one report: a comparison by each, and the family that their tests form."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ml_agents_results.errors import UsageError
from ml_agents_results.records import SCHEMA_VERSION
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.comparison.correction import rejudged
from ml_agents_results.statistics.choices import Family


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
