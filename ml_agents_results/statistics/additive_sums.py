"""Additive sums: counts and sums by label, of parts of the runs, added up to those of the whole."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ml_agents_results.statistics.run_columns import Array

Counts = dict[tuple[Any, ...], int]
"""How often each combination of labels occurs."""

Sums = list[tuple[Any, ...]]
"""Rows of a label and numbers that add up; each row whose label is None is of one sample."""


def add_counts(parts: Iterable[Counts]) -> Counts:
    """The counts of all parts, in the order of their labels."""
    total: Counts = {}
    for part in parts:
        for labels, count in part.items():
            total[labels] = total.get(labels, 0) + count
    return dict(sorted(total.items(), key=lambda item: [_none_first(part) for part in item[0]]))


def _none_first(label: Any) -> tuple[Any, ...]:
    return (False,) if label is None else (True, label)


def add_sums(parts: Iterable[Sums]) -> Sums:
    """The sums of all parts by label, in the order of labels; samples without one stay alone."""
    total: dict[Any, tuple[Any, ...]] = {}
    alone: Sums = []
    for part in parts:
        for row in part:
            if row[0] is None:
                alone.append(row)
            elif (known := total.get(row[0])) is not None:
                added = (one + two for one, two in zip(known[1:], row[1:], strict=True))
                total[row[0]] = (row[0], *added)
            else:
                total[row[0]] = row
    return [*alone, *(total[label] for label in sorted(total))]


def add_histograms(parts: Sequence[tuple[Array, Array]]) -> tuple[list[int], list[int]]:
    """Values and counts of all parts."""
    if not parts:
        return [], []
    values, inverse = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
    counts = np.zeros(len(values), np.int64)
    np.add.at(counts, inverse, np.concatenate([part[1] for part in parts]))
    return values.tolist(), counts.tolist()
