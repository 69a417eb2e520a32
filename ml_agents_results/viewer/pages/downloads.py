"""Downloads: the runs of a list as CSV, JSON, JSONL, workbook or Parquet."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, cast

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ml_agents_results.database.types import to_stored
from ml_agents_results.errors import UsageError
from ml_agents_results.formats.json_encoding import json_bytes
from ml_agents_results.formats.registry import find_writer
from ml_agents_results.formats.snapshot import ExportOptions, Snapshot
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.run_list import RunListRepository
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS, RunRepository
from ml_agents_results.viewer.run_query import RunQuery, run_query
from ml_agents_results.viewer.site import Site

_AT_ONCE = 200
_MOST_AT_ONCE = 200_000
"""Runs of a file that has to be whole before it can be sent."""

_IN_MEMORY = 32 * 1024 * 1024

Page = Callable[[Site, Request], Response]


def runs_csv(site: Site, request: Request) -> Response:
    """One line a run with the columns of the table `runs`."""
    return _download(site, request, _csv_lines, "csv", "text/csv")


def runs_json(site: Site, request: Request) -> Response:
    """A list of objects as `show --run ID --json` prints them."""
    return _download(site, request, _json_items, "json", "application/json")


def runs_in(format_name: str, suffix: str, kind: str) -> Page:
    """A download in a format of `export`, with the runs of the list in its order."""

    def page(site: Site, request: Request) -> Response:
        query = _asked(site, request)
        file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed when it is sent
        with site.store.read(None) as connection:
            runs = RunListRepository(connection)
            if runs.count(query.filters, _MOST_AT_ONCE) > _MOST_AT_ONCE:
                raise UsageError(
                    f"a list of more than {_MOST_AT_ONCE:,} runs is not made a file of this kind",
                    "Save it as CSV or JSON, or narrow it down.",
                )
            record = ExperimentRepository(connection).get(query.filters.experiment_id)
            options = ExportOptions(frozenset(("runs", "metadata")))
            ids = (line.id for line in runs.iterate(query.filters, query.order, ()))
            snapshot = Snapshot(connection, (record,), options, run_ids=ids)
            find_writer(format_name).write(snapshot, cast(BinaryIO, file))
        file.seek(0)
        return _sent(_chunks(file), suffix, kind)

    return page


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(1 << 20):
            yield chunk


def _download(
    site: Site,
    request: Request,
    write: Callable[[Iterator[RunRecord]], Iterator[bytes]],
    suffix: str,
    kind: str,
) -> Response:
    runs = _runs(site, _asked(site, request))
    # What is wrong with the request is found before the answer begins.
    first = next(runs, None)
    lines = write(runs if first is None else chain((first,), runs))
    return _sent(lines, suffix, f"{kind}; charset=utf-8")


def _asked(site: Site, request: Request) -> RunQuery:
    """The whole list that a page of it belongs to."""
    experiment_id = request.query_params.get("experiment", "")
    with site.store.read() as connection:
        ExperimentRepository(connection).get(experiment_id)
    return run_query(request.query_params, site.variants(experiment_id)).first()


def _sent(content: Iterator[bytes], suffix: str, kind: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="runs.{suffix}"'}
    return StreamingResponse(content, media_type=kind, headers=headers)


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
