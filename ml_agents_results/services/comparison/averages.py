"""One figure over all tasks: every sample weighs the same (micro), or every task (macro)."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ml_agents_results.records import Variant
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow, DifferenceEstimate
from ml_agents_results.services.comparison.correction import adjusted_p
from ml_agents_results.statistics.difference_sums import (
    DifferenceSums,
    equal_task_interval,
    pseudo_sample_interval,
    stratified_design,
)
from ml_agents_results.statistics.distributions import normal_two_sided_p, z_quantile
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.macro_averages import (
    TaskValue,
    macro_accuracy,
    macro_difference,
)
from ml_agents_results.statistics.multiplicity import count_tests, simultaneous_confidence
from ml_agents_results.statistics.sign_flip import sign_flip
from ml_agents_results.statistics.strata import Stratum, stratified_accuracy, stratified_se

SMALL_TASK = 10
"""Samples below which what varies within a task is hardly known."""

Population = Literal["tasks like these", "clusters like these", "these tasks"]
LIKE_THESE: Population = "tasks like these"
THESE: Population = "these tasks"


@dataclass(frozen=True, slots=True)
class PooledDifference:
    """One estimand over tasks, on the samples of the tasks that both variants have.

    `micro` weighs every sample alike, `macro` every task; `population` says for what the error
    speaks: `micro` is about tasks (or clusters) like these where errors are clustered, and so is
    `macro-random`; `micro-stratified` and `macro-fixed` are about these very tasks. p values are
    corrected over the rows of the same estimand, and intervals widened with them where they are
    simultaneous.
    """

    estimand: str
    population: Population
    baseline: Variant
    candidate: Variant
    tasks: int
    candidate_mean: Estimate
    baseline_mean: Estimate
    difference: Estimate

    def to_dict(self) -> dict[str, Any]:
        return {
            "estimand": self.estimand,
            "population": self.population,
            "baseline": self.baseline._asdict(),
            "candidate": self.candidate._asdict(),
            "tasks": self.tasks,
            "candidate_mean": self.candidate_mean.to_dict(),
            "baseline_mean": self.baseline_mean.to_dict(),
            "difference": self.difference.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class TaskShare:
    """One task of a comparison: its row, and on the samples of the row the sums of differences (of
    pairs), and the error of each variant's accuracy (candidate first; None for one sample)."""

    task: str
    row: DifferenceEstimate
    steps: Mapping[int, int]
    per_unit: int
    errors: tuple[float | None, float | None]

    @property
    def sums(self) -> DifferenceSums:
        return DifferenceSums.of_steps(self.steps, self.per_unit)

    @property
    def samples(self) -> tuple[int, int]:
        return self.row.candidate_samples, self.row.baseline_samples

    @property
    def means(self) -> tuple[float, float]:
        return self.row.candidate_mean or 0.0, self.row.baseline_mean or 0.0

    @property
    def error(self) -> float | None:
        """Of the difference: 0 where nothing varies, None for a single sample."""
        return None if min(self.samples) < 2 else self.row.se or 0.0


Shares = Sequence[TaskShare]


def micro_rows(
    pairs: Sequence[ComparisonRow],
    shares: Sequence[Shares],
    means: Sequence[Sequence[Estimate]],
    options: AnalysisOptions,
) -> list[PooledDifference]:
    """Every comparison over all samples: for tasks like these, and for these very tasks.

    Args:
        means: The accuracies of the candidate and of the baseline on the samples of each row.
    """
    likes = [micro_row(*row, options) for row in zip(pairs, shares, means, strict=True)]
    these = family_of_rows(
        lambda level: [
            _stratified(pair, of_pair, level)
            for pair, of_pair in zip(pairs, shares, strict=True)
            if of_pair and pair.pairing_rule != "unpaired"
        ],
        options,
    )
    return [*likes, *these]


