"""Sufficient statistics in SQL: the few counts and sums that every analysis needs.

These selects run on every engine. They read nothing but the covering index `ix_runs_analysis`
unless a filter on time or a pairing by `sample_id` asks for more. Classes of runs come from the
`outcome` column: a condition on `is_correct` would draw SQLite to the index of that column.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, func, literal, select

from ml_agents_results.database.models import Run
from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import (
    CLUSTERS,
    GradedCosts,
    HardSample,
    Missing,
    PairCounts,
    PairedSums,
    PairingRule,
    Pairs,
    SampleCounts,
    VariantCounts,
)
from ml_agents_results.repositories.filters import Filters

VARIANT = (Run.experiment_id, Run.approach_name, Run.provider, Run.model)


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

    def counting(self, missing: Missing) -> Self:
        """The same runs, with another meaning of a missing grade."""
        return type(self)(self._connection, self._filters, missing)

    def variants(self) -> Sequence[VariantCounts]:
        """The counts of every variant in every task, in the order of variants and tasks."""
        timed = and_(Run.outcome != "failed", Run.execution_time_ms.is_not(None))
        priced, priced_correct, total_cost, graded_cost = self._cost_sums()
        counted = func.count()
        selected = (
            select(
                *VARIANT,
                Run.task,
                counted,
                *(
                    counted.filter(Run.outcome == outcome)
                    for outcome in ("correct", "wrong", "failed", "unparsed", "ungraded")
                ),
                func.max(Run.repeat_index) + 1,
                counted.filter(timed),
                priced,
                priced_correct,
                func.count(Run.parsing_confidence),
                func.sum(Run.execution_time_ms).filter(timed),
                total_cost,
                graded_cost,
                func.sum(Run.parsing_confidence),
            )
            .where(*self._filters.conditions())
            .group_by(*VARIANT, Run.task)
            .order_by(*VARIANT, Run.task)
        )
        return [
            VariantCounts(
                Variant(*row[:4]),
                row[4],
                *(int(number) for number in row[5:16]),
                *(float(number or 0) for number in row[16:]),
            )
            for row in self._connection.execute(selected)
        ]

    def graded_costs(self, variant: Variant) -> Sequence[GradedCosts]:
        """The costs of the variant's graded runs by task, in the order of tasks."""
        cost = Run.cost_estimate
        counted, correct = self._is_counted(), Run.outcome == "correct"
        selected = (
            select(
                Run.task,
                func.count(cost).filter(counted),
                func.count(cost).filter(correct),
                func.sum(cost).filter(counted),
                func.sum(cost * cost).filter(counted),
                func.sum(cost).filter(correct),
            )
            .where(*self._of_variant(variant))
            .group_by(Run.task)
            .order_by(Run.task)
        )
        return [
            GradedCosts(*row[:3], *(float(number or 0) for number in row[3:]))
            for row in self._connection.execute(selected)
        ]

    def latencies(self, variant: Variant) -> tuple[list[int], list[int]]:
        """The distinct times of the variant in ms, ascending, and how often each occurs.

        Failed runs are left out: they end when they fail, not when the model has answered.
        """
        selected = (
            select(Run.execution_time_ms, func.count())
            .where(
                *self._of_variant(variant),
                Run.execution_time_ms.is_not(None),
                Run.outcome != "failed",
            )
            .group_by(Run.execution_time_ms)
            .order_by(Run.execution_time_ms)
        )
        rows: Sequence[Any] = self._connection.execute(selected).all()
        return [row[0] for row in rows], [row[1] for row in rows]

    def samples(self, group: str = "task") -> Iterator[SampleCounts]:
        """How often each sample was graded and right, tabulated by variant and `group`.

        Samples that were never graded are left out.
        """
        inner = (
            select(
                *VARIANT,
                func.max(_cluster(group)).label("cluster"),
                self._graded().label("graded"),
                _correct().label("correct"),
            )
            .where(*self._filters.conditions())
            .group_by(*VARIANT, Run.task, Run.sample_index)
            .subquery()
        )
        keys = tuple(inner.c)
        selected = (
            select(*keys, func.count()).where(inner.c.graded > 0).group_by(*keys).order_by(*keys)
        )
        for row in self._connection.execute(selected):
            yield SampleCounts(Variant(*row[:4]), row[4], row[5], row[6], row[7])

    def pairs(
        self,
        candidate: Variant,
        baseline: Variant,
        *,
        rule: PairingRule = "sample_index",
        group: str = "task",
    ) -> Pairs:
        """The samples that both variants were graded on, tabulated by group and grades."""
        one = self._sample_table(candidate, rule, group)
        two = self._sample_table(baseline, rule, group)
        keys = (one.c.cluster, one.c.graded, one.c.correct, two.c.graded, two.c.correct)
        mismatches = func.sum(case((one.c.fingerprint != two.c.fingerprint, 1), else_=0))
        selected = (
            select(*keys, func.count(), mismatches)
            .join_from(one, two, _same_sample(one, two))
            .where(one.c.graded > 0, two.c.graded > 0)
            .group_by(*keys)
            .order_by(*keys)
        )
        rows = self._connection.execute(selected).all()
        return Pairs([PairCounts(*row[:6]) for row in rows], sum(row[6] or 0 for row in rows))

    def paired_latency(
        self,
        candidate: Variant,
        baseline: Variant,
        *,
        rule: PairingRule = "sample_index",
        group: str = "task",
    ) -> Sequence[PairedSums]:
        """Logarithms of the ratio of times, candidate to baseline, on samples timed on both sides.

        Repeats of a sample are averaged first.
        """
        one = self._sample_table(candidate, rule, group)
        two = self._sample_table(baseline, rule, group)
        timed = and_(one.c.time_ms > 0, two.c.time_ms > 0)
        return self._sums(one, two, func.ln(one.c.time_ms * 1.0 / two.c.time_ms), timed)

    def paired_costs(
        self,
        candidate: Variant,
        baseline: Variant,
        *,
        rule: PairingRule = "sample_index",
        group: str = "task",
    ) -> Sequence[PairedSums]:
        """Candidate minus baseline in USD on samples with a cost and a grade on both sides.

        Repeats of a sample are averaged first.
        """
        one = self._sample_table(candidate, rule, group)
        two = self._sample_table(baseline, rule, group)
        difference = one.c.cost - two.c.cost
        return self._sums(one, two, difference, difference.is_not(None))

    def _sums(
        self, one: Subquery, two: Subquery, value: Any, known: ColumnElement[bool]
    ) -> list[PairedSums]:
        cluster = one.c.cluster
        alone = (case((cluster.is_(None), place)) for place in (one.c.key, one.c.place))
        paired = (
            select(
                cluster,
                *(key.label(f"alone_{n}") for n, key in enumerate(alone)),
                value.label("value"),
            )
            .join_from(one, two, _same_sample(one, two))
            .where(known)
            .subquery()
        )
        *keys, value = paired.c
        selected = (
            select(
                keys[0],
                func.count(),
                func.sum(value),
                func.sum(value * value),
                func.count().filter(value > 0),
                func.count().filter(value < 0),
            )
            .group_by(*keys)
            .order_by(*keys)
        )
        return [
            PairedSums(row[0], row[1], float(row[2]), float(row[3]), row[4], row[5])
            for row in self._connection.execute(selected)
        ]

    def patterns(self, variants: Sequence[Variant]) -> dict[str, int]:
        """How many samples each set of variants answered right: "101" are the first and the third.

        Only samples that every variant was graded on exactly once, all in one experiment.
        """
        right = [
            func.max(
                case((and_(*self._of_variant(variant), Run.outcome == "correct"), "1"), else_="0")
            )
            for variant in variants
        ]
        known = [
            func.sum(case((and_(*self._of_variant(variant), self._is_counted()), 1), else_=0)) == 1
            for variant in variants
        ]
        pattern: Any = right[0]
        for bit in right[1:]:
            pattern = pattern.concat(bit)
        inner = (
            select(pattern.label("pattern"))
            .where(Run.experiment_id == variants[0].experiment_id, *self._filters.conditions())
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

    def hard_samples(self, limit: int = 20) -> Sequence[HardSample]:
        """The samples with the smallest share of right answers over all variants, hardest first."""
        graded, correct = self.counting("exclude")._graded(), _correct()
        share = correct * literal(1.0) / graded
        rows = self._connection.execute(
            select(Run.task, Run.sample_index, graded, correct)
            .where(*self._filters.conditions())
            .group_by(Run.task, Run.sample_index)
            .having(graded > 0)
            .order_by(share, graded.desc(), Run.task, Run.sample_index)
            .limit(limit)
        )
        return [HardSample(row[0], row[1], int(row[2]), int(row[3])) for row in rows]

    def duplicate_contents(self) -> int:
        """How many questions with their expected answer are those of several samples."""
        samples = (
            select(Run.experiment_id, Run.input_fingerprint)
            .where(*self._filters.conditions(), Run.input_fingerprint.is_not(None))
            .group_by(Run.experiment_id, Run.input_fingerprint, Run.task, Run.sample_index)
            .subquery()
        )
        keys = (samples.c.experiment_id, samples.c.input_fingerprint)
        several = select(*keys).group_by(*keys).having(func.count() > 1).subquery()
        return self._connection.scalar(select(func.count()).select_from(several)) or 0

    def has_sample_ids(self, variant: Variant) -> bool:
        """Whether every sample of the variant carries the data set's own id."""
        without = select(Run.id).where(*self._of_variant(variant), Run.sample_id.is_(None)).limit(1)
        return self._connection.scalar(without) is None

    def _sample_table(self, variant: Variant, rule: PairingRule, group: str) -> Subquery:
        """One row a sample: (key, place) identifies it; its cluster, grades, mean time and cost."""
        place = Run.sample_id if rule == "sample_id" else Run.sample_index
        conditions = self._of_variant(variant)
        if rule == "sample_id":
            conditions.append(Run.sample_id.is_not(None))
        table = (
            select(
                Run.task.label("key"),
                place.label("place"),
                func.max(_cluster(group)).label("cluster"),
                self._graded().label("graded"),
                _correct().label("correct"),
                func.min(Run.input_fingerprint).label("fingerprint"),
                func.avg(case((Run.outcome != "failed", Run.execution_time_ms))).label("time_ms"),
                func.avg(case((self._is_counted(), Run.cost_estimate))).label("cost"),
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
                *(table.c[name] for name in ("cluster", "graded", "correct", "time_ms", "cost")),
                table.c.fingerprint,
            )
            .where(table.c.fingerprint.is_not(None))
            .subquery()
        )

    def _of_variant(self, variant: Variant) -> list[ColumnElement[bool]]:
        return [
            *(column == part for column, part in zip(VARIANT, variant, strict=True)),
            *self._filters.conditions(),
        ]

    def _is_counted(self) -> ColumnElement[bool]:
        if self._missing == "incorrect":
            return literal(True)
        return Run.outcome.in_(("correct", "wrong"))

    def _cost_sums(self) -> tuple[ColumnElement[Any], ...]:
        """priced, priced_correct, total_cost and graded_cost of VariantCounts."""
        cost = Run.cost_estimate
        return (
            func.count(cost),
            func.count(cost).filter(Run.outcome == "correct"),
            func.sum(cost),
            func.sum(cost).filter(self._is_counted()),
        )

    def _graded(self) -> ColumnElement[int]:
        return func.sum(case((self._is_counted(), 1), else_=0))


def _correct() -> ColumnElement[int]:
    return func.sum(case((Run.outcome == "correct", 1), else_=0))


def _same_sample(one: Subquery, two: Subquery) -> ColumnElement[bool]:
    return and_(one.c.key == two.c.key, one.c.place == two.c.place)


def _cluster(name: str) -> Any:
    if name not in CLUSTERS:
        raise UsageError(
            f"runs cannot be clustered by {name!r}", f"Choose one of: {', '.join(CLUSTERS)}, none"
        )
    return getattr(Run, name)
