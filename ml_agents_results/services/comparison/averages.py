"""One figure over all tasks: every sample weighs the same (micro), or every task (macro)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow, DifferenceEstimate
from ml_agents_results.services.comparison.correction import adjusted_p
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.services.result_rows import TwoVariantRow
from ml_agents_results.statistics.difference_sums import (
    Design,
    DifferenceSums,
    equal_task_interval,
    pseudo_sample_interval,
    stratified_design,
)
from ml_agents_results.statistics.distributions import normal_two_sided_p, z_quantile
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.macro_averages import (
    Stratum,
    macro_accuracy,
    macro_difference,
    macro_mean,
    stratified_accuracy,
    stratified_se,
)
from ml_agents_results.statistics.multiplicity import count_tests, simultaneous_confidence
from ml_agents_results.statistics.numeric_difference import pseudo_sample_t

SMALL_TASK = 10
"""Samples below which what varies within a task is hardly known."""

FIXED = "macro-fixed, z"

Population = Literal["tasks like these", "clusters like these", "these tasks"]
LIKE_THESE: Population = "tasks like these"
THESE: Population = "these tasks"


@dataclass(frozen=True, slots=True)
class PooledDifference(TwoVariantRow):
    """One estimand over tasks, on the samples of the tasks that both variants have.

    `micro` weighs every sample alike, `macro` every task; `population` says for what the error
    speaks: `micro` is about tasks (or clusters) like these where errors are clustered, and so is
    `macro-random`; `micro-stratified` and `macro-fixed` are about these very tasks. p values are
    corrected over the rows of the same estimand, and intervals widened with them where they are
    simultaneous.
    """

    estimand: str
    population: Population
    tasks: int
    candidate_mean: Estimate
    baseline_mean: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True)
class TaskShare:
    """One task of a comparison: its row, and on the samples of the row the sums of differences (of
    pairs), and the error of each variant's mean (candidate first; None for one sample)."""

    task: str
    row: DifferenceEstimate
    sums: DifferenceSums
    errors: tuple[float | None, float | None] = (None, None)

    @property
    def samples(self) -> tuple[int, int]:
        return self.row.candidate_samples, self.row.baseline_samples

    def difference(self, family: str | None = None) -> Stratum:
        """The difference: an error of 0 where nothing varies, None for a single sample."""
        error = None if min(self.samples) < 2 else self.row.se or 0.0
        return Stratum(self.samples[0], self.row.difference or 0.0, error, family)

    def mean(self, side: int, family: str | None = None) -> Stratum:
        """The mean of the candidate (0) or of the baseline (1)."""
        means = (self.row.candidate_mean, self.row.baseline_mean)
        return Stratum(self.samples[side], means[side] or 0.0, self.errors[side], family)


@dataclass(frozen=True, slots=True)
class AveragedPair:
    """A comparison over all tasks, with what its averages are made of.

    Attributes:
        shares: The tasks that both variants have.
        means: Of the candidate and of the baseline, on the samples of the row.
        sums: Of the differences of all shared samples.
        p_value: Of these, samples being independent.
    """

    row: ComparisonRow
    shares: Sequence[TaskShare]
    means: Sequence[Estimate]
    sums: DifferenceSums
    p_value: float | None

    @property
    def paired(self) -> bool:
        return self.row.pairing_rule != "unpaired"


