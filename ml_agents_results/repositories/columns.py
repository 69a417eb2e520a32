"""Runs as columns: what a database hands over as texts, and the samples in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Text, cast, func

from ml_agents_results.database.models import Run
from ml_agents_results.repositories.counts import Missing

Array = NDArray[Any]

LETTERS = {"correct": "c", "wrong": "w", "failed": "f", "unparsed": "u", "ungraded": "n"}
"""What stands for an outcome in `Columns.outcome`."""

_UNKNOWN = "f" * 16
NO_FINGERPRINT = int(_UNKNOWN, 16)
"""Larger than every other: where some repeats of a sample have one, the sample has it."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The runs of one arm in one task, every column in the same order.

    Attributes:
        outcome: The letter of the outcome.
        time_ms, cost: NaN where unknown.
        sample_index, fingerprint: Empty where nothing is paired.
    """

    outcome: Array
    time_ms: Array
    cost: Array
    sample_index: Array
    fingerprint: Array

    def counted(self, missing: Missing) -> Array:
        """Which runs have a grade, or are given one."""
        if missing == "incorrect":
            return np.ones(len(self.outcome), bool)
        return self._is("correct") | self._is("wrong")

    def correct(self) -> Array:
        return self._is("correct")

    def timed(self) -> Array:
        """The times of runs that did not fail."""
        times: Array = self.time_ms[~self._is("failed") & ~np.isnan(self.time_ms)]
        return times

    def times(self) -> Array:
        """The times of all runs, NaN for those that failed."""
        return np.where(self._is("failed"), np.nan, self.time_ms)

    def _is(self, outcome: str) -> Array:
        found: Array = self.outcome == ord(LETTERS[outcome])
        return found


class Samples:
    """The runs of one arm in one task, taken together by sample, in the order of their indexes."""

    def __init__(self, runs: Columns, missing: Missing) -> None:
        index = runs.sample_index
        self._order: Any = slice(None)
        if np.any(index[1:] < index[:-1]):
            self._order = np.argsort(index, kind="stable")
            index = index[self._order]
        self._starts = np.flatnonzero(np.concatenate([[True], index[1:] != index[:-1]]))
        self._runs = len(index)
        self._columns = runs
        self._counted = runs.counted(missing)
        self.index = index[self._starts]
        self.graded = self._total(self._counted)
        self.correct = self._total(runs.correct())

    def fingerprint(self) -> Array:
        fingerprint: Array = np.minimum.reduceat(
            self._columns.fingerprint[self._order],
            self._starts,
        )
        return fingerprint

    def time_ms(self) -> Array:
        """The mean time of the runs that did not fail; NaN where none is known."""
        return self._mean(self._columns.times())

    def cost(self) -> Array:
        """The mean cost of the runs that count; NaN where none is known."""
        return self._mean(np.where(self._counted, self._columns.cost, np.nan))

    def _mean(self, values: Array) -> Array:
        known = ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            mean: Array = self._total(np.where(known, values, 0.0)) / self._total(known)
        return mean

    def _total(self, values: Array) -> Array:
        numbers: Array = values[self._order] * 1
        if len(self._starts) < self._runs:
            numbers = np.add.reduceat(numbers, self._starts)
        return numbers


def selected(paired: bool) -> list[ColumnElement[str]]:
    """The columns of Columns, each as one text."""

    def joined(column: Any, unknown: str, separator: str = ",") -> ColumnElement[str]:
        known = func.coalesce(cast(column, Text), unknown)
        return func.aggregate_strings(known, separator)

    columns = [
        func.aggregate_strings(Run.outcome, ","),
        joined(Run.execution_time_ms, "-1"),
        joined(Run.cost_estimate, "nan"),
    ]
    if paired:
        columns += [
            joined(Run.sample_index, ""),
            joined(Run.input_fingerprint, _UNKNOWN, ""),
        ]
    return columns


def parsed(texts: Sequence[str]) -> Columns:
    outcomes, times, costs, *paired = texts
    index, fingerprints = paired or ("", "")
    time_ms = np.fromstring(times, np.int64, sep=",")
    for name, letter in LETTERS.items():
        outcomes = outcomes.replace(name, letter)
    return Columns(
        np.frombuffer(outcomes.encode(), np.uint8)[::2],
        np.where(time_ms < 0, np.nan, time_ms),
        np.fromstring(costs, sep=","),
        np.fromstring(index, np.int64, sep=",") if paired else np.array([], np.int64),
        np.frombuffer(bytes.fromhex(fingerprints), ">u8").astype(np.uint64),
    )


def matched(one: Array, two: Array) -> tuple[Array, Any, Any]:
    """What two ascending lists share, and where it stands in each."""
    if np.array_equal(one, two):
        return one, slice(None), slice(None)
    return np.intersect1d(one, two, assume_unique=True, return_indices=True)


def tabulated(*numbers: Array) -> list[tuple[int, ...]]:
    """The distinct combinations of small whole numbers, ascending, and how often each occurs."""
    sizes = [int(column.max(initial=0)) + 1 for column in numbers]
    codes, counts = np.unique(np.ravel_multi_index(numbers, sizes), return_counts=True)
    columns = np.unravel_index(codes, sizes)
    return list(zip(*(column.tolist() for column in (*columns, counts)), strict=True))
