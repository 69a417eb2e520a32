"""List of runs: filtered, searched and sorted, a page at a time, as fast at any depth."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Row, Text, and_, case, exists, func, literal, or_, select, tuple_
from sqlalchemy import type_coerce as coerced
from sqlalchemy.orm import aliased

from ml_agents_results.database.models import RUN_KEY, Run, Score
from ml_agents_results.database.types import to_stored
from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.filters import of_variant
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_filters import (
    SORT_COLUMNS,
    TEXT_COLUMNS,
    Position,
    RunFilters,
    RunOrder,
)
from ml_agents_results.repositories.run_metadata import is_member

CUT = 160
"""Characters of a text that a line shows."""

COUNTED = 10_000
"""Runs that pass a filter are counted up to this number."""

SEARCHED_AT_ONCE = 5_000
"""Runs whose texts one statement of a search reads."""

_SELECTIVE = 10_000
"""Up to so many scores in a range, the scores are read first, then their runs."""

_KEY = tuple(getattr(Run, name) for name in RUN_KEY[1:])


def cut(column: Any) -> Any:
    """The beginning of a text, one character more than is shown, so that a cut can be seen."""
    return func.substr(column, 1, CUT + 1, type_=column.type).label(column.key)


_PLACE = (Run.id, Run.experiment_id, *_KEY)
_MORE = {
    column.key: column
    for column in (
        Run.sample_id,
        Run.outcome,
        Run.is_correct,
        Run.score,
        Run.execution_time_ms,
        Run.cost_estimate,
        Run.parsing_confidence,
        Run.parsing_method,
        Run.prompt_tokens,
        Run.completion_tokens,
        Run.finish_reason,
        Run.created_at,
        *map(
            cut,
            (Run.input_text, Run.expected_answer, Run.raw_output, Run.parsed_answer, Run.error),
        ),
    )
}

LINE_COLUMNS = tuple(_MORE)
"""What a line can have besides the run's id and key."""

RunLine = Row[*tuple[Any, ...]]
"""A run without its whole texts: its id, its key, and the columns that were asked for, texts cut
to their beginnings."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some lines in order.

    Attributes:
        more: Whether further ones follow in the direction that was read.
        stopped_at: Where a search ran out of time.
        searched: The runs whose texts were read; None where nothing was searched.
    """

    lines: Sequence[RunLine]
    more: bool
    stopped_at: Position | None = None
    searched: int | None = None


