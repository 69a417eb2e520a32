"""Tail probabilities and quantiles of distributions, each as one exact closed form.

Error bars need Python's own mathematics only, the rest comes from `scipy.special` where it is asked
for: `scipy.stats` gives the same numbers and takes half a second to import.
Also the checks of arguments that every module shares.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics import student_t as student


def check_confidence(confidence: float) -> float:
    """The confidence level itself, if it lies strictly between 0 and 1; else UsageError."""
    if not 0.0 < confidence < 1.0:
        raise UsageError(
            f"the confidence level is {confidence:g}, not between 0 and 1",
            hint="Write 0.95 for 95%.",
        )
    return float(confidence)


def check_counts(**counts: int) -> None:
    """Raise ValueError, naming the count, for anything that is not a whole number >= 0."""
    for name, value in counts.items():
        if value != int(value) or value < 0:
            raise ValueError(f"{name} must be a whole number of 0 or more, got {value!r}")


def check_part(part_name: str, part: int, whole_name: str, whole: int) -> None:
    """Raise ValueError unless both are counts and the part is not larger than the whole."""
    check_counts(**{part_name: part, whole_name: whole})
    if part > whole:
        raise ValueError(f"{part_name} ({part}) must not exceed {whole_name} ({whole})")


def z_quantile(confidence: float) -> float:
    """The normal quantile that bounds a two-sided interval: 1.96 for 0.95."""
    return -NormalDist().inv_cdf((1.0 - check_confidence(confidence)) / 2.0)


def t_quantile(confidence: float, dof: float) -> float:
    """The quantile of Student's t (fractional degrees of freedom allowed) for such an interval."""
    return student.quantile(1.0 - check_confidence(confidence), dof, z_quantile(confidence))


def normal_two_sided_p(z: float) -> float:
    """P(|Z| >= |z|)."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def crossing(holds: Callable[[float], bool], low: float, high: float, steps: int = 50) -> float:
    """Where a condition that fails at `low` begins to hold, by halving the way to `high` that many
    times: to import a root finder takes longer."""
    for _ in range(steps):
        middle = (low + high) / 2.0
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def fair_coin_lower_tail(successes: int, tosses: int) -> float:
    """P(X <= successes) for X ~ Binomial(tosses, 1/2), to full precision down to 5e-324."""
    if successes < 0:
        return 0.0
    if successes >= tosses:
        return 1.0
    from scipy import special

    return float(special.betainc(tosses - successes, successes + 1, 0.5))


def fair_coin_exact_p(heads: int, tails: int) -> float:
    """Exact two-sided binomial test of a fair coin (the sign test); 1.0 without a toss."""
    check_counts(heads=heads, tails=tails)
    return min(1.0, 2.0 * fair_coin_lower_tail(min(heads, tails), heads + tails))


def fair_coin_mid_p(heads: int, tails: int) -> float:
    """The same test with half the probability of the outcome seen (mid-p, Lancaster 1961)."""
    check_counts(heads=heads, tails=tails)
    if heads == tails:
        # The two-sided tail counts the central outcome twice; take it once, then half of it off.
        # Its probability C(2k, k) / 4^k is 1 at k = 0, where nothing speaks against p = 1.
        centre = math.exp(math.lgamma(heads + 0.5) - math.lgamma(heads + 1)) / math.sqrt(math.pi)
        return 1.0 - centre / 2.0 if heads else 1.0
    fewer, tosses = min(heads, tails), heads + tails
    return fair_coin_lower_tail(fewer, tosses) + fair_coin_lower_tail(fewer - 1, tosses)


def binomial_quantile(probability: float, trials: int, rate: float) -> int:
    """The smallest k with P(X <= k) >= probability, X ~ Binomial(trials, rate)."""
    from scipy import special

    guess = special.bdtrik(probability, trials, rate)
    k = 0 if math.isnan(guess) else max(0, math.floor(guess) - 1)
    while k < trials and special.betainc(trials - k, k + 1, 1.0 - rate) < probability:
        k += 1
    return k
