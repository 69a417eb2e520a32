"""What is the average over tasks? Macro averages, every task (or family of tasks) weighing 1.

The micro average, every sample weighing 1, is `cluster_robust.clustered_mean` with the task as
cluster. The two answer different questions and are never mixed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.cluster_robust import ClusteredMean, clustered_mean
from ml_agents_results.statistics.distributions import (
    check_confidence,
    normal_two_sided_p,
    z_quantile,
)
from ml_agents_results.statistics.estimate import Estimate


@dataclass(frozen=True, slots=True)
class TaskValue:
    """The figure of one task: an accuracy or a difference, its standard error, its samples.

    `family` joins tasks that are variants of one another; they are averaged first.
    """

    value: float
    se: float | None = None
    n_samples: int = 0
    family: str | None = None


def macro_difference(
    tasks: Sequence[TaskValue], se: str = "random", confidence: float = 0.95
) -> Estimate:
    """Mean over tasks of candidate minus baseline, clipped to -1..1, with its p value.

    `se="random"`: sd / sqrt(T) and t with T - 1 degrees of freedom, for claims about tasks like
    these; `se="fixed"`: sqrt(sum se^2) / T and z, for these very tasks. One task:
    `one_cluster` (random). A task whose se is unknown: `task_se_undefined` (fixed). No tasks:
    `no_graded_runs`. UsageError for another word.
    """
    if _kind(se) == "random":
        estimate = _over_families(tasks).as_difference(confidence)
        return _labelled(estimate, tasks, "macro-random, t")
    return _fixed(tasks, confidence, (-1.0, 1.0), with_p=True)


def macro_accuracy(
    tasks: Sequence[TaskValue], se: str = "random", confidence: float = 0.95
) -> Estimate:
    """Mean over tasks of an accuracy. Arguments and edges as in `macro_difference`.

    The random interval is the design-adjusted Wilson with tasks as units, which stays inside 0..1
    and is never of zero width; the fixed one is mean +/- z se, clipped.
    """
    if _kind(se) == "random":
        samples = sum(task.n_samples for task in tasks) or len(tasks)
        estimate = _over_families(tasks).as_accuracy(samples, confidence)
        return _labelled(estimate, tasks, "macro-random, wilson-design-adjusted")
    return _fixed(tasks, confidence, (0.0, 1.0), with_p=False)


def _kind(se: str) -> str:
    if se not in ("random", "fixed"):
        raise UsageError(f"unknown macro standard error {se!r}", hint="choose random or fixed")
    return se


def _families(tasks: Sequence[TaskValue]) -> list[list[TaskValue]]:
    """Tasks of one family together, in order of first appearance; a task without one alone."""
    groups: dict[tuple[str, str | int], list[TaskValue]] = {}
    for position, task in enumerate(tasks):
        key = ("alone", position) if task.family is None else ("family", task.family)
        groups.setdefault(key, []).append(task)
    return list(groups.values())


def _over_families(tasks: Sequence[TaskValue]) -> ClusteredMean:
    means = [math.fsum(t.value for t in group) / len(group) for group in _families(tasks)]
    return clustered_mean([1.0] * len(means), means)


def _fixed(
    tasks: Sequence[TaskValue], confidence: float, bounds: tuple[float, float], with_p: bool
) -> Estimate:
    check_confidence(confidence)
    families = _families(tasks)
    if not families:
        return Estimate(None, "macro-fixed, z", level=confidence, null_reason="no_graded_runs")
    mean = math.fsum(math.fsum(t.value for t in g) / len(g) for g in families) / len(families)
    variances = [None if t.se is None else (t.se / len(g)) ** 2 for g in families for t in g]
    known = [variance for variance in variances if variance is not None]
    if len(known) < len(variances) or not sum(known):
        plain = Estimate(mean, "", level=confidence, null_reason="task_se_undefined")
        return _labelled(plain, tasks, "macro-fixed, z")
    error = math.sqrt(math.fsum(known)) / len(families)
    half = z_quantile(confidence) * error
    estimate = Estimate(
        mean,
        "",
        se=error,
        ci_low=max(bounds[0], mean - half),
        ci_high=min(bounds[1], mean + half),
        level=confidence,
        p_value=normal_two_sided_p(mean / error) if with_p else None,
    )
    return _labelled(estimate, tasks, "macro-fixed, z")


def _labelled(estimate: Estimate, tasks: Sequence[TaskValue], method: str) -> Estimate:
    families = len(_families(tasks))
    samples = sum(task.n_samples for task in tasks)
    return replace(
        estimate,
        method=method,
        n_samples=samples,
        n_runs=samples,
        n_clusters=families,
        denominators={"tasks": len(tasks), "families": families},
    )
