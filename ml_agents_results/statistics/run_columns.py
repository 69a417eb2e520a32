"""Columns of runs: what is read of them, by variant and task. NumPy is all it needs, since Spark's
workers run it as it stands."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ml_agents_results.statistics.choices import Missing

Array = NDArray[Any]

Result = TypeVar("Result")

Key = tuple[str, str, str, str]
"""The four parts of a variant."""

METADATA = "metadata:"
"""Begins the name of a cluster that is a member of what is recorded with each run."""

Cluster = str
"""What runs or samples are grouped by: `task`, `sample_id`, `input_fingerprint`, `metadata:NAME`
(a member of `metadata_json`), or `sample` (all runs of one sample)."""

Measure = Literal["time_ms", "cost", "value", "confidence"]
"""A number of a run: ms, USD, the value of the metric in its own unit, a fraction."""

Column = str
"""What may be read of a run next to its outcome: the name of a field of Columns, or
`metadata:NAME` (one of them at most, read into the field `metadata`)."""

OUTCOMES = (
    *("correct", "wrong", "scored", "failed"),
    *("truncated", "refused", "unparsed", "ungraded"),
)
"""Those of the first three have a value of the metric."""

CORRECT, WRONG, SCORED, FAILED = range(4)
UNGRADED = OUTCOMES.index("ungraded")
OUTCOME_INDEX = {name: index for index, name in enumerate(OUTCOMES)}
"""The index in OUTCOMES of each outcome."""

NO_FINGERPRINT = 2**64 - 1
"""Larger than every other: where some repeats of a sample have one, the sample has it."""

LARGEST_VALUE = 1e100
"""The cubes of larger values have no sum among floats."""

NONE: Array = np.array([])


def _absent() -> Array:
    return NONE


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the runs of one variant in one task, which databases make faster than columns.

    Attributes:
        repeated: Runs with a `repeat_index` above 0.
        priced, priced_correct: Runs with a cost, and the correct ones among them.
        total_cost, graded_cost: The costs of all runs, and of the graded ones (USD).
        rated: Runs with a parsing confidence; `total_confidence` is its sum.
    """

    repeated: int
    priced: int
    priced_correct: int
    total_cost: float
    graded_cost: float
    rated: int
    total_confidence: float


@dataclass(frozen=True, slots=True)
class Columns:
    """The runs of one variant in one task, every column in the same order. Columns that were not
    asked for are empty.

    Attributes:
        outcome: Index in OUTCOMES.
        time_ms: -1 where unknown.
        cost, value, confidence: NaN where unknown.
        method, sample_id, metadata, answer: Index in `Runs.names`, -1 where unknown.
        fingerprint: NO_FINGERPRINT where unknown.
        numeric: Whether the metric is a number, not right or wrong.
    """

    outcome: Array
    totals: Totals
    time_ms: Array = field(default_factory=_absent)
    cost: Array = field(default_factory=_absent)
    value: Array = field(default_factory=_absent)
    confidence: Array = field(default_factory=_absent)
    method: Array = field(default_factory=_absent)
    sample_index: Array = field(default_factory=_absent)
    repeat_index: Array = field(default_factory=_absent)
    sample_id: Array = field(default_factory=_absent)
    fingerprint: Array = field(default_factory=_absent)
    metadata: Array = field(default_factory=_absent)
    answer: Array = field(default_factory=_absent)
    numeric: bool = False

    @property
    def correct(self) -> Array:
        return self._is(CORRECT)

    @property
    def graded(self) -> Array:
        """Which runs have a value: of a numeric metric, or else right or wrong."""
        return self.outcome <= (SCORED if self.numeric else WRONG)

    def as_numbers(self, worst: float | None = None) -> "Columns":
        """The columns of a numeric metric: right and wrong count as 1 and 0. Values beyond
        `LARGEST_VALUE` count as none.

        Args:
            worst: What a run without a value counts as, if it counts.
        """
        valued = (self.outcome <= SCORED) & (np.abs(self.value) <= LARGEST_VALUE)
        value = np.where(valued, self.value, np.nan)
        value = np.where(self.outcome == CORRECT, 1.0, np.where(self.outcome == WRONG, 0.0, value))
        known = ~np.isnan(value)
        outcome = np.where(known, SCORED, np.maximum(self.outcome, FAILED)).astype(np.uint8)
        outcome[~known & (self.outcome <= SCORED)] = UNGRADED
        if worst is not None:
            value = np.where(known, value, worst)
        return replace(self, outcome=outcome, value=value, numeric=True)

    def scored_by(self, values: Array, *, binary: bool) -> "Columns":
        """The columns with the values of another metric; failed runs have none.

        Of a binary metric a value is the mean of the authors': a tie is none.
        """
        value = np.where(self.outcome == FAILED, np.nan, values)
        if binary:
            value = np.where(value == 0.5, np.nan, value)
        known = ~np.isnan(value)
        without = np.where(self.outcome <= SCORED, UNGRADED, self.outcome)
        graded = np.where(value > 0.5, CORRECT, WRONG) if binary else SCORED
        outcome = np.where(known, graded, without).astype(np.uint8)
        return replace(self, outcome=outcome, value=value)

    def counted(self, missing: Missing) -> Array:
        """Which runs have a grade, or are given one."""
        return self.graded if missing == "exclude" else np.ones(len(self.outcome), bool)

    def measured(self, measure: Measure, missing: Missing) -> Array:
        """The numbers of the runs; NaN where there is none or where it does not count.

        The time of a failed run does not: it ended when it failed. Costs and values are those of
        the runs that are counted.
        """
        values: Array = getattr(self, measure)
        if measure == "time_ms":
            return np.where(self._is(FAILED) | (values < 0), np.nan, values)
        return np.where(self.counted(missing), values, np.nan)

    def clusters(self, cluster: Cluster) -> Array:
        """What each run is grouped by, as whole numbers; 0 where it has nothing."""
        if cluster == "input_fingerprint":
            numbers: Array = self.fingerprint + np.uint64(1)
            return numbers
        return (self.sample_id if cluster == "sample_id" else self.metadata) + 1

    def _is(self, outcome: int) -> Array:
        found: Array = self.outcome == outcome
        return found


