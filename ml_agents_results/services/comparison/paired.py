"""Paired comparison of two variants: the difference, its interval and its test."""

from typing import Any

from ml_agents_results.records import Variant
from ml_agents_results.services.analysis_options import TESTS, AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import DifferenceEstimate
from ml_agents_results.services.comparison.paired_differences import Differences
from ml_agents_results.services.comparison.shared_samples import Sides
from ml_agents_results.services.summary import cluster_method, clusters_apply
from ml_agents_results.statistics.cluster_robust import clustered_mean, sample_mean
from ml_agents_results.statistics.denominators import missing_pair_bounds
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.mcnemar import (
    PairedTable,
    conditional_odds_ratio,
    mcnemar_exact_p,
    phi_correlation,
    probability_of_superiority,
    unpaired_z_p,
)
from ml_agents_results.statistics.paired_intervals import (
    Equivalence,
    difference_interval,
    equivalence_from,
    equivalence_level,
    paired_difference,
)
from ml_agents_results.statistics.sign_flip import sign_flip_test

FEW_DISCORDANT = 10
"""Below this many discordant samples a McNemar test can hardly find anything."""

PERMUTE_BELOW = 200
"""Samples with repeats below which the t test is backed by a sign-flip test."""


def estimate_paired(
    candidate: Variant,
    baseline: Variant,
    shared: Differences,
    sides: Sides,
    options: AnalysisOptions,
    *,
    clustered: bool = True,
    level: float | None = None,
) -> DifferenceEstimate:
    """The comparison of one pair, not yet corrected for the number of tests.

    Args:
        clustered: Whether errors are clustered where the options say so.
        level: The level of the interval of the difference, if it is not that of the options.
    """
    level = options.confidence if level is None else level
    estimate, method, test, spread = _difference(shared, options, clustered, level)
    equal = _equivalence(shared, options, clustered)
    denominators = {
        "pairs": shared.samples,
        "only_in_candidate": sides.candidate_samples - shared.samples,
        "only_in_baseline": sides.baseline_samples - shared.samples,
        "mismatched": sides.mismatched,
        "clusters": estimate.n_clusters or 0,
        "null_clusters": sum(shared.ungrouped.values()),
    }
    return DifferenceEstimate(
        baseline=baseline,
        candidate=candidate,
        samples=shared.samples,
        candidate_samples=shared.samples,
        baseline_samples=shared.samples,
        candidate_mean=_mean(shared.shares[0], shared.samples),
        baseline_mean=_mean(shared.shares[1], shared.samples),
        difference=estimate.estimate,
        ci_low=estimate.ci_low,
        ci_high=estimate.ci_high,
        se=estimate.se,
        interval_method=estimate.method.split(",")[0],
        p_value=estimate.p_value,
        p_value_permutation=_permutation_p(shared, estimate),
        test=test,
        method=method,
        confidence_level=options.confidence,
        interval_level=level,
        n_clusters=estimate.n_clusters,
        dof=estimate.dof,
        se_cr1=spread[0],
        design_effect=spread[1],
        intraclass_correlation=spread[2],
        margin=options.margin,
        pairing_rule=sides.rule,
        denominators=denominators,
        null_reason=estimate.null_reason,
        warnings=tuple(dict.fromkeys((*estimate.warnings, *_warnings(shared, sides)))),
        **equivalence_fields(equal),
        **_of_table(shared.table, sides, estimate.n_clusters is not None),
    )


def equivalence_fields(equal: Equivalence | None) -> dict[str, Any]:
    """The answers about a margin, if one was declared."""
    if equal is None:
        return {}
    return {
        "equivalence_ci_low": equal.interval.low,
        "equivalence_ci_high": equal.interval.high,
        "equivalent": equal.equivalent,
        "non_inferior": equal.non_inferior,
    }


def _mean(total: float, samples: int) -> float | None:
    return total / samples if samples else None


def _permutation_p(shared: Differences, estimate: Estimate) -> float | None:
    """For few samples with repeats, where a t test needs backing; seeded, so always the same."""
    independent = shared.table is None and estimate.n_clusters is None
    if not independent or shared.samples >= PERMUTE_BELOW:
        return None
    return sign_flip_test(shared.each()).p_value


def _of_table(table: PairedTable | None, sides: Sides, clustered: bool) -> dict[str, Any]:
    """The fields that only a 2x2 table can give."""
    if table is None:
        return {}
    return {
        "both_correct": table.both_correct,
        "regressed": table.regressed,
        "improved": table.improved,
        "neither_correct": table.neither_correct,
        "p_value_exact": mcnemar_exact_p(table),
        "discordance": table.discordance,
        "odds_ratio": conditional_odds_ratio(table),
        "phi": phi_correlation(table),
        "p_value_unpaired": unpaired_z_p(
            table.candidate_correct, table.pairs, table.baseline_correct, table.pairs
        ),
        "probability_of_superiority": None if clustered else probability_of_superiority(table),
        "difference_bounds": sides.graded
        and missing_pair_bounds(
            sides.graded.improved,
            sides.graded.regressed,
            sides.graded.pairs,
            sides.missing_pairs,
        ),
    }


def _difference(
    shared: Differences, options: AnalysisOptions, clustered: bool, level: float
) -> tuple[Estimate, str, str, tuple[float | None, float | None, float | None]]:
    """The estimate, the unit it treats as independent, its test, and CR1, design effect and ICC."""
    groups = set(shared.groups)
    if clustered and shared.samples and clusters_apply(groups, options):
        mean = clustered_mean(*zip(*shared.clusters(), strict=True))
        estimate = mean.as_difference(level)
        return (
            estimate,
            cluster_method(options),
            "cluster t (CR2, Bell-McCaffrey)",
            (mean.se_cr1, mean.deff, mean.icc),
        )
    if shared.table is not None:
        test = TESTS[options.test]
        estimate = paired_difference(shared.table, options.difference_interval, level, test)
        return estimate, "independent samples", test, (None, None, None)
    estimate = sample_mean(*shared.sums).as_difference(level)
    return estimate, "repeats averaged by sample", "paired t", (None, None, None)


def _equivalence(
    shared: Differences, options: AnalysisOptions, clustered: bool
) -> Equivalence | None:
    if options.margin is None:
        return None
    level = equivalence_level(options.confidence)
    if clustered and shared.samples and clusters_apply(set(shared.groups), options):
        interval = clustered_mean(*zip(*shared.clusters(), strict=True)).interval(level)
    elif shared.table is not None:
        interval = difference_interval(shared.table, "bonett-price", level)
    else:
        interval = sample_mean(*shared.sums).interval(level)
    return equivalence_from(interval, options.margin)


def _warnings(shared: Differences, sides: Sides) -> list[str]:
    warnings = list(sides.warnings)
    if not shared.samples:
        return [*warnings, "no_shared_samples"]
    if min(sides.candidate_samples, sides.baseline_samples) > shared.samples or (
        sides.candidate_samples != sides.baseline_samples
    ):
        warnings.append("partial_overlap")
    if shared.ungrouped:
        warnings.append("null_clusters")
    if sides.mismatched:
        warnings.append("mismatched_inputs")
    if shared.unequal:
        warnings.append("unequal_epochs")
    if shared.table is not None and 0 < shared.table.discordant < FEW_DISCORDANT:
        warnings.append("few_discordant")
    return warnings
