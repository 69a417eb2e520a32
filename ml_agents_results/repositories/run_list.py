"""List of runs: filtered, searched and sorted, a page at a time, as fast at any depth."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Any, Literal

from sqlalchemy import Connection, Integer, Row, and_, bindparam, func, or_, select, tuple_

from ml_agents_results.database.models import RUN_KEY, Run
from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.run_conditions import (
    conditions_of,
    fixed_by,
    is_rising,
    matching,
    metric_value,
    plain_conditions,
)
from ml_agents_results.repositories.run_filters import (
    SORT_COLUMNS,
    Position,
    RunFilters,
    RunOrder,
)

CUT = 160
"""Characters of a text that a line shows."""

COUNTED = 10_000
"""Runs that pass a filter are counted up to this number."""

SEARCHED_AT_ONCE = 5_000
"""Runs whose texts one statement of a search reads."""

_KEY = tuple(getattr(Run, name) for name in RUN_KEY[1:])


def cut(column: Any) -> Any:
    """The beginning of a text, one character more than is shown, so that a cut can be seen."""
    return func.substr(column, 1, CUT + 1, type_=column.type).label(column.key)


_MEASURE = "sorted_by"
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

_BOUND = "beyond_"
"""Begins the names of parameters that say where a page begins."""

Place = Literal["known", "unknown"] | None
"""Whether the run that a page begins after has what the list is sorted by; None for the first
page."""

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


_OF_SAMPLE = (
    select(*_PLACE, Run.outcome)
    .where(
        *(
            getattr(Run, name) == bindparam(name)
            for name in (*Variant._fields, "task", "sample_index")
        )
    )
    .order_by(Run.repeat_index)
)
"""The runs of a variant for one sample. Made once: to make it takes longer than to execute it."""


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
        own = Run.id == run_id
        experiment_id = self._connection.scalar(select(Run.experiment_id).where(own))
        if experiment_id is None:
            return None
        measure = self._measure(experiment_id, order or RunOrder())
        selected = (*_KEY, *([] if measure is None else [measure.label(_MEASURE)]))
        line = self._connection.execute(select(*selected).where(own)).one_or_none()
        return None if line is None else position_of(line, order)

    def count(self, filters: RunFilters, at_most: int = COUNTED) -> int:
        """How many runs pass, `at_most` and one where there are more."""
        some = (
            select(Run.id)
            .where(*conditions_of(self._connection, filters))
            .limit(at_most + 1)
            .subquery()
        )
        return self._connection.scalar(select(func.count()).select_from(some)) or 0

    def ids(self, filters: RunFilters) -> Sequence[str]:
        """The ids of all runs that pass, in the order of their keys."""
        selected = select(Run.id).where(*conditions_of(self._connection, filters)).order_by(*_KEY)
        return self._connection.scalars(selected).all()

    def of_sample(
        self, variants: Sequence[Variant], task: str, sample_index: int
    ) -> Sequence[RunLine]:
        """The runs of one sample with their outcomes, by variant and repeat."""
        lines: list[RunLine] = []
        for variant in variants:
            # One by one: with IN or OR, SQLite walks through the whole experiment.
            key = {**variant._asdict(), "task": task, "sample_index": sample_index}
            lines += self._connection.execute(_OF_SAMPLE, key).all()
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
        place: Place = None
        if after is not None:
            place = "unknown" if after.value is None else "known"
        shape = (order, tuple(columns), place, backwards)
        if filters.plain and order.metric is None:
            statement = _plain_listing(filters, is_rising(self._connection, filters), *shape)
        else:
            measure = self._measure(filters.experiment_id, order)
            statement = _listing(conditions_of(self._connection, filters), filters, measure, *shape)
        given = {**_bounds(after), "at_most": limit}
        return self._connection.execute(statement, given).all()

    def _measure(self, experiment_id: str, order: RunOrder) -> Any:
        """What the list is sorted by before the key; None where it is the key alone."""
        if order.metric is not None:
            return metric_value(self._connection, experiment_id, order.metric)
        return SORT_COLUMNS.get(order.column)

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
        fitting = matching(self._connection, filters)
        ends_at = monotonic() + seconds
        rows: list[RunLine] = []
        searched = 0
        while True:
            others = conditions_of(self._connection, filters, searching=False)
            place: Place = None if after is None else "unknown"
            chunk = _chosen([Run.id, *_KEY], others, filters, None, RunOrder(), place, backwards)
            given = {**_bounds(after), "at_most": SEARCHED_AT_ONCE}
            keys = self._connection.execute(chunk, given).all()
            if not keys:
                return _page(rows, limit, backwards, searched=searched)
            found = (
                _of_chosen(chunk, columns, None, RunOrder(), backwards)
                .where(fitting)
                .limit(limit + 1 - len(rows))
            )
            rows += self._connection.execute(found, given).all()
            searched += len(keys)
            after = Position(tuple(keys[-1][1:]))
            if len(rows) > limit:
                return _page(rows, limit, backwards, searched=searched)
            if len(keys) < SEARCHED_AT_ONCE:
                return _page(rows, limit, backwards, searched=searched)
            if monotonic() > ends_at:
                return _page(rows, limit, backwards, stopped_at=after, searched=searched)


@lru_cache(maxsize=32)
def _plain_listing(
    filters: RunFilters,
    rising: bool,
    order: RunOrder,
    columns: tuple[str, ...],
    place: Place,
    backwards: bool,
) -> Any:
    """`_listing` for filters that alone say what passes: whoever turns pages asks again."""
    measure = SORT_COLUMNS.get(order.column)
    conditions = plain_conditions(filters, rising=rising)
    return _listing(conditions, filters, measure, order, columns, place, backwards)


def _listing(
    conditions: Sequence[Any],
    filters: RunFilters,
    measure: Any,
    order: RunOrder,
    columns: tuple[str, ...],
    place: Place,
    backwards: bool,
) -> Any:
    """The first lines that pass beyond a place. Their ids are found in the index that covers all
    that is filtered and sorted by; only then are the rows with their texts read."""
    if not columns:
        line = _line((), measure)
        return _chosen(line, conditions, filters, measure, order, place, backwards)
    chosen = _chosen([Run.id], conditions, filters, measure, order, place, backwards)
    return _of_chosen(chosen, columns, measure, order, backwards)


def _chosen(
    columns: Sequence[Any],
    conditions: Sequence[Any],
    filters: RunFilters,
    measure: Any,
    order: RunOrder,
    place: Place,
    backwards: bool,
) -> Any:
    """The first runs beyond a place, in order; `_bounds` are its parameters, and `at_most`."""
    beyond = []
    if place is not None and measure is None:
        beyond = [_beyond(_free(filters), backwards)]
    elif place is not None:
        known = place == "known"
        beyond = [_beyond_value(measure, order.descending != backwards, known, backwards)]
    directions = _directions(measure, order, backwards)
    selected = select(*columns).where(*conditions, *beyond).order_by(*directions)
    return selected.limit(bindparam("at_most", type_=Integer))


def _of_chosen(
    chosen: Any, columns: Collection[str], measure: Any, order: RunOrder, backwards: bool
) -> Any:
    """The lines of the chosen runs."""
    ids = chosen.subquery()
    lines = select(*_line(columns, measure)).join(ids, ids.c.id == Run.id)
    return lines.order_by(*_directions(measure, order, backwards))


def _line(columns: Collection[str], measure: Any = None) -> list[Any]:
    """What is selected for a line: its place in the list, and what is asked for."""
    sorted_by = [] if measure is None else [measure.label(_MEASURE)]
    return [*_PLACE, *(_MORE[name] for name in LINE_COLUMNS if name in columns), *sorted_by]


def position_of(line: RunLine, order: RunOrder | None = None) -> Position:
    """Where a line stands in a list of this order."""
    value = None if (order or RunOrder()).column == "key" else getattr(line, _MEASURE)
    return Position(tuple(getattr(line, column.key) for column in _KEY), value)


def _page(rows: Sequence[RunLine], limit: int, backwards: bool, **search: Any) -> RunPage:
    lines = list(rows[:limit])
    return RunPage(lines[::-1] if backwards else lines, len(rows) > limit, **search)


def _free(filters: RunFilters) -> list[Any]:
    """The columns of the key that the filters leave open. SQLite seeks by the columns that follow
    equalities, and compares everything from the first run on if an equal one is among them."""
    fixed = {condition.left.key for condition in fixed_by(filters)}
    return [column for column in _KEY if column.key not in fixed]


def _directions(measure: Any, order: RunOrder, backwards: bool) -> list[Any]:
    keys = [column.desc() if backwards else column for column in _KEY]
    if measure is None:
        return keys
    sorted_by = measure.desc() if order.descending != backwards else measure.asc()
    return [sorted_by.nulls_first() if backwards else sorted_by.nulls_last(), *keys]


def _beyond(columns: Sequence[Any], backwards: bool) -> Any:
    # Bound with the types of the columns: texts compare in stored form.
    bounds = tuple_(*(bindparam(_BOUND + one.key, type_=one.type) for one in columns))
    return tuple_(*columns) < bounds if backwards else tuple_(*columns) > bounds


def _beyond_value(measure: Any, falling: bool, known: bool, backwards: bool) -> Any:
    beyond = _beyond(_KEY, backwards)
    if not known:
        same = and_(measure.is_(None), beyond)
        return or_(measure.is_not(None), same) if backwards else same
    value = bindparam(_BOUND + _MEASURE, type_=measure.type)
    further = measure < value if falling else measure > value
    conditions = [further, and_(measure == value, beyond)]
    return or_(*conditions) if backwards else or_(*conditions, measure.is_(None))


def _bounds(place: Position | None) -> dict[str, Any]:
    """A place as parameters."""
    if place is None:
        return {}
    key = {_BOUND + one.key: part for one, part in zip(_KEY, place.key, strict=True)}
    return {**key, _BOUND + _MEASURE: place.value}
