"""Unpaired comparison of two variants, for those that share few samples or none."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ml_agents_results.repositories.counts import SampleCounts
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import DifferenceEstimate
from ml_agents_results.services.comparison.paired import CLUSTER_T, margin_fields
from ml_agents_results.services.comparison.shared_samples import Contrast, Sides
from ml_agents_results.services.sample_clusters import (
    cluster_method,
    clusters_apply,
    estimate_accuracy,
    null_clusters,
    share_right,
    sums_by_cluster,
    sums_of_shares,
    weighted,
)
from ml_agents_results.statistics.cluster_robust import ClusteredMean, sample_mean
from ml_agents_results.statistics.difference_sums import MarginTest, margin_level
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.two_samples import (
    clustered_difference,
    mover,
    touching_alpha,
    unpaired_difference,
    welch_difference,
)

FISHER = "Fisher's exact test"
FISHER_OF_CLUSTERS = "Fisher's exact test (clusters)"

SHARED = "shared_samples_unpaired"
"""Warns that samples are shared, and that a paired comparison would say more."""

Two = tuple[Sequence[SampleCounts], Sequence[SampleCounts]]
"""The graded samples of the candidate and of the baseline."""


def estimate_unpaired(
    contrast: Contrast,
    cells: Two,
    sides: Sides,
    options: AnalysisOptions,
    level: float,
    *,
    metric: str,
    within_task: bool = False,
) -> DifferenceEstimate:
    """The accuracy on all samples of the one variant against that on all of the other, with an
    interval of the level."""
    estimate, method, test, cr1 = _difference(cells, options, within_task)
    interval = _interval(cells, options, within_task, level)
    nulls = sum(map(null_clusters, cells)) if estimate.n_clusters is not None else 0
    codes = [*estimate.warnings, *sides.warnings]
    if sides.graded and sides.graded.pairs:
        codes.append(SHARED)
    if nulls:
        codes.append("null_clusters")
    return unpaired_row(
        contrast,
        estimate,
        interval,
        sides,
        options,
        samples=[sum(cell.samples for cell in own) for own in cells],
        means=[mean_of_samples(own).mean for own in cells],
        test=test,
        method=method,
        warnings=codes,
        null_clusters=nulls,
        se_cr1=cr1,
        metric=metric,
        **margin_fields(_margin(cells, options, within_task), "mover"),
    )


def unpaired_row(
    contrast: Contrast,
    estimate: Estimate,
    interval: Interval,
    sides: Sides,
    options: AnalysisOptions,
    *,
    samples: Sequence[int],
    means: Sequence[float | None],
    test: str,
    method: str,
    warnings: Sequence[str],
    null_clusters: int = 0,
    se_cr1: float | None = None,
    **own: Any,
) -> DifferenceEstimate:
    """The comparison of one pair, not yet corrected for the number of tests.

    Args:
        samples, means: Of the candidate and of the baseline.
        own: Fields of grades only, or of numbers only.
    """
    shared = sides.graded.pairs if sides.graded else 0
    return DifferenceEstimate(
        baseline=contrast.baseline,
        candidate=contrast.candidate,
        samples=0,
        candidate_samples=samples[0],
        baseline_samples=samples[1],
        candidate_mean=means[0],
        baseline_mean=means[1],
        difference=estimate.estimate,
        ci_low=interval.low,
        ci_high=interval.high,
        se=estimate.se,
        interval_method=interval.method,
        p_value=estimate.p_value,
        test=test,
        method=method,
        confidence_level=options.confidence,
        interval_level=interval.level,
        n_clusters=estimate.n_clusters,
        dof=estimate.dof,
        se_cr1=se_cr1,
        margin=options.margin,
        pairing_rule="unpaired",
        denominators={
            "pairs": 0,
            "only_in_candidate": samples[0] - shared,
            "only_in_baseline": samples[1] - shared,
            "mismatched": 0,
            "clusters": estimate.n_clusters or 0,
            "null_clusters": null_clusters,
        },
        null_reason=interval.null_reason,
        warnings=tuple(dict.fromkeys(warnings)),
        **own,
    )


def _difference(
    cells: Two, options: AnalysisOptions, within_task: bool
) -> tuple[Estimate, str, str, float | None]:
    """The estimate, the unit it treats as independent, its test, and the CR1 error."""
    if clusters_apply([*cells[0], *cells[1]], options, within_task=within_task):
        estimate, cr1 = clustered_difference(_clusters(cells, options))
        test = FISHER_OF_CLUSTERS if estimate.method == "fisher" else CLUSTER_T
        return estimate, cluster_method(options), test, cr1
    if any(cell.graded > 1 for of_variant in cells for cell in of_variant):
        one, two = (mean_of_samples(of_variant) for of_variant in cells)
        estimate = welch_difference(one, two)
        test = FISHER if estimate.method == "fisher" else "Welch's t"
        return estimate, "repeats averaged by sample", test, None
    (k_one, n_one), (k_two, n_two) = (
        (sum(c.samples for c in of_variant if c.correct), sum(c.samples for c in of_variant))
        for of_variant in cells
    )
    estimate = unpaired_difference(k_one, n_one, k_two, n_two)
    return estimate, "independent samples", "score z", None


def _interval(cells: Two, options: AnalysisOptions, within_task: bool, level: float) -> Interval:
    """From the interval of each variant by itself."""
    own = replace(options, confidence=level, interval="wilson")
    estimates = [
        estimate_accuracy(of_variant, own, within_task=within_task) for of_variant in cells
    ]
    plain = all(estimate.method == "wilson" for estimate, _ in estimates)
    name = "newcombe-unpaired" if plain else "mover"
    return mover(estimates[0][0], estimates[1][0], level, name).clipped(-1.0, 1.0)


def _margin(cells: Two, options: AnalysisOptions, within_task: bool) -> MarginTest | None:
    """A margin held against the interval: the p value is the alpha at which it touches it."""
    if options.margin is None:
        return None
    interval = _interval(cells, options, within_task, margin_level(options.confidence))
    if not interval.is_defined:
        return None
    margin = options.margin

    def lower(two: Two) -> Callable[[float], float]:
        def end(alpha: float) -> float:
            return _interval(two, options, within_task, 1.0 - 2.0 * alpha).low or 0.0

        return end

    worse = touching_alpha(lower(cells), -margin)
    better = touching_alpha(lower((cells[1], cells[0])), -margin)
    return MarginTest(margin, worse, max(worse, better), interval)


def _clusters(
    cells: Two, options: AnalysisOptions
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Of every cluster the samples and their sum in each variant; a cluster may be of both."""
    none = (0.0, 0.0)
    (one, singles), (two, others) = (
        sums_by_cluster(((cell, sums[:2]) for cell, sums in weighted(own, share_right)), options)
        for own in cells
    )
    pairs = [
        *((one.get(group, none), two.get(group, none)) for group in sorted({*one, *two})),
        *((sums, none) for sums in singles),
        *((none, sums) for sums in others),
    ]
    return [((a, b), (c, d)) for (a, b), (c, d) in pairs]


def mean_of_samples(cells: Sequence[SampleCounts]) -> ClusteredMean:
    """The mean of the shares of right answers, samples being independent."""
    return sample_mean(*sums_of_shares(cells))
