"""How much do two approaches differ that answered different samples? Second best to pairing.

Where the same samples were answered by both, `mcnemar` and `paired_intervals` say far more.

Sources:
    Welch 1947, doi:10.1093/biomet/34.1-2.28
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ml_agents_results.statistics.cluster_robust import ClusteredMean
from ml_agents_results.statistics.distributions import (
    check_part,
    normal_two_sided_p,
    t_quantile,
    t_two_sided_p,
)
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.paired_intervals import unpaired_newcombe

FloatArray = npt.NDArray[np.float64]


def score_z_p(correct_a: int, n_a: int, correct_b: int, n_b: int) -> float | None:
    """Two-sided z test of equal accuracies with the pooled variance (Pearson 1900, chi-squared).

    Args:
        correct_a: Samples that A answered correctly, of its `n_a`; `correct_b` of `n_b` as well.

    Returns:
        The p value: 1.0 when both variants are all right or all wrong, `None` when one is empty.

    Raises:
        ValueError: The counts are impossible.
    """
    check_part("correct_a", correct_a, "n_a", n_a)
    check_part("correct_b", correct_b, "n_b", n_b)
    if not n_a or not n_b:
        return None
    pooled = (correct_a + correct_b) / (n_a + n_b)
    if pooled in (0.0, 1.0):
        return 1.0
    se = math.sqrt(pooled * (1.0 - pooled) * (1.0 / n_a + 1.0 / n_b))
    return normal_two_sided_p((correct_a / n_a - correct_b / n_b) / se)


def unpaired_difference(
    correct_a: int, n_a: int, correct_b: int, n_b: int, confidence: float = 0.95
) -> Estimate:
    """Accuracy A minus accuracy B of independent samples: Newcombe's interval (1998), score z test.

    Args:
        correct_a: Samples that A answered correctly, of its `n_a`; `correct_b` of `n_b` as well.
        confidence: The level, a fraction.

    Returns:
        Fractions. `se` is that of two independent shares, `None` where it would be 0 and claim
        certainty; all is undefined with `no_graded_runs` when a variant is empty.

    Raises:
        ValueError: The counts are impossible.
        UsageError: `confidence` does not lie between 0 and 1.
    """
    interval = unpaired_newcombe(correct_a, n_a, correct_b, n_b, confidence)
    estimate = se = None
    if n_a and n_b:
        p_a, p_b = correct_a / n_a, correct_b / n_b
        estimate = p_a - p_b
        se = math.sqrt(p_a * (1.0 - p_a) / n_a + p_b * (1.0 - p_b) / n_b) or None
    return Estimate(
        estimate=estimate,
        method=interval.method,
        se=se,
        ci_low=interval.low,
        ci_high=interval.high,
        level=confidence,
        n_samples=n_a + n_b,
        n_runs=n_a + n_b,
        p_value=score_z_p(correct_a, n_a, correct_b, n_b),
        null_reason=interval.null_reason,
    )


def mover(a: Estimate, b: Estimate, confidence: float = 0.95, name: str = "mover") -> Interval:
    """Interval of A minus B from the interval of each (method of variance estimates recovery).

    With two Wilson intervals it is Newcombe's method 10 (Zou, Donner 2008, Statistics in Medicine
    27:1693, doi:10.1002/sim.3095). Undefined where one of the two intervals is.
    """
    ends = (a.estimate, a.ci_low, a.ci_high, b.estimate, b.ci_low, b.ci_high)
    known = [end for end in ends if end is not None]
    if len(known) < len(ends):
        return Interval(None, None, name, confidence, a.null_reason or b.null_reason)
    mean_a, low_a, high_a, mean_b, low_b, high_b = known
    below = math.hypot(mean_a - low_a, high_b - mean_b)
    above = math.hypot(high_a - mean_a, mean_b - low_b)
    difference = mean_a - mean_b
    interval = Interval(difference - below, difference + above, name, confidence)
    return interval.clipped(-1.0, 1.0)


def touching_alpha(lower: Callable[[float], float], limit: float) -> float:
    """The one-sided p value that an interval gives: the alpha at which its lower end is `limit`.

    Args:
        lower: The lower end of the interval at the level 1 - 2 alpha. It rises with alpha up to
            the estimate at 1/2, from where no interval tells more.
    """
    low, high = 1e-15, 0.5 - 1e-9
    if lower(high) <= limit:
        return 1.0
    for _ in range(50):
        alpha = (low + high) / 2.0
        if lower(alpha) > limit:
            high = alpha
        else:
            low = alpha
    return high


def separated_p(n_a: int, n_b: int) -> float:
    """Fisher's exact test where all of A differ from all of B: how many ways there are to share
    the values out (two of them are as extreme where both are as many)."""
    return (2.0 if n_a == n_b else 1.0) / math.comb(n_a + n_b, n_a)


def welch_difference(a: ClusteredMean, b: ClusteredMean, confidence: float = 0.95) -> Estimate:
    """Difference of two independent means (`cluster_robust.sample_mean`) by Welch's t (1947).

    Undefined where a variant is empty, without error where one has a single sample. The p value
    where both are constant is Fisher's (`separated_p`).
    """
    reason = a.null_reason or b.null_reason
    samples = a.n_samples + b.n_samples
    if a.mean is None or b.mean is None:
        return Estimate(None, "welch-t", level=confidence, n_samples=samples, null_reason=reason)
    difference = a.mean - b.mean
    if a.se is None or b.se is None or a.dof is None or b.dof is None:
        return _of_t(difference, None, None, "welch-t", confidence, samples, None, reason)
    variances = (a.se**2, b.se**2)
    total = sum(variances)
    if not total:
        return _constant(difference, "fisher", confidence, (a.n_samples, b.n_samples), samples)
    dof = total**2 / (variances[0] ** 2 / a.dof + variances[1] ** 2 / b.dof)
    return _of_t(difference, math.sqrt(total), dof, "welch-t", confidence, samples, None, None)


Sums = tuple[float, float]
"""Of a cluster in one variant: how many samples, and the sum of their shares of right answers."""


def clustered_difference(
    clusters: Sequence[tuple[Sums, Sums]], confidence: float = 0.95
) -> tuple[Estimate, float | None]:
    """Mean of A minus mean of B where samples come in clusters.

    A cluster may hold samples of both variants (the same task, other questions): their covariance
    counts. CR2 with degrees of freedom (Bell, McCaffrey 2002) of the regression on two indicators
    of variants, whose adjustment splits by variant.

    Args:
        clusters: The sums of A and of B in each cluster.
        confidence: The level, a fraction.

    Returns:
        The difference, a fraction, and its CR1 error. Undefined with `no_graded_runs` for an empty
        variant; without error and with `one_cluster` where all samples of a variant are in one
        cluster.
    """
    n = np.array([[one[0], two[0]] for one, two in clusters], dtype=np.float64).reshape(-1, 2)
    total = np.array([[one[1], two[1]] for one, two in clusters], dtype=np.float64).reshape(-1, 2)
    kept = n.sum(axis=1) > 0
    n, total = n[kept], total[kept]
    size, groups = n.sum(axis=0), len(n)
    samples = int(size.sum())
    if not size.all():
        empty = Estimate(
            None,
            "t-cr2",
            level=confidence,
            n_samples=samples,
            n_clusters=groups,
            null_reason="no_graded_runs",
        )
        return empty, None
    mean = total.sum(axis=0) / size
    difference = float(mean[0] - mean[1])
    if (n == size).any():
        single = _of_t(difference, None, None, "t-cr2", confidence, samples, groups, "one_cluster")
        return single, None
    residual = (total - n * mean) / size
    residual[np.abs(residual) <= 1e-12 * n / size] = 0.0
    sign = np.array([1.0, -1.0])
    cr1 = math.sqrt(float(np.sum((residual @ sign) ** 2)) * groups / (groups - 1))
    cr2 = math.sqrt(float(np.sum((residual / np.sqrt(1.0 - n / size) @ sign) ** 2)))
    if not cr2:
        units = (int(np.count_nonzero(n[:, 0])), int(np.count_nonzero(n[:, 1])))
        return _constant(difference, "fisher", confidence, units, samples, groups), None
    estimate = _of_t(difference, cr2, _dof(n, size), "t-cr2", confidence, samples, groups, None)
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
    difference: float,
    method: str,
    confidence: float,
    units: tuple[int, int],
    samples: int,
    clusters: int | None = None,
) -> Estimate:
    """Where neither variant varies: no error, and Fisher's p value."""
    return Estimate(
        estimate=difference,
        method=method,
        level=confidence,
        n_samples=samples,
        n_runs=samples,
        n_clusters=clusters,
        p_value=separated_p(*units) if difference else 1.0,
    )


def _of_t(
    difference: float,
    se: float | None,
    dof: float | None,
    method: str,
    confidence: float,
    samples: int,
    clusters: int | None,
    reason: str | None,
) -> Estimate:
    """The t interval, clipped to -1..1, and its p value; `reason` says why there are none."""
    low = high = p_value = None
    if se and dof:
        half = t_quantile(confidence, dof) * se
        low, high = max(-1.0, difference - half), min(1.0, difference + half)
        p_value, reason = t_two_sided_p(difference / se, dof), None
    few = clusters is not None and (clusters < 20 or (dof is not None and dof < 10))
    return Estimate(
        estimate=difference,
        method=method,
        se=se or None,
        ci_low=low,
        ci_high=high,
        level=confidence,
        n_samples=samples,
        n_runs=samples,
        n_clusters=clusters,
        dof=dof,
        p_value=p_value,
        warnings=("few_clusters",) if few and se else (),
        null_reason=reason,
    )
