"""Looking early: evidence and intervals that hold however often, and whenever, one looks.

The fixed interval does not: looked at every 50 samples up to 2,000, equal variants left it in 17 to
30% of simulated studies.

Sources:
    Howard, Ramdas, McAuliffe, Sekhon 2021, doi:10.1214/20-AOS1991 (confidence sequences)
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2024, doi:10.1214/24-AOS2408 (asymptotic ones)
    Grunwald, de Heide, Koolen 2024, doi:10.1093/jrsssb/qkae011 (e-values)
"""

import math

from ml_agents_results.statistics.difference_sums import DifferenceSums
from ml_agents_results.statistics.distributions import check_confidence, check_counts, crossing
from ml_agents_results.statistics.estimate import Interval

FEWEST_SAMPLES = 20
FEWEST_DIFFERING = 10
"""Samples, and samples that differ, before which a sequence says nothing (`too_early`)."""

FEWEST_UNBOUNDED = 20
"""The latter of a metric without bounds."""

TIGHTEST_AT = 500
"""Samples at which a sequence is tightest, unless half of the planned ones are."""

METHOD = "confidence-sequence"
TOO_EARLY = "too_early"


def e_value(improved: int, regressed: int) -> float:
    """The evidence that a candidate's improved and regressed samples are not equally likely.

    B(b + 1/2, c + 1/2) / B(1/2, 1/2) 2^(b + c): a martingale of mean 1 while they are, so that it
    ever reaches 1 / alpha with probability alpha at most.
    """
    check_counts(improved=improved, regressed=regressed)
    log = math.lgamma(improved + 0.5) + math.lgamma(regressed + 0.5)
    log -= math.lgamma(improved + regressed + 1.0) + math.log(math.pi)
    log += (improved + regressed) * math.log(2.0)
    return math.exp(min(log, 700.0))


def anytime_p(largest_e_value: float) -> float:
    """A p value that holds at every look, from the largest e-value so far."""
    return min(1.0, 1.0 / largest_e_value) if largest_e_value > 0.0 else 1.0


def confidence_sequence(
    sums: DifferenceSums,
    confidence: float = 0.95,
    *,
    span: float | None = 1.0,
    pseudo: float | None = None,
    planned: int | None = None,
) -> Interval:
    """An interval of the mean of d that holds at all looks at once.

    Normal mixture with two pseudo-samples at +-delta, as in the interval for a single look: the
    sequence of simulated studies of up to 2,000 samples and 13 kinds of differences was ever wrong
    in at most 4.1%, without them in up to 49%. It is about 1.6 times as wide as that interval.
    Both bounds are None before `FEWEST_SAMPLES` and `FEWEST_DIFFERING` (`too_early`).

    Args:
        span: The width of the metric's range; None where it has none.
        pseudo: delta; by default that of right and wrong answers.
        planned: Samples in all; the sequence is tightest at half of them.
    """
    alpha = 1.0 - check_confidence(confidence)
    least = FEWEST_DIFFERING if span is not None else FEWEST_UNBOUNDED
    if sums.n < FEWEST_SAMPLES or sums.differing < least:
        return Interval(None, None, METHOD, confidence, TOO_EARLY)
    low, high = mixture_bounds(sums, alpha, pseudo or sums.pseudo_sample, planned)
    interval = Interval(low, high, METHOD, confidence)
    return interval if span is None else interval.clipped(-span, span)


def mixture_bounds(
    sums: DifferenceSums, alpha: float, pseudo: float, planned: int | None = None
) -> tuple[float, float]:
    """The bounds of the sequence, also where it is too early to report them."""
    tightest = TIGHTEST_AT if planned is None else max(planned / 2.0, 2.0)
    t = sums.n + 2.0
    mean = sums.total / t
    variance = max(0.0, (sums.squares + 2.0 * pseudo**2) / t - mean**2)
    rho = (-2.0 * math.log(alpha) + math.log(1.0 - 2.0 * math.log(alpha))) / tightest
    inner = (t * rho + 1.0) / (t * t * rho) * math.log(math.sqrt(t * rho + 1.0) / alpha)
    half = math.sqrt(2.0 * variance * inner)
    return mean - half, mean + half


def margin_p(
    sums: DifferenceSums, margin: float, pseudo: float, planned: int | None = None
) -> float:
    """The smallest alpha at which the sequence lies above -margin: an anytime p value of the mean
    being worse by the margin or more."""
    low, high = math.log(1e-12), math.log(0.999)

    def above(log_alpha: float) -> bool:
        return mixture_bounds(sums, math.exp(log_alpha), pseudo, planned)[0] > -margin

    if not above(high):
        return 1.0
    return math.exp(crossing(above, low, high, 60))
