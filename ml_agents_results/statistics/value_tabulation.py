"""Tabulation of numeric metrics: sums of values and differences, and the lattice they lie on.

Repeats of a sample are averaged first. What comes out of parts of the runs adds up, and
NumPy is all it needs.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ml_agents_results.statistics.additive_sums import Sums
from ml_agents_results.statistics.choices import Missing, PairingRule
from ml_agents_results.statistics.pair_tabulation import difference, shared_samples
from ml_agents_results.statistics.run_columns import Array, Cluster, Key, Runs
from ml_agents_results.statistics.sample_table import grouped_sums, sample_table

LATTICE = 10_000
"""Steps to a unit of the lattice that values are held against: four decimals."""

MOST_DISTINCT = 10_000
"""Differences of more sizes are not counted one by one."""

MOST_KEPT = 50
"""Where fewer samples differ, their differences themselves are kept."""

_MOST_REPEATS = 5_040

_LARGEST_STEP = 2.0**53
"""Whole numbers beyond are not exact."""


def value_sums(runs: Runs, variant: Key, missing: Missing, cluster: Cluster, origin: float) -> Sums:
    """By cluster, of the variant's samples with a value: how many there are, how many runs have
    one, and the sums of x, x^2 and x^3; x is the sample's value less the origin."""
    rows: Sums = []
    for task, columns in runs.of(variant).items():
        table = sample_table(columns, missing, cluster=cluster, measure="value")
        known = ~np.isnan(table.measure)
        x = table.measure[known] - origin
        squares = x * x
        sums = (np.ones(len(x)), table.graded[known], x, squares, squares * x)
        grouped = None if table.cluster is None else table.cluster[known]
        rows += grouped_sums(runs, cluster, task, grouped, np.arange(len(x)), sums, whole=2)
    return rows


@dataclass(frozen=True, slots=True)
class DifferenceSteps:
    """How many shared samples differ by each number of steps.

    Attributes:
        per_unit: Steps to a unit of the metric.
        counts: None where the differences lie on no lattice, or are of very many sizes.
        kept: The differences other than 0, where there are few.
    """

    per_unit: int = LATTICE
    counts: dict[int, int] | None = None
    kept: tuple[float, ...] | None = None


StepsOfTask = tuple[str, int, dict[int, int] | None, tuple[float, ...] | None]
"""A task and the fields of its DifferenceSteps: Spark's workers return builtin
types only."""


def value_steps(
    runs: Runs, candidate: Key, baseline: Key, missing: Missing, rule: PairingRule
) -> list[StepsOfTask]:
    """The differences of the shared samples by task, candidate minus baseline."""
    rows: list[StepsOfTask] = []

    def add(task: str, d: Array) -> None:
        steps = difference_steps(d, repeats)
        rows.append((task, steps.per_unit, steps.counts, steps.kept))

    for task, one, two in shared_samples(
        runs, (candidate, baseline), missing, rule, "task", "value"
    ):
        known = ~np.isnan(one.measure - two.measure)
        d = difference(one.measure[known], two.measure[known])
        graded = np.concatenate([one.graded[known], two.graded[known]])
        repeats = np.flatnonzero(np.bincount(graded))
        if one.task is None:
            add(task, d)
            continue
        of_task = one.task[known]
        for number in np.unique(of_task).tolist():
            add(runs.tasks[number - 1], d[of_task == number])
    return rows


def add_steps(parts: Iterable[DifferenceSteps]) -> DifferenceSteps:
    """The differences of all parts."""
    listed = list(parts)
    per_unit = math.lcm(*(part.per_unit for part in listed)) if listed else LATTICE
    counts: dict[int, int] | None = {}
    kept: list[float] | None = []
    for part in listed:
        if counts is not None and part.counts is not None:
            finer = per_unit // part.per_unit
            for step, count in part.counts.items():
                counts[step * finer] = counts.get(step * finer, 0) + count
        else:
            counts = None
        kept = None if kept is None or part.kept is None else [*kept, *part.kept]
    if counts is not None and len(counts) > MOST_DISTINCT:
        counts = None
    if kept is not None and len(kept) >= MOST_KEPT:
        kept = None
    return DifferenceSteps(
        per_unit,
        None if counts is None else dict(sorted(counts.items())),
        None if kept is None else tuple(sorted(kept)),
    )


def difference_steps(d: Array, repeats: Array) -> DifferenceSteps:
    """The mean of k values on a lattice lies on one that is k times as fine."""
    per_unit = math.lcm(*map(int, repeats)) * LATTICE if len(repeats) else LATTICE
    other = d[d != 0.0]
    kept = tuple(other.tolist()) if len(other) < MOST_KEPT else None
    if per_unit > _MOST_REPEATS * LATTICE:
        return DifferenceSteps(LATTICE, None, kept)
    if len(d) and float(np.abs(d).max()) > _LARGEST_STEP / per_unit:
        return DifferenceSteps(LATTICE, None, kept)
    steps = d * per_unit
    nearest = np.rint(steps)
    if len(steps) and float(np.abs(steps - nearest).max()) > 1e-6 * per_unit / LATTICE:
        return DifferenceSteps(LATTICE, None, kept)
    values, counts = np.unique(nearest, return_counts=True)
    if len(values) > MOST_DISTINCT:
        return DifferenceSteps(LATTICE, None, kept)
    of_steps = zip(map(int, values.tolist()), counts.tolist(), strict=True)
    return DifferenceSteps(per_unit, dict(of_steps), kept)