Names = Mapping[str, Sequence[str]]


class Runs:
    """Columns by variant and task, in ascending order.

    Variants that were asked the same samples share one index and one list of fingerprints, so that
    two million runs of two variants with their times take some 30 MB.

    Args:
        parts: Each variant and task once.
        names: What `Columns.method` and `Columns.sample_id` are indexes of, in ascending order.
    """

    def __init__(self, parts: Iterable[tuple[Key, str, Columns]], names: Names) -> None:
        self.names = names
        self._numbers: dict[float | None, Runs] = {}
        self._pooled: dict[tuple[str, ...], Runs] = {}
        self.columns: dict[Key, dict[str, Columns]] = {}
        first: dict[str, Columns] = {}
        for variant, task, columns in sorted(parts, key=lambda part: part[:2]):
            shared = _sharing(columns, first.setdefault(task, columns))
            self.columns.setdefault(variant, {})[task] = shared
        tasks = {task for of_variant in self.columns.values() for task in of_variant}
        self.tasks = sorted(tasks)

    @property
    def number(self) -> int:
        """How many runs there are."""
        every = (columns for of_variant in self.columns.values() for columns in of_variant.values())
        return sum(len(columns.outcome) for columns in every)

    def as_numbers(self, worst: float | None = None) -> "Runs":
        """The runs of a numeric metric; see `Columns.as_numbers`."""
        if worst not in self._numbers:
            parts = [
                (variant, task, columns.as_numbers(worst))
                for variant, of_variant in self.columns.items()
                for task, columns in of_variant.items()
            ]
            self._numbers[worst] = Runs(parts, self.names)
        return self._numbers[worst]

    def pooled(self, experiments: tuple[str, ...]) -> "Runs":
        """The runs with those of these experiments joined under the first one's id: what differs in
        the experiment only is one variant, and its samples have repeats."""
        if experiments not in self._pooled:
            joined: dict[tuple[Key, str], list[Columns]] = {}
            order = {name: index for index, name in enumerate(experiments)}
            for variant in sorted(self.columns, key=lambda one: order.get(one[0], -1)):
                name = (experiments[0] if variant[0] in order else variant[0], *variant[1:])
                for task, columns in self.columns[variant].items():
                    joined.setdefault((name, task), []).append(columns)
            self._pooled[experiments] = Runs(
                [(name, task, _joined(parts)) for (name, task), parts in joined.items()],
                self.names,
            )
        return self._pooled[experiments]

    def rescore(self, experiments: Collection[str], *, binary: bool) -> None:
        """Grades the runs of these experiments by their values; see `Columns.scored_by`."""
        for variant, of_variant in self.columns.items():
            if variant[0] in experiments:
                for task, columns in of_variant.items():
                    of_variant[task] = columns.scored_by(columns.value, binary=binary)

    def of(self, variant: Key) -> dict[str, Columns]:
        return self.columns.get(variant, {})

    def label(self, cluster: Cluster, number: int) -> str | None:
        """The name of what `Columns.clusters` has a number for."""
        if number == 0:
            return None
        if cluster == "task":
            return self.tasks[number - 1]
        if cluster != "input_fingerprint":
            return self.names[field_of(cluster)][number - 1]
        return f"{number - 1:016x}"


