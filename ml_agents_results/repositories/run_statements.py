"""Statements of lists of runs: made once for all filters of a kind, with the values as parameters.

To make a statement takes longer than to execute it.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import Integer, and_, bindparam, func, or_, select, tuple_

from ml_agents_results.database.models import RUN_KEY, Run
from ml_agents_results.records import Variant
from ml_agents_results.repositories.run_conditions import fixed_by, plain_conditions
from ml_agents_results.repositories.run_filters import (
    SORT_COLUMNS,
    Change,
    Position,
    RunFilters,
    RunOrder,
)

CUT = 160
"""Characters of a text that a line shows."""

KEY = tuple(getattr(Run, name) for name in RUN_KEY[1:])


def cut(column: Any) -> Any:
    """The beginning of a text, one character more than is shown, so that a cut can be seen."""
    return func.substr(column, 1, CUT + 1, type_=column.type).label(column.key)


MEASURE = "sorted_by"

_PLACE = (Run.id, Run.experiment_id, *KEY)

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

_RANGES = ("time_min", "time_max", "cost_min", "cost_max")

_BOUND = "beyond_"
"""Begins the names of parameters that say where a page begins."""

Place = Literal["known", "unknown"] | None
"""Whether the run that a page begins after has what the list is sorted by; None for the first
page."""

OF_SAMPLE = (
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


class _Kind(NamedTuple):
    """What filters ask for, without the values: filters of one kind have one statement."""

    variants: int
    tasks: int
    outcomes: int
    ranges: tuple[str, ...]
    change: Change | None


def kind_of(filters: RunFilters) -> _Kind:
    ranges = tuple(name for name in _RANGES if getattr(filters, name) is not None)
    return _Kind(
        len(filters.variants), len(filters.tasks), len(filters.outcomes), ranges, filters.change
    )


def values_of(filters: RunFilters) -> dict[str, Any]:
    """The values of filters as parameters of the statement of their kind."""
    values = {name: getattr(filters, name) for name in ("experiment_id", *_RANGES)}
    variants: dict[str, Variant | None]
    variants = {f"variant{number}": one for number, one in enumerate(filters.variants)}
    sides = {"candidate": filters.candidate, "baseline": filters.baseline}
    for name, variant in (variants | sides).items():
        if variant is not None:
            values |= {f"{name}_{part}": value for part, value in variant._asdict().items()}
    values |= {f"task{number}": one for number, one in enumerate(filters.tasks)}
    return values | {f"outcome{number}": one for number, one in enumerate(filters.outcomes)}


def _bound(kind: _Kind) -> RunFilters:
    """Filters of a kind, with parameters for values."""

    def variant(name: str) -> Any:
        return Variant._make(bindparam(f"{name}_{part}") for part in Variant._fields)

    def several(name: str, number: int) -> Any:
        return tuple(bindparam(f"{name}{index}") for index in range(number))

    ranges: dict[str, Any] = {name: bindparam(name) for name in kind.ranges}
    experiment: Any = bindparam("experiment_id")
    return RunFilters(
        experiment,
        tuple(variant(f"variant{index}") for index in range(kind.variants)),
        several("task", kind.tasks),
        several("outcome", kind.outcomes),
        change=kind.change,
        candidate=None if kind.change is None else variant("candidate"),
        baseline=None if kind.change is None else variant("baseline"),
        **ranges,
    )


@lru_cache(maxsize=64)
def plain_listing(
    kind: _Kind,
    rising: bool,
    order: RunOrder,
    columns: tuple[str, ...],
    place: Place,
    backwards: bool,
) -> Any:
    """`listing` for filters that alone say what passes, made once for all of a kind."""
    filters, measure = _bound(kind), SORT_COLUMNS.get(order.column)
    conditions = plain_conditions(filters, rising=rising)
    return listing(conditions, filters, measure, order, columns, place, backwards)


def listing(
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
        line = selected_line((), measure)
        return first_beyond(line, conditions, filters, measure, order, place, backwards)
    chosen = first_beyond([Run.id], conditions, filters, measure, order, place, backwards)
    return lines_of(chosen, columns, measure, order, backwards)


def first_beyond(
    columns: Sequence[Any],
    conditions: Sequence[Any],
    filters: RunFilters,
    measure: Any,
    order: RunOrder,
    place: Place,
    backwards: bool,
) -> Any:
    """The first runs beyond a place, in order; `bounds_of` are its parameters, and `at_most`."""
    beyond = []
    if place is not None and measure is None:
        beyond = [_beyond(_free(filters), backwards)]
    elif place is not None:
        known = place == "known"
        beyond = [_beyond_value(measure, order.descending != backwards, known, backwards)]
    directions = directions_of(measure, order, backwards)
    selected = select(*columns).where(*conditions, *beyond).order_by(*directions)
    return selected.limit(bindparam("at_most", type_=Integer))


def lines_of(
    chosen: Any, columns: Collection[str], measure: Any, order: RunOrder, backwards: bool
) -> Any:
    """The lines of the chosen runs."""
    ids = chosen.subquery()
    lines = select(*selected_line(columns, measure)).join(ids, ids.c.id == Run.id)
    return lines.order_by(*directions_of(measure, order, backwards))


def selected_line(columns: Collection[str], measure: Any = None) -> list[Any]:
    """What is selected for a line: its place in the list, and what is asked for."""
    sorted_by = [] if measure is None else [measure.label(MEASURE)]
    return [*_PLACE, *(_MORE[name] for name in LINE_COLUMNS if name in columns), *sorted_by]


def _free(filters: RunFilters) -> list[Any]:
    """The columns of the key that the filters leave open. SQLite seeks by the columns that follow
    equalities, and compares everything from the first run on if an equal one is among them."""
    fixed = {condition.left.key for condition in fixed_by(filters)}
    return [column for column in KEY if column.key not in fixed]


def directions_of(measure: Any, order: RunOrder, backwards: bool) -> list[Any]:
    keys = [column.desc() if backwards else column for column in KEY]
    if measure is None:
        return keys
    sorted_by = measure.desc() if order.descending != backwards else measure.asc()
    return [sorted_by.nulls_first() if backwards else sorted_by.nulls_last(), *keys]


def _beyond(columns: Sequence[Any], backwards: bool) -> Any:
    # Bound with the types of the columns: texts compare in stored form.
    bounds = tuple_(*(bindparam(_BOUND + one.key, type_=one.type) for one in columns))
    return tuple_(*columns) < bounds if backwards else tuple_(*columns) > bounds


def _beyond_value(measure: Any, falling: bool, known: bool, backwards: bool) -> Any:
    beyond = _beyond(KEY, backwards)
    if not known:
        same = and_(measure.is_(None), beyond)
        return or_(measure.is_not(None), same) if backwards else same
    value = bindparam(_BOUND + MEASURE, type_=measure.type)
    further = measure < value if falling else measure > value
    conditions = [further, and_(measure == value, beyond)]
    return or_(*conditions) if backwards else or_(*conditions, measure.is_(None))


def bounds_of(place: Position | None) -> dict[str, Any]:
    """A place as parameters."""
    if place is None:
        return {}
    key = {_BOUND + one.key: part for one, part in zip(KEY, place.key, strict=True)}
    return {**key, _BOUND + MEASURE: place.value}
