"""List of runs: filtered, searched and sorted, a page at a time, as fast at any depth."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ml_agents_results.database.models import Run
from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.run_conditions import (
    conditions_of,
    is_rising,
    matching,
    metric_value,
)
from ml_agents_results.repositories.run_filters import (
    SORT_COLUMNS,
    Position,
    RunFilters,
    RunOrder,
)
from ml_agents_results.repositories.run_statements import (
    KEY,
    LINE_COLUMNS,
    MEASURE,
    OF_SAMPLE,
    Place,
    bounds_of,
    first_beyond,
    kind_of,
    lines_of,
    listing,
    plain_listing,
    values_of,
)

COUNTED = 10_000
"""Runs that pass a filter are counted up to this number."""

SEARCHED_AT_ONCE = 5_000
"""Runs whose texts one statement of a search reads."""

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
        own = Run.id == run_id
        experiment_id = self._connection.scalar(select(Run.experiment_id).where(own))
        if experiment_id is None:
            return None
        measure = self._measure(experiment_id, order or RunOrder())
        selected = (*KEY, *([] if measure is None else [measure.label(MEASURE)]))
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
        selected = select(Run.id).where(*conditions_of(self._connection, filters)).order_by(*KEY)
        return self._connection.scalars(selected).all()

    def of_sample(
        self, variants: Sequence[Variant], task: str, sample_index: int
    ) -> Sequence[RunLine]:
        """The runs of one sample with their outcomes, by variant and repeat."""
        lines: list[RunLine] = []
        for variant in variants:
            # One by one: with IN or OR, SQLite walks through the whole experiment.
            key = {**variant._asdict(), "task": task, "sample_index": sample_index}
            lines += self._connection.execute(OF_SAMPLE, key).all()
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
            rising = is_rising(self._connection, filters)
            statement = plain_listing(kind_of(filters), rising, *shape)
        else:
            measure = self._measure(filters.experiment_id, order)
            statement = listing(conditions_of(self._connection, filters), filters, measure, *shape)
        given = {**values_of(filters), **bounds_of(after), "at_most": limit}
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
            chunk = first_beyond(
                [Run.id, *KEY], others, filters, None, RunOrder(), place, backwards
            )
            given = {**bounds_of(after), "at_most": SEARCHED_AT_ONCE}
            keys = self._connection.execute(chunk, given).all()
            if not keys:
                return _page(rows, limit, backwards, searched=searched)
            found = (
                lines_of(chunk, columns, None, RunOrder(), backwards)
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


def position_of(line: RunLine, order: RunOrder | None = None) -> Position:
    """Where a line stands in a list of this order."""
    value = None if (order or RunOrder()).column == "key" else getattr(line, MEASURE)
    return Position(tuple(getattr(line, column.key) for column in KEY), value)


def _page(rows: Sequence[RunLine], limit: int, backwards: bool, **search: Any) -> RunPage:
    lines = list(rows[:limit])
    return RunPage(lines[::-1] if backwards else lines, len(rows) > limit, **search)
