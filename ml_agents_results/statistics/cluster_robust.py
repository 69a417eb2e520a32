"""Means of samples that come in groups, with cluster-robust errors, from sums per group.

The default error is CR2 (Bell, McCaffrey 2002) with its own degrees of freedom; CR1 is what
statsmodels and most evaluation tools print. Samples without groups are each their own cluster,
which gives sd / sqrt(n) with n - 1 degrees of freedom (`sample_mean`, from three sums).
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import truediv
from typing import Any

from ml_agents_results.statistics.distributions import check_confidence, check_counts, t_quantile
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.proportions import (
    NO_GRADED_RUNS,
    design_adjusted_wilson,
)
from ml_agents_results.statistics.student_t import t_two_sided_p

NO_VARIANCE = "zero_between_cluster_variance"
# Sums of fractions carry rounding of about 1e-16 each; below this a spread is none.
_RELATIVE_ZERO = 1e-12


@dataclass(frozen=True, slots=True)
class ClusteredMean:
    """A mean over samples with its cluster-robust error.

    `se` is CR2 (0.0 when all clusters agree, `None` when it cannot be known), `se_cr0` and
    `se_cr1` its relatives, `dof` the Bell-McCaffrey degrees of freedom. `deff` = (CR1 / iid)^2 and
    the ANOVA `icc` need sums of squares. `n_clusters` is `None` when samples are not grouped;
    `largest_share` is the share of the samples that the largest cluster has.
    """

    mean: float | None
    se: float | None = None
    se_cr0: float | None = None
    se_cr1: float | None = None
    dof: float | None = None
    n_clusters: int | None = None
    n_samples: int = 0
    deff: float | None = None
    icc: float | None = None
    largest_share: float | None = None
    warnings: tuple[str, ...] = ()
    null_reason: str | None = None

    def p_value(self) -> float | None:
        """Two-sided p for a mean of 0: t on `dof`.

        Without variance it is 1.0 for a mean of 0 and else the exact sign-flip test over
        clusters, 2^(1-G).
        """
        if self.mean is None or self.se is None or self.dof is None:
            return None
        if self.se > 0.0:
            return t_two_sided_p(self.mean / self.se, self.dof)
        return 1.0 if self.mean == 0.0 else math.ldexp(1.0, 1 - self._units)

    def interval(
        self, confidence: float = 0.95, bounds: tuple[float, float] | None = None
    ) -> Interval:
        """mean +/- t se, clipped to `bounds` where given (-1, 1 for a difference).

        Both bounds `None` with `zero_between_cluster_variance` when se is 0.
        """
        check_confidence(confidence)
        if self.mean is None or self.se is None or self.dof is None or self.se == 0.0:
            return Interval(None, None, self._t_name, confidence, self.null_reason or NO_VARIANCE)
        half = t_quantile(confidence, self.dof) * self.se
        interval = Interval(self.mean - half, self.mean + half, self._t_name, confidence)
        return interval.clipped(*bounds) if bounds else interval

    def as_difference(
        self, confidence: float = 0.95, bounds: tuple[float, float] | None = (-1.0, 1.0)
    ) -> Estimate:
        """The mean read as candidate minus baseline: t interval inside -1..1, and its p value."""
        interval = self.interval(confidence, bounds)
        return replace(self.estimate(interval, self.n_samples), p_value=self.p_value())

    def as_accuracy(self, n_runs: int | None = None, confidence: float = 0.95) -> Estimate:
        """The mean read as an accuracy: design-adjusted Wilson interval, no p value.

        `n_runs` counts repeats too (default: one run per sample). Adds the warning
        `few_clusters` when min(p, 1-p) G < 3, and `few_samples` when ungrouped and
        min(p, 1-p) n < 5, where no method known to us keeps its level.
        """
        runs = self.n_samples if n_runs is None else n_runs
        warnings = self.warnings
        if self.mean is None or self.se is None:
            interval = Interval(
                None, None, "wilson-design-adjusted", check_confidence(confidence), self.null_reason
            )
        else:
            # Shares that add up to 1 + 2e-16 are rounding; 1.001 is not, and is refused there.
            p = 1.0 if 1.0 < self.mean < 1.0 + _RELATIVE_ZERO else self.mean
            interval = design_adjusted_wilson(p, self.se, runs, self.dof, self._units, confidence)
            least = 5 if self.n_clusters is None else 3
            if min(p, 1.0 - p) * self._units < least and not warnings:
                warnings = (self._few,)
        return replace(self.estimate(interval, runs), warnings=warnings)

    @property
    def _units(self) -> int:
        return self.n_samples if self.n_clusters is None else self.n_clusters

    @property
    def _few(self) -> str:
        return "few_samples" if self.n_clusters is None else "few_clusters"

    @property
    def _t_name(self) -> str:
        return "t" if self.n_clusters is None else "t-cr2"

    def estimate(self, interval: Interval, n_runs: int) -> Estimate:
        """The mean with an interval of it, which names its method."""
        return Estimate(
            estimate=self.mean,
            method=interval.method,
            se=self.se or None,
            ci_low=interval.low,
            ci_high=interval.high,
            level=interval.level,
            n_samples=self.n_samples,
            n_runs=n_runs,
            n_clusters=self.n_clusters,
            dof=self.dof,
            warnings=self.warnings,
            null_reason=interval.null_reason,
        )


def clustered_mean(
    n: Sequence[float], total: Sequence[float], sumsq: Sequence[float] | None = None
) -> ClusteredMean:
    """Mean over all samples of clusters, with its CR2 error (Bell, McCaffrey 2002).

    Args:
        n: Samples of each cluster; empty clusters are ignored.
        total: The sum of the values of each cluster.
        sumsq: The sum of their squares, for `deff` and `icc`.

    Returns:
        In the unit of the values. One cluster: the mean alone, with `one_cluster`; the error of
        independent samples is not substituted. Without samples: `no_graded_runs`. Warns
        `few_clusters` below 20 clusters or 10 degrees of freedom.

    Raises:
        ValueError: The lengths differ, a count is negative, or a value is not finite.
    """
    counts, sums, squares = _checked(n, total, sumsq)
    groups, size = len(counts), math.fsum(counts)
    if groups == 0:
        return ClusteredMean(None, n_clusters=0, null_reason=NO_GRADED_RUNS)
    scale = max(map(abs, map(truediv, sums, counts)))
    if sumsq is not None:
        scale = max(scale, math.sqrt(math.fsum(squares) / size))
    mean = _without_rounding(math.fsum(sums) / size, scale)
    if groups == 1:
        return ClusteredMean(mean, n_clusters=1, n_samples=int(size), null_reason="one_cluster")

    sizes = Counter(counts)
    least = {count: _RELATIVE_ZERO * scale * count for count in sizes}
    left = {count: 1.0 - count / size for count in sizes}
    residuals = [
        (residual * residual, left[count])
        for count, own in zip(counts, sums, strict=True)
        if abs(residual := own - count * mean) > least[count]
    ]
    cr0 = math.sqrt(math.fsum(square for square, _ in residuals)) / size
    cr1 = cr0 * math.sqrt(groups / (groups - 1))
    cr2 = math.sqrt(math.fsum(square / share for square, share in residuals)) / size
    dof = _bell_mccaffrey_dof(sizes, size)

    deff = icc = None
    if sumsq is not None:
        whole = math.fsum(squares)
        iid = math.sqrt(_centred(whole, math.fsum(sums), size) / (size - 1.0) / size)
        deff = (cr1 / iid) ** 2 if iid else None
        icc = _anova_icc(counts, sums, whole, mean, size)
    return ClusteredMean(
        mean=mean,
        se=cr2,
        se_cr0=cr0,
        se_cr1=cr1,
        dof=dof,
        n_clusters=groups,
        largest_share=float(max(sizes)) / size,
        n_samples=int(size),
        deff=deff,
        icc=icc,
        warnings=("few_clusters",) if groups < 20 or dof < 10 else (),
    )


def sample_mean(n: int, total: float, sumsq: float) -> ClusteredMean:
    """Mean of n samples, each its own cluster.

    se = sd / sqrt(n) on n - 1 degrees of freedom (Miller 2024).

    Args:
        n: Samples.
        total: The sum of their values.
        sumsq: The sum of the squares.

    Returns:
        In the unit of the values. n = 1: the mean alone, with `n_lt_2`; n = 0: `no_graded_runs`.

    Raises:
        ValueError: n is negative, or no data can have these sums.
    """
    check_counts(n=n)
    if not (math.isfinite(total) and math.isfinite(sumsq)):
        raise ValueError("total and sumsq must be finite")
    if n == 0:
        return ClusteredMean(None, null_reason=NO_GRADED_RUNS)
    mean = _without_rounding(total / n, math.sqrt(max(0.0, sumsq) / n))
    if n == 1:
        return ClusteredMean(mean, n_samples=1, null_reason="n_lt_2")
    spread = _centred(sumsq, total, float(n))
    cr0 = math.sqrt(spread) / n
    se = math.sqrt(spread / (n - 1) / n)
    return ClusteredMean(
        mean=mean,
        se=se,
        se_cr0=cr0,
        se_cr1=se,
        dof=float(n - 1),
        n_samples=n,
        warnings=("few_samples",) if n < 20 else (),
    )


def mean_of_array(values: Any, clusters: Any = None) -> ClusteredMean:
    """The mean of an array; `clusters` are the numbers of its values' clusters, from 0 without
    gaps, None where values are independent."""
    if clusters is None:
        return sample_mean(len(values), float(values.sum()), float((values * values).sum()))
    import numpy as np  # error bars of accuracies do without

    weights = (None, values, values * values)
    return clustered_mean(*(np.bincount(clusters, column).tolist() for column in weights))


def _without_rounding(mean: float, scale: float) -> float:
    return mean if abs(mean) > _RELATIVE_ZERO * scale else 0.0


def _centred(sumsq: float, total: float, n: float) -> float:
    """sum (x - mean)^2 from raw sums; exactly 0.0 where only rounding is left."""
    spread = sumsq - total * total / n
    if spread < -1e-9 * max(sumsq, 1e-300):
        raise ValueError(f"no {n:g} values have the sum {total:g} and the sum of squares {sumsq:g}")
    return spread if spread > _RELATIVE_ZERO * sumsq else 0.0


def _bell_mccaffrey_dof(sizes: Mapping[float, int], size: float) -> float:
    """From how many clusters there are of each size, and of how many samples in all."""
    trace, own_squares, crossed, crossed_squares = [], [], [], []
    for count, clusters in sizes.items():
        weight = 1.0 / ((1.0 - count / size) * size * size)
        own, crossing = weight * (count - count * count / size), weight * count * count
        trace.append(clusters * own)
        own_squares.append(clusters * own * own)
        crossed.append(clusters * crossing)
        crossed_squares.append(clusters * crossing * crossing)
    cross = math.fsum(crossed) ** 2 - math.fsum(crossed_squares)
    return math.fsum(trace) ** 2 / (math.fsum(own_squares) + cross / size**2)


def _anova_icc(
    counts: Sequence[float], sums: Sequence[float], sumsq: float, mean: float, size: float
) -> float | None:
    """(MSB - MSW) / (MSB + (n0 - 1) MSW); `None` when no cluster holds two samples."""
    groups = len(counts)
    if size <= groups:
        return None
    both = list(zip(counts, sums, strict=True))
    between = math.fsum(count * (own / count - mean) ** 2 for count, own in both) / (groups - 1)
    inside = sumsq - math.fsum(own * own / count for count, own in both)
    within = max(0.0, inside) / (size - groups)
    typical = (size - math.fsum(count * count for count in counts) / size) / (groups - 1)
    denominator = between + (typical - 1.0) * within
    return (between - within) / denominator if denominator > 0.0 else None


def _checked(
    n: Sequence[float], total: Sequence[float], sumsq: Sequence[float] | None
) -> tuple[list[float], list[float], list[float]]:
    counts, sums = list(map(float, n)), list(map(float, total))
    squares = list(map(float, sumsq)) if sumsq is not None else [0.0] * len(counts)
    if not len(counts) == len(sums) == len(squares):
        raise ValueError("n, total and sumsq must have one entry per cluster each")
    finite = all(all(map(math.isfinite, column)) for column in (counts, sums, squares))
    if not finite or min(counts, default=0.0) < 0.0:
        raise ValueError("n must not be negative, and n, total and sumsq must be finite")
    if 0.0 in counts:
        kept = [place for place, count in enumerate(counts) if count]
        counts, sums, squares = ([one[k] for k in kept] for one in (counts, sums, squares))
    return counts, sums, squares