def macro_rows(
    pairs: Sequence[DifferenceEstimate], shares: Sequence[Shares], options: AnalysisOptions
) -> list[PooledDifference]:
    """Every comparison with all tasks (or families of tasks) weighted alike."""
    found = []
    for make in (_macro_random, _macro_fixed):
        found.append(
            family_of_rows(
                lambda level, make=make: [  # type: ignore[misc]
                    make(pair, of_pair, options, level)
                    for pair, of_pair in zip(pairs, shares, strict=True)
                ],
                options,
            )
        )
    return [row for rows in zip(*found, strict=True) for row in rows]


def family_of_rows(
    rows_at: Callable[[float], list[PooledDifference]], options: AnalysisOptions
) -> list[PooledDifference]:
    """The rows of one estimand, corrected for each other and widened where that was asked for."""
    rows = rows_at(options.confidence)
    tests = count_tests([row.difference.p_value for row in rows])
    if options.simultaneous and tests > 1:
        rows = rows_at(simultaneous_confidence(options.confidence, tests))
    adjusted = adjusted_p([row.difference.p_value for row in rows], options)
    return [
        replace(row, difference=replace(row.difference, p_adjusted=p, family_size=tests))
        for row, p in zip(rows, adjusted, strict=True)
    ]


def population_of(pair: DifferenceEstimate, options: AnalysisOptions) -> Population:
    """What the error of a comparison over all tasks speaks for."""
    if pair.n_clusters is None:
        return THESE
    return LIKE_THESE if options.cluster in (None, "task") else "clusters like these"


def micro_row(
    pair: ComparisonRow,
    tasks: Sequence[object],
    means: Sequence[Estimate],
    options: AnalysisOptions,
) -> PooledDifference:
    """A comparison over all samples, as it was judged."""
    difference = Estimate(
        estimate=pair.difference,
        method=f"{pair.interval_method}, {pair.method}",
        se=pair.se,
        ci_low=pair.ci_low,
        ci_high=pair.ci_high,
        level=pair.interval_level,
        n_samples=pair.candidate_samples,
        n_clusters=pair.n_clusters,
        dof=pair.dof,
        p_value=pair.p_value,
        p_adjusted=pair.p_value_adjusted,
        family_size=pair.family_size,
        denominators=pair.denominators,
        warnings=pair.warnings,
        null_reason=pair.null_reason,
    )
    return _row("micro", population_of(pair, options), pair, tasks, means, difference)


def _stratified(pair: DifferenceEstimate, shares: Shares, level: float) -> PooledDifference:
    steps, per_unit = _pooled(shares)
    sums = DifferenceSums.of_steps(steps, per_unit)
    weights = [share.samples[0] / sums.n for share in shares]
    se = stratified_se(
        [Stratum(s.samples[0], s.row.difference or 0.0, s.error) for s in shares], weights
    )
    interval = pseudo_sample_interval(sums, level, stratified_design(sums, se))
    p_value = normal_two_sided_p((sums.mean or 0.0) / se) if se else sign_flip(steps).p_mid
    difference = _estimate(sums.mean, se, interval, p_value, sums.n, shares)
    means = []
    for side in (0, 1):
        p = math.fsum(w * s.means[side] for s, w in zip(shares, weights, strict=True))
        own = stratified_se(
            [Stratum(s.samples[side], s.means[side], s.errors[side]) for s in shares], weights
        )
        bounds = stratified_accuracy(min(p, 1.0), own, sums.n, level)
        means.append(_estimate(min(p, 1.0), own, bounds, None, sums.n, shares))
    return _row("micro-stratified", THESE, pair, shares, means, difference)


