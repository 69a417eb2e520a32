"""Estimate of the mean difference of paired values, by itself or clustered."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ml_agents_results.repositories.counts import PairedSums
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.paired import CLUSTER_SIGN_FLIP, CLUSTER_T
from ml_agents_results.services.numeric_summary import sums_of_clusters
from ml_agents_results.services.sample_clusters import clusters_apply
from ml_agents_results.statistics.cluster_robust import ClusteredMean, clustered_mean, sample_mean
from ml_agents_results.statistics.difference_sums import (
    INDEPENDENT,
    Design,
    DifferenceSums,
    clustered_design,
)
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.numeric_difference import (
    DifferenceTest,
    difference_test,
    pseudo_sample_t,
)
from ml_agents_results.statistics.value_tabulation import DifferenceSteps


@dataclass(frozen=True, slots=True)
class PairedValuesEstimate:
    """A difference with its error, interval and test, and what its samples are worth."""

    mean: ClusteredMean
    design: Design
    interval: Interval
    test: DifferenceTest
    clustered: bool


def estimate_differences(
    rows: Sequence[PairedSums],
    steps: DifferenceSteps,
    span: float | None,
    level: float,
    options: AnalysisOptions,
    *,
    within_task: bool,
) -> PairedValuesEstimate:
    """The estimate from sums by cluster and from the steps of the differences.

    Args:
        span: The width of the metric's range.
    """
    sums = sums_of_differences(rows)
    if sums.n and clusters_apply(rows, options, within_task=within_task):
        parts = [(row, (row.pairs, row.difference, row.difference_squares)) for row in rows]
        clusters = sums_of_clusters(parts, options)
        return _clustered(sums, clustered_mean(*zip(*clusters, strict=True)), span, level)
    design = Design(dof=float(sums.n - 1)) if sums.n > 1 else INDEPENDENT
    return PairedValuesEstimate(
        mean=sample_mean(sums.n, sums.total, sums.squares),
        design=design,
        interval=pseudo_sample_t(sums, design, span, level),
        test=difference_test(sums, steps.counts, steps.kept, options.test),
        clustered=False,
    )


def _clustered(
    sums: DifferenceSums, mean: ClusteredMean, span: float | None, level: float
) -> PairedValuesEstimate:
    if mean.se is None or mean.dof is None:
        design = INDEPENDENT
        reason = mean.null_reason or "one_cluster"
        interval = Interval(None, None, "pseudo-sample-t", level, reason)
    else:
        design = clustered_design(sums, mean.se, mean.dof, mean.n_clusters or sums.n)
        interval = pseudo_sample_t(sums, design, span, level)
    name = CLUSTER_SIGN_FLIP if mean.se == 0.0 and mean.mean else CLUSTER_T
    test = DifferenceTest(mean.p_value(), None, name)
    return PairedValuesEstimate(mean, design, interval, test, True)


def sums_of_differences(rows: Sequence[PairedSums]) -> DifferenceSums:
    """The sums over all rows."""
    return DifferenceSums(
        n=sum(row.pairs for row in rows),
        total=math.fsum(row.difference for row in rows),
        squares=math.fsum(row.difference_squares for row in rows),
        absolute=math.fsum(row.magnitude for row in rows),
        differing=sum(row.above + row.below for row in rows),
    )
