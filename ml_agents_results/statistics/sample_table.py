"""Sample table: the runs of one variant in one task, one row per sample, and sums by cluster."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_agents_results.statistics.additive_sums import Sums
from ml_agents_results.statistics.choices import Missing, PairingRule
from ml_agents_results.statistics.run_columns import NONE, Array, Cluster, Columns, Measure, Runs
from ml_agents_results.statistics.sorted_arrays import firsts


@dataclass(frozen=True, slots=True)
class SampleTable:
    """One row per sample of a variant.

    Attributes:
        key: What a sample is paired by.
        fingerprint: The smallest of its runs'.
        cluster: The number of its cluster, 0 where it has none; None where all are of one task.
        graded, correct: How many of its runs count, and how many are correct.
        measure: The mean of a measure over the runs that have it, else NaN; empty where none was
            asked for.
        task: The number of its task, from 1; None where all are of one task.
    """

    key: Array
    fingerprint: Array
    cluster: Array | None
    graded: Array
    correct: Array
    measure: Array
    task: Array | None = None

    def take(self, rows: Any) -> "SampleTable":
        if isinstance(rows, slice):
            return self
        return SampleTable(
            self.key[rows],
            self.fingerprint[rows] if len(self.fingerprint) else NONE,
            None if self.cluster is None else self.cluster[rows],
            self.graded[rows],
            self.correct[rows],
            self.measure[rows] if len(self.measure) else NONE,
            None if self.task is None else self.task[rows],
        )


def sample_table(
    columns: Columns,
    missing: Missing,
    rule: PairingRule = "sample_index",
    cluster: Cluster = "task",
    measure: Measure | None = None,
) -> SampleTable:
    """The samples of one variant in one task, in the order of their keys.

    Args:
        missing: Whether a run without a grade is left out or counts as wrong.
        rule: What samples are paired by; by `sample_id`, those without an id are left out.
        cluster: What the samples will be grouped by; a sample is in the largest of its runs'.
        measure: A number to be averaged over the runs of each sample that have it.
    """
    key = columns.sample_id if rule == "sample_id" else columns.sample_index
    rows: Any = slice(None)
    if rule == "sample_id" and np.any(key < 0):
        rows = np.flatnonzero(key >= 0)
    if np.any(key[rows][1:] < key[rows][:-1]):
        order = np.argsort(key[rows], kind="stable")
        rows = order if isinstance(rows, slice) else rows[order]
    key = key[rows]
    starts = firsts(key)
    single = len(starts) == len(key)

    def reduced(operation: np.ufunc, values: Array) -> Array:
        ordered: Array = values[rows]
        return ordered if single or not len(starts) else operation.reduceat(ordered, starts)

    def total(values: Array) -> Array:
        return reduced(np.add, values * 1)

    mean = NONE
    if measure is not None:
        values = columns.measured(measure, missing)
        if single:
            mean = values[rows]
        else:
            known = ~np.isnan(values)
            with np.errstate(invalid="ignore"):
                mean = total(np.where(known, values, 0.0)) / total(known)
    return SampleTable(
        key=key[starts],
        fingerprint=reduced(np.minimum, columns.fingerprint) if len(columns.fingerprint) else NONE,
        cluster=None if cluster == "task" else reduced(np.maximum, columns.clusters(cluster)),
        graded=total(columns.counted(missing)),
        correct=total(columns.correct),
        measure=mean,
    )


def tabulated(*numbers: Array) -> list[tuple[int, ...]]:
    """The distinct combinations of small whole numbers, ascending, and how often each occurs."""
    if not len(numbers[0]):
        return []
    sizes = [int(column.max()) + 1 for column in numbers]
    codes = np.ravel_multi_index(tuple(numbers), sizes)
    if np.prod(sizes, dtype=float) <= 4 * len(codes) + 64:
        every = np.bincount(codes)
        codes = np.flatnonzero(every)
        counts = every[codes]
    else:
        codes, counts = np.unique(codes, return_counts=True)
    columns = np.unravel_index(codes, sizes)
    return list(zip(*(column.tolist() for column in (*columns, counts)), strict=True))


def labelled_counts(
    runs: Runs, cluster: Cluster, task: str, table: SampleTable, *numbers: Array
) -> Iterator[tuple[Any, ...]]:
    """Rows of task, name of the cluster, one number of each column, and how many samples have
    these."""
    if table.cluster is None:
        yield from ((task, task, *row) for row in tabulated(*numbers))
        return
    values, codes = np.unique(table.cluster, return_inverse=True)
    names = [runs.label(cluster, number) for number in values.tolist()]
    if table.task is None:
        for code, *row in tabulated(codes, *numbers):
            yield task, names[code], *row
        return
    for number, code, *row in tabulated(table.task, codes, *numbers):
        yield runs.tasks[number - 1], names[code], *row


def grouped_sums(
    runs: Runs,
    cluster: Cluster,
    task: str,
    grouped: Array | None,
    sample: Array,
    numbers: Sequence[Array],
    whole: int,
    tasks: Array | None = None,
) -> Sums:
    """The sums of the numbers by (task, cluster).

    Args:
        grouped: The number of each row's cluster, 0 where it has none; None where all rows are one
            cluster, the task.
        sample: The sample of each row: rows without a cluster are summed by it, under None.
        numbers: The columns to sum.
        whole: How many of these, from the first, are whole numbers.
        tasks: The number of each row's task, from 1; None where all are of `task`.
    """
    if not len(numbers[0]):
        return []
    if grouped is None:
        return [((task, task), *_typed([float(column.sum()) for column in numbers], whole))]
    alone = grouped == 0
    values, codes = np.unique(grouped[~alone], return_inverse=True)
    named = [(task, runs.label(cluster, number)) for number in values.tolist()]
    if tasks is not None:
        pairs, codes = np.unique(
            np.stack([tasks[~alone], codes.ravel()]), axis=1, return_inverse=True
        )
        named = [
            (runs.tasks[number - 1], named[code][1])
            for number, code in zip(*pairs.tolist(), strict=True)
        ]
    _, samples = np.unique(sample[alone], return_inverse=True)
    rows: Sums = []
    for labels, part, index in (
        ([None] * (int(samples.max(initial=-1)) + 1), alone, samples),
        (named, ~alone, codes.ravel()),
    ):
        sums = [np.bincount(index, column[part]).tolist() for column in numbers]
        rows += [
            (label, *_typed(row, whole))
            for label, row in zip(labels, zip(*sums, strict=True), strict=True)
        ]
    return rows


def _typed(row: Sequence[float], whole: int) -> tuple[float, ...]:
    return (*map(int, row[:whole]), *row[whole:])
