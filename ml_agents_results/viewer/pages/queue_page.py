"""Queues: runs that are drawn at random, or selected, for people to grade."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from secrets import randbelow
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ml_agents_results.experiments.labelling import HUMAN, LabelScale, choose_queue, draw_queue
from ml_agents_results.records import ExperimentRecord, QueueRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.queue_repository import QueueRepository, queue_of_number
from ml_agents_results.repositories.run_filters import RunFilters
from ml_agents_results.repositories.run_list import RunListRepository
from ml_agents_results.viewer.cell_links import experiment_crumbs
from ml_agents_results.viewer.form_values import list_of, whole_of
from ml_agents_results.viewer.people_agreement import people_agreement
from ml_agents_results.viewer.run_query import RunQuery, run_query
from ml_agents_results.viewer.security import ANNOTATOR
from ml_agents_results.viewer.site import OUTCOMES, Site

SIZE = 50


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue, the number that links name it by, and how many runs each person has graded."""

    queue: QueueRecord
    number: int
    labelled: Mapping[str, int]


def show(site: Site, request: Request) -> Response:
    params = request.query_params
    with site.store.read() as connection:
        experiment_id = params.get("experiment", "")
        if "queue" in params:
            # A queue may be blind: its pages do not name the experiment.
            experiment_id, _ = queue_of_number(connection, whole_of(params["queue"], 0))
        record = ExperimentRepository(connection).get(experiment_id)
        repository = QueueRepository(connection, experiment_id)
        lines = [
            QueueLine(queue, repository.number(queue.name), repository.labelled(queue.name))
            for queue in reversed(repository.list()[-50:])
        ]
    agreement = site.store.figures(
        ("agreement", experiment_id), lambda c: people_agreement(c, record)
    )
    chosen = _listed_runs(site, experiment_id, params["list"]) if params.get("list") else None
    return site.page(
        "queues.html",
        chosen=chosen,
        chosen_list=params.get("list", ""),
        ready=_ready_made(site, record),
        agreement=agreement,
        title="Grading",
        crumbs=experiment_crumbs(record.id, record.name),
        record=record,
        lines=lines,
        metric=HUMAN,
        size=SIZE,
        tasks=list(dict.fromkeys(cell.task for cell in site.cells(experiment_id))),
        author=site.author_of(request),
        author_is_fixed=ANNOTATOR in request.scope,
        grade_url=lambda line: "/grade?" + urlencode({"queue": line.number}),
    )


def _ready_made(site: Site, record: ExperimentRecord) -> list[tuple[str, str]]:
    """Lists that are worth grading, in words, with where they are drawn from: what no parser read,
    where metrics disagree, and what lies near the middle of a scale."""
    metrics = record.metrics or ()
    binary = [one for one in metrics if one.kind == "binary"]
    some = [
        ("what no parser read", RunFilters(record.id, outcomes=("unparsed",)))
        for _ in range(any(cell.unparsed for cell in site.cells(record.id)))
    ]
    for place, one in enumerate(binary):
        for other in binary[place + 1 :]:
            words = f"where {one.name} and {other.name} disagree"
            some.append((words, RunFilters(record.id, disagree=(one.name, other.name))))
    for one in metrics:
        if one.kind == "numeric" and one.lower is not None and one.upper is not None:
            width = (one.upper - one.lower) / 10
            middle = (one.lower + one.upper) / 2
            near = RunFilters(
                record.id, metric=one.name, minimum=middle - width, maximum=middle + width
            )
            some.append((f"{one.name} near the middle of its scale", near))
    return [(words, grading_url(RunQuery(filters))) for words, filters in some]


def grading_url(query: RunQuery) -> str:
    """Where a list of runs is made a queue."""
    listed = urlencode(query.first().pairs[1:], errors="surrogatepass")
    return "/queues?" + urlencode({"experiment": query.filters.experiment_id, "list": listed})


def create_queue(site: Site, body: Mapping[str, Any]) -> Response:
    """Draws runs at random, all that have an output, or those of some tasks."""
    experiment_id = str(body.get("experiment", ""))
    author = str(body.get("author") or site.author)
    tasks = tuple(str(task) for task in list_of(body.get("tasks")))
    with site.store.read() as connection:
        ExperimentRepository(connection).get(experiment_id)
    size, whole = whole_of(body.get("size"), SIZE), bool(body.get("whole_samples"))
    settings: dict[str, Any] = {
        "seed": whole_of(body.get("seed"), randbelow(2**31)),
        "metric": str(body.get("metric") or HUMAN),
        "scale": LabelScale.of(str(body["scale"])) if body.get("scale") else None,
        "blind": bool(body.get("blind")),
        "author": author,
    }
    if body.get("list"):
        query = _listed_runs(site, experiment_id, str(body["list"]))
        with site.store.read() as connection:
            ids = _gradable(RunListRepository(connection), query.filters)
        selection = urlencode(query.pairs[1:], errors="surrogatepass")
        processor = site.store.processor
        queue = choose_queue(processor, experiment_id, ids, size, selection=selection, **settings)
        return _opened(site, experiment_id, queue, author)
    if not whole:
        size = min(size, _answered(site, experiment_id, tasks))
    queue = draw_queue(
        site.store.processor,
        experiment_id,
        size,
        filters=Filters(task=tasks or None),
        whole_samples=whole,
        **settings,
    )
    return _opened(site, experiment_id, queue, author)


def _listed_runs(site: Site, experiment_id: str, text: str) -> RunQuery:
    """The list of runs that a link to grade it names."""
    params = QueryParams([("experiment", experiment_id), *parse_qsl(text)])
    return run_query(params, site.variants(experiment_id)).first()


def _opened(site: Site, experiment_id: str, queue: QueueRecord, author: str) -> Response:
    with site.store.read() as connection:
        number = QueueRepository(connection, experiment_id).number(queue.name)
    kept = {"author": author} if author != site.author else {}
    url = "/grade?" + urlencode({"queue": number, **kept})
    return JSONResponse({"queue": number, "url": url})


def _gradable(runs: RunListRepository, filters: RunFilters) -> Sequence[str]:
    """The runs of a list that have an answer."""
    outcomes = [one for one in filters.outcomes or OUTCOMES if one != "failed"]
    return runs.ids(replace(filters, outcomes=tuple(outcomes))) if outcomes else ()


def _answered(site: Site, experiment_id: str, tasks: Sequence[str]) -> int:
    """The runs that can be graded: a run that failed has no answer."""
    cells = site.cells(experiment_id)
    return sum(cell.runs - cell.failed for cell in cells if not tasks or cell.task in tasks)
