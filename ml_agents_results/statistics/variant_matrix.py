"""Variant matrix: what every variant has on the samples that all of them share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from ml_agents_results.statistics.choices import Missing, PairingRule
from ml_agents_results.statistics.pair_tabulation import samples_by_content
from ml_agents_results.statistics.run_columns import Array, Cluster, Key, Measure, Runs
from ml_agents_results.statistics.sample_table import SampleTable, sample_table
from ml_agents_results.statistics.sorted_arrays import occurrences

_NOTHING = SampleTable(*(np.zeros(0, int) for _ in range(6)))


@dataclass(frozen=True, slots=True)
class VariantMatrix:
    """One row per sample, one column per variant.

    Attributes:
        values: Shares of right answers, or means of a numeric metric, over a sample's repeats.
        graded: Of how many runs.
        asked: How many samples some variant has a value of.
        task: Of each sample, an index in `tasks`.
        group: Of each sample, an index in `labels`: what it may be clustered by, None where it has
            no such value.
    """

    values: Array
    graded: Array
    asked: int
    tasks: Sequence[str]
    task: Array
    labels: Sequence[str | None]
    group: Array

    def __len__(self) -> int:
        return len(self.values)


Part = tuple[Array, Array, int, Sequence[str], Array, Sequence[str | None], Array]
"""The attributes of a VariantMatrix of a part of the runs, the values of a binary metric still as
numbers of right answers. Spark's workers return builtin types and arrays only."""


def variant_matrix(
    runs: Runs,
    variants: Sequence[Key],
    missing: Missing,
    rule: PairingRule,
    cluster: Cluster,
    *,
    numeric: bool,
) -> Part:
    """The samples of which every variant has a graded run; see `joined`."""
    columns = [
        _shared(tables, number, cluster, numeric)
        for number, tables in _tables(runs, variants, missing, rule, cluster, numeric)
    ]
    if not columns:
        empty = np.zeros((0, len(variants)), np.uint8)
        return empty, empty, 0, [], np.zeros(0, int), [], np.zeros(0, int)
    values, graded, of_task, group = (
        np.concatenate([part[index] for part in columns]) for index in range(4)
    )
    numbers, which = np.unique(group, return_inverse=True)
    labels = [
        runs.tasks[int(number)] if cluster == "task" else runs.label(cluster, int(number))
        for number in numbers
    ]
    asked = sum(part[4] for part in columns)
    return values, graded, asked, runs.tasks, of_task, labels, which.ravel()


def _tables(
    runs: Runs,
    variants: Sequence[Key],
    missing: Missing,
    rule: PairingRule,
    cluster: Cluster,
    numeric: bool,
) -> Iterator[tuple[int, list[SampleTable]]]:
    """By the number of the task (by content of all tasks at once), the samples of each variant."""
    measure: Measure | None = "value" if numeric else None
    if rule == "content":
        yield (
            0,
            [
                _numbered(samples_by_content(runs, runs.of(key), missing, cluster, measure))
                for key in variants
            ],
        )
        return
    for number, task in enumerate(runs.tasks):
        parts = [runs.of(key).get(task) for key in variants]
        yield (
            number,
            [
                _NOTHING if part is None else sample_table(part, missing, rule, cluster, measure)
                for part in parts
            ],
        )


def joined(parts: Sequence[Part]) -> VariantMatrix:
    """The samples of all parts of the runs."""
    known = [VariantMatrix(*part) for part in parts]
    if len(known) == 1:
        return replace(known[0], values=_shares(known[0].values, known[0].graded))
    tasks = sorted({task for part in known for task in part.tasks})
    named = {label for part in known for label in part.labels}
    labels = sorted(named, key=lambda label: (label is not None, label or ""))
    graded = np.concatenate([part.graded for part in known])
    return VariantMatrix(
        values=_shares(np.concatenate([part.values for part in known]), graded),
        graded=graded,
        asked=sum(part.asked for part in known),
        tasks=tasks,
        task=np.concatenate([_recoded(part.task, part.tasks, tasks) for part in known]),
        labels=labels,
        group=np.concatenate([_recoded(part.group, part.labels, labels) for part in known]),
    )


def _shares(values: Array, graded: Array) -> Array:
    return values if values.dtype.kind == "f" else values / graded


def _recoded(codes: Array, old: Sequence[str | None], new: Sequence[str | None]) -> Array:
    return np.array([new.index(label) for label in old], int)[codes] if len(codes) else codes


def _numbered(table: SampleTable) -> SampleTable:
    """Samples by content: one key for the content and its occurrence."""
    key = np.empty(len(table.key), dtype=[("content", np.uint64), ("occurrence", np.int64)])
    key["content"], key["occurrence"] = table.key, occurrences(table.key)
    return replace(table, key=key)


def _shared(
    tables: Sequence[SampleTable], number: int, cluster: Cluster, numeric: bool
) -> tuple[Array, Array, Array, Array, int]:
    """Values, graded runs, task and group of the samples that all tables have, and how many some
    have."""
    known = [
        table.take(np.flatnonzero(table.graded > 0)) if np.any(table.graded == 0) else table
        for table in tables
    ]
    keys = [table.key for table in known]
    first = known[0]
    if all(np.array_equal(keys[0], key) for key in keys[1:]):
        asked = len(keys[0])
        rows: list[Any] = [slice(None)] * len(known)
    else:
        shared = reduce(np.intersect1d, keys)
        asked = len(reduce(np.union1d, keys))
        rows = [np.searchsorted(key, shared) for key in keys]
    name = "measure" if numeric else "correct"
    graded, values = (
        np.stack([getattr(table, one)[own] for table, own in zip(known, rows, strict=True)], axis=1)
        for one in ("graded", name)
    )
    # A byte holds most counts, of which there is one for each run.
    byte = np.min_scalar_type(graded.max(initial=0))
    size = len(graded)
    task = np.full(size, number) if first.task is None else first.task[rows[0]] - 1
    group = task
    if cluster != "task":
        # Where only some variants have a cluster's value, that is the sample's.
        group = np.zeros(size, np.uint64)
        for table, own in zip(known, rows, strict=True):
            assert table.cluster is not None
            group = np.where(group == 0, table.cluster[own].astype(np.uint64), group)
    return values if numeric else values.astype(byte), graded.astype(byte), task, group, asked
