"""Quantiles with distribution-free intervals, from distinct values and how often each occurs."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.distributions import (
    binomial_quantile,
    check_confidence,
    check_counts,
)


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


def from_histogram(
    values: Sequence[float], counts: Sequence[int], qs: Iterable[float], confidence: float = 0.95
) -> list[Quantile]:
    """Quantiles of type 7 (Hyndman, Fan 1996, NumPy's default), with the exact binomial interval by
    order statistics (Conover 1999); a bound is None where no such order statistic exists (n = 20
    has no upper bound for the 95th percentile).

    Args:
        values: Distinct values in any order, in any unit.
        counts: How often each occurs.
        qs: The quantiles, fractions: 0.95 is the 95th percentile.

    Returns:
        One for each of `qs`; without data all have `no_values`.

    Raises:
        ValueError: The lengths differ, a count is negative, or a value is not finite.
        UsageError: A quantile or `confidence` is impossible.
    """
    tail = (1.0 - check_confidence(confidence)) / 2.0
    n, at = _ranked(values, counts)
    quantiles = []
    for q in qs:
        if not 0.0 <= q <= 1.0:
            raise UsageError(f"the quantile is {q:g}, not between 0 and 1")
        if n == 0:
            quantiles.append(Quantile(q, None, None, None, 0, confidence, "no_values"))
            continue
        low, high = 0, n + 1
        if 0.0 < q < 1.0:
            low = binomial_quantile(tail, n, q)
            high = binomial_quantile(1.0 - tail, n, q) + 1
        bounds = (at(low) if low else None, at(high) if high <= n else None)
        quantiles.append(Quantile(q, _point(n, at, q), *bounds, n, confidence))
    return quantiles


def points_of_histogram(
    values: Sequence[float], counts: Sequence[int], qs: Iterable[float]
) -> list[float | None]:
    """As `from_histogram`, without intervals, which need SciPy."""
    n, at = _ranked(values, counts)
    return [_point(n, at, q) if n else None for q in qs]


def _point(n: int, at: Callable[[int], float], q: float) -> float:
    """Between the values at the two ranks (from 1) around (n - 1) q + 1."""
    position = (n - 1) * q
    below = math.floor(position)
    lower, upper = at(below + 1), at(min(below + 2, n))
    return lower + (upper - lower) * (position - below)


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
