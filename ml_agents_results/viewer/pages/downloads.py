"""Downloads: the runs of a list as CSV or JSON, sent as they are read."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import chain
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ml_agents_results.database.types import to_stored
from ml_agents_results.formats.json_encoding import json_bytes
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.run_list import RunListRepository
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS, RunRepository
from ml_agents_results.viewer.run_query import RunQuery, run_query
from ml_agents_results.viewer.site import Site

_AT_ONCE = 200


def runs_csv(site: Site, request: Request) -> Response:
    """One line a run with the columns of the table `runs`."""
    return _download(site, request, _csv_lines, "csv", "text/csv")


def runs_json(site: Site, request: Request) -> Response:
    """A list of objects as `show --run ID --json` prints them."""
    return _download(site, request, _json_items, "json", "application/json")


def _download(
    site: Site,
    request: Request,
    write: Callable[[Iterator[RunRecord]], Iterator[bytes]],
    suffix: str,
    kind: str,
) -> Response:
    experiment_id = request.query_params.get("experiment", "")
    with site.store.read() as connection:
        ExperimentRepository(connection).get(experiment_id)
    query = run_query(request.query_params, site.variants(experiment_id))
    runs = _runs(site, query.first())
    # What is wrong with the request is found before the answer begins.
    first = next(runs, None)
    return StreamingResponse(
        write(runs if first is None else chain((first,), runs)),
        media_type=f"{kind}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="runs.{suffix}"'},
    )


def _runs(site: Site, query: RunQuery) -> Iterator[RunRecord]:
    """The whole runs in the order of the list, some in memory at once."""
    with site.store.read(None) as connection:
        runs = RunRepository(connection)
        waiting: list[str] = []
        for line in RunListRepository(connection).iterate(query.filters, query.order, ()):
            waiting.append(line.id)
            if len(waiting) == _AT_ONCE:
                yield from _found(runs, waiting)
                waiting = []
        yield from _found(runs, waiting)


def _found(runs: RunRepository, ids: Sequence[str]) -> Iterator[RunRecord]:
    found = runs.find_many(ids) if ids else {}
    return (found[one] for one in ids if one in found)


def _csv_lines(runs: Iterator[RunRecord]) -> Iterator[bytes]:
    yield _line(RECORD_COLUMNS)
    for run in runs:
        yield _line([_cell(getattr(run, name)) for name in RECORD_COLUMNS])


def _line(values: Sequence[Any]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return to_stored(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return to_stored(json_bytes(value).decode()) if isinstance(value, dict | list) else value


def _json_items(runs: Iterator[RunRecord]) -> Iterator[bytes]:
    separator = b"["
    for run in runs:
        yield separator + b"\n" + json_bytes(asdict(run))
        separator = b","
    yield b"\n]\n" if separator == b"," else b"[]\n"
