"""Patterns in the texts of runs: lengths of outputs, errors, parsing metrics, changed samples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, and_, case, func, select
from sqlalchemy.orm import aliased

from ml_agents_results.database.models import ParsingMetric, Run
from ml_agents_results.records import Variant
from ml_agents_results.repositories.filters import VARIANT, Filters, of_variant

ANSWER_MARKER = "the answer is"
LENGTHS = ((0, "empty"), (100, "1-100"), (500, "101-500"), (2000, "501-2000"))
LONGER = "over 2000"
"""Names of the lengths of outputs, in characters, and the largest of each."""

ERROR_CHARACTERS = 200
"""Characters of an error message that are read."""


@dataclass(frozen=True, slots=True)
class ParsingSums:
    """Parsing metrics of a variant and method; sums run over the rows with a known value."""

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
    def none(cls, variant: Variant, parsing_method: str | None) -> "ParsingSums":
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


class TextPatterns(Protocol):
    """Counts over the texts of the runs that pass some filters."""

    def parsing_sums(self) -> Sequence[ParsingSums]:
        """Sums of the parsing metrics by variant and parsing method."""

    def text_slices(self) -> Sequence[SliceCounts]:
        """Graded runs by the length of the output and by whether it states its answer."""

    def errors(self, variants: Iterable[Variant]) -> Iterable[tuple[Variant, str, int]]:
        """The errors of failed runs, by their first ERROR_CHARACTERS characters, with the number
        of runs; those of a variant in alphabetical order."""

    def changed(
        self, candidate: Variant, baseline: Variant, *, improved: bool, limit: int = 20
    ) -> Sequence[ChangedSample]:
        """Samples that only the candidate answered (`improved`), or only the baseline.

        Both variants belong to one experiment, or to experiments on the same data set.
        """

    def conflicting_targets(self) -> int:
        """The number of question texts with several expected answers."""


class PatternRepository:
    """TextPatterns of a database."""

    def __init__(self, connection: Connection, filters: Filters | None = None) -> None:
        self._connection = connection
        self._filters = filters or Filters()

    def parsing_sums(self) -> Sequence[ParsingSums]:
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
            ParsingSums(Variant(*row[:4]), row[4], *(int(number) for number in row[5:]))
            for row in rows
        ]

    def text_slices(self) -> Sequence[SliceCounts]:
        length = func.length(func.coalesce(Run.raw_output, ""))
        binned = case(*((length <= limit, name) for limit, name in LENGTHS), else_=LONGER)
        stated = case(
            (func.lower(Run.raw_output).contains(ANSWER_MARKER), f"has '{ANSWER_MARKER}'"),
            else_=f"lacks '{ANSWER_MARKER}'",
        )
        return [*self._slices("output_length", binned), *self._slices("answer_marker", stated)]

    def _slices(self, dimension: str, value: Any) -> list[SliceCounts]:
        inner = (
            select(*VARIANT, value.label("value"), Run.outcome)
            .where(*self._filters.conditions(), Run.outcome.in_(("correct", "wrong")))
            .subquery()
        )
        keys = tuple(column for column in inner.c if column.name != "outcome")
        correct = func.sum(case((inner.c.outcome == "correct", 1), else_=0))
        rows = self._connection.execute(
            select(*keys, correct, func.count()).group_by(*keys).order_by(*keys)
        )
        return [
            SliceCounts(Variant(*row[:4]), dimension, row[4], int(row[5]), row[6]) for row in rows
        ]

    def errors(self, variants: Iterable[Variant]) -> Iterable[tuple[Variant, str, int]]:
        message, runs = func.substr(Run.error, 1, ERROR_CHARACTERS), func.count()
        # One by one, because SQLite sorts all that it groups.
        for variant in variants:
            rows = self._connection.execute(
                select(message, runs)
                .where(*of_variant(variant), *self._filters.conditions(), Run.outcome == "failed")
                .group_by(message)
                .order_by(message)
                .execution_options(yield_per=1000)
            )
            for error, count in rows:
                yield variant, error, count

    def changed(
        self, candidate: Variant, baseline: Variant, *, improved: bool, limit: int = 20
    ) -> Sequence[ChangedSample]:
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
                *of_variant(candidate, one),
                *of_variant(baseline, two),
                *self._filters.conditions(one),
                right.outcome == "correct",
                wrong.outcome == "wrong",
            )
            .order_by(one.task, one.sample_index, one.repeat_index)
            .limit(limit)
        )
        return [ChangedSample(*row) for row in rows]

    def conflicting_targets(self) -> int:
        contents = (
            select(Run.experiment_id, Run.input_text)
            .where(
                *self._filters.conditions(),
                Run.input_text.is_not(None),
                Run.expected_answer.is_not(None),
            )
            .group_by(Run.experiment_id, Run.input_text, Run.expected_answer)
            .subquery()
        )
        keys = (contents.c.experiment_id, contents.c.input_text)
        several = select(*keys).group_by(*keys).having(func.count() > 1).subquery()
        return self._connection.scalar(select(func.count()).select_from(several)) or 0
