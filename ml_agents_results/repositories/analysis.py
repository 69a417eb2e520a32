"""Sufficient statistics: the few counts and sums that every analysis needs, made by the database.

The queries read nothing but the covering index `ix_runs_analysis`, whatever the number of runs,
unless a filter on time or a pairing by `sample_id` asks for more. Classes of runs come from the
`outcome` column: a condition on `is_correct` would draw SQLite to the index of that column.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.orm import aliased

from ml_agents_results.database.models import Run
from ml_agents_results.errors import UsageError
from ml_agents_results.records import Arm
from ml_agents_results.repositories.filters import Filters

Missing = Literal["exclude", "incorrect"]
"""What a run without a grade counts as: nothing, or a wrong answer."""

PairingRule = Literal["sample_index", "sample_id", "content"]
"""What makes two samples the same one: their place in one data set, the data set's own id, or the
question with its expected answer and its occurrence."""

Cluster = Literal["task", "sample_id", "input_fingerprint"]
CLUSTERS: tuple[str, ...] = get_args(Cluster)

_ARM = (Run.experiment_id, Run.approach_name, Run.provider, Run.model)


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """The runs of one arm in one task, counted by class.

    Attributes:
        repeats: The largest number of runs of one sample.
        timed: Runs that did not fail and have a time; `total_time_ms` is its sum.
        priced: Runs with a cost, failed ones included; `total_cost` is its sum (USD).
        priced_graded: Graded runs with a cost; `graded_cost` is its sum.
        priced_correct: Correct runs with a cost.
        rated: Runs with a parsing confidence; `total_confidence` is its sum.
    """

    arm: Arm
    task: str
    runs: int
    correct: int
    wrong: int
    failed: int
    unparsed: int
    ungraded: int
    repeats: int
    timed: int
    priced: int
    priced_graded: int
    priced_correct: int
    rated: int
    total_time_ms: float
    total_cost: float
    graded_cost: float
    total_confidence: float


@dataclass(frozen=True, slots=True)
class CostSquares:
    """What the error of a cost per correct answer needs beside ArmCounts, over graded runs with a
    cost: the sum of the squared costs, and the cost of the correct ones."""

    graded_cost_squared: float
    correct_cost: float


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """`samples` samples of a group that were graded `graded` times and right `correct` times."""

    arm: Arm
    group: str | None
    graded: int
    correct: int
    samples: int


@dataclass(frozen=True, slots=True)
class PairCounts:
    """`samples` shared samples of a group with the same grades on both sides."""

    group: str | None
    treatment_graded: int
    treatment_correct: int
    baseline_graded: int
    baseline_correct: int
    samples: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """The shared samples; `mismatched` have another question or answer key on the two sides."""

    counts: Sequence[PairCounts]
    mismatched: int


@dataclass(frozen=True, slots=True)
class LatencyRatios:
    """Over `pairs` samples: the sum of ln(treatment time / baseline time), the sum of its squares,
    and on how many the treatment was slower and faster."""

    pairs: int
    total: float
    squares: float
    slower: int
    faster: int


class AnalysisRepository:
    """Aggregates over the runs that pass `filters`.

    Args:
        missing: "exclude" leaves runs without a grade out, "incorrect" counts them as wrong.
    """

    def __init__(
        self, connection: Connection, filters: Filters | None = None, missing: Missing = "exclude"
    ) -> None:
        self._connection = connection
        self._filters = filters or Filters()
        self._missing = missing

    def arms(self) -> Sequence[ArmCounts]:
        """The counts of every arm in every task, in the order of arms and tasks."""
        timed = and_(Run.outcome != "failed", Run.execution_time_ms.is_not(None))
        graded = and_(self._is_counted(Run), Run.cost_estimate.is_not(None))
        correct = and_(Run.outcome == "correct", Run.cost_estimate.is_not(None))
        counted = func.count()
        selected = (
            select(
                *_ARM,
                Run.task,
                counted,
                *(
                    counted.filter(Run.outcome == outcome)
                    for outcome in ("correct", "wrong", "failed", "unparsed", "ungraded")
                ),
                func.max(Run.repeat_index) + 1,
                counted.filter(timed),
                func.count(Run.cost_estimate),
                counted.filter(graded),
                counted.filter(correct),
                func.count(Run.parsing_confidence),
                func.sum(Run.execution_time_ms).filter(timed),
                func.sum(Run.cost_estimate),
                func.sum(Run.cost_estimate).filter(graded),
                func.sum(Run.parsing_confidence),
            )
            .where(*self._filters.conditions())
            .group_by(*_ARM, Run.task)
            .order_by(*_ARM, Run.task)
        )
        return [
            ArmCounts(
                Arm(*row[:4]),
                row[4],
                *(int(number) for number in row[5:17]),
                *(float(number or 0) for number in row[17:]),
            )
            for row in self._connection.execute(selected)
        ]

    def cost_squares(self) -> dict[Arm, CostSquares]:
        """By arm; arms without a graded run that has a cost are absent."""
        cost = Run.cost_estimate
        selected = (
            select(
                *_ARM,
                func.sum(cost * cost),
                func.coalesce(func.sum(cost).filter(Run.outcome == "correct"), 0),
            )
            .where(*self._filters.conditions(), self._is_counted(Run), cost.is_not(None))
            .group_by(*_ARM)
        )
        return {
            Arm(*row[:4]): CostSquares(float(row[4] or 0), float(row[5] or 0))
            for row in self._connection.execute(selected)
        }

    def samples(self, group: str = "task") -> Iterator[SampleCounts]:
        """How often each sample was graded and right, tabulated by arm and `group`.

        Samples that were never graded are left out.
        """
        inner = (
            select(
                *_ARM,
                func.max(_cluster(Run, group)).label("cluster"),
                self._graded(Run).label("graded"),
                _correct(Run).label("correct"),
            )
            .where(*self._filters.conditions())
            .group_by(*_ARM, Run.task, Run.sample_index)
            .subquery()
        )
        keys = tuple(inner.c)
        selected = (
            select(*keys, func.count()).where(inner.c.graded > 0).group_by(*keys).order_by(*keys)
        )
        for row in self._connection.execute(selected):
            yield SampleCounts(Arm(*row[:4]), row[4], row[5], row[6], row[7])

    def pairs(
        self,
        treatment: Arm,
        baseline: Arm,
        *,
        rule: PairingRule = "sample_index",
        group: str = "task",
        repeated: bool = False,
    ) -> Pairs:
        """The samples that both arms were graded on, tabulated by group and grades.

        Args:
            repeated: Whether a sample may have several runs in an arm. Without repeats, pairs are
                found on the index without sorting.
        """
        if rule == "sample_index" and not repeated:
            return self._single_pairs(treatment, baseline, group)
        one = self._sample_table(treatment, rule, group)
        two = self._sample_table(baseline, rule, group)
        keys = (one.c.cluster, one.c.graded, one.c.correct, two.c.graded, two.c.correct)
        selected = (
            select(*keys, func.count(), _mismatches(one.c.fingerprint, two.c.fingerprint))
            .join_from(one, two, and_(one.c.key == two.c.key, one.c.place == two.c.place))
            .where(one.c.graded > 0, two.c.graded > 0)
            .group_by(*keys)
            .order_by(*keys)
        )
        rows = self._connection.execute(selected).all()
        return Pairs([PairCounts(*row[:6]) for row in rows], sum(row[6] or 0 for row in rows))

    def _single_pairs(self, treatment: Arm, baseline: Arm, group: str) -> Pairs:
        one, two = aliased(Run, name="treatment"), aliased(Run, name="baseline")
        counted = [*self._of_arm(one, treatment), *self._of_arm(two, baseline)]
        if self._missing == "exclude":
            counted += [run.outcome.in_(("correct", "wrong")) for run in (one, two)]
        cells = [(1, 1), (1, 0), (0, 1), (0, 0)]
        right = {1: one.outcome == "correct", 0: one.outcome != "correct"}
        base = {1: two.outcome == "correct", 0: two.outcome != "correct"}
        cluster = _cluster(one, group)
        tables = (
            select(
                cluster,
                *(func.sum(case((and_(right[t], base[b]), 1), else_=0)) for t, b in cells),
                _mismatches(one.input_fingerprint, two.input_fingerprint),
            )
            .join_from(one, two, and_(one.task == two.task, one.sample_index == two.sample_index))
            .where(*counted)
            .group_by(cluster)
            .order_by(cluster)
        )
        rows = self._connection.execute(tables).all()
        counts = [
            PairCounts(row[0], 1, t, 1, b, samples)
            for row in rows
            for (t, b), samples in zip(cells, map(int, row[1:5]), strict=True)
            if samples
        ]
        return Pairs(counts, sum(row[5] or 0 for row in rows))

    def paired_latency(
        self,
        treatment: Arm,
        baseline: Arm,
        *,
        rule: PairingRule = "sample_index",
        repeated: bool = False,
    ) -> LatencyRatios:
        """Logarithms of the ratio of times, treatment to baseline, on samples timed on both sides.

        Repeats of a sample are averaged first; arguments as in `pairs`.
        """
        if rule == "sample_index" and not repeated:
            one, two = aliased(Run, name="treatment"), aliased(Run, name="baseline")
            pairs = _ratios(one.execution_time_ms, two.execution_time_ms).join_from(
                one, two, and_(one.task == two.task, one.sample_index == two.sample_index)
            )
            pairs = pairs.where(
                *self._of_arm(one, treatment),
                *self._of_arm(two, baseline),
                one.outcome != "failed",
                two.outcome != "failed",
            )
        else:
            first = self._sample_table(treatment, rule, "task").c
            second = self._sample_table(baseline, rule, "task").c
            pairs = _ratios(first.time_ms, second.time_ms).where(
                first.key == second.key, first.place == second.place
            )
        ratios = pairs.subquery()
        value = ratios.c.ratio
        row = self._connection.execute(
            select(
                func.count(),
                func.coalesce(func.sum(value), 0.0),
                func.coalesce(func.sum(value * value), 0.0),
                func.count().filter(value > 0),
                func.count().filter(value < 0),
            ).select_from(ratios)
        ).one()
        return LatencyRatios(row[0], float(row[1]), float(row[2]), row[3], row[4])

    def latencies(self, arm: Arm) -> tuple[list[int], list[int]]:
        """The distinct times of the arm in ms, ascending, and how often each occurs.

        Failed runs are left out: they end when they fail, not when the model has answered. The
        database hands the column over as one text, which takes half the time of its own sorting.
        """
        import numpy as np

        column = func.aggregate_strings(cast(Run.execution_time_ms, Text), ",")
        found = self._connection.scalar(
            select(column).where(
                *self._of_arm(Run, arm),
                Run.execution_time_ms.is_not(None),
                Run.outcome != "failed",
            )
        )
        times = np.fromstring(found or "", dtype=np.int64, sep=",")
        values, counts = np.unique(times, return_counts=True)
        return values.tolist(), counts.tolist()

    def patterns(self, arms: Sequence[Arm]) -> dict[str, int]:
        """How many samples each set of arms answered right: "101" are the first and the third.

        Only samples that every arm was graded on exactly once, all in one experiment.
        """
        right = [
            func.max(
                case((and_(*self._of_arm(Run, arm), Run.outcome == "correct"), "1"), else_="0")
            )
            for arm in arms
        ]
        known = [
            func.sum(case((and_(*self._of_arm(Run, arm), self._is_counted(Run)), 1), else_=0)) == 1
            for arm in arms
        ]
        pattern: Any = right[0]
        for bit in right[1:]:
            pattern = pattern.concat(bit)
        inner = (
            select(pattern.label("pattern"))
            .where(Run.experiment_id == arms[0].experiment_id, *self._filters.conditions())
            .group_by(Run.task, Run.sample_index)
            .having(and_(*known))
            .subquery()
        )
        selected = (
            select(inner.c.pattern, func.count())
            .group_by(inner.c.pattern)
            .order_by(inner.c.pattern)
        )
        return {str(pattern): count for pattern, count in self._connection.execute(selected)}

    def has_sample_ids(self, arm: Arm) -> bool:
        """Whether every sample of the arm carries the data set's own id."""
        without = select(Run.id).where(*self._of_arm(Run, arm), Run.sample_id.is_(None)).limit(1)
        return self._connection.scalar(without) is None

    def _sample_table(self, arm: Arm, rule: PairingRule, group: str) -> Subquery:
        """One row a sample: (key, place) identifies it, then its cluster, grades and time."""
        place = Run.sample_id if rule == "sample_id" else Run.sample_index
        conditions = list(self._of_arm(Run, arm))
        if rule == "sample_id":
            conditions.append(Run.sample_id.is_not(None))
        table = (
            select(
                Run.task.label("key"),
                place.label("place"),
                func.max(_cluster(Run, group)).label("cluster"),
                self._graded(Run).label("graded"),
                _correct(Run).label("correct"),
                func.min(Run.input_fingerprint).label("fingerprint"),
                func.avg(case((Run.outcome != "failed", Run.execution_time_ms))).label("time_ms"),
            )
            .where(*conditions)
            .group_by(Run.task, place)
            .subquery()
        )
        if rule != "content":
            return table
        occurrence = func.row_number().over(
            partition_by=table.c.fingerprint, order_by=(table.c.key, table.c.place)
        )
        return (
            select(
                table.c.fingerprint.label("key"),
                occurrence.label("place"),
                *(table.c[name] for name in ("cluster", "graded", "correct", "time_ms")),
                table.c.fingerprint,
            )
            .where(table.c.fingerprint.is_not(None))
            .subquery()
        )

    def _of_arm(self, run: Any, arm: Arm) -> list[ColumnElement[bool]]:
        return [
            run.experiment_id == arm.experiment_id,
            run.approach_name == arm.approach_name,
            run.provider == arm.provider,
            run.model == arm.model,
            *self._filters.conditions(run),
        ]

    def _is_counted(self, run: Any) -> ColumnElement[bool]:
        if self._missing == "incorrect":
            return literal(True)
        return run.outcome.in_(("correct", "wrong"))  # type: ignore[no-any-return]

    def _graded(self, run: Any) -> ColumnElement[int]:
        return func.sum(case((self._is_counted(run), 1), else_=0))


def _ratios(treatment_ms: Any, baseline_ms: Any) -> Select[tuple[float]]:
    """The logarithm of the ratio of two times, where both are above 0."""
    ratio = func.ln(treatment_ms * 1.0 / baseline_ms)
    return select(ratio.label("ratio")).where(treatment_ms > 0, baseline_ms > 0)


def _correct(run: Any) -> ColumnElement[int]:
    return func.sum(case((run.outcome == "correct", 1), else_=0))


def _mismatches(one: Any, two: Any) -> ColumnElement[int]:
    return func.sum(case((one != two, 1), else_=0))


def _cluster(run: Any, name: str) -> Any:
    if name not in CLUSTERS:
        raise UsageError(
            f"runs cannot be clustered by {name!r}", f"Choose one of: {', '.join(CLUSTERS)}, none"
        )
    return getattr(run, name)
