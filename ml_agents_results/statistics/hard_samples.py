"""Hard samples: those with the smallest share of correct answers over all variants."""

from collections.abc import Iterable, Sequence
from functools import reduce

import numpy as np

from ml_agents_results.statistics.run_columns import NO_FINGERPRINT, Array, Runs
from ml_agents_results.statistics.sample_table import SampleTable, sample_table
from ml_agents_results.statistics.sorted_arrays import matched, occurrences, united

HardRow = tuple[str, str, int, int, int]
"""Experiment, task, index, graded runs and correct ones of a sample."""


def hard_samples(runs: Runs, limit: int) -> list[HardRow]:
    """The samples with the smallest share of correct answers over all variants, hardest first.

    Those of several experiments are the same where task, content and its occurrence are; the
    first experiment names them.
    """
    tables: dict[str, dict[str, list[SampleTable]]] = {}
    for variant, of_variant in runs.columns.items():
        for task, columns in of_variant.items():
            of_task = tables.setdefault(task, {})
            of_task.setdefault(variant[0], []).append(sample_table(columns, "exclude"))
    hardest: list[HardRow] = []
    for task, experiments in tables.items():
        names = list(experiments)
        parts = [_of_experiment(samples) for samples in experiments.values()]
        experiment, index, graded, correct = _merged(parts)
        asked = graded > 0
        experiment, index, graded, correct = (
            column[asked] for column in (experiment, index, graded, correct)
        )
        order = np.lexsort((index, experiment, -graded, correct / graded))[:limit]
        columns_of = (c[order].tolist() for c in (experiment, index, graded, correct))
        hardest += [(names[e], task, *row) for e, *row in zip(*columns_of, strict=True)]
    return hardest_first(hardest, limit)


def _of_experiment(samples: Sequence[SampleTable]) -> tuple[Array, Array, Array, Array]:
    """Of every sample of an experiment the index, the fingerprint, the graded and the correct
    runs."""
    index = reduce(united, (table.key for table in samples))
    graded, correct = np.zeros((2, len(index)), int)
    fingerprint = np.full(len(index), NO_FINGERPRINT, np.uint64)
    for table in samples:
        rows = matched(index, table.key)[0]
        graded[rows] += table.graded
        correct[rows] += table.correct
        if len(table.fingerprint):
            fingerprint[rows] = np.minimum(fingerprint[rows], table.fingerprint)
    return index, fingerprint, graded, correct


def _merged(
    parts: Sequence[tuple[Array, Array, Array, Array]],
) -> tuple[Array, Array, Array, Array]:
    """The samples of all experiments: the number of the first that has it, its index there, and the
    graded and correct runs in all."""
    experiment = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    index, fingerprint, graded, correct = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    if len(parts) == 1:
        return experiment, index, graded, correct
    occurrence = np.concatenate([occurrences(part[1]) for part in parts])
    # Where the content is unknown, a sample is of its experiment alone.
    own = np.where(fingerprint == NO_FINGERPRINT, experiment + 1, 0)
    key = (own, occurrence, fingerprint)
    order = np.lexsort((experiment, *key))
    new = np.ones(len(order), bool)
    new[1:] = np.any([np.diff(part[order]) != 0 for part in key], axis=0)
    starts = np.flatnonzero(new)
    rows = order[starts]
    graded, correct = (np.add.reduceat(column[order], starts) for column in (graded, correct))
    return experiment[rows], index[rows], graded, correct


def hardest_first(samples: Iterable[HardRow], limit: int) -> list[HardRow]:
    """The first rows of `hard_samples`, of several parts."""
    return sorted(samples, key=lambda row: (row[4] / row[3], -row[3], *row[:3]))[:limit]
