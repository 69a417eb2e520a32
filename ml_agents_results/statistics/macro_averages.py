"""Averages over tasks: of tasks like these, every task (or family) weighing 1, and of these very
tasks, from what varies within each.

The micro average, every sample weighing 1, is `cluster_robust.clustered_mean` with the task as
cluster. It answers another question, and the two are never mixed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ml_agents_results.statistics.bounded_mean import Bounds, mean_of_values
from ml_agents_results.statistics.cluster_robust import ClusteredMean, clustered_mean
from ml_agents_results.statistics.distributions import z_quantile
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.proportions import wilson_bounds


@dataclass(frozen=True, slots=True)
class Stratum:
    """One task: how many samples, their mean or mean difference, and its error (None for a single
    sample). `family` joins tasks that are variants of one another; they are averaged first."""

    n: int
    mean: float
    se: float | None = None
    family: str | None = None


def macro_difference(
    tasks: Sequence[Stratum],
    confidence: float = 0.95,
    bounds: tuple[float, float] | None = (-1.0, 1.0),
) -> Estimate:
    """Mean over tasks of candidate minus baseline, clipped to the bounds, with its p value.

    sd / sqrt(T) and t with T - 1 degrees of freedom, for claims about tasks like these. One task:
    `one_cluster`. No tasks: `no_graded_runs`.
    """
    estimate = _over_families(tasks).as_difference(confidence, bounds)
    return _labelled(estimate, tasks, "macro-random, t")


def macro_accuracy(tasks: Sequence[Stratum], confidence: float = 0.95) -> Estimate:
    """Mean over tasks of an accuracy: the design-adjusted Wilson interval with tasks as units,
    which stays inside 0..1 and is never of zero width. Edges as in `macro_difference`."""
    samples = sum(task.n for task in tasks) or len(tasks)
    estimate = _over_families(tasks).as_accuracy(samples, confidence)
    return _labelled(estimate, tasks, "macro-random, wilson-design-adjusted")


def macro_mean(tasks: Sequence[Stratum], bounds: Bounds, confidence: float = 0.95) -> Estimate:
    """Mean over tasks of the mean of a numeric metric, with the interval of `bounded_mean`."""
    estimate = mean_of_values(_over_families(tasks), sum(t.n for t in tasks), bounds, confidence)
    return _labelled(estimate, tasks, f"macro-random, {estimate.method}")


def stratified_se(strata: Sequence[Stratum], weights: Sequence[float]) -> float:
    """The error of the weighted sum of the means of these very tasks: sqrt(sum w_t^2 se_t^2).

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


def _families(tasks: Sequence[Stratum]) -> list[list[Stratum]]:
    """Tasks of one family together, in order of first appearance; a task without one alone."""
    groups: dict[int | str, list[Stratum]] = {}
    for index, task in enumerate(tasks):
        groups.setdefault(index if task.family is None else task.family, []).append(task)
    return list(groups.values())


def _over_families(tasks: Sequence[Stratum]) -> ClusteredMean:
    means = [math.fsum(t.mean for t in group) / len(group) for group in _families(tasks)]
    return clustered_mean([1.0] * len(means), means)


def _labelled(estimate: Estimate, tasks: Sequence[Stratum], method: str) -> Estimate:
    families, samples = len(_families(tasks)), sum(task.n for task in tasks)
    return replace(
        estimate,
        method=method,
        n_samples=samples,
        n_runs=samples,
        n_clusters=families,
        denominators={"tasks": len(tasks), "families": families},
    )
