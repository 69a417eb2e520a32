"""Experiments: the newest first, how far each is and how it did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from ml_agents_results.errors import UsageError
from ml_agents_results.records import STATUSES
from ml_agents_results.repositories.experiment_repository import (
    ExperimentCounts,
    ExperimentRepository,
)
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.study_progress import StudyProgress, progress_of
from ml_agents_results.services.summary import SummaryService
from ml_agents_results.viewer.site import Site

_SIZE = 100
_MOST_RUNS = 100_000
"""Runs that intervals are computed from for one page."""


@dataclass(frozen=True, slots=True)
class _Line:
    """An experiment of the list.

    Attributes:
        interval: Around the accuracy; None where that is not shown or there are very many runs.
    """

    counts: ExperimentCounts
    progress: StudyProgress | None
    interval: tuple[float, float] | None


def show(site: Site, request: Request) -> Response:
    state = site.store.state()
    params = request.query_params
    text, status = params.get("q", ""), params.get("status", "")
    if status and status not in STATUSES:
        raise UsageError(f"status cannot be {status!r}", f"Choose of: {', '.join(STATUSES)}")
    every = site.store.figures("experiments", lambda c: ExperimentRepository(c).list())
    chosen = [one for one in every if _fits(one, text.lower(), status)]
    pages = max(1, ceil(len(chosen) / _SIZE))
    page = _page_number(params.get("page", "1"), pages)
    lines = chosen[(page - 1) * _SIZE : page * _SIZE]
    known = {"q": text, "status": status}

    def link(number: int) -> str:
        pairs = {**known, "page": "" if number == 1 else number}
        query = urlencode({name: value for name, value in pairs.items() if value})
        return f"/?{query}" if query else "/"

    return site.page(
        "experiments.html",
        title="Experiments",
        live=state or "",
        lines=_with_progress(site, lines),
        total=len(every),
        matching=len(chosen),
        text=text,
        status=status,
        statuses=STATUSES,
        page=page,
        pages=pages,
        previous=link(page - 1) if page > 1 else None,
        following=link(page + 1) if page < pages else None,
        commands=[f"ml-agents list {site.store.database.option}"],
    )


def _fits(counts: ExperimentCounts, text: str, status: str) -> bool:
    if status and counts.status != status:
        return False
    return not text or any(
        text in str(part).lower() for part in (counts.id, counts.name or "", *counts.tags)
    )


def _page_number(text: str, pages: int) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= pages:
        raise UsageError(f"there is no page {text!r}", f"There are {pages}.")
    return int(text)


def _with_progress(site: Site, lines: Sequence[ExperimentCounts]) -> list[_Line]:
    """Only what runs has a rate; there are few of these."""
    running = [one for one in lines if one.status == "running"][:20]
    progress: dict[str, StudyProgress] = {}
    if running:
        with site.store.read() as connection:
            for one in running:
                progress[one.id] = progress_of(connection, one.id, one.runs, one.planned)
    intervals = _intervals(site, lines)
    return [_Line(one, progress.get(one.id), intervals.get(one.id)) for one in lines]


def _intervals(site: Site, lines: Sequence[ExperimentCounts]) -> Mapping[str, tuple[float, float]]:
    """The intervals of `analyze` around the accuracies that are shown."""
    ids: list[str] = []
    runs = 0
    for one in lines:
        if one.accuracy is not None and runs + one.runs <= _MOST_RUNS:
            ids.append(one.id)
            runs += one.runs
    if not ids:
        return {}
    chosen = tuple(ids)

    def compute(connection: Connection) -> Mapping[str, tuple[float, float]]:
        report = SummaryService(connection, Filters(experiment_id=chosen)).report()
        return {
            row.variant.experiment_id: (row.ci_low, row.ci_high)
            for row in report.variants
            if row.ci_low is not None and row.ci_high is not None
        }

    return site.store.figures(("intervals", chosen), compute)