class TaskAverages:
    """The averages of comparisons by one metric."""

    def __init__(
        self, pairs: Sequence[AveragedPair], options: AnalysisOptions, metric: ChosenMetric
    ) -> None:
        self._pairs = pairs
        self._options = options
        self._metric = metric
        self._numeric = any(pair.row.numeric for pair in pairs)

    def micro(self) -> list[PooledDifference]:
        """Every comparison over all samples: for tasks like these, and for these very tasks."""
        these = [pair for pair in self._pairs if pair.shares and pair.paired]
        return [
            *map(self._judged, self._pairs),
            *self._family(these, self._stratified),
        ]

    def macro(self) -> list[PooledDifference]:
        """Every comparison with all tasks (or families of tasks) weighted alike: over tasks like
        these, and these very ones."""
        made = [self._family(self._pairs, make) for make in (self._random, self._fixed)]
        return [row for rows in zip(*made, strict=True) for row in rows]

    def _family(
        self,
        pairs: Sequence[AveragedPair],
        make: Callable[[AveragedPair, float], PooledDifference],
    ) -> list[PooledDifference]:
        """The rows of one estimand, corrected for each other and widened where that was asked
        for."""
        options = self._options
        rows = [make(pair, options.confidence) for pair in pairs]
        tests = count_tests([row.difference.p_value for row in rows])
        if options.simultaneous and tests > 1:
            level = simultaneous_confidence(options.confidence, tests)
            rows = [make(pair, level) for pair in pairs]
        adjusted = adjusted_p([row.difference.p_value for row in rows], options)
        return [
            replace(row, difference=replace(row.difference, p_adjusted=p, family_size=tests))
            for row, p in zip(rows, adjusted, strict=True)
        ]

    def _judged(self, pair: AveragedPair) -> PooledDifference:
        """A comparison over all samples, as it was judged."""
        row, population = pair.row, THESE
        if row.n_clusters is not None:
            by_task = self._options.cluster in (None, "task")
            population = LIKE_THESE if by_task else "clusters like these"
        difference = Estimate(
            estimate=row.difference,
            method=f"{row.interval_method}, {row.method}",
            se=row.se,
            ci_low=row.ci_low,
            ci_high=row.ci_high,
            level=row.interval_level,
            n_samples=row.candidate_samples,
            n_clusters=row.n_clusters,
            dof=row.dof,
            p_value=row.p_value,
            p_adjusted=row.p_value_adjusted,
            family_size=row.family_size,
            denominators=row.denominators,
            warnings=row.warnings,
            null_reason=row.null_reason,
        )
        return _row("micro", population, pair, pair.means, difference)

    def _stratified(self, pair: AveragedPair, level: float) -> PooledDifference:
        sums = pair.sums
        weights = [share.samples[0] / sums.n for share in pair.shares]
        se = stratified_se([share.difference() for share in pair.shares], weights)
        interval = self._interval(sums, stratified_design(sums, se), level)
        p_value = normal_two_sided_p((sums.mean or 0.0) / se) if se else pair.p_value
        difference = _estimate(sums.mean, se, interval, p_value, sums.n, pair.shares)
        means = self._means("micro-stratified", pair.shares, weights, level)
        return _row("micro-stratified", THESE, pair, means, difference)

    def _random(self, pair: AveragedPair, level: float) -> PooledDifference:
        families = [self._options.family(share.task) for share in pair.shares]
        both = list(zip(pair.shares, families, strict=True))
        span = self._metric.span if self._numeric else 1.0
        bounds = None if span is None else (-span, span)
        difference = macro_difference([s.difference(f) for s, f in both], level, bounds)
        sides = [[s.mean(side, f) for s, f in both] for side in (0, 1)]
        means = [
            macro_mean(side, self._metric.bounds, level)
            if self._numeric
            else macro_accuracy(side, level)
            for side in sides
        ]
        return _row("macro-random", LIKE_THESE, pair, means, difference)

    def _fixed(self, pair: AveragedPair, level: float) -> PooledDifference:
        shares = pair.shares
        if not shares:
            empty = Estimate(None, FIXED, level=level, null_reason="no_graded_runs")
            return _row("macro-fixed", THESE, pair, [empty, empty], empty)
        names = [self._options.family(share.task) or "" for share in shares]
        weights = [1.0 / len(set(names)) / names.count(name) for name in names]
        strata = [share.difference() for share in shares]
        mean = math.fsum(w * s.mean for s, w in zip(strata, weights, strict=True))
        se = stratified_se(strata, weights)
        p_value = normal_two_sided_p(mean / se) if se else None
        if self._numeric or not pair.paired:
            half = z_quantile(level) * se
            low, high = (mean - half, mean + half) if se else (None, None)
            interval = Interval(low, high, FIXED, level, None if se else "zero_variance")
            if not self._numeric:
                interval = interval.clipped(-1.0, 1.0)
        else:
            interval = equal_task_interval([s.sums for s in shares], weights, se, level)
            p_value = pair.p_value if p_value is None else p_value
        samples = sum(share.samples[0] for share in shares)
        difference = _estimate(mean, se, interval, p_value, samples, shares)
        means = self._means("macro-fixed", shares, weights, level)
        return _row("macro-fixed", THESE, pair, means, difference)

    def _interval(self, sums: DifferenceSums, design: Design, level: float) -> Interval:
        if self._numeric:
            return pseudo_sample_t(sums, design, self._metric.span, level)
        return pseudo_sample_interval(sums, level, design)

    def _means(
        self, estimand: str, shares: Sequence[TaskShare], weights: Sequence[float], level: float
    ) -> list[Estimate]:
        """The weighted means of both variants; numbers have no interval over these very tasks."""
        means = []
        for side in (0, 1):
            strata = [share.mean(side) for share in shares]
            mean = math.fsum(w * s.mean for s, w in zip(strata, weights, strict=True))
            if self._numeric:
                means.append(Estimate(mean, estimand, level=level))
                continue
            # Shares may add up to 1 + 2e-16.
            p, se, n = min(mean, 1.0), stratified_se(strata, weights), sum(s.n for s in strata)
            means.append(_estimate(p, se, stratified_accuracy(p, se, n, level), None, n, shares))
        return means


def _estimate(
    value: float | None,
    se: float,
    interval: Interval,
    p_value: float | None,
    samples: int,
    shares: Sequence[TaskShare],
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
    pair: AveragedPair,
    means: Sequence[Estimate],
    difference: Estimate,
) -> PooledDifference:
    return PooledDifference(
        estimand=estimand,
        population=population,
        baseline=pair.row.baseline,
        candidate=pair.row.candidate,
        tasks=len(pair.shares),
        candidate_mean=means[0],
        baseline_mean=means[1],
        difference=difference,
    )
