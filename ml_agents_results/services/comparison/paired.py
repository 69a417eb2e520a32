"""Paired comparison of two variants: their difference on shared samples, its interval and its test,
of grades and of numbers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ml_agents_results.errors import UsageError
from ml_agents_results.repositories.counts import PairedSums
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import DifferenceEstimate
from ml_agents_results.services.comparison.paired_differences import Differences
from ml_agents_results.services.comparison.shared_samples import Contrast, Sides
from ml_agents_results.services.sample_clusters import (
    cluster_method,
    clusters_apply,
    mean_over_clusters,
)
from ml_agents_results.statistics.cluster_robust import ClusteredMean, sample_mean
from ml_agents_results.statistics.difference_sums import (
    INDEPENDENT,
    Design,
    DifferenceSums,
    MarginTest,
    clustered_design,
    matched_tango,
    pseudo_sample_interval,
)
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.numeric_difference import (
    DifferenceTest,
    difference_test,
    pseudo_sample_t,
)
from ml_agents_results.statistics.paired_intervals import newcombe
from ml_agents_results.statistics.sign_flip import sign_flip
from ml_agents_results.statistics.value_tabulation import DifferenceSteps

CLUSTER_T = "cluster t (CR2)"
CLUSTER_SIGN_FLIP = "cluster sign-flip"
TANGO_SCORE = "tango score"


@dataclass(frozen=True, slots=True)
class PairedEstimate:
    """A difference with its error, interval and test.

    Attributes:
        design: What its samples are worth.
        method: In words, the unit that its error treats as independent.
        clustered: Whether that is a cluster of samples.
    """

    sums: DifferenceSums
    mean: ClusteredMean
    design: Design
    interval: Interval
    test: DifferenceTest
    method: str
    clustered: bool = False


def estimate_grades(shared: Differences, options: AnalysisOptions, level: float) -> PairedEstimate:
    """The difference of the shares of right answers, with an interval of the level."""
    sums, mean = shared.sums, shared.mean(options)
    tango = options.difference_interval == "tango"

    def interval(design: Design) -> Interval:
        return (matched_tango if tango else pseudo_sample_interval)(sums, level, design)

    if sums.n and shared.clustered:
        _refuse_independent(options)
        return _clustered(sums, mean, interval, options, level, none="bonett-price-design-adjusted")
    own = interval(INDEPENDENT)
    if options.difference_interval == "newcombe":
        if shared.table is None:
            raise UsageError(
                "newcombe's interval needs one answer to each sample",
                "These samples were asked several times: choose bonett-price or tango.",
            )
        own = newcombe(shared.table, level)
    flips = sign_flip(shared.steps)
    p_value, name = flips.chosen(options.test)
    test = DifferenceTest(p_value, flips.p_exact, name)
    return PairedEstimate(
        sums,
        mean,
        INDEPENDENT,
        own,
        test if sums.n else DifferenceTest(None, None, name),
        "independent samples" if shared.table else "repeats averaged by sample",
    )


def estimate_values(
    rows: Sequence[PairedSums],
    steps: DifferenceSteps,
    span: float | None,
    options: AnalysisOptions,
    level: float,
    *,
    within_task: bool,
    repeated: bool,
) -> PairedEstimate:
    """The difference of the means of a numeric metric, with an interval of the level.

    Args:
        rows: Sums by cluster.
        steps: How many samples have each difference.
        span: The width of the metric's range.
    """
    sums = sums_of_differences(rows)
    if sums.n and clusters_apply(rows, options, within_task=within_task):
        parts = ((row, (row.pairs, row.difference, row.difference_squares)) for row in rows)
        return _clustered(
            sums,
            mean_over_clusters(parts, options),
            lambda design: pseudo_sample_t(sums, design, span, level),
            options,
            level,
            none="pseudo-sample-t",
        )
    design = Design(dof=float(sums.n - 1)) if sums.n > 1 else INDEPENDENT
    return PairedEstimate(
        sums,
        sample_mean(sums.n, sums.total, sums.squares),
        design,
        pseudo_sample_t(sums, design, span, level),
        difference_test(sums, steps.counts, steps.kept, options.test),
        "repeats averaged by sample" if repeated else "independent samples",
    )


def _clustered(
    sums: DifferenceSums,
    mean: ClusteredMean,
    interval: Callable[[Design], Interval],
    options: AnalysisOptions,
    level: float,
    *,
    none: str,
) -> PairedEstimate:
    """The estimate with the error between clusters; `none` is the method where there is no
    interval."""
    design = INDEPENDENT
    own = Interval(None, None, none, level, mean.null_reason or "one_cluster")
    if mean.se is not None and mean.dof is not None:
        design = clustered_design(sums, mean.se, mean.dof, mean.n_clusters or sums.n)
        own = interval(design)
    name = CLUSTER_SIGN_FLIP if mean.se == 0.0 and mean.mean else CLUSTER_T
    test = DifferenceTest(mean.p_value(), None, name)
    return PairedEstimate(sums, mean, design, own, test, cluster_method(options), clustered=True)


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


def sums_of_differences(rows: Sequence[PairedSums]) -> DifferenceSums:
    """The sums over all rows."""
    return DifferenceSums(
        n=sum(row.pairs for row in rows),
        total=math.fsum(row.difference for row in rows),
        squares=math.fsum(row.difference_squares for row in rows),
        absolute=math.fsum(row.magnitude for row in rows),
        differing=sum(row.above + row.below for row in rows),
    )


def paired_row(
    contrast: Contrast,
    found: PairedEstimate,
    sides: Sides,
    options: AnalysisOptions,
    *,
    totals: tuple[float, float],
    margin: MarginTest | None,
    null_clusters: int,
    unequal: bool,
    warnings: Sequence[str],
    **own: Any,
) -> DifferenceEstimate:
    """The comparison of one pair, not yet corrected for the number of tests.

    Args:
        totals: The sums of the values of the candidate and of the baseline.
        unequal: Whether samples were graded a different number of times.
        warnings: What the differences themselves call for.
        own: Fields of grades only, or of numbers only.
    """
    n, mean, interval = found.sums.n, found.mean, found.interval
    asked = (sides.candidate_samples, sides.baseline_samples)
    codes = [code for code in mean.warnings if code != "few_samples"] + list(sides.warnings)
    if n:
        further = (
            ("partial_overlap", min(asked) > n or asked[0] != asked[1]),
            ("null_clusters", null_clusters > 0),
            ("mismatched_inputs", sides.mismatched > 0),
            ("unequal_epochs", unequal),
        )
        codes += [*warnings, *(code for code, holds in further if holds)]
    else:
        codes.append("no_shared_samples")
    return DifferenceEstimate(
        baseline=contrast.baseline,
        candidate=contrast.candidate,
        samples=n,
        candidate_samples=n,
        baseline_samples=n,
        candidate_mean=totals[0] / n if n else None,
        baseline_mean=totals[1] / n if n else None,
        difference=found.sums.mean,
        ci_low=interval.low,
        ci_high=interval.high,
        se=mean.se or None,
        interval_method=interval.method,
        p_value=found.test.p_value,
        p_value_exact=found.test.p_exact,
        test=found.test.test,
        method=found.method,
        confidence_level=options.confidence,
        interval_level=interval.level,
        n_clusters=mean.n_clusters,
        dof=found.design.dof,
        se_cr1=mean.se_cr1 if found.clustered else None,
        design_effect=mean.deff,
        intraclass_correlation=mean.icc,
        largest_cluster=mean.largest_share,
        margin=options.margin,
        pairing_rule=contrast.rule,
        denominators={
            "pairs": n,
            "only_in_candidate": asked[0] - n,
            "only_in_baseline": asked[1] - n,
            "mismatched": sides.mismatched,
            "clusters": mean.n_clusters or 0,
            "null_clusters": null_clusters,
        },
        null_reason=interval.null_reason,
        warnings=tuple(dict.fromkeys(codes)),
        **margin_fields(margin),
        **own,
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
