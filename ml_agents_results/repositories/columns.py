"""Runs as columns: what a database hands over as texts, and the samples in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Text, cast, func, literal, type_coerce

from ml_agents_results.database.models import Run
from ml_agents_results.repositories.counts import GradedCosts, Missing

Array = NDArray[Any]

LETTERS = {"correct": "r", "wrong": "o", "failed": "i", "unparsed": "p", "ungraded": "g"}
"""What stands for an outcome in `Columns.outcome`: the third letter, in which they differ."""

NONE: Array = np.array([])

_UNKNOWN = "f" * 16
NO_FINGERPRINT = int(_UNKNOWN, 16)
"""Larger than every other: where some repeats of a sample have one, the sample has it."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The runs of one variant in one task, every column in the same order.

    Attributes:
        outcome: The letter of the outcome.
        time_ms: -1 where unknown.
        cost: NaN where unknown; empty where costs are not paired.
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
        times: Array = self.time_ms[~self._is("failed") & (self.time_ms >= 0)]
        return times

    def times(self) -> Array:
        """The times of all runs, NaN where unknown or failed."""
        return np.where(self._is("failed") | (self.time_ms < 0), np.nan, self.time_ms)

    def graded_costs(self, task: str, missing: Missing) -> GradedCosts:
        priced = ~np.isnan(self.cost)
        graded = self.cost[priced & self.counted(missing)]
        right = self.cost[priced & self.correct()]
        return GradedCosts(
            task,
            len(graded),
            len(right),
            float(graded.sum()),
            float((graded * graded).sum()),
            float(right.sum()),
        )

    def sharing(self, other: Self) -> Self:
        """The same, in one place with another variant's where both were asked the same samples."""
        if np.array_equal(self.sample_index, other.sample_index) and np.array_equal(
            self.fingerprint, other.fingerprint
        ):
            return replace(self, sample_index=other.sample_index, fingerprint=other.fingerprint)
        return self

    def _is(self, outcome: str) -> Array:
        found: Array = self.outcome == ord(LETTERS[outcome])
        return found


class Samples:
    """The runs of one variant in one task, grouped by sample, in index order."""

    def __init__(self, runs: Columns, missing: Missing) -> None:
        index = runs.sample_index
        self._order: Any = slice(None)
        if np.any(index[1:] < index[:-1]):
            self._order = np.argsort(index, kind="stable")
            index = index[self._order]
        self._starts = firsts(index)
        self._runs = len(index)
        self._columns = runs
        self._counted = runs.counted(missing)
        self.index = index[self._starts]
        self.graded = self._total(self._counted)
        self.correct = self._total(runs.correct())

    def fingerprint(self) -> Array:
        return self._reduced(np.minimum, self._columns.fingerprint)

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
        return self._reduced(np.add, values * 1)

    def _reduced(self, operation: np.ufunc, values: Array) -> Array:
        """One number a sample."""
        ordered: Array = values[self._order]
        if len(self._starts) < self._runs:
            ordered = operation.reduceat(ordered, self._starts)
        return ordered


def selected(engine: str, *, paired: bool, costs: bool) -> list[ColumnElement[str]]:
    """The columns of Columns, each as one text; an empty one where a column is not asked for."""
    # SQLite makes texts of numbers by itself, faster than when told to.
    as_text: Any = type_coerce if engine == "sqlite" else cast

    def joined(column: Any, unknown: str, separator: str = ",") -> ColumnElement[str]:
        known = func.coalesce(as_text(column, Text), unknown)
        return func.aggregate_strings(known, separator)

    nothing: ColumnElement[str] = literal("")
    return [
        func.aggregate_strings(Run.outcome, ","),
        joined(Run.execution_time_ms, "-1"),
        joined(Run.cost_estimate, "null") if costs else nothing,
        func.aggregate_strings(as_text(Run.sample_index, Text), ",") if paired else nothing,
        joined(Run.input_fingerprint, _UNKNOWN, "") if paired else nothing,
    ]


def parsed(texts: Sequence[str]) -> Columns:
    outcomes, times, costs, index, fingerprints = texts
    return Columns(
        _third_letters(outcomes),
        _whole(times),
        np.array(orjson.loads(f"[{costs}]"), float),
        _whole(index) if index else NONE,
        np.frombuffer(bytes.fromhex(fingerprints), ">u8").astype(np.uint64),
    )


def _third_letters(names: str) -> Array:
    letters = np.frombuffer(names.encode(), np.uint8)
    starts = np.flatnonzero(letters == ord(",")) + 1
    third: Array = letters[np.concatenate([[0], starts]) + 2]
    return third


def _whole(numbers: str) -> Array:
    """Whole numbers in half of the memory where they fit."""
    values = np.fromstring(numbers, np.int64, sep=",")
    return values if np.any(values >= 2**31) else values.astype(np.int32)


def firsts(ordered: Array) -> Array:
    """Where each distinct value of an ascending list stands first."""
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return np.flatnonzero(new)


def matched(one: Array, two: Array) -> tuple[Array, Any, Any]:
    """What two ascending lists share, and where it stands in each."""
    if np.array_equal(one, two):
        return one, slice(None), slice(None)
    return np.intersect1d(one, two, assume_unique=True, return_indices=True)


def united(one: Array, two: Array) -> Array:
    """What stands in one of two ascending lists."""
    return one if np.array_equal(one, two) else np.union1d(one, two)


def tabulated(*numbers: Array) -> list[tuple[int, ...]]:
    """The distinct combinations of small whole numbers, ascending, and how often each occurs."""
    sizes = [int(column.max(initial=0)) + 1 for column in numbers]
    codes, counts = np.unique(np.ravel_multi_index(numbers, sizes), return_counts=True)
    columns = np.unravel_index(codes, sizes)
    return list(zip(*(column.tolist() for column in (*columns, counts)), strict=True))
