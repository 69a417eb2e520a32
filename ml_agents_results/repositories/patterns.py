"""Counts for what goes wrong: parsing, failures, slices, and samples that changed sides."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, select
from sqlalchemy.orm import aliased

from ml_agents_results.database.models import ParsingMetric, Run
from ml_agents_results.records import Variant
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.views import on_each

VARIANT = (Run.experiment_id, Run.approach_name, Run.provider, Run.model)
ANSWER_MARKER = "the answer is"
_LENGTH_BINS = ((0, "empty"), (100, "1-100"), (500, "101-500"), (2000, "501-2000"))


@dataclass(frozen=True, slots=True)
class ConfidenceCounts:
    """Runs of a variant with the same parsing method and confidence, by outcome."""

    variant: Variant
    parsing_method: str | None
    confidence: float | None
    correct: int
    wrong: int
    other: int


@dataclass(frozen=True, slots=True)
class MetricSums:
    """Parsing metrics of a variant and method; sums run over the rows where the value is known."""

    variant: Variant
    parsing_method: str | None
    runs: int
    attempts_known: int
    attempts: int
    fallback_known: int
    fallbacks: int
    timed: int
    extraction_time_ms: int
    errors: int

    @classmethod
    def none(cls, variant: Variant, parsing_method: str | None) -> "MetricSums":
        """No metrics were recorded."""
        return cls(variant, parsing_method, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class SliceCounts:
    """The graded runs of a variant that share `value` in `dimension`."""

    variant: Variant
    dimension: str
    value: str
    correct: int
    graded: int


@dataclass(frozen=True, slots=True)
class ChangedSample:
    """A sample that one variant answered and the other did not, with both run ids."""

    task: str
    sample_index: int
    repeat_index: int
    candidate_run_id: str
    baseline_run_id: str


class PatternRepository:
    """Aggregates over the runs that pass `filters`."""

    def __init__(self, connection: Connection, filters: Filters | None = None) -> None:
        self._connection = connection
        self._filters = filters or Filters()

    def confidences(self, variants: Iterable[Variant]) -> Sequence[ConfidenceCounts]:
        """Runs by variant, parsing method and confidence."""
        return [
            ConfidenceCounts(variant, method, confidence, correct, wrong, runs - correct - wrong)
            for variant, (method, confidence, correct, wrong, runs) in self._grouped(
                variants, (Run.parsing_method, Run.parsing_confidence)
            )
        ]

    def metrics(self) -> Sequence[MetricSums]:
        """Sums of the parsing metrics by variant and parsing method."""
        metrics = ParsingMetric
        rows = self._connection.execute(
            select(
                *VARIANT,
                Run.parsing_method,
                func.count(),
                func.count(metrics.parsing_attempts),
                func.coalesce(func.sum(metrics.parsing_attempts), 0),
                func.count(metrics.fallback_used),
                func.coalesce(func.sum(case((metrics.fallback_used.is_(True), 1), else_=0)), 0),
                func.count(metrics.extraction_time_ms),
                func.coalesce(func.sum(metrics.extraction_time_ms), 0),
                func.count(metrics.error_details),
            )
            .join_from(metrics, Run, metrics.run_id == Run.id)
            .where(*self._filters.conditions())
            .group_by(*VARIANT, Run.parsing_method)
            .order_by(*VARIANT, Run.parsing_method)
        )
        return [
            MetricSums(Variant(*row[:4]), row[4], *(int(number) for number in row[5:]))
            for row in rows
        ]

    def method_slices(self, variants: Iterable[Variant]) -> list[SliceCounts]:
        """Graded runs by parsing method."""
        method = func.coalesce(Run.parsing_method, "unknown")
        return [
            SliceCounts(variant, "parsing_method", value, correct, correct + wrong)
            for variant, (value, correct, wrong, _) in self._grouped(variants, (method,))
            if correct + wrong
        ]

    def text_slices(self) -> list[SliceCounts]:
        """Graded runs by the length of the output and by whether it states its answer.

        Unlike everything else here this reads the texts, which takes as long as reading the file.
        """
        length = func.length(func.coalesce(Run.raw_output, ""))
        binned = case(*((length <= limit, name) for limit, name in _LENGTH_BINS), else_="over 2000")
        stated = case(
            (func.lower(Run.raw_output).contains(ANSWER_MARKER), f"has '{ANSWER_MARKER}'"),
            else_=f"lacks '{ANSWER_MARKER}'",
        )
        return [
            *self._slices("output_length", binned),
            *self._slices("answer_marker", stated),
        ]

    def _slices(self, dimension: str, value: Any) -> list[SliceCounts]:
        keys = (*VARIANT, value.label("value"))
        inner = (
            select(*keys, Run.outcome)
            .where(*self._filters.conditions(), Run.outcome.in_(("correct", "wrong")))
            .subquery()
        )
        grouped = tuple(column for column in inner.c if column.name != "outcome")
        rows = self._connection.execute(
            select(
                *grouped, func.sum(case((inner.c.outcome == "correct", 1), else_=0)), func.count()
            )
            .group_by(*grouped)
            .order_by(*grouped)
        )
        return [
            SliceCounts(Variant(*row[:4]), dimension, row[4], int(row[5]), row[6]) for row in rows
        ]

    def _grouped(
        self, variants: Iterable[Variant], keys: Sequence[Any]
    ) -> Iterator[tuple[Variant, Any]]:
        """The values of the keys in each variant with the correct, the wrong and all runs of each.

        Variant by variant, because SQLite sorts all that it groups, and sorts narrow rows twice as
        fast.
        """
        selected = select(*keys, _count("correct"), _count("wrong"), func.count())
        # SQLite's own order; other engines would put what is unknown last.
        order = (key.nulls_first() for key in keys)
        return self._each(variants, selected.group_by(*keys).order_by(*order))

    def _each(
        self, variants: Iterable[Variant], selected: Select[Any]
    ) -> Iterator[tuple[Variant, Any]]:
        """The rows of each variant."""

        def of_variant(view: Connection, variant: Variant) -> list[tuple[Variant, Any]]:
            where = (*_of_variant(Run, variant), *self._filters.conditions())
            return [(variant, row) for row in view.execute(selected.where(*where))]

        return chain.from_iterable(on_each(self._connection, of_variant, tuple(variants)))

    def errors(
        self, variants: Iterable[Variant], limit: int = 20
    ) -> Sequence[tuple[Variant, str, int]]:
        """The most frequent errors of failed runs, by their first 80 characters."""
        kind, runs = func.substr(Run.error, 1, 80), func.count()
        selected = select(kind, runs).where(Run.outcome == "failed")
        selected = selected.group_by(kind).order_by(runs.desc(), kind).limit(limit)
        found = [
            (variant, name, count) for variant, (name, count) in self._each(variants, selected)
        ]
        return sorted(found, key=lambda row: (-row[2], row[:2]))[:limit]

    def changed(
        self, candidate: Variant, baseline: Variant, *, improved: bool, limit: int = 20
    ) -> Sequence[ChangedSample]:
        """Samples that only the candidate answered (`improved`), or only the baseline.

        Both variants belong to one experiment, or to experiments on the same data set.
        """
        one, two = aliased(Run, name="candidate"), aliased(Run, name="baseline")
        right, wrong = (one, two) if improved else (two, one)
        rows = self._connection.execute(
            select(one.task, one.sample_index, one.repeat_index, one.id, two.id)
            .join_from(
                one,
                two,
                and_(
                    one.task == two.task,
                    one.sample_index == two.sample_index,
                    one.repeat_index == two.repeat_index,
                ),
            )
            .where(
                *_of_variant(one, candidate),
                *_of_variant(two, baseline),
                *self._filters.conditions(one),
                right.outcome == "correct",
                wrong.outcome == "wrong",
            )
            .order_by(one.task, one.sample_index, one.repeat_index)
            .limit(limit)
        )
        return [ChangedSample(*row) for row in rows]


def _count(outcome: str) -> ColumnElement[int]:
    return func.sum(case((Run.outcome == outcome, 1), else_=0))


def _of_variant(run: Any, variant: Variant) -> list[ColumnElement[bool]]:
    return [
        run.experiment_id == variant.experiment_id,
        run.approach_name == variant.approach_name,
        run.provider == variant.provider,
        run.model == variant.model,
    ]
