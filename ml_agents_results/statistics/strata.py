"""Strata: the error of a mean over these very tasks, from what lies within each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ml_agents_results.statistics.distributions import z_quantile
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.proportions import wilson_bounds


@dataclass(frozen=True, slots=True)
class Stratum:
    """One task: how many samples, their mean, and its error (None for a single sample)."""

    n: int
    mean: float
    se: float | None


def stratified_se(strata: Sequence[Stratum], weights: Sequence[float]) -> float:
    """The error of the weighted sum of the means: sqrt(sum w_t^2 se_t^2).

    Strata without variance add nothing, which is right on average. Those of one sample are one
    stratum together (Cochran 1977, chapter 5; R's survey with the single ones joined).
    """
    both = list(zip(strata, weights, strict=True))
    known = math.fsum((w * s.se) ** 2 for s, w in both if s.se is not None)
    single = [(s.mean, w) for s, w in both if s.se is None]
    if len(single) > 1:
        centre = math.fsum(mean for mean, _ in single) / len(single)
        spread = math.fsum((mean - centre) ** 2 for mean, _ in single) / (len(single) - 1)
        known += spread * math.fsum(w * w for _, w in single)
    return math.sqrt(known)


def stratified_accuracy(p: float, se: float, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's interval (1927) for the effective number of samples p (1 - p) / se^2, at most 2 n;
    n where the error is 0."""
    spread = p * (1.0 - p)
    worth = min(2.0 * n, spread / se**2) if se > 0.0 and spread > 0.0 else float(n)
    low, high = wilson_bounds(p, worth, z_quantile(confidence))
    return Interval(low, high, "wilson-stratified", confidence)
