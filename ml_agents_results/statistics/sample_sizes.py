"""Sample sizes: what a comparison needs, and the difference that a given size resolves.

Power at the difference seen ("post-hoc") is a restatement of the p value and is not offered:
ask for the minimum detectable difference instead.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.distributions import (
    check_counts,
    crossing,
    t_quantile,
    z_quantile,
)


@dataclass(frozen=True, slots=True)
class SampleSize:
    """`samples` is the whole number to collect, `exact` the formula's value before rounding up."""

    samples: int
    exact: float


def paired_sample_size(
    difference: float, discordance: float, alpha: float = 0.05, power: float = 0.8
) -> SampleSize:
    """Shared samples that a paired comparison needs: ((z_a sqrt(psi) + z_b sqrt(psi - d^2)) / d)^2
    (Connor 1987).

    Args:
        difference: The difference of accuracies to detect, a fraction; its sign does not matter.
        discordance: The share of samples that only one approach answers correctly (psi).
        alpha: Level of the two-sided test.
        power: Probability of detecting the difference.

    Raises:
        UsageError: Not 0 < |difference| <= discordance <= 1, or alpha or power is impossible.
    """
    size = abs(difference)
    if not 0.0 < size <= discordance <= 1.0:
        raise UsageError(
            f"need 0 < difference <= discordance <= 1, got {difference:g} and {discordance:g}",
            hint="the discordance is the share of samples that only one approach answers",
        )
    z_a, z_b = _quantiles(alpha, power)
    root = (z_a * math.sqrt(discordance) + z_b * math.sqrt(discordance - size**2)) / size
    return _rounded(root**2)


def paired_power(n: int, difference: float, discordance: float, alpha: float = 0.05) -> float:
    """Probability that n shared samples detect a difference (normal approximation, Connor 1987).

    Arguments and errors as of `paired_sample_size`.

    Returns:
        A fraction; certain (1.0) or hopeless cases come out as limits.
    """
    check_counts(n=n)
    size = abs(difference)
    if not 0.0 < size <= discordance <= 1.0:
        raise UsageError(
            f"need 0 < difference <= discordance <= 1, got {difference:g} and {discordance:g}"
        )
    z_a = _alpha_quantile(alpha)
    reach = size * math.sqrt(n) - z_a * math.sqrt(discordance)
    spread = math.sqrt(discordance - size**2)
    if spread == 0.0:  # every sample is discordant in one direction: only n decides
        return 1.0 if reach >= 0.0 else 0.0
    from scipy import special

    return float(special.ndtr(reach / spread))


