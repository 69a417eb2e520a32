"""Summaries of a numeric metric: the mean of each variant, in the metric's own unit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import ValueSums, VariantCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.services.sample_clusters import (
    cluster_column,
    cluster_method,
    clusters_apply,
    mean_over_clusters,
    refuse_null_cluster,
)
from ml_agents_results.services.variant_summary import (
    VariantSummary,
    denominators,
    deviation,
    of_counts,
    of_estimate,
)
from ml_agents_results.statistics.bounded_mean import (
    Bounds,
    is_skewed,
    mean_of_values,
    skewness,
)
from ml_agents_results.statistics.cluster_robust import ClusteredMean, sample_mean
from ml_agents_results.statistics.denominators import coverage_warnings
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.run_columns import Cluster


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a variant's samples: sums by group, about `origin`, their mean."""

    origin: float
    groups: Sequence[ValueSums]

    @property
    def samples(self) -> int:
        return sum(row.samples for row in self.groups)

    @property
    def runs(self) -> int:
        return sum(row.runs for row in self.groups)

    @property
    def ungrouped(self) -> int:
        """How many samples have no value to cluster by."""
        return sum(row.samples for row in self.groups if row.group is None)

    @property
    def sums(self) -> tuple[int, float, float, float]:
        """Samples and the three sums over all groups."""
        return (
            self.samples,
            sum(row.total for row in self.groups),
            sum(row.squares for row in self.groups),
            sum(row.cubes for row in self.groups),
        )

    def within(self, task: str) -> "Values":
        """Those of one task."""
        return Values(self.origin, [row for row in self.groups if row.task == task])


def values_of(tabulator: Tabulator, variant: Variant, cluster: Cluster) -> Values:
    """The values of a variant's samples, by cluster; summed about their mean, so that no digits
    are lost."""
    rows = tabulator.values(variant, "task")
    samples = sum(row.samples for row in rows)
    origin = sum(row.total for row in rows) / samples if samples else 0.0
    return Values(origin, tabulator.values(variant, cluster, origin))


def grouped_values(
    tabulator: Tabulator, variants: Sequence[Variant], options: AnalysisOptions
) -> dict[Variant, Values]:
    """The values of each variant, grouped by what the options cluster by.

    Raises:
        UsageError: A sample has no value to cluster by.
    """
    cluster = cluster_column(options)
    every: dict[Variant, Values] = {}
    for variant in variants:
        values = values_of(tabulator, variant, cluster)
        refuse_null_cluster(values.ungrouped, cluster, options)
        every[variant] = values
    return every


def numeric_summary(
    parts: Sequence[VariantCounts],
    values: Values,
    options: AnalysisOptions,
    metric: ChosenMetric,
    latencies: tuple[Sequence[int], Sequence[int]] | None = None,
    *,
    within_task: bool = False,
) -> VariantSummary:
    """One variant from its counts by task and the values of its samples."""
    estimate, method, warnings = estimate_mean(
        values, options, metric.bounds, within_task=within_task
    )
    ungrouped = values.ungrouped if estimate.n_clusters is not None else 0
    n, total, squares, _ = values.sums
    return VariantSummary(
        metric=metric.name_in(parts[0].variant.experiment_id),
        correct=None,
        mean=estimate.estimate,
        accuracy=None,
        sd=deviation(n, total, squares),
        cost_per_correct=None,
        accuracy_bounds=None,
        method=method,
        warnings=(
            *warnings,
            *(("null_clusters",) if ungrouped else ()),
            *coverage_warnings(denominators(parts)),
        ),
        null_clusters=ungrouped,
        **of_estimate(estimate),
        **of_counts(parts, latencies),
    )


def estimate_mean(
    values: Values,
    options: AnalysisOptions,
    bounds: Bounds,
    *,
    within_task: bool = False,
    level: float | None = None,
) -> tuple[Estimate, str, tuple[str, ...]]:
    """The mean over samples with the error that clusters and repeats ask for, its method, and what
    to keep in mind."""
    method = cluster_method(options)
    n, total, squares, cubes = values.sums
    if clusters_apply(values.groups, options, within_task=within_task):
        rows = ((row, (row.samples, row.total, row.squares)) for row in values.groups)
        mean = mean_over_clusters(rows, options)
    else:
        mean = sample_mean(n, total, squares)
        repeated = values.runs > values.samples
        method = "repeats averaged by sample" if repeated else "independent samples"
    warnings = list(mean.warnings)
    if mean.mean is not None:
        mean = replace(mean, mean=mean.mean + values.origin)
        if bounds is not None and not _inside(mean, bounds):
            bounds = None
            warnings.append("values_outside_bounds")
    if bounds is None and is_skewed(n, skewness(n, squares, cubes)):
        warnings.append("skewed")
    confidence = options.confidence if level is None else level
    estimate = mean_of_values(mean, values.runs, bounds, confidence)
    return estimate, method, tuple(warnings)


def _inside(mean: ClusteredMean, bounds: tuple[float, float]) -> bool:
    slack = 1e-9 * (bounds[1] - bounds[0])
    return mean.mean is not None and bounds[0] - slack <= mean.mean <= bounds[1] + slack
