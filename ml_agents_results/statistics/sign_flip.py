"""Sign-flip test: whether a mean difference on shared samples is chance.

Under the null hypothesis each sample's difference is as likely to have the other sign. With one
answer a sample this is McNemar's test; with repeats the differences are fractions and the same
test holds, so that a stray second answer does not switch the method.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ml_agents_results.statistics.distributions import (
    fair_coin_exact_p,
    fair_coin_mid_p,
    normal_two_sided_p,
)

MOST_STEPS = 200_000
"""Steps of the lattice up to which the null distribution is computed exactly."""

NORMAL_FROM = 50
"""Samples that differ from which the normal distribution serves where the exact one does not."""

RESAMPLES = 99_999
_BLOCK = 2048

EXACT_MID_P = "sign-flip (exact, mid-p)"
EXACT = "sign-flip (exact)"
NORMAL = "sign-flip (normal)"
MONTE_CARLO = "sign-flip (Monte Carlo)"


@dataclass(frozen=True, slots=True)
class SignFlip:
    """Two-sided p values of the test.

    Attributes:
        p_mid: With half the probability of the outcome seen (mid-p, Lancaster 1961).
        p_exact: With all of it. Where the null distribution is not exact, both are the same.
        exact: Whether the null distribution is exact.
        test: The name of the test that gives `p_mid`.
    """

    p_mid: float
    p_exact: float
    exact: bool
    test: str

    def chosen(self, test: str) -> tuple[float, str]:
        """The p value of the test `mid-p` or `exact`, and the name of the test that was made."""
        if test == "exact" and self.exact:
            return self.p_exact, EXACT
        return self.p_mid, self.test


def sign_flip(steps: Mapping[int, int], seed: int = 0) -> SignFlip:
    """The test from how many samples differ by each number of steps.

    A step is what all differences are whole multiples of: 1 where samples have one answer, 1/6
    where they have 3 on the one side and 2 on the other. Exact by the convolution of
    v (2 Bin(c_v, 1/2) - c_v) over the sizes v of differences (Fisher 1935; Pagano, Tritchler 1983)
    while it has at most `MOST_STEPS` steps. Beyond, the normal distribution, or for fewer than
    `NORMAL_FROM` differing samples (x + 1) / (B + 1) from `RESAMPLES` random flips
    (Phipson, Smyth 2010). Both p values are 1 where nothing differs.
    """
    differing = {step: count for step, count in steps.items() if step and count}
    if not differing:
        return SignFlip(1.0, 1.0, True, EXACT_MID_P)
    unit = reduce(math.gcd, differing)
    sizes: dict[int, int] = {}
    total = 0
    for step, count in differing.items():
        size = abs(step) // unit
        sizes[size] = sizes.get(size, 0) + count
        total += step // unit * count
    samples = sum(sizes.values())
    if len(sizes) == 1:
        up = (samples + total // next(iter(sizes))) // 2
        two = (up, samples - up)
        return SignFlip(fair_coin_mid_p(*two), fair_coin_exact_p(*two), True, EXACT_MID_P)
    if sum(size * count for size, count in sizes.items()) <= MOST_STEPS:
        return _exact(sizes, abs(total))
    if samples >= NORMAL_FROM:
        squares = sum(size * size * count for size, count in sizes.items())
        p_value = normal_two_sided_p(total / math.sqrt(squares))
        return SignFlip(p_value, p_value, False, NORMAL)
    p_value = _monte_carlo(sizes, abs(total), seed)
    return SignFlip(p_value, p_value, False, MONTE_CARLO)


def _exact(sizes: Mapping[int, int], reach: int) -> SignFlip:
    """The sum of all differences is 2 T - width, T the sum of those that are positive."""
    law, start = np.ones(1), 0
    for size, count in sorted(sizes.items(), key=lambda item: -item[1]):
        first, chances = _binomial(count)
        added = np.zeros(len(law) + size * (len(chances) - 1))
        for index, chance in enumerate(chances.tolist()):
            added[index * size : index * size + len(law)] += chance * law
        law, start = added, start + first * size
    width = sum(size * count for size, count in sizes.items())
    at = (width + reach) // 2 - start
    seen = float(law[at]) if at < len(law) else 0.0
    beyond = float(law[at + 1 :].sum())
    if reach == 0:
        return SignFlip(1.0 - seen / 2.0, 1.0, True, EXACT_MID_P)
    return SignFlip(2.0 * beyond + seen, min(1.0, 2.0 * (beyond + seen)), True, EXACT_MID_P)


def _binomial(tosses: int) -> tuple[int, NDArray[np.float64]]:
    """The chances of heads in fair tosses: the first number with a chance above 0, and the chances
    from there."""
    from scipy import special

    heads = np.arange(tosses + 1)
    log = special.gammaln(tosses + 1) - special.gammaln(heads + 1)
    log -= special.gammaln(tosses - heads + 1) + tosses * math.log(2.0)
    chances = np.exp(log)
    possible = np.flatnonzero(chances > 0.0)
    first, last = int(possible[0]), int(possible[-1])
    return first, chances[first : last + 1]


def _monte_carlo(sizes: Mapping[int, int], reach: int, seed: int) -> float:
    values = np.array([size for size, count in sorted(sizes.items()) for _ in range(count)], float)
    rng = np.random.default_rng(seed)
    limit = reach * (1.0 - 1e-12)
    hits = 0
    for first in range(0, RESAMPLES, _BLOCK):
        rows = min(_BLOCK, RESAMPLES - first)
        flips = rng.integers(0, 2, size=(rows, len(values)))
        hits += int(np.count_nonzero(np.abs((2 * flips - 1) @ values) >= limit))
    return (hits + 1) / (RESAMPLES + 1)
