"""Accuracies: shares of yes-or-no answers and their intervals.

The default is Wilson's score interval: over accuracies from .01 to .99 its worst coverage at
n = 30 is .90 (981 accuracies), where the textbook p +/- 1.96 se falls to .26 (99 accuracies; which
is why that one is not offered).

Sources:
    Wilson 1927, doi:10.1080/01621459.1927.10502953
    Clopper, Pearson 1934, doi:10.1093/biomet/26.4.404
    Brown, Cai, DasGupta 2001, doi:10.1214/ss/1009213286
"""

import math
from collections.abc import Callable

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.distributions import (
    check_confidence,
    check_counts,
    check_part,
    t_quantile,
    z_quantile,
)
from ml_agents_results.statistics.estimate import Estimate, Interval

NO_GRADED_RUNS = "no_graded_runs"


def wilson(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """Score interval for a share of independent samples (Wilson 1927).

    Never of zero width: 10 of 10 gives [.7225, 1].

    Args:
        correct: Samples answered correctly.
        n: All samples.

    Returns:
        Bounds as fractions; both `None` with `no_graded_runs` when n = 0.

    Raises:
        ValueError: `correct` is negative or above `n`.
    """
    check_part("correct", correct, "n", n)
    quantile = z_quantile(confidence)
    if n == 0:
        return Interval(None, None, "wilson", confidence, NO_GRADED_RUNS)
    low, high = wilson_bounds(correct / n, n, quantile)
    return Interval(low, high, "wilson", confidence)


def wilson_bounds(p: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's formula (1927) for a share `p`, a fraction, of a possibly fractional `n` above 0.

    `quantile` is of the normal distribution or Student's t.
    """
    q2 = quantile * quantile
    centre = (p + q2 / (2.0 * n)) / (1.0 + q2 / n)
    half = quantile / (1.0 + q2 / n) * math.sqrt(p * (1.0 - p) / n + q2 / (4.0 * n * n))
    # At p = 0 and p = 1 a bound is exactly 0 or 1; rounding would leave 1e-18 instead.
    low = 0.0 if p <= 0.0 else max(0.0, centre - half)
    high = 1.0 if p >= 1.0 else min(1.0, centre + half)
    return low, high


def jeffreys(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """Equal-tailed interval of Beta(k + 1/2, n - k + 1/2) (Brown, Cai, DasGupta 2001).

    It does not reach 0 or 1 at 0 of n and n of n. Arguments, result and errors as of `wilson`.
    """
    return _of_beta("jeffreys", correct, n, confidence, (0.5, 0.5), (0.5, 0.5))


def bayes_uniform(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """Equal-tailed credible interval under a uniform prior, Beta(k + 1, n - k + 1).

    Arguments, result and errors as of `wilson`.
    """
    return _of_beta("bayes-uniform", correct, n, confidence, (1.0, 1.0), (1.0, 1.0))


def clopper_pearson(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """Exact interval whose coverage is never below `confidence` (Clopper, Pearson 1934).

    About 6 percent wider than Wilson at n = 100. Arguments, result and errors as of `wilson`.
    """
    return _of_beta("clopper-pearson", correct, n, confidence, (0.0, 1.0), (1.0, 0.0))


INTERVAL_METHODS: dict[str, Callable[[int, int, float], Interval]] = {
    "wilson": wilson,
    "jeffreys": jeffreys,
    "clopper-pearson": clopper_pearson,
    "bayes-uniform": bayes_uniform,
}


def proportion_interval(
    correct: int, n: int, method: str = "wilson", confidence: float = 0.95
) -> Interval:
    """The interval by the named method of `INTERVAL_METHODS`; UsageError for another name."""
    if method not in INTERVAL_METHODS:
        known = ", ".join(INTERVAL_METHODS)
        raise UsageError(f"unknown interval method {method!r}", hint=f"choose one of: {known}")
    return INTERVAL_METHODS[method](correct, n, confidence)


def accuracy(
    correct: int, graded: int, method: str = "wilson", confidence: float = 0.95
) -> Estimate:
    """Accuracy of independent samples asked once: the share correct, its error and interval.

    Args:
        correct: Samples answered correctly.
        graded: Samples with a grade.
        method: A name of `INTERVAL_METHODS`.

    Returns:
        Fractions; undefined with `no_graded_runs` when nothing was graded.

    Raises:
        ValueError: The counts are impossible.
        UsageError: There is no such method, or `confidence` does not lie between 0 and 1.
    """
    interval = proportion_interval(correct, graded, method, confidence)
    p = correct / graded if graded else None
    return Estimate(
        estimate=p,
        method=method,
        # At 0 of n and n of n an error of 0 would claim certainty.
        se=math.sqrt(p * (1.0 - p) / graded) if p is not None and 0.0 < p < 1.0 else None,
        ci_low=interval.low,
        ci_high=interval.high,
        level=confidence,
        n_samples=graded,
        n_runs=graded,
        denominators={"correct": correct, "graded": graded},
        null_reason=interval.null_reason,
    )


def design_adjusted_wilson(
    p: float,
    se: float | None,
    n_runs: int,
    dof: float | None,
    n_clusters: int,
    confidence: float = 0.95,
) -> Interval:
    """Wilson interval for an accuracy whose runs are not independent (clusters, repeats).

    The effective number of samples is p(1-p)/se^2, at most `n_runs`; when se is 0 it is the number
    of clusters. Student's t replaces z (Kish 1965; Korn, Graubard 1998; Dean, Pagano 2015). Stays
    inside 0..1, never of zero width.

    Args:
        p: The mean over samples, a fraction.
        se: Its cluster-robust standard error; see `cluster_robust.clustered_mean`.
        n_runs: Graded runs.
        dof: Degrees of freedom of `se`.
        n_clusters: Clusters that hold a graded run.

    Returns:
        Bounds as fractions; both `None` with `one_cluster` when `se` or `dof` is `None`.

    Raises:
        ValueError: `p` lies outside 0..1, or a count is negative.
    """
    method = "wilson-design-adjusted"
    check_confidence(confidence)
    check_counts(n_runs=n_runs, n_clusters=n_clusters)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"p must lie between 0 and 1, got {p!r}")
    if se is None or dof is None:
        return Interval(None, None, method, confidence, "one_cluster")
    spread = p * (1.0 - p)
    n_effective = min(float(n_runs), spread / se**2) if se > 0.0 else float(n_clusters)
    low, high = wilson_bounds(p, n_effective, t_quantile(confidence, dof))
    return Interval(low, high, method, confidence)


def design_effect_interval(
    correct: int, n_runs: int, effect: float = 1.0, confidence: float = 0.95
) -> Interval:
    """Wilson interval for a share of runs that are worth n_runs / effect independent ones (Rao and
    Scott 1992). Both bounds `None` with `no_graded_runs` without runs."""
    if effect == 1.0 or not n_runs:
        return wilson(correct, n_runs, confidence)
    check_part("correct", correct, "n_runs", n_runs)
    z = z_quantile(confidence)
    low, high = wilson_bounds(correct / n_runs, n_runs / effect, z)
    return Interval(low, high, "wilson-design-adjusted", confidence)


def design_effect(
    samples: int, runs: int, squares: int, hits: int, hit_squares: int, products: int
) -> float:
    """What repeats do to the variance of a share of runs, at least 1.

    The variance is that of a ratio, sum (c - pk)^2 / (sum k)^2 (Cochran 1977), over p(1-p) / sum k,
    so that k copies of every answer count as one. Where no run or every run counts it is runs /
    samples.

    Args:
        samples: Samples.
        runs: Sum of k, the runs of a sample.
        squares: Sum of k^2.
        hits: Sum of c, those runs of a sample that count.
        hit_squares: Sum of c^2.
        products: Sum of ck.
    """
    if not 0 < hits < runs:
        return max(1.0, runs / samples) if samples else 1.0
    p = hits / runs
    spread = hit_squares - 2.0 * p * products + p * p * squares
    return max(1.0, spread / runs / (p * (1.0 - p)))


def _of_beta(
    method: str,
    correct: int,
    n: int,
    confidence: float,
    below: tuple[float, float],
    above: tuple[float, float],
) -> Interval:
    """Quantiles of the Beta distributions of the counts with what is added to them for the lower
    and for the upper bound."""
    check_part("correct", correct, "n", n)
    tail = (1.0 - check_confidence(confidence)) / 2.0
    if n == 0:
        return Interval(None, None, method, confidence, NO_GRADED_RUNS)
    from scipy import special

    wrong = n - correct
    low, high = (correct + below[0], wrong + below[1]), (correct + above[0], wrong + above[1])
    return Interval(
        float(special.betaincinv(*low, tail)) if low[0] else 0.0,
        float(special.betainccinv(*high, tail)) if high[1] else 1.0,
        method,
        confidence,
    )
