"""Averages over tasks of a numeric metric: every task (or family of tasks) weighs the same."""

import math
from collections.abc import Sequence
from dataclasses import replace

from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.averages import (
    LIKE_THESE,
    THESE,
    PooledDifference,
    Population,
)
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.comparison.correction import adjusted_p
from ml_agents_results.statistics.bounded_mean import Bounds, mean_of_values
from ml_agents_results.statistics.cluster_robust import ClusteredMean, clustered_mean
from ml_agents_results.statistics.distributions import normal_two_sided_p, z_quantile
from ml_agents_results.statistics.estimate import Estimate

TaskRows = Sequence[tuple[str, Sequence[ComparisonRow]]]
"""The rows of each task."""


def numeric_macro_rows(
    pairs: Sequence[ComparisonRow], tasks: TaskRows, options: AnalysisOptions, bounds: Bounds
) -> list[PooledDifference]:
    """Of each comparison `macro-random` (tasks like these: sd / sqrt(T) of the tasks' differences,
    Student's t) and `macro-fixed` (these very tasks: the errors within them, z), p values
    corrected over the comparisons."""
    found = [
        [_macro(pair, tasks, options, bounds, population) for pair in pairs]
        for population in (LIKE_THESE, THESE)
    ]
    for rows in found:
        adjusted = adjusted_p([row.difference.p_value for row in rows], options)
        rows[:] = [_with_p(row, p, len(rows)) for row, p in zip(rows, adjusted, strict=True)]
    return [row for both in zip(*found, strict=True) for row in both]


def _macro(
    pair: ComparisonRow,
    tasks: TaskRows,
    options: AnalysisOptions,
    bounds: Bounds,
    population: Population,
) -> PooledDifference:
    own = [
        (options.family(task) or "", row)
        for task, rows in tasks
        for row in rows
        if (row.candidate, row.baseline) == (pair.candidate, pair.baseline)
        and row.difference is not None
    ]
    level, samples = options.confidence, sum(row.candidate_samples for _, row in own)
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


def _with_p(row: PooledDifference, p_adjusted: float | None, tests: int) -> PooledDifference:
    difference = replace(row.difference, p_adjusted=p_adjusted, family_size=tests)
    return replace(row, difference=difference)