class RunListRepository:
    """Lists the runs of an experiment on a connection, without reading whole texts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(
        self,
        filters: RunFilters,
        order: RunOrder | None = None,
        after: Position | None = None,
        *,
        backwards: bool = False,
        limit: int = 100,
        seconds: float = 1.0,
        columns: Collection[str] = LINE_COLUMNS,
    ) -> RunPage:
        """The lines that follow a position, or precede it where `backwards`; in the order of the
        list either way.

        Args:
            columns: Those of LINE_COLUMNS that are needed.
            seconds: After so long a search of texts ends with what it has.

        Raises:
            UsageError: A search is to be sorted by anything but the key.
        """
        order = order or RunOrder()
        if filters.searches:
            if order.column != "key":
                raise UsageError(
                    "the results of a search are in the order of their keys",
                    "Leave the sorting out, or the text.",
                )
            return self._search(filters, after, backwards, limit, seconds, columns)
        rows = self._ordered(filters, order, after, backwards, limit + 1, columns)
        return _page(rows, limit, backwards)

    def position(self, run_id: str, order: RunOrder | None = None) -> Position | None:
        """Where a run stands in lists of this order; None if there is no such run."""
        measure = SORT_COLUMNS.get((order or RunOrder()).column)
        selected = (*_KEY, *([] if measure is None else [measure]))
        row = self._connection.execute(select(*selected).where(Run.id == run_id)).one_or_none()
        if row is None:
            return None
        return Position(tuple(row[: len(_KEY)]), None if measure is None else row[-1])

    def count(self, filters: RunFilters, at_most: int = COUNTED) -> int:
        """How many runs pass, `at_most` and one where there are more."""
        some = select(Run.id).where(*self._conditions(filters)).limit(at_most + 1).subquery()
        return self._connection.scalar(select(func.count()).select_from(some)) or 0

    def ids(self, filters: RunFilters) -> Sequence[str]:
        """The ids of all runs that pass, in the order of their keys."""
        selected = select(Run.id).where(*self._conditions(filters)).order_by(*_KEY)
        return self._connection.scalars(selected).all()

    def of_sample(
        self, variants: Sequence[Variant], task: str, sample_index: int
    ) -> Sequence[RunLine]:
        """The lines of one sample, by variant in the given order and repeat."""
        lines: list[RunLine] = []
        for variant in variants:
            lines += self._connection.execute(
                select(*_line(LINE_COLUMNS))
                .where(*of_variant(variant), Run.task == task, Run.sample_index == sample_index)
                .order_by(Run.repeat_index)
            ).all()
        return lines

    def iterate(
        self,
        filters: RunFilters,
        order: RunOrder | None = None,
        columns: Collection[str] = LINE_COLUMNS,
    ) -> Iterator[RunLine]:
        """All lines that pass, page by page."""
        after: Position | None = None
        while True:
            page = self.page(filters, order, after, limit=1000, seconds=600, columns=columns)
            yield from page.lines
            if not page.more:
                return
            after = position_of(page.lines[-1], order)

    def _ordered(
        self,
        filters: RunFilters,
        order: RunOrder,
        after: Position | None,
        backwards: bool,
        limit: int,
        columns: Collection[str],
    ) -> Sequence[RunLine]:
        """The ids are found in the index that covers all that is filtered and sorted by; only then
        are the rows with their texts read."""
        chosen = self._chosen([Run.id], self._conditions(filters), filters, order, after, backwards)
        ids = chosen.limit(limit).subquery()
        selected = select(*_line(columns, order)).join(ids, ids.c.id == Run.id)
        return self._connection.execute(selected.order_by(*_directions(order, backwards))).all()

    def _chosen(
        self,
        columns: Sequence[Any],
        conditions: list[Any],
        filters: RunFilters,
        order: RunOrder,
        after: Position | None,
        backwards: bool,
    ) -> Any:
        """The runs beyond a position, in order."""
        if after is not None:
            measure = SORT_COLUMNS.get(order.column)
            conditions.append(
                _beyond(_free(filters), after.key, backwards)
                if measure is None
                else _beyond_value(measure, order.descending, after, backwards)
            )
        return select(*columns).where(*conditions).order_by(*_directions(order, backwards))

    def _search(
        self,
        filters: RunFilters,
        after: Position | None,
        backwards: bool,
        limit: int,
        seconds: float,
        columns: Collection[str],
    ) -> RunPage:
        """Walks through the runs that pass the other filters until the page is full or the time
        is over."""
        matching = self._matching(filters)
        ends_at = monotonic() + seconds
        rows: list[RunLine] = []
        searched = 0
        while True:
            others = self._conditions(filters, searching=False)
            chunk = self._chosen([Run.id, *_KEY], others, filters, RunOrder(), after, backwards)
            keys = self._connection.execute(chunk.limit(SEARCHED_AT_ONCE)).all()
            if not keys:
                return _page(rows, limit, backwards, searched=searched)
            ids = chunk.limit(SEARCHED_AT_ONCE).subquery()
            found = (
                select(*_line(columns))
                .join(ids, ids.c.id == Run.id)
                .where(matching)
                .order_by(*_directions(RunOrder(), backwards))
                .limit(limit + 1 - len(rows))
            )
            rows += self._connection.execute(found).all()
            searched += len(keys)
            after = Position(tuple(keys[-1][1:]))
            if len(rows) > limit:
                return _page(rows, limit, backwards, searched=searched)
            if len(keys) < SEARCHED_AT_ONCE:
                return _page(rows, limit, backwards, searched=searched)
            if monotonic() > ends_at:
                return _page(rows, limit, backwards, stopped_at=after, searched=searched)

    def _conditions(self, filters: RunFilters, *, searching: bool = True) -> list[Any]:
        conditions = [Run.experiment_id == filters.experiment_id]
        variants = filters.variants if filters.change is None else _one(filters.candidate)
        for fixed in _fixed(filters):
            conditions.append(fixed)
        if len(variants) > 1:
            conditions.append(or_(*(and_(*of_variant(one)) for one in variants)))
        if len(filters.tasks) > 1:
            conditions.append(Run.task.in_(filters.tasks))
        if filters.outcomes:
            conditions.append(Run.outcome.in_(filters.outcomes))
        for column, low, high in (
            (Run.execution_time_ms, filters.time_min, filters.time_max),
            (Run.cost_estimate, filters.cost_min, filters.cost_max),
        ):
            conditions += _between(column, low, high)
        if filters.metric is not None:
            conditions += self._of_metric(filters)
        if filters.change is not None:
            conditions.append(self._changed(filters))
        if searching and filters.searches:
            conditions.append(self._matching(filters))
        return conditions

    def _of_metric(self, filters: RunFilters) -> list[Any]:
        """Runs with a value of the metric in the range, or any value of it by the author."""
        assert filters.metric is not None
        metrics = MetricRepository(self._connection, filters.experiment_id)
        metric = metrics.get(filters.metric)
        if metric.is_primary and not filters.author:
            value = Run.score if metric.kind != "binary" else _as_number()
            return [value.is_not(None), *_between(value, filters.minimum, filters.maximum)]
        number = metrics.row_id(filters.metric)
        own = [Score.metric_id == number]
        if filters.author:
            own.append(Score.author == filters.author)
        # A score without a value is an opinion, too, where no range is asked for.
        own += _between(Score.value, filters.minimum, filters.maximum)
        some = select(Score.run_id).where(*own).limit(_SELECTIVE + 1).subquery()
        if (self._connection.scalar(select(func.count()).select_from(some)) or 0) > _SELECTIVE:
            return [exists(select(literal(1)).where(Score.run_id == Run.id, *own))]
        return [Run.id.in_(select(Score.run_id).where(*own))]

    def _changed(self, filters: RunFilters) -> Any:
        """That the baseline's run of the same sample and repeat is worse, or better."""
        if filters.baseline is None or filters.candidate is None:
            raise UsageError(
                "what changed is asked of a candidate and a baseline", "Name both variants."
            )
        other = aliased(Run, name="baseline")
        better, worse = (Run, other) if filters.change == "improved" else (other, Run)
        metric = MetricRepository(self._connection, filters.experiment_id).primary()
        high, low = (
            (better, worse)
            if metric is None or metric.higher_is_better is not False
            else (
                worse,
                better,
            )
        )
        differs = or_(
            and_(better.outcome == "correct", worse.outcome == "wrong"),
            and_(Run.outcome == "scored", other.outcome == "scored", high.score > low.score),
        )
        return exists(
            select(literal(1)).where(
                *of_variant(filters.baseline, other),
                other.task == Run.task,
                other.sample_index == Run.sample_index,
                other.repeat_index == Run.repeat_index,
                differs,
            )
        )

    def _matching(self, filters: RunFilters) -> Any:
        """That the text occurs in one of the columns, and the metadata are what is asked for."""
        sqlite = self._connection.dialect.name == "sqlite"
        conditions = [is_member(sqlite, name, value) for name, value in filters.metadata]
        return and_(*([self._with_text(filters)] if filters.text else []), *conditions)

    def _with_text(self, filters: RunFilters) -> Any:
        escaped = to_stored(filters.text)
        for sign in ("\\", "%", "_"):
            escaped = escaped.replace(sign, "\\" + sign)
        pattern = literal(f"%{escaped}%", Text)
        columns = [coerced(TEXT_COLUMNS[name], Text) for name in filters.text_in]
        # SQLite's LIKE does not tell capitals, and its lower() would double the time.
        if self._connection.dialect.name == "sqlite":
            return or_(*(column.like(pattern, escape="\\") for column in columns))
        return or_(*(column.ilike(pattern, escape="\\") for column in columns))


