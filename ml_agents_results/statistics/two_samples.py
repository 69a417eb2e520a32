"""Difference of two approaches that answered different samples. Second best to pairing: where the
same samples were answered by both, `sign_flip` and `difference_sums` say far more.

Intervals are recovered from those of the two means (`mover`), or Welch's where values have no
bounds.

Sources:
    Welch 1947, doi:10.1093/biomet/34.1-2.28
    Zou, Donner 2008, doi:10.1002/sim.3095 (MOVER)
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ml_agents_results.statistics.cluster_robust import ClusteredMean
from ml_agents_results.statistics.distributions import (
    check_part,
    crossing,
    normal_two_sided_p,
    t_quantile,
)
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.proportions import NO_GRADED_RUNS
from ml_agents_results.statistics.student_t import t_two_sided_p

FloatArray = npt.NDArray[np.float64]


def unpaired_difference(correct_a: int, n_a: int, correct_b: int, n_b: int) -> Estimate:
    """Accuracy A minus accuracy B of independent samples, with the score z test: pooled variance
    (Pearson 1900, chi-squared), p 1.0 when both variants are all right or all wrong.

    `se` is that of two independent shares, None where it would be 0 and claim certainty. Undefined
    with `no_graded_runs` when a variant is empty; ValueError for impossible counts.
    """
    check_part("correct_a", correct_a, "n_a", n_a)
    check_part("correct_b", correct_b, "n_b", n_b)
    samples = n_a + n_b
    if not n_a or not n_b:
        return Estimate(None, "score-z", n_samples=samples, null_reason=NO_GRADED_RUNS)
    p_a, p_b = correct_a / n_a, correct_b / n_b
    pooled = (correct_a + correct_b) / samples
    error = math.sqrt(pooled * (1.0 - pooled) * (1.0 / n_a + 1.0 / n_b))
    return Estimate(
        estimate=p_a - p_b,
        method="score-z",
        se=math.sqrt(p_a * (1.0 - p_a) / n_a + p_b * (1.0 - p_b) / n_b) or None,
        n_samples=samples,
        n_runs=samples,
        p_value=1.0 if pooled in (0.0, 1.0) else normal_two_sided_p((p_a - p_b) / error),
    )


def mover(a: Estimate, b: Estimate, confidence: float = 0.95, name: str = "mover") -> Interval:
    """Interval of A minus B from the interval of each (method of variance estimates recovery).

    With two Wilson intervals it is Newcombe's method 10 (1998). Undefined where one of the two
    intervals is.
    """
    ends = (a.estimate, a.ci_low, a.ci_high, b.estimate, b.ci_low, b.ci_high)
    known = [end for end in ends if end is not None]
    if len(known) < len(ends):
        return Interval(None, None, name, confidence, a.null_reason or b.null_reason)
    mean_a, low_a, high_a, mean_b, low_b, high_b = known
    below = math.hypot(mean_a - low_a, high_b - mean_b)
    above = math.hypot(high_a - mean_a, mean_b - low_b)
    difference = mean_a - mean_b
    return Interval(difference - below, difference + above, name, confidence)


def difference_of_means(a: Estimate, b: Estimate, bounded: bool) -> Estimate:
    """Mean A minus mean B of a numeric metric with Welch's t (1947).

    Where values have bounds the interval is that of `mover`, which exists while those of both
    means do; else it is Welch's t.
    """
    samples = a.n_samples + b.n_samples
    if a.estimate is None or b.estimate is None:
        reason = a.null_reason or b.null_reason
        return Estimate(None, "welch-t", level=a.level, n_samples=samples, null_reason=reason)
    difference = a.estimate - b.estimate
    se = dof = p_value = None
    if (a.se or b.se) and a.dof and b.dof:
        se, dof = welch_error((a.se or 0.0, a.dof), (b.se or 0.0, b.dof))
        p_value = t_two_sided_p(difference / se, dof)
    interval = mover(a, b, a.level)
    if not (bounded and interval.is_defined):
        interval = Interval(None, None, "welch-t", a.level, "zero_variance")
        if se is not None and dof is not None:
            half = t_quantile(a.level, dof) * se
            interval = Interval(difference - half, difference + half, "welch-t", a.level)
    return Estimate(
        estimate=difference,
        method=interval.method,
        se=se,
        ci_low=interval.low,
        ci_high=interval.high,
        level=a.level,
        n_samples=samples,
        dof=dof,
        p_value=p_value,
        null_reason=interval.null_reason,
    )


def welch_error(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """The error of the difference of two independent means and its degrees of freedom
    (Satterthwaite), from those of each; one of the errors is not 0."""
    variances = (a[0] ** 2, b[0] ** 2)
    total = sum(variances)
    return math.sqrt(total), total**2 / (variances[0] ** 2 / a[1] + variances[1] ** 2 / b[1])


def touching_alpha(lower: Callable[[float], float], limit: float) -> float:
    """The one-sided p value that an interval gives: the alpha at which its lower end is `limit`.

    Args:
        lower: The lower end of the interval at the level 1 - 2 alpha. It rises with alpha up to
            the estimate at 1/2, from where no interval tells more.
    """
    low, high = 1e-15, 0.5 - 1e-9
    if lower(high) <= limit:
        return 1.0
    return crossing(lambda alpha: lower(alpha) > limit, low, high)


def separated_p(n_a: int, n_b: int) -> float:
    """Fisher's exact test where all of A differ from all of B: how many ways there are to share
    the values out (two of them are as extreme where both are as many)."""
    return (2.0 if n_a == n_b else 1.0) / math.comb(n_a + n_b, n_a)


def welch_difference(a: ClusteredMean, b: ClusteredMean) -> Estimate:
    """Difference of two independent means (`cluster_robust.sample_mean`) by Welch's t (1947).

    Undefined where a variant is empty, without error where one has a single sample. The p value
    where both are constant is Fisher's (`separated_p`).
    """
    samples = a.n_samples + b.n_samples
    reason = a.null_reason or b.null_reason
    if a.mean is None or b.mean is None:
        return Estimate(None, "welch-t", n_samples=samples, null_reason=reason)
    difference = a.mean - b.mean
    if a.se is None or b.se is None or a.dof is None or b.dof is None:
        return Estimate(difference, "welch-t", n_samples=samples, null_reason=reason)
    if not a.se and not b.se:
        return _constant(difference, (a.n_samples, b.n_samples), samples)
    se, dof = welch_error((a.se, a.dof), (b.se, b.dof))
    p_value = t_two_sided_p(difference / se, dof)
    return Estimate(difference, "welch-t", se, n_samples=samples, dof=dof, p_value=p_value)


Sums = tuple[float, float]
"""Of a cluster in one variant: how many samples, and the sum of their shares of right answers."""


def clustered_difference(
    clusters: Sequence[tuple[Sums, Sums]],
) -> tuple[Estimate, float | None]:
    """Mean of A minus mean of B from their sums in each cluster, and the CR1 error.

    A cluster may hold samples of both variants (the same task, other questions): their covariance
    counts. CR2 with degrees of freedom (Bell, McCaffrey 2002) of the regression on two indicators
    of variants, whose adjustment splits by variant.

    Undefined with `no_graded_runs` for an empty variant; without error and with `one_cluster` where
    all samples of a variant are in one cluster.
    """
    n = np.array([[one[0], two[0]] for one, two in clusters], dtype=np.float64).reshape(-1, 2)
    total = np.array([[one[1], two[1]] for one, two in clusters], dtype=np.float64).reshape(-1, 2)
    kept = n.sum(axis=1) > 0
    n, total = n[kept], total[kept]
    size, groups = n.sum(axis=0), len(n)
    samples = int(size.sum())
    plain = Estimate(None, "t-cr2", n_samples=samples, n_clusters=groups)
    if not size.all():
        return replace(plain, null_reason=NO_GRADED_RUNS), None
    mean = total.sum(axis=0) / size
    difference = float(mean[0] - mean[1])
    if (n == size).any():
        return replace(plain, estimate=difference, null_reason="one_cluster"), None
    residual = (total - n * mean) / size
    residual[np.abs(residual) <= 1e-12 * n / size] = 0.0
    sign = np.array([1.0, -1.0])
    cr1 = math.sqrt(float(np.sum((residual @ sign) ** 2)) * groups / (groups - 1))
    cr2 = math.sqrt(float(np.sum((residual / np.sqrt(1.0 - n / size) @ sign) ** 2)))
    if not cr2:
        units = (int(np.count_nonzero(n[:, 0])), int(np.count_nonzero(n[:, 1])))
        return _constant(difference, units, samples, groups), None
    dof = _dof(n, size)
    estimate = replace(
        plain,
        estimate=difference,
        se=cr2,
        dof=dof,
        p_value=t_two_sided_p(difference / cr2, dof),
        warnings=("few_clusters",) if groups < 20 or dof < 10 else (),
    )
    return estimate, cr1


def _dof(n: FloatArray, size: FloatArray) -> float:
    """tr(M)^2 / ||M||^2 without ever holding M, the sum over variants a of
    sqrt(w_ga w_ha) (n_ga [g=h] - n_ga n_ha / N_a)."""
    weight = 1.0 / ((1.0 - n / size) * size**2)
    own = weight * (n - n**2 / size)
    norm = float(np.sum(own.sum(axis=1) ** 2))
    for a in (0, 1):
        for b in (0, 1):
            product = np.sqrt(weight[:, a] * weight[:, b]) * n[:, a] * n[:, b]
            cross = product.sum() ** 2 - np.sum(product**2)
            norm += float(cross / (size[a] * size[b]))
    return float(own.sum()) ** 2 / norm


def _constant(
    difference: float, units: tuple[int, int], samples: int, clusters: int | None = None
) -> Estimate:
    """Where neither variant varies: no error, and Fisher's p value."""
    p_value = separated_p(*units) if difference else 1.0
    return Estimate(difference, "fisher", n_samples=samples, n_clusters=clusters, p_value=p_value)
