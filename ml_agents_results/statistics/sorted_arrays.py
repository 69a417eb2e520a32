"""Sorted arrays: what ascending lists of keys have in common, and where each key begins."""

from typing import Any

import numpy as np

from ml_agents_results.statistics.run_columns import Array


def firsts(ordered: Array) -> Array:
    """The index of the first of each distinct value of an ascending list."""
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return np.flatnonzero(new)


def matched(one: Array, two: Array) -> tuple[Any, Any]:
    """The indexes, in two ascending lists of distinct values, of those in both."""
    if np.array_equal(one, two):
        return slice(None), slice(None)
    _, i, j = np.intersect1d(one, two, assume_unique=True, return_indices=True)
    return i, j


def united(one: Array, two: Array) -> Array:
    """The values of two ascending lists."""
    return one if np.array_equal(one, two) else np.union1d(one, two)


def occurrences(values: Array) -> Array:
    """How often each value occurred before."""
    order = np.argsort(values, kind="stable")
    starts = firsts(values[order])
    before = np.empty(len(values), int)
    lengths = np.diff(starts, append=len(values))
    before[order] = np.arange(len(values)) - np.repeat(starts, lengths)
    return before
