"""Grid of samples: what each variant made of each sample, a page at a time."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from time import monotonic
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, literal, select, tuple_

from ml_agents_results.database.models import Run
from ml_agents_results.database.types import to_stored
from ml_agents_results.records import Variant
from ml_agents_results.repositories.filters import of_variant
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_conditions import metric_value
from ml_agents_results.repositories.run_statements import cut

Pattern = Literal["all-right", "none-right", "differ", "improved", "regressed", "no-value"]

SampleKey = tuple[str, int]
"""Task and index."""

_AT_ONCE = 2_000
"""Samples that are classified between two looks at the clock."""

_KEY = (Run.task, Run.sample_index)
_VALUES = {"correct": 1.0, "wrong": 0.0}


@dataclass(frozen=True, slots=True)
class GridFilters:
    """Which samples of an experiment a grid holds.

    Attributes:
        variants: The columns, of which the first is the baseline of `improved` and `regressed`.
        tasks: Empty for all.
        pattern: What the answers to a sample have in common; None lets all samples pass.
            `all-right`: every run of every variant is correct; `none-right`: no run is;
            `differ`: some are, some are not (of numbers: the means are not all equal);
            `improved`, `regressed`: the mean of a variant is better, or worse, than that of the
            baseline; `no-value`: a variant has no graded run.
    """

    variants: tuple[Variant, ...]
    tasks: tuple[str, ...] = ()
    pattern: Pattern | None = None


@dataclass(frozen=True, slots=True)
class GridCell:
    """What one variant made of one sample.

    Attributes:
        outcomes: Of its runs, in the order of the repeats.
        value: The mean of the graded runs (correct is 1, wrong 0); None without one.
        run_id: The first run.
        answer: The beginning of that run's parsed answer.
    """

    outcomes: Sequence[str]
    value: float | None
    run_id: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class GridRow:
    """A sample, with a cell for each variant: None where it has no run of it.

    Attributes:
        differs: Whether its first runs begin with different questions.
    """

    key: SampleKey
    cells: Sequence[GridCell | None]
    question: str | None
    expected: str | None
    differs: bool = False


@dataclass(frozen=True, slots=True)
class GridPage:
    """Some samples in order.

    Attributes:
        more: Whether further ones follow in the direction that was read.
        stopped_at: Where looking for a pattern ran out of time.
    """

    rows: Sequence[GridRow]
    more: bool
    stopped_at: SampleKey | None = None


class SampleGridRepository:
    """Lists the samples of experiments on a connection; those of one task and index are taken to
    be the same.

    Args:
        metric_name: Whose values right and wrong are told by; None for the primary one.

    Raises:
        NotFoundError: An experiment has no such metric.
    """

    def __init__(
        self,
        connection: Connection,
        experiment_ids: Sequence[str],
        metric_name: str | None = None,
    ) -> None:
        self._connection = connection
        self._of_scores: dict[str, Any] = {}
        """What the values of an experiment are read from, unless they stand on its runs."""
        for experiment_id in reversed(experiment_ids):
            metrics = MetricRepository(connection, experiment_id)
            metric = metrics.primary() if metric_name is None else metrics.get(metric_name)
            if metric is not None and not metric.is_primary:
                value = metric_value(connection, experiment_id, metric.name)
                self._of_scores[experiment_id] = value
        self._binary = metric is not None and metric.kind == "binary"
        changes: tuple[Pattern, Pattern] = ("improved", "regressed")
        lower_is_better = metric is not None and metric.higher_is_better is False
        self._changes = changes[::-1] if lower_is_better else changes

    def page(
        self,
        filters: GridFilters,
        after: SampleKey | None = None,
        *,
        backwards: bool = False,
        limit: int = 100,
        seconds: float = 1.0,
    ) -> GridPage:
        """The samples that follow a key, or precede it where `backwards`; in the order of task and
        index either way.

        Args:
            seconds: After so long looking for a pattern ends with what it has.
        """
        ends_at = monotonic() + seconds
        found: list[_Sample] = []
        size = limit + 1 if filters.pattern is None else _AT_ONCE
        stopped_at = None
        for chunk in self._chunks(filters, after, backwards, size):
            found += [sample for sample in chunk if self._shows(filters.pattern, sample)]
            if len(found) > limit:
                break
            if monotonic() > ends_at:
                stopped_at = chunk[-1].key
                break
        rows = self._with_texts(found[:limit])
        return GridPage(rows[::-1] if backwards else rows, len(found) > limit, stopped_at)

    def find(self, variants: Sequence[Variant], text: str) -> SampleKey | None:
        """The sample that is meant by `task:index`, the data set's own id, or an index: then of the
        first task that has it."""
        task, _, number = text.rpartition(":")
        index = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None
        own_id = [Run.sample_id == text]
        tries = [] if index is None else [[Run.task == task, Run.sample_index == index]]
        tries.append(own_id)
        if index is not None and not task:
            tries.append([Run.sample_index == index])
        for conditions in tries:
            for variant in variants:
                chosen = select(*_KEY).where(*of_variant(variant), *conditions).order_by(*_KEY)
                if (row := self._connection.execute(chosen.limit(1)).one_or_none()) is not None:
                    return _sample_of(row)
        return None

    def patterns(self, filters: GridFilters, *, seconds: float) -> Mapping[Pattern, int] | None:
        """How many samples show each pattern; None if that takes longer."""
        ends_at = monotonic() + seconds
        counts: Counter[Pattern] = Counter()
        for chunk in self._chunks(filters, None, False, _AT_ONCE):
            for sample in chunk:
                counts.update(self._patterns(sample))
            if monotonic() > ends_at:
                return None
        return counts

    def _shows(self, pattern: Pattern | None, sample: "_Sample") -> bool:
        return pattern is None or pattern in self._patterns(sample)

    def _patterns(self, sample: "_Sample") -> list[Pattern]:
        """The patterns that the answers to a sample show."""
        means = [None if runs is None else _mean(runs) for runs in sample.runs]
        outcomes = {run.outcome for runs in sample.runs if runs is not None for run in runs}
        found: list[Pattern] = []
        if None in means:
            found.append("no-value")
        if "scored" in outcomes:
            if len(set(means) - {None}) > 1:
                found.append("differ")
        elif outcomes == {"correct"} and None not in means:
            found.append("all-right")
        else:
            found.append("differ" if "correct" in outcomes else "none-right")
        if (baseline := means[0]) is not None:
            others = [mean for mean in means[1:] if mean is not None]
            higher, lower = self._changes
            if any(mean > baseline for mean in others):
                found.append(higher)
            if any(mean < baseline for mean in others):
                found.append(lower)
        return found

    def _chunks(
        self, filters: GridFilters, after: SampleKey | None, backwards: bool, size: int
    ) -> Iterator[Sequence["_Sample"]]:
        """All samples beyond a key, some at a time, in the direction that is read."""
        while True:
            keys = self._keys(filters, after, backwards, size)
            if not keys:
                return
            columns = [self._runs(one, filters, keys, backwards) for one in filters.variants]
            yield [_Sample(key, [runs.get(key) for runs in columns]) for key in keys]
            if len(keys) < size:
                return
            after = keys[-1]

    def _keys(
        self, filters: GridFilters, after: SampleKey | None, backwards: bool, size: int
    ) -> list[SampleKey]:
        """The next samples that any of the variants answered."""
        sources = []
        for variant in filters.variants:
            conditions = [*of_variant(variant), *_of_tasks(filters)]
            if after is not None:
                conditions.append(_beyond(filters, after, backwards, included=False))
            chosen = select(*_KEY).where(*conditions).distinct().order_by(*_order(backwards))
            sources.append(self._connection.execute(chosen.limit(size)).all())
        merged = heapq.merge(*sources, key=_stored, reverse=backwards)
        return [key for key, _ in islice(groupby(map(_sample_of, merged)), size)]

    def _runs(
        self,
        variant: Variant,
        filters: GridFilters,
        keys: Sequence[SampleKey],
        backwards: bool,
    ) -> dict[SampleKey, list["_Answer"]]:
        """The runs of a variant for samples that follow each other."""
        of_scores = [
            value for one, value in self._of_scores.items() if one == variant.experiment_id
        ]
        chosen = (
            select(*_KEY, Run.outcome, Run.score, Run.id, *of_scores)
            .where(
                *of_variant(variant),
                *_of_tasks(filters),
                _beyond(filters, keys[0], backwards, included=True),
                _beyond(filters, keys[-1], not backwards, included=True),
            )
            .order_by(*_KEY, Run.repeat_index)
        )
        runs: dict[SampleKey, list[_Answer]] = {}
        for task, index, outcome, score, run_id, *own in self._connection.execute(chosen).all():
            value = score if outcome == "scored" else _VALUES.get(outcome)
            if own:
                outcome, value = self._graded(outcome, own[0])
            runs.setdefault((task, index), []).append(_Answer(outcome, value, run_id))
        return runs

    def _graded(self, outcome: str, value: float | None) -> tuple[str, float | None]:
        """The outcome and the value of a run by a metric whose values are scores. Authors who are
        of two minds give no value."""
        if value is None or (self._binary and value == 0.5):
            return ("ungraded" if outcome in ("correct", "wrong", "scored") else outcome), None
        if not self._binary:
            return "scored", value
        return ("correct", 1.0) if value > 0.5 else ("wrong", 0.0)

    def _with_texts(self, samples: Sequence["_Sample"]) -> list[GridRow]:
        """The samples with question, expected answer, and the answers of the first runs."""
        ids = [runs[0].run_id for sample in samples for runs in sample.runs if runs is not None]
        texts: dict[str, Row[*tuple[Any, ...]]] = {}
        columns = (Run.input_text, Run.expected_answer, Run.parsed_answer)
        for start in range(0, len(ids), 500):
            some = Run.id.in_(ids[start : start + 500])
            found = self._connection.execute(select(Run.id, *map(cut, columns)).where(some))
            texts |= {line.id: line for line in found}
        rows = []
        for sample in samples:
            cells = [None if runs is None else _cell(runs, texts) for runs in sample.runs]
            ids_shown = (cell.run_id for cell in cells if cell is not None)
            known = [texts[run_id] for run_id in ids_shown if run_id in texts]
            shown = (known[0].input_text, known[0].expected_answer) if known else (None, None)
            questions = {one.input_text for one in known if one.input_text is not None}
            rows.append(GridRow(sample.key, cells, shown[0], shown[1], len(questions) > 1))
        return rows


class _Answer(NamedTuple):
    outcome: str
    value: float | None
    run_id: str


class _Sample(NamedTuple):
    """A sample with the runs of each variant."""

    key: SampleKey
    runs: Sequence[Sequence[_Answer] | None]


def _sample_of(row: Sequence[Any]) -> SampleKey:
    return row[0], row[1]


def _mean(runs: Sequence[_Answer]) -> float | None:
    if len(runs) == 1:
        return runs[0].value
    values = [run.value for run in runs if run.value is not None]
    return sum(values) / len(values) if values else None


def _cell(runs: Sequence[_Answer], texts: Mapping[str, Row[*tuple[Any, ...]]]) -> GridCell:
    run_id = runs[0].run_id
    answer = texts[run_id].parsed_answer if run_id in texts else None
    return GridCell([run.outcome for run in runs], _mean(runs), run_id, answer)


def _of_tasks(filters: GridFilters) -> list[Any]:
    if len(filters.tasks) == 1:
        return [Run.task == filters.tasks[0]]
    return [Run.task.in_(filters.tasks)] if filters.tasks else []


def _beyond(filters: GridFilters, key: SampleKey, backwards: bool, *, included: bool) -> Any:
    """That a run's sample follows the key. SQLite seeks by the columns that follow equalities: with
    one task the index alone is compared."""
    if len(filters.tasks) == 1:
        column, bound = Run.sample_index, literal(key[1])
    else:
        column = tuple_(*_KEY)  # type: ignore[assignment]
        bound = tuple_(literal(key[0], Run.task.type), literal(key[1]))  # type: ignore[assignment]
    if included:
        return column <= bound if backwards else column >= bound
    return column < bound if backwards else column > bound


def _order(backwards: bool) -> list[Any]:
    return [column.desc() if backwards else column.asc() for column in _KEY]


def _stored(key: Sequence[Any]) -> tuple[bytes, int]:
    """Orders keys as databases do: by the bytes of the stored text."""
    return to_stored(key[0]).encode("utf-8", "surrogatepass"), key[1]