def _pooled(shares: Shares) -> tuple[dict[int, int], int]:
    """The differences of all samples in steps, and how many steps a whole answer is."""
    per_unit = math.lcm(*(share.per_unit for share in shares))
    steps: dict[int, int] = {}
    for share in shares:
        for step, count in share.steps.items():
            key = step * (per_unit // share.per_unit)
            steps[key] = steps.get(key, 0) + count
    return steps, per_unit


def _values(shares: Shares, options: AnalysisOptions) -> list[list[TaskValue]]:
    """The differences, and the accuracies of both variants, by task."""
    families = [options.family(share.task) if options.families else None for share in shares]
    both = list(zip(shares, families, strict=True))
    return [
        [TaskValue(s.row.difference or 0.0, s.error, s.samples[0], family) for s, family in both],
        *(
            [TaskValue(s.means[side], s.errors[side], s.samples[side], f) for s, f in both]
            for side in (0, 1)
        ),
    ]


def _macro_random(
    pair: DifferenceEstimate, shares: Shares, options: AnalysisOptions, level: float
) -> PooledDifference:
    differences, *accuracies = _values(shares, options)
    means = [macro_accuracy(values, level) for values in accuracies]
    return _row(
        "macro-random", LIKE_THESE, pair, shares, means, macro_difference(differences, level)
    )


def _macro_fixed(
    pair: DifferenceEstimate, shares: Shares, options: AnalysisOptions, level: float
) -> PooledDifference:
    if not shares:
        empty = Estimate(None, "macro-fixed, z", level=level, null_reason="no_graded_runs")
        return _row("macro-fixed", THESE, pair, shares, [empty, empty], empty)
    names = [options.family(share.task) or "" for share in shares]
    weights = [1.0 / len(set(names)) / names.count(name) for name in names]
    samples = sum(share.samples[0] for share in shares)
    mean = math.fsum(w * (s.row.difference or 0.0) for s, w in zip(shares, weights, strict=True))
    se = stratified_se(
        [Stratum(s.samples[0], s.row.difference or 0.0, s.error) for s in shares], weights
    )
    if pair.pairing_rule == "unpaired":
        half = z_quantile(level) * se
        low, high = (mean - half, mean + half) if se else (None, None)
        reason = None if se else "zero_variance"
        interval = Interval(low, high, "macro-fixed, z", level, reason).clipped(-1.0, 1.0)
    else:
        interval = equal_task_interval([s.sums for s in shares], weights, se, level)
    p_value = normal_two_sided_p(mean / se) if se else None
    if p_value is None and pair.pairing_rule != "unpaired":
        p_value = sign_flip(_pooled(shares)[0]).p_mid
    difference = _estimate(mean, se, interval, p_value, samples, shares)
    means = []
    for side in (0, 1):
        p = min(1.0, math.fsum(w * s.means[side] for s, w in zip(shares, weights, strict=True)))
        own = stratified_se(
            [Stratum(s.samples[side], s.means[side], s.errors[side]) for s in shares], weights
        )
        n = sum(share.samples[side] for share in shares)
        means.append(_estimate(p, own, stratified_accuracy(p, own, n, level), None, n, shares))
    return _row("macro-fixed", THESE, pair, shares, means, difference)


def _estimate(
    value: float | None,
    se: float,
    interval: Interval,
    p_value: float | None,
    samples: int,
    shares: Shares,
) -> Estimate:
    small = any(min(share.samples) < SMALL_TASK for share in shares)
    return Estimate(
        estimate=value,
        method=interval.method,
        se=se or None,
        ci_low=interval.low,
        ci_high=interval.high,
        level=interval.level,
        n_samples=samples,
        p_value=p_value,
        denominators={"tasks": len(shares)},
        warnings=("small_tasks",) if small else (),
        null_reason=interval.null_reason,
    )


def _row(
    estimand: str,
    population: Population,
    pair: DifferenceEstimate,
    tasks: Sequence[object],
    means: Sequence[Estimate],
    difference: Estimate,
) -> PooledDifference:
    return PooledDifference(
        estimand=estimand,
        population=population,
        baseline=pair.baseline,
        candidate=pair.candidate,
        tasks=len(tasks),
        candidate_mean=means[0],
        baseline_mean=means[1],
        difference=difference,
    )
