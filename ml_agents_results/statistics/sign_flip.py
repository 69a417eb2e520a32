"""Is a difference of repeated answers chance? The sign-flip test, for few samples.

With repeats a sample's difference is a fraction and McNemar's test does not apply; below about 200
samples this test backs the t test. It needs the differences themselves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml_agents_results.errors import UsageError

_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class SignFlip:
    """Two-sided p value; `exact` when all 2^n sign patterns were counted, else from `seed`."""

    p_value: float | None
    exact: bool
    n: int
    seed: int
    resamples: int
    null_reason: str | None = None


def sign_flip_test(differences: Sequence[float], seed: int = 0, resamples: int = 9999) -> SignFlip:
    """How often flipped signs give a mean at least as far from 0 (Fisher 1935).

    Exact when 2^n <= resamples, else (hits + 1) / (resamples + 1) (Phipson, Smyth 2010). Without
    differences: `no_shared_samples`. ValueError for values that are not finite.
    """
    if resamples < 1:
        raise UsageError(f"resamples must be 1 or more, got {resamples}")
    values = np.asarray(differences, dtype=np.float64)
    n = len(values)
    if not bool(np.all(np.isfinite(values))):
        raise ValueError("differences must be finite")
    if n == 0:
        return SignFlip(None, False, 0, seed, 0, "no_shared_samples")
    # Sums that are equal but for the order of adding count as equally far.
    reach = abs(math.fsum(values)) - 1e-12 * float(np.abs(values).sum())
    exact = 2**n <= resamples
    draws = 2**n if exact else resamples
    rng = np.random.default_rng(seed)
    hits = 0
    for start in range(0, draws, _BLOCK):
        rows = min(_BLOCK, draws - start)
        if exact:
            flips = (np.arange(start, start + rows)[:, None] >> np.arange(n)) & 1
        else:
            flips = rng.integers(0, 2, size=(rows, n))
        hits += int(np.count_nonzero(np.abs((1 - 2 * flips) @ values) >= reach))
    p_value = hits / draws if exact else (hits + 1) / (draws + 1)
    return SignFlip(p_value, exact, n, seed, draws)