def _line(columns: Collection[str], order: RunOrder | None = None) -> list[Any]:
    """What is selected for a line: its place in the list, and what is asked for."""
    measure = SORT_COLUMNS.get((order or RunOrder()).column)
    asked = {*columns, *([] if measure is None else [measure.key])}
    return [*_PLACE, *(column for name, column in _MORE.items() if name in asked)]


def position_of(line: RunLine, order: RunOrder | None = None) -> Position:
    """Where a line stands in a list of this order."""
    measure = SORT_COLUMNS.get((order or RunOrder()).column)
    value = None if measure is None else getattr(line, measure.key)
    return Position(tuple(getattr(line, column.key) for column in _KEY), value)


def _page(rows: Sequence[RunLine], limit: int, backwards: bool, **search: Any) -> RunPage:
    lines = list(rows[:limit])
    return RunPage(lines[::-1] if backwards else lines, len(rows) > limit, **search)


def _one(variant: Variant | None) -> tuple[Variant, ...]:
    return () if variant is None else (variant,)


def _fixed(filters: RunFilters) -> list[Any]:
    """Equalities on columns of the key: the index is entered by them."""
    variants = filters.variants if filters.change is None else _one(filters.candidate)
    fixed: list[Any] = []
    if len(variants) == 1:
        [variant] = variants
        fixed += [getattr(Run, name) == getattr(variant, name) for name in Variant._fields[1:]]
    if len(filters.tasks) == 1:
        fixed.append(Run.task == filters.tasks[0])
    return fixed


