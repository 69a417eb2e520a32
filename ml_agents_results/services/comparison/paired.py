"""Paired comparison of two variants: the difference, its interval and its test."""

from dataclasses import dataclass
from typing import Any

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import DifferenceEstimate
from ml_agents_results.services.comparison.paired_differences import Differences
from ml_agents_results.services.comparison.shared_samples import Sides
from ml_agents_results.services.sample_clusters import cluster_method
from ml_agents_results.statistics.cluster_robust import (
    ClusteredMean,
    clustered_mean,
    sample_mean,
)
from ml_agents_results.statistics.denominators import missing_pair_bounds
from ml_agents_results.statistics.difference_sums import (
    INDEPENDENT,
    Design,
    DifferenceSums,
    MarginTest,
    clustered_design,
    margin_test,
    matched_tango,
    pseudo_sample_interval,
)
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.mcnemar import (
    PairedTable,
    conditional_odds_ratio,
    phi_correlation,
    probability_of_superiority,
    unpaired_z_p,
)
from ml_agents_results.statistics.paired_intervals import newcombe
from ml_agents_results.statistics.sign_flip import sign_flip

FEW_DISCORDANT = 20
"""Effective discordant samples below which an interval may cover less than it says."""

CLUSTER_T = "cluster t (CR2)"
CLUSTER_SIGN_FLIP = "cluster sign-flip"
TANGO_SCORE = "tango score"


def estimate_paired(
    candidate: Variant,
    baseline: Variant,
    shared: Differences,
    sides: Sides,
    options: AnalysisOptions,
    *,
    level: float | None = None,
) -> DifferenceEstimate:
    """The comparison of one pair, not yet corrected for the number of tests.

    Args:
        level: The level of the interval of the difference, if it is not that of the options.
    """
    level = options.confidence if level is None else level
    found = _find(shared, options, level)
    margin = None
    if options.margin is not None and found.interval.is_defined:
        margin = margin_test(found.sums, options.margin, options.confidence, found.design)
    denominators = {
        "pairs": shared.samples,
        "only_in_candidate": sides.candidate_samples - shared.samples,
        "only_in_baseline": sides.baseline_samples - shared.samples,
        "mismatched": sides.mismatched,
        "clusters": found.mean.n_clusters or 0,
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
        difference=found.sums.mean,
        ci_low=found.interval.low,
        ci_high=found.interval.high,
        se=found.mean.se or None,
        interval_method=found.interval.method,
        p_value=found.p_value,
        p_value_exact=found.p_exact,
        test=found.test,
        method=found.method,
        confidence_level=options.confidence,
        interval_level=level,
        n_clusters=found.mean.n_clusters,
        dof=found.design.dof,
        se_cr1=found.mean.se_cr1 if found.clustered else None,
        design_effect=found.mean.deff,
        intraclass_correlation=found.mean.icc,
        largest_cluster=found.mean.largest_share,
        margin=options.margin,
        difference_bounds=_bounds(sides),
        pairing_rule=sides.rule,
        denominators=denominators,
        null_reason=found.interval.null_reason,
        warnings=tuple(dict.fromkeys(_warnings(shared, sides, found))),
        **margin_fields(margin),
        **_of_table(shared.table, found.clustered),
    )


def margin_fields(test: MarginTest | None, name: str = TANGO_SCORE) -> dict[str, Any]:
    """The figures of a margin, if one was declared."""
    if test is None:
        return {}
    return {
        "margin_ci_low": test.interval.low,
        "margin_ci_high": test.interval.high,
        "margin_test": name,
        "p_non_inferior": test.p_non_inferior,
        "p_equivalent": test.p_equivalent,
    }


def _mean(total: float, samples: int) -> float | None:
    return total / samples if samples else None


def _of_table(table: PairedTable | None, clustered: bool) -> dict[str, Any]:
    """The fields that only a 2x2 table can give."""
    if table is None:
        return {}
    return {
        "both_correct": table.both_correct,
        "regressed": table.regressed,
        "improved": table.improved,
        "neither_correct": table.neither_correct,
        "discordance": table.discordance,
        "odds_ratio": conditional_odds_ratio(table),
        "phi": phi_correlation(table),
        "p_value_unpaired": unpaired_z_p(
            table.candidate_correct, table.pairs, table.baseline_correct, table.pairs
        ),
        "probability_of_superiority": None if clustered else probability_of_superiority(table),
    }