def minimum_detectable_difference(
    n: int, discordance: float, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """The smallest difference that n shared samples detect: the positive root of Connor's equation
    (1987), which is quadratic in d.

    Args:
        n: Shared samples.
        discordance: The share of samples that only one approach answers correctly.
        alpha: Level of the two-sided test.
        power: Probability of detecting the difference.

    Returns:
        A fraction; `None` when n is too small for any difference.

    Raises:
        UsageError: The discordance lies outside 0..1, or alpha or power is impossible.
    """
    check_counts(n=n)
    if not 0.0 <= discordance <= 1.0:
        raise UsageError(f"discordance must lie between 0 and 1, got {discordance:g}")
    z_a, z_b = _quantiles(alpha, power)
    inside = n + z_b**2 - z_a**2
    if n == 0 or discordance == 0.0 or inside < 0.0:
        return None
    root = math.sqrt(discordance) * (z_a * math.sqrt(n) + z_b * math.sqrt(inside)) / (n + z_b**2)
    return root if root <= discordance else None


def minimum_detectable_from_se(
    se: float | None, dof: float | None = None, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """What a comparison with this standard error detects, for clustered samples: nc se, where the
    noncentral t exceeds its critical value with probability `power` (as R's power.t.test, strict).

    Args:
        se: Standard error of the difference, in the unit of the metric.
        dof: Its degrees of freedom; without them normal quantiles are used (Bloom 1995).
        alpha: Level of the two-sided test.
        power: Probability of detecting the difference.

    Returns:
        A difference in the unit of `se`; `None` when that is `None` or 0.
    """
    z_a, z_b = _quantiles(alpha, power)
    if not se:
        return None
    if dof is None:
        return (z_a + z_b) * se
    from scipy import special

    critical = -float(special.stdtrit(dof, alpha / 2.0))

    def enough(shift: float) -> bool:
        return _noncentral_power(shift, dof, critical) >= power

    high = critical + z_b
    while not enough(high):
        high *= 1.5
    return crossing(enough, 0.0, high) * se


def _noncentral_power(shift: float, dof: float, critical: float) -> float:
    """P(|T| > critical), T with `dof` degrees of freedom shifted by `shift`."""
    from scipy import special

    # Far from 0 SciPy gives no number for a tail that is none.
    under, below = (float(special.nctdtr(dof, shift, end)) for end in (critical, -critical))
    return 1.0 - (under if under == under else 0.0) + (below if below == below else 0.0)


def clusters_for_precision(
    half_width: float, sd: float, confidence: float = 0.95, most: int = 100_000
) -> int | None:
    """The smallest number of clusters G with t(G-1) sd / sqrt(G) <= half_width; None above `most`.

    `sd` is that of the clusters seen: CR2 sqrt(G).
    """
    return _smallest(
        lambda g: t_quantile(confidence, g - 1.0) * sd / math.sqrt(g) <= half_width, most
    )


def clusters_for_difference(
    difference: float, sd: float, alpha: float = 0.05, power: float = 0.8, most: int = 100_000
) -> int | None:
    """The smallest number of clusters whose difference is shown with `power`; None above `most`."""
    _quantiles(alpha, power)
    if sd == 0.0:
        return 2

    def enough(g: int) -> bool:
        critical = t_quantile(1.0 - alpha, g - 1.0)
        return _noncentral_power(difference * math.sqrt(g) / sd, g - 1.0, critical) >= power

    return _smallest(enough, most)


def _smallest(holds: Callable[[int], bool], most: int) -> int | None:
    """The smallest count from 2 on for which the condition, that stays true, is true."""
    return 2 + bisect_left(range(2, most), True, key=holds) if holds(most) else None


def discordance_from_rates(p_candidate: float, p_baseline: float, correlation: float) -> float:
    """The share of discordant samples implied by two accuracies and their phi correlation.

    UsageError when no 2x2 table has these margins and this correlation.
    """
    if not (0.0 <= p_candidate <= 1.0 and 0.0 <= p_baseline <= 1.0):
        raise UsageError("accuracies must lie between 0 and 1, e.g. 0.75")
    spread = math.sqrt(p_candidate * (1 - p_candidate) * p_baseline * (1 - p_baseline))
    both = p_candidate * p_baseline + correlation * spread
    lowest, highest = max(0.0, p_candidate + p_baseline - 1.0), min(p_candidate, p_baseline)
    if not lowest - 1e-12 <= both <= highest + 1e-12:
        feasible = [(bound - p_candidate * p_baseline) / spread for bound in (lowest, highest)]
        raise UsageError(
            f"no two approaches with accuracies {p_candidate:g} and {p_baseline:g} can correlate "
            f"{correlation:g}",
            hint=f"choose a correlation from {feasible[0]:.3f} to {feasible[1]:.3f}",
        )
    return max(0.0, p_candidate + p_baseline - 2.0 * both)


def repeated_sample_size(
    difference: float,
    between_variance: float,
    within_candidate: float,
    within_baseline: float,
    repeats_candidate: int = 1,
    repeats_baseline: int = 1,
    alpha: float = 0.05,
    power: float = 0.8,
) -> SampleSize:
    """Shared samples when each is asked several times (Miller 2024, section 5).

    (z_a + z_b)^2 (omega^2 + s_A^2 / K_A + s_B^2 / K_B) / d^2, where omega^2 is the variance
    between samples of the difference of the two expected scores and s^2 the variance within a
    sample (`repeats.variance_split`). UsageError for a difference of 0, a negative variance or
    fewer than one repeat.
    """
    if difference == 0.0 or min(between_variance, within_candidate, within_baseline) < 0.0:
        raise UsageError("need a difference that is not 0 and variances that are not negative")
    if min(repeats_candidate, repeats_baseline) < 1:
        raise UsageError("need one repeat or more per sample")
    z_a, z_b = _quantiles(alpha, power)
    chance = within_candidate / repeats_candidate + within_baseline / repeats_baseline
    return _rounded((z_a + z_b) ** 2 * (between_variance + chance) / difference**2)


def clustered_sample_size(independent: SampleSize, deff: float) -> SampleSize:
    """The same number for clustered samples: times the design effect (Kish 1965)."""
    if not deff > 0.0:
        raise UsageError(f"the design effect must be positive, got {deff:g}")
    return _rounded(independent.exact * deff)


def corrected_alpha(alpha: float, tests: int) -> float:
    """The level of each of `tests` tests that are to hold together: alpha / tests (Bonferroni)."""
    if tests < 1:
        raise UsageError(f"the number of tests must be 1 or more, got {tests}")
    return alpha / tests


def proportion_sample_size(
    half_width: float, p: float = 0.5, confidence: float = 0.95
) -> SampleSize:
    """Samples that bring an accuracy near `p` to +/- half_width (normal approximation).

    UsageError unless 0 < half_width < 1 and 0 < p < 1.
    """
    if not (0.0 < half_width < 1.0 and 0.0 < p < 1.0):
        raise UsageError("half_width and p must lie between 0 and 1, e.g. 0.03 and 0.5")
    return _rounded(p * (1.0 - p) * (z_quantile(confidence) / half_width) ** 2)


def independent_sample_size(
    p_a: float, p_b: float, alpha: float = 0.05, power: float = 0.8
) -> SampleSize:
    """Samples per variant for an unpaired comparison: (z_a sqrt(2 p q) + z_b sqrt(p_a q_a + p_b
    q_b))^2 / d^2 with the mean p (Fleiss 1981; as R's power.prop.test).

    Neglects, as all formulas here, a significant result in the wrong direction (under 1e-5).
    UsageError for equal accuracies or ones outside 0..1.
    """
    if not (0.0 <= p_a <= 1.0 and 0.0 <= p_b <= 1.0) or p_a == p_b:
        raise UsageError("need two different accuracies between 0 and 1")
    z_a, z_b = _quantiles(alpha, power)
    mean = (p_a + p_b) / 2.0
    pooled = math.sqrt(2.0 * mean * (1.0 - mean))
    own = math.sqrt(p_a * (1.0 - p_a) + p_b * (1.0 - p_b))
    return _rounded(((z_a * pooled + z_b * own) / (p_a - p_b)) ** 2)


def _alpha_quantile(alpha: float) -> float:
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"alpha must lie between 0 and 1, e.g. 0.05, got {alpha:g}")
    from scipy import special

    return -float(special.ndtri(alpha / 2.0))


def _quantiles(alpha: float, power: float) -> tuple[float, float]:
    """Normal quantiles of a two-sided level and of a power; UsageError when no test has them."""
    z_a = _alpha_quantile(alpha)
    if not alpha < power < 1.0:
        raise UsageError(f"power must lie between alpha and 1, e.g. 0.8, got {power:g}")
    from scipy import special

    return z_a, float(special.ndtri(power))


def _rounded(exact: float) -> SampleSize:
    return SampleSize(math.ceil(exact), exact)