def _free(filters: RunFilters) -> list[Any]:
    """The columns of the key that the filters leave open. SQLite seeks by the columns that follow
    equalities, and compares everything from the first run on if an equal one is among them."""
    fixed = {condition.left.key for condition in _fixed(filters)}
    return [column for column in _KEY if column.key not in fixed]


def _directions(order: RunOrder, backwards: bool) -> list[Any]:
    keys = [column.desc() if backwards else column for column in _KEY]
    if (measure := SORT_COLUMNS.get(order.column)) is None:
        return keys
    sorted_by = measure.desc() if order.descending != backwards else measure.asc()
    return [sorted_by.nulls_first() if backwards else sorted_by.nulls_last(), *keys]


def _beyond(columns: Sequence[Any], key: Sequence[Any], backwards: bool) -> Any:
    values = dict(zip((column.key for column in _KEY), key, strict=True))
    # Bound with the types of the columns: texts compare in stored form.
    bounds = tuple_(*(literal(values[column.key], column.type) for column in columns))
    return tuple_(*columns) < bounds if backwards else tuple_(*columns) > bounds


def _beyond_value(measure: Any, descending: bool, after: Position, backwards: bool) -> Any:
    beyond = _beyond(_KEY, after.key, backwards)
    if after.value is None:
        same = and_(measure.is_(None), beyond)
        return or_(measure.is_not(None), same) if backwards else same
    falling = descending != backwards
    further = measure < after.value if falling else measure > after.value
    conditions = [further, and_(measure == after.value, beyond)]
    return or_(*conditions) if backwards else or_(*conditions, measure.is_(None))


def _between(column: Any, low: float | None, high: float | None) -> list[Any]:
    return [
        *([] if low is None else [column >= low]),
        *([] if high is None else [column <= high]),
    ]


def _as_number() -> Any:
    return case((Run.outcome == "correct", 1.0), (Run.outcome == "wrong", 0.0))
