"""Averages over tasks of a numeric metric: every sample weighs the same (micro), or every task (or
family of tasks) does (macro)."""

import math
from collections.abc import Callable, Mapping, Sequence

from ml_agents_results.records import Variant
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.averages import (
    LIKE_THESE,
    SMALL_TASK,
    THESE,
    PooledDifference,
    Population,
    family_of_rows,
    micro_row,
)
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.statistics.bounded_mean import Bounds, mean_of_values
from ml_agents_results.statistics.cluster_robust import ClusteredMean, clustered_mean
from ml_agents_results.statistics.difference_sums import DifferenceSums, stratified_design
from ml_agents_results.statistics.distributions import normal_two_sided_p, z_quantile
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.numeric_difference import DifferenceTest, pseudo_sample_t
from ml_agents_results.statistics.strata import Stratum, stratified_se

TaskRows = Sequence[tuple[str, Sequence[ComparisonRow]]]
"""The rows of each task."""

Two = tuple[Variant, Variant]
"""Candidate and baseline."""

Whole = Mapping[Two, tuple[DifferenceSums, DifferenceTest, Sequence[Estimate]]]
"""By comparison the sums over all samples, the test that takes them as independent, and the means
of both variants (candidate first)."""


def numeric_micro_rows(
    pairs: Sequence[ComparisonRow],
    tasks: TaskRows,
    whole: Whole,
    options: AnalysisOptions,
    bounds: Bounds,
) -> list[PooledDifference]:
    """Every comparison over all samples: for tasks like these, and for these very tasks."""
    likes = [
        micro_row(pair, _of(pair, tasks), whole[pair.candidate, pair.baseline][2], options)
        for pair in pairs
    ]

    def these(level: float) -> list[PooledDifference]:
        return [
            _stratified(pair, tasks, whole[pair.candidate, pair.baseline], level, bounds)
            for pair in pairs
            if pair.pairing_rule != "unpaired" and pair.samples
        ]

    return [*likes, *family_of_rows(these, options)]


def numeric_macro_rows(
    pairs: Sequence[ComparisonRow], tasks: TaskRows, options: AnalysisOptions, bounds: Bounds
) -> list[PooledDifference]:
    """Of each comparison `macro-random` (tasks like these: sd / sqrt(T) of the tasks' differences,
    Student's t) and `macro-fixed` (these very tasks: the errors within them, z), p values
    corrected over the comparisons."""

    def rows(population: Population) -> Callable[[float], list[PooledDifference]]:
        return lambda level: [
            _macro(pair, tasks, options, bounds, population, level) for pair in pairs
        ]

    found = [family_of_rows(rows(population), options) for population in (LIKE_THESE, THESE)]
    return [row for both in zip(*found, strict=True) for row in both]


def _of(pair: ComparisonRow, tasks: TaskRows) -> list[tuple[str, ComparisonRow]]:
    """The comparison in each task that both variants have."""
    return [
        (task, row)
        for task, rows in tasks
        for row in rows
        if (row.candidate, row.baseline) == (pair.candidate, pair.baseline)
        and row.difference is not None
    ]


def _stratified(
    pair: ComparisonRow,
    tasks: TaskRows,
    whole: tuple[DifferenceSums, DifferenceTest, Sequence[Estimate]],
    level: float,
    bounds: Bounds,
) -> PooledDifference:
    sums, test, means = whole
    own = _of(pair, tasks)
    strata = [
        Stratum(row.samples, row.difference or 0.0, None if row.samples < 2 else row.se or 0.0)
        for _, row in own
    ]
    se = stratified_se(strata, [row.samples / sums.n for _, row in own])
    span = None if bounds is None else bounds[1] - bounds[0]
    interval = pseudo_sample_t(sums, stratified_design(sums, se), span, level)
    difference = Estimate(
        sums.mean,
        "pseudo-sample-t",
        se=se or None,
        ci_low=interval.low,
        ci_high=interval.high,
        level=level,
        n_samples=sums.n,
        p_value=normal_two_sided_p((sums.mean or 0.0) / se) if se else test.p_value,
        warnings=("small_tasks",) if any(row.samples < SMALL_TASK for _, row in own) else (),
        null_reason=interval.null_reason,
    )
    return PooledDifference(
        "micro-stratified",
        THESE,
        pair.baseline,
        pair.candidate,
        len(own),
        *_bare(means),
        difference,
    )


def _bare(means: Sequence[Estimate]) -> tuple[Estimate, Estimate]:
    """The means without intervals: those are for tasks like these."""
    one, two = (Estimate(mean.estimate, "micro-stratified", level=mean.level) for mean in means)
    return one, two


def _macro(
    pair: ComparisonRow,
    tasks: TaskRows,
    options: AnalysisOptions,
    bounds: Bounds,
    population: Population,
    level: float,
) -> PooledDifference:
    own = [(options.family(task) or "", row) for task, row in _of(pair, tasks)]
    samples = sum(row.candidate_samples for _, row in own)
    difference, *sides = (
        _over_families([(family, getattr(row, name)) for family, row in own])
        for name in ("difference", "candidate_mean", "baseline_mean")
    )
    if population == LIKE_THESE:
        span = math.inf if bounds is None else bounds[1] - bounds[0]
        estimate = difference.as_difference(level, (-span, span))
        means = [mean_of_values(side, samples, bounds, level) for side in sides]
    else:
        families = [family for family, _ in own]
        errors = [
            (row.se or 0.0) / len(set(families)) / families.count(family) for family, row in own
        ]
        estimate = _fixed(difference, math.hypot(*errors), level)
        means = [Estimate(side.mean, "macro-fixed", level=level) for side in sides]
    return PooledDifference(
        estimand="macro-random" if population == LIKE_THESE else "macro-fixed",
        population=population,
        baseline=pair.baseline,
        candidate=pair.candidate,
        tasks=len(own),
        candidate_mean=means[0],
        baseline_mean=means[1],
        difference=estimate,
    )


def _fixed(mean: ClusteredMean, se: float, level: float) -> Estimate:
    method = "macro-fixed, z"
    if mean.mean is None or not se:
        reason = "no_graded_runs" if mean.mean is None else "zero_variance"
        return Estimate(mean.mean, method, level=level, null_reason=reason)
    half = z_quantile(level) * se
    return Estimate(
        mean.mean,
        method,
        se=se,
        ci_low=mean.mean - half,
        ci_high=mean.mean + half,
        level=level,
        p_value=normal_two_sided_p(mean.mean / se),
    )


def _over_families(values: Sequence[tuple[str, float]]) -> ClusteredMean:
    """The mean over families of the means of their tasks."""
    families: dict[str, list[float]] = {}
    for family, value in values:
        families.setdefault(family, []).append(value)
    means = [math.fsum(own) / len(own) for own in families.values()]
    return clustered_mean([1.0] * len(means), means)
