"""What is the median, the 95th percentile, and how sure are they? From ranks, not from all rows.

A database fetches a row by rank cheaply (ORDER BY x LIMIT 1 OFFSET rank - 1), so the answer here
is which ranks to fetch.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.distributions import (
    binomial_quantile,
    check_confidence,
    check_counts,
)


@dataclass(frozen=True, slots=True)
class QuantileRanks:
    """The 1-based ranks that give a quantile: between `lower` and `upper`, `weight` of the way.

    `ci_low` and `ci_high` are the ranks of the interval's bounds, `None` where no such order
    statistic exists (n = 20 has no upper bound for the 95th percentile).
    """

    q: float
    n: int
    lower: int
    upper: int
    weight: float
    ci_low: int | None
    ci_high: int | None

    def interpolate(self, at_lower: float, at_upper: float) -> float:
        """The quantile from the values at ranks `lower` and `upper`."""
        return at_lower + (at_upper - at_lower) * self.weight


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile in the unit of the data, with a distribution-free interval."""

    q: float
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    level: float
    null_reason: str | None = None


def quantile_ranks(n: int, q: float, confidence: float = 0.95) -> QuantileRanks | None:
    """Ranks for a quantile: type 7 of Hyndman, Fan (1996), numpy's default.

    The interval is the exact binomial one by order statistics (Conover 1999).

    Args:
        n: Values.
        q: The quantile, a fraction: 0.95 is the 95th percentile.
        confidence: The level, a fraction.

    Returns:
        `None` when n = 0.

    Raises:
        UsageError: `q` or `confidence` is impossible.
    """
    check_counts(n=n)
    if not 0.0 <= q <= 1.0:
        raise UsageError(f"the quantile is {q:g}, not between 0 and 1")
    tail = (1.0 - check_confidence(confidence)) / 2.0
    if n == 0:
        return None
    ranks = _point_ranks(n, q)
    if not 0.0 < q < 1.0:
        return ranks
    above = binomial_quantile(1.0 - tail, n, q) + 1
    return replace(
        ranks,
        ci_low=binomial_quantile(tail, n, q) or None,
        ci_high=above if above <= n else None,
    )


def from_histogram(
    values: Sequence[float], counts: Sequence[int], qs: Iterable[float], confidence: float = 0.95
) -> list[Quantile]:
    """Quantiles of data given as distinct values and how often each occurs.

    Args:
        values: Distinct values in any order, in any unit.
        counts: How often each occurs.
        qs: The quantiles, fractions.
        confidence: The level, a fraction.

    Returns:
        One for each of `qs`, in the unit of the values; without data all have `no_values`.

    Raises:
        ValueError: The lengths differ, a count is negative, or a value is not finite.
        UsageError: A quantile or `confidence` is impossible.
    """
    n, at = _ranked(values, counts)
    found = []
    for q in qs:
        ranks = quantile_ranks(n, q, confidence)
        if ranks is None:
            found.append(Quantile(q, None, None, None, 0, confidence, "no_values"))
            continue
        found.append(
            Quantile(
                q,
                ranks.interpolate(at(ranks.lower), at(ranks.upper)),
                None if ranks.ci_low is None else at(ranks.ci_low),
                None if ranks.ci_high is None else at(ranks.ci_high),
                n,
                confidence,
            )
        )
    return found


def points_of_histogram(
    values: Sequence[float], counts: Sequence[int], qs: Iterable[float]
) -> list[float | None]:
    """As `from_histogram`, without intervals, which need SciPy."""
    n, at = _ranked(values, counts)
    if n == 0:
        return [None for _ in qs]
    ranks = [_point_ranks(n, q) for q in qs]
    return [one.interpolate(at(one.lower), at(one.upper)) for one in ranks]


def _point_ranks(n: int, q: float) -> QuantileRanks:
    """Those of the quantile alone."""
    position = (n - 1) * q
    below = math.floor(position)
    return QuantileRanks(q, n, below + 1, min(below + 2, n), position - below, None, None)


def _ranked(values: Sequence[float], counts: Sequence[int]) -> tuple[int, Callable[[int], float]]:
    """How many values there are, and what stands at a rank."""
    if len(values) != len(counts):
        raise ValueError("values and counts must be of one length")
    if not all(map(math.isfinite, values)):
        raise ValueError("values must be finite")
    check_counts(counts=min(counts, default=0))
    pairs = sorted(zip(values, counts, strict=True))
    ends = list(accumulate(count for _, count in pairs))
    return ends[-1] if ends else 0, lambda rank: float(pairs[bisect_left(ends, rank)][0])