def _bounds(sides: Sides) -> tuple[float, float] | None:
    if sides.graded is None:
        return sides.bounds
    table = sides.graded
    return missing_pair_bounds(table.improved, table.regressed, table.pairs, sides.missing_pairs)


@dataclass(frozen=True, slots=True)
class _PairedEstimate:
    """A difference with its interval, its test and what its error takes for independent."""

    sums: DifferenceSums
    design: Design
    interval: Interval
    p_value: float | None
    p_exact: float | None
    test: str
    method: str
    mean: ClusteredMean
    clustered: bool


def _find(shared: Differences, options: AnalysisOptions, level: float) -> _PairedEstimate:
    sums = shared.sums
    if sums.n and shared.clustered:
        _refuse_independent(options)
        mean = clustered_mean(*zip(*shared.clusters(), strict=True))
        return _clustered(sums, mean, options, level)
    flips = sign_flip(shared.steps)
    p_value, test = flips.chosen(options.test)
    return _PairedEstimate(
        sums=sums,
        design=INDEPENDENT,
        interval=_interval(shared, sums, options, level),
        p_value=p_value if sums.n else None,
        p_exact=flips.p_exact if sums.n else None,
        test=test,
        method="independent samples" if shared.table else "repeats averaged by sample",
        mean=sample_mean(sums.n, sums.total, sums.squares),
        clustered=False,
    )


def _refuse_independent(options: AnalysisOptions) -> None:
    """Raises UsageError for what is chosen and holds for independent samples only."""
    chosen = (
        ("test", options.test, "exact"),
        ("difference-interval", options.difference_interval, "newcombe"),
    )
    for name, value, refused in chosen:
        if value == refused:
            raise UsageError(
                f"--{name} {value} is not for samples in clusters",
                "Several tasks are clusters: --cluster none takes all samples as independent, and "
                "without the option the clustered figures are given.",
            )


def _clustered(
    sums: DifferenceSums, mean: ClusteredMean, options: AnalysisOptions, level: float
) -> _PairedEstimate:
    if mean.se is None or mean.dof is None:
        design = INDEPENDENT
        interval = Interval(
            None, None, "bonett-price-design-adjusted", level, mean.null_reason or "one_cluster"
        )
    else:
        design = clustered_design(sums, mean.se, mean.dof, mean.n_clusters or sums.n)
        inverted = options.difference_interval == "tango"
        interval = (matched_tango if inverted else pseudo_sample_interval)(sums, level, design)
    return _PairedEstimate(
        sums=sums,
        design=design,
        interval=interval,
        p_value=mean.p_value(),
        p_exact=None,
        test=CLUSTER_SIGN_FLIP if mean.se == 0.0 and mean.mean else CLUSTER_T,
        method=cluster_method(options),
        mean=mean,
        clustered=True,
    )


def _interval(
    shared: Differences, sums: DifferenceSums, options: AnalysisOptions, level: float
) -> Interval:
    if options.difference_interval == "tango":
        return matched_tango(sums, level)
    if options.difference_interval == "newcombe":
        if shared.table is None:
            raise UsageError(
                "newcombe's interval needs one answer to each sample",
                "These samples were asked several times: choose bonett-price or tango.",
            )
        return newcombe(shared.table, level)
    return pseudo_sample_interval(sums, level)


def _warnings(shared: Differences, sides: Sides, found: _PairedEstimate) -> list[str]:
    warnings = [code for code in found.mean.warnings if code != "few_samples"]
    warnings += sides.warnings
    if not shared.samples:
        return [*warnings, "no_shared_samples"]
    if not found.sums.differing:
        warnings.append("no_discordant")
    elif found.sums.squares / found.design.effect < FEW_DISCORDANT:
        warnings.append("few_discordant")
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
    return warnings
