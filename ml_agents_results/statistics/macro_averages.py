"""What is the average over tasks? Macro averages, every task (or family of tasks) weighing 1.

The micro average, every sample weighing 1, is `cluster_robust.clustered_mean` with the task as
cluster. The two answer different questions and are never mixed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ml_agents_results.statistics.cluster_robust import ClusteredMean, clustered_mean
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


def macro_difference(tasks: Sequence[TaskValue], confidence: float = 0.95) -> Estimate:
    """Mean over tasks of candidate minus baseline, clipped to -1..1, with its p value.

    sd / sqrt(T) and t with T - 1 degrees of freedom, for claims about tasks like these. One task:
    `one_cluster`. No tasks: `no_graded_runs`.
    """
    return _labelled(_over_families(tasks).as_difference(confidence), tasks, "macro-random, t")


def macro_accuracy(tasks: Sequence[TaskValue], confidence: float = 0.95) -> Estimate:
    """Mean over tasks of an accuracy: the design-adjusted Wilson interval with tasks as units,
    which stays inside 0..1 and is never of zero width. Edges as in `macro_difference`."""
    samples = sum(task.n_samples for task in tasks) or len(tasks)
    estimate = _over_families(tasks).as_accuracy(samples, confidence)
    return _labelled(estimate, tasks, "macro-random, wilson-design-adjusted")


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
