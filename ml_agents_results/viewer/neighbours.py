"""Neighbours of a run or a sample, in the list or grid that the reader came from."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Connection
from starlette.datastructures import QueryParams

from ml_agents_results.errors import ResultsError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.run_filters import RunFilters
from ml_agents_results.repositories.run_list import RunLine, RunListRepository, position_of
from ml_agents_results.repositories.sample_grid import SampleGridRepository
from ml_agents_results.viewer.grid_query import GridQuery, grid_query
from ml_agents_results.viewer.run_query import RunQuery, run_query

_GRID = "samples?"

Origin = RunQuery | GridQuery
"""The list of runs or the grid of samples that a reader came from."""

Place = dict[str, str | None]
"""What the link to a neighbour says: its experiment, task, index, run and repeat."""


def origin_in_link(query: Origin) -> str:
    """How a link to a sample says which list it stands in."""
    first = query.first()
    pairs = urlencode(first.pairs, errors="surrogatepass")
    return f"{_GRID}{pairs}" if isinstance(first, GridQuery) else pairs


def origin_of_link(text: str | None, variants: Sequence[Variant]) -> Origin | None:
    """The list that a link names; None if it makes no sense any more."""
    if not text:
        return None
    params = QueryParams(parse_qsl(text.removeprefix(_GRID), keep_blank_values=True))
    try:
        if text.startswith(_GRID):
            return grid_query(params, variants)
        return run_query(params, variants)
    except (ResultsError, KeyError):
        return None


def usual_origin(line: RunLine) -> RunQuery:
    """The list of a reader who came from elsewhere: all runs of the variant."""
    variant = Variant(line.experiment_id, line.approach_name, line.provider, line.model)
    return RunQuery(RunFilters(line.experiment_id, (variant,)))


def neighbours_of(connection: Connection, origin: Origin, line: RunLine) -> dict[str, Place]:
    """What stands before and after a run's line in the list: `previous` and `next`."""
    find = _in_grid if isinstance(origin, GridQuery) else _in_list
    found = {}
    for name, backwards in (("previous", True), ("next", False)):
        if (place := find(connection, origin, line, backwards)) is not None:
            found[name] = place
    return found


def _in_list(connection: Connection, query: Any, line: RunLine, backwards: bool) -> Place | None:
    runs = RunListRepository(connection)
    by_key = query.order.column == "key"
    here = position_of(line) if by_key else runs.position(line.id, query.order)
    if here is None:
        return None
    page = runs.page(
        query.filters, query.order, here, backwards=backwards, limit=1, seconds=1, columns=()
    )
    return next(map(_place, page.lines), None)


def _in_grid(connection: Connection, query: Any, line: RunLine, backwards: bool) -> Place | None:
    grid = SampleGridRepository(connection, query.experiment_ids, query.metric)
    here = (line.task, line.sample_index)
    page = grid.page(query.filters, here, backwards=backwards, limit=1, seconds=1)
    for row in page.rows:
        task, index = row.key
        return {"task": task, "index": str(index), "run": None, "repeat": None}
    return None


def _place(line: RunLine) -> Place:
    return {
        "task": line.task,
        "index": str(line.sample_index),
        "run": line.id,
        "repeat": None,
    }
