"""Ratings: the values that several raters gave the same runs, next to each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ml_agents_results.statistics.run_columns import NONE, Array, Cluster, Key, Runs


@dataclass(frozen=True, slots=True)
class Ratings:
    """One row per run, in the order of variants, tasks, samples and repeats.

    Attributes:
        values: A column for each rater; NaN where a run has no value.
        variant, task: Indexes in `variants` and `tasks`.
        sample: The index of the run's sample in its task.
        group: The number of the value that runs are clustered by, from 1 (0: none); of `task` and
            `sample` empty.
        labels: The names of these numbers, from 0.
    """

    variants: Sequence[Key]
    tasks: Sequence[str]
    variant: Array
    task: Array
    sample: Array
    values: Array
    group: Array
    labels: Sequence[str | None]

    def take(self, rows: Array) -> "Ratings":
        """The rows of a mask or of indexes."""
        return replace(
            self,
            variant=self.variant[rows],
            task=self.task[rows],
            sample=self.sample[rows],
            values=self.values[rows],
            group=self.group[rows] if len(self.group) else NONE,
        )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def samples(self) -> Array:
        """The number of each run's sample, the same for every variant: samples of a task are
        alike by their index."""
        return numbered(self.task, self.sample)

    def of_samples(self) -> "Ratings":
        """One row per sample of a variant: the mean of each rater's values over its repeats."""
        keys = numbered(self.variant, self.samples)
        _, first, index = np.unique(keys, return_index=True, return_inverse=True)
        known = ~np.isnan(self.values)
        means = np.full((len(first), self.values.shape[1]), np.nan)
        for rater in range(self.values.shape[1]):
            counts = np.bincount(index, known[:, rater], len(first))
            sums = np.bincount(index, np.where(known, self.values, 0.0)[:, rater], len(first))
            rated = counts > 0
            means[rated, rater] = sums[rated] / counts[rated]
        return replace(self.take(first), values=means)


def numbered(*columns: Array) -> Array:
    """The number, from 0, of each row's combination of values."""
    numbers: Array = np.unique(np.stack(columns), axis=1, return_inverse=True)[1]
    return numbers.ravel()


def ratings_of(raters: Sequence[Runs], cluster: Cluster) -> Ratings:
    """The values of the same runs by several raters, one `Runs` for each, with the columns value,
    sample_index and repeat_index, and that of the cluster."""
    first = raters[0]
    variants, tasks = list(first.columns), first.tasks
    parts: list[dict[str, Any]] = []
    for number, variant in enumerate(variants):
        for task, columns in first.of(variant).items():
            order = np.lexsort((columns.repeat_index, columns.sample_index))
            size = len(order)
            values = []
            for runs in raters:
                own = runs.of(variant)[task].as_numbers()
                rows = np.lexsort((own.repeat_index, own.sample_index))
                values.append(own.value[rows])
            grouped = NONE
            if cluster not in ("task", "sample"):
                grouped = columns.clusters(cluster)[order].astype(np.uint64)
            parts.append(
                {
                    "variant": np.full(size, number),
                    "task": np.full(size, tasks.index(task)),
                    "sample": columns.sample_index[order],
                    "values": np.stack(values, axis=1),
                    "group": grouped,
                }
            )
    columns_of = {
        name: np.concatenate([part[name] for part in parts])
        for name in ("variant", "task", "sample", "values", "group")
    }
    numbers, group = np.unique(columns_of.pop("group"), return_inverse=True)
    labels = [first.label(cluster, number) for number in numbers.tolist()]
    return Ratings(variants, tasks, group=group.ravel(), labels=labels, **columns_of)
