"""Unpaired comparison of two variants, for those that share few samples or none."""

from collections.abc import Mapping, Sequence

from ml_agents_results.repositories.counts import SampleCounts
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import DifferenceEstimate
from ml_agents_results.services.comparison.paired import equivalence_fields
from ml_agents_results.services.comparison.shared_samples import Contrast, Sides
from ml_agents_results.services.summary import (
    cluster_method,
    cluster_sums,
    clusters_apply,
    null_clusters,
)
from ml_agents_results.statistics.cluster_robust import ClusteredMean, sample_mean
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.paired_intervals import (
    equivalence_from,
    equivalence_level,
)
from ml_agents_results.statistics.two_samples import (
    clustered_difference,
    unpaired_difference,
    welch_difference,
)

Two = tuple[Sequence[SampleCounts], Sequence[SampleCounts]]
"""The graded samples of the candidate and of the baseline."""


def estimate_unpaired(
    contrast: Contrast,
    cells: Two,
    sides: Sides,
    options: AnalysisOptions,
    *,
    clustered: bool = True,
    level: float | None = None,
) -> DifferenceEstimate:
    """The comparison of all samples of the one variant with all of the other; arguments as in
    `paired.estimate_paired`."""
    level = options.confidence if level is None else level
    estimate, method, test, cr1 = _difference(cells, options, clustered, level)
    shared = sides.graded.pairs if sides.graded else 0
    candidate, baseline = (sum(cell.samples for cell in of_variant) for of_variant in cells)
    equal = None
    if options.margin is not None:
        again = _difference(cells, options, clustered, equivalence_level(options.confidence))[0]
        interval = Interval(again.ci_low, again.ci_high, again.method, again.level)
        equal = equivalence_from(interval, options.margin)
    warnings = [*estimate.warnings, *sides.warnings]
    if shared:
        warnings.append("shared_samples_unpaired")
    nulls = sum(map(null_clusters, cells)) if clustered else 0
    if nulls:
        warnings.append("null_clusters")
    return DifferenceEstimate(
        baseline=contrast.baseline,
        candidate=contrast.candidate,
        samples=0,
        candidate_samples=candidate,
        baseline_samples=baseline,
        candidate_mean=_accuracy(cells[0]),
        baseline_mean=_accuracy(cells[1]),
        difference=estimate.estimate,
        ci_low=estimate.ci_low,
        ci_high=estimate.ci_high,
        se=estimate.se,
        interval_method=estimate.method,
        p_value=estimate.p_value,
        test=test,
        method=method,
        confidence_level=options.confidence,
        interval_level=level,
        n_clusters=estimate.n_clusters,
        dof=estimate.dof,
        se_cr1=cr1,
        margin=options.margin,
        pairing_rule="unpaired",
        denominators={
            "pairs": 0,
            "only_in_candidate": candidate - shared,
            "only_in_baseline": baseline - shared,
            "mismatched": 0,
            "clusters": estimate.n_clusters or 0,
            "null_clusters": nulls,
        },
        null_reason=estimate.null_reason,
        warnings=tuple(dict.fromkeys(warnings)),
        **equivalence_fields(equal),
    )


def _difference(
    cells: Two, options: AnalysisOptions, clustered: bool, level: float
) -> tuple[Estimate, str, str, float | None]:
    """The estimate, the unit it treats as independent, its test, and the CR1 error."""
    groups = {cell.group for of_variant in cells for cell in of_variant}
    if clustered and clusters_apply(groups, options):
        estimate, cr1 = clustered_difference(_clusters(cells), level)
        return estimate, cluster_method(options), "cluster t (CR2, Bell-McCaffrey)", cr1
    if any(cell.graded > 1 for of_variant in cells for cell in of_variant):
        one, two = (_sample_mean(of_variant) for of_variant in cells)
        return welch_difference(one, two, level), "repeats averaged by sample", "Welch's t", None
    (k_one, n_one), (k_two, n_two) = (
        (sum(c.samples for c in of_variant if c.correct), sum(c.samples for c in of_variant))
        for of_variant in cells
    )
    estimate = unpaired_difference(k_one, n_one, k_two, n_two, level)
    return estimate, "independent samples", "score z", None


def _clusters(cells: Two) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Of every cluster the samples and their sum in each variant; a cluster may be of both."""
    none = (0.0, 0.0)
    (one, singles), (two, others) = (cluster_sums(of_variant) for of_variant in cells)
    return [
        *((_pair(one, group), _pair(two, group)) for group in sorted({*one, *two})),
        *(((n, total), none) for n, total, _ in singles),
        *((none, (n, total)) for n, total, _ in others),
    ]


def _pair(sums: Mapping[str, Sequence[float]], group: str) -> tuple[float, float]:
    n, total, _ = sums.get(group, (0.0, 0.0, 0.0))
    return n, total


def _sample_mean(cells: Sequence[SampleCounts]) -> ClusteredMean:
    shares = [(cell.samples, cell.correct / cell.graded) for cell in cells]
    return sample_mean(
        sum(n for n, _ in shares),
        sum(n * share for n, share in shares),
        sum(n * share * share for n, share in shares),
    )


def _accuracy(cells: Sequence[SampleCounts]) -> float | None:
    samples = sum(cell.samples for cell in cells)
    total = sum(cell.samples * cell.correct / cell.graded for cell in cells)
    return total / samples if samples else None