Fields = dict[str, Any]
"""The fields of Columns of one variant and task; those that hold names are still texts."""

NAMED = ("method", "sample_id", "metadata", "answer")
"""The fields of Columns that hold names."""


def field_of(column: Column) -> str:
    """The field of Columns that a column is read into."""
    return "metadata" if column.startswith(METADATA) else column


def assembled(
    parts: Iterable[tuple[Key, str, Fields, Mapping[str, Any]]], decode: Callable[[str], str] = str
) -> Runs:
    """Runs from the columns of each variant and task, and those fields of Totals that do not
    follow from the columns.

    Args:
        decode: Makes names of what is stored.
    """
    read = []
    numbers: dict[str, dict[str | None, int]] = {}
    for variant, task, texts, sums in parts:
        columns = dict(texts)
        for column in NAMED:
            if column in columns:
                # Part by part: the names of a million runs would take 60 MB.
                known = numbers.setdefault(column, {None: 0})
                columns[column] = _numbered(columns[column], known)
        read.append((variant, task, columns, sums))
    names: dict[str, Sequence[str]] = {}
    for column, known in numbers.items():
        stored, ranks = _ordered(known)
        names[column] = list(map(decode, stored))
        for _, _, columns, _ in read:
            columns[column] = ranks[columns[column]]
    return Runs(
        [
            (variant, task, Columns(totals=_totals(columns, sums), **columns))
            for variant, task, columns, sums in read
        ],
        names,
    )


def _totals(columns: Fields, sums: Mapping[str, Any]) -> Totals:
    known = dict.fromkeys(Totals.__slots__, 0) | dict(sums)
    if "cost" in columns:
        outcome, cost = columns["outcome"], columns["cost"]
        priced = ~np.isnan(cost)
        known |= {
            "priced": int(np.count_nonzero(priced)),
            "priced_correct": int(np.count_nonzero(priced & (outcome == CORRECT))),
            "total_cost": float(cost[priced].sum()),
            "graded_cost": float(cost[priced & (outcome <= WRONG)].sum()),
        }
    if "confidence" in columns:
        rated = columns["confidence"][~np.isnan(columns["confidence"])]
        known |= {"rated": len(rated), "total_confidence": float(rated.sum())}
    return Totals(**known)


def _joined(parts: Sequence[Columns]) -> Columns:
    """The runs of all parts; those of the second and later ones are repeats."""
    if len(parts) == 1:
        return parts[0]
    arrays = {
        one.name: np.concatenate([getattr(part, one.name) for part in parts])
        for one in fields(Columns)
        if one.name not in ("totals", "numeric")
    }
    sums = {name: sum(getattr(part.totals, name) for part in parts) for name in Totals.__slots__}
    sums["repeated"] += sum(len(part.outcome) - part.totals.repeated for part in parts[1:])
    return Columns(totals=Totals(**sums), numeric=parts[0].numeric, **arrays)


def _sharing(columns: Columns, other: Columns) -> Columns:
    if np.array_equal(columns.sample_index, other.sample_index) and np.array_equal(
        columns.fingerprint, other.fingerprint
    ):
        return replace(columns, sample_index=other.sample_index, fingerprint=other.fingerprint)
    return columns


def _numbered(column: Sequence[str | None], known: dict[str | None, int]) -> Array:
    """A column of names as numbers; names that are not known get the next ones."""
    for name in set(column) - known.keys():
        known[name] = len(known)
    return np.fromiter(map(known.__getitem__, column), np.int32, len(column))


def _ordered(known: Mapping[str | None, int]) -> tuple[list[str], Array]:
    """The names, ascending, and by their numbers which one of these it is; -1 for None."""
    names = sorted(name for name in known if name is not None)
    ranks = np.full(len(known), -1, np.int32)
    for rank, name in enumerate(names):
        ranks[known[name]] = rank
    return names, ranks


def of_numbers(function: Callable[[Runs], Result], worst: float | None, runs: Runs) -> Result:
    """What the function makes of the runs if right and wrong are the numbers 1 and 0.

    Args:
        worst: What a run without a value counts as, if it counts.
    """
    return function(runs.as_numbers(worst))


def of_rescored(
    function: Callable[[Runs], Result], experiments: tuple[str, ...], binary: bool, runs: Runs
) -> Result:
    """What the function makes of runs that are read for it alone, those of these experiments graded
    by their values."""
    runs.rescore(experiments, binary=binary)
    return function(runs)


def of_pooled(
    function: Callable[[Runs], Result], experiments: tuple[str, ...], runs: Runs
) -> Result:
    """What the function makes of the runs with those of these experiments joined."""
    return function(runs.pooled(experiments))
