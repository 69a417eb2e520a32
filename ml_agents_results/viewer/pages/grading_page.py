"""Grading: queues of runs that were drawn at random, and one run after the other by keyboard."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Connection
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.records import RunRecord, ScoreRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_filters import RunFilters
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.services.labels import (
    SCALES,
    Label,
    LabelDraw,
    LabelService,
    find_draw,
    scale_of,
)
from ml_agents_results.viewer.cell_links import experiment_crumbs
from ml_agents_results.viewer.pages.sample_page import LONGEST
from ml_agents_results.viewer.run_query import run_query
from ml_agents_results.viewer.site import OUTCOMES, Site

METRIC = "human"
SIZE = 50
_ANSWERED = tuple(name for name in OUTCOMES if name != "failed")
"""A run that failed has no answer to grade."""


def queues(site: Site, request: Request) -> Response:
    experiment_id = request.query_params.get("experiment", "")
    if named := request.query_params.get("queue"):
        # A queue may be blind: its pages do not name the experiment.
        with site.store.read() as connection:
            experiment_id = find_draw(connection, named).experiment_id
    selection = request.query_params.get("from", "")
    with site.store.read() as connection:
        record = ExperimentRepository(connection).get(experiment_id)
        labels = LabelService(connection)
        draws = labels.draws(experiment_id)
        done = {draw.id: labels.done(draw) for draw in draws[:50]}
    return site.page(
        request,
        "queues.html",
        title="Grading",
        crumbs=experiment_crumbs(record.id, record.name),
        record=record,
        draws=draws[:50],
        done=done,
        metric=METRIC,
        size=SIZE,
        scales=SCALES,
        selection=selection,
        author=site.author,
        grade_url=lambda draw: "/grade?" + urlencode({"queue": draw.id}),
    )


def show(site: Site, request: Request) -> Response:
    params = request.query_params
    author = params.get("author", site.author).strip()
    with site.store.read() as connection:
        draw = find_draw(connection, params.get("queue", ""))
        at = _place(connection, draw, author, params.get("at"))
        metric = MetricRepository(connection, draw.experiment_id).get(draw.metric)
        run = RunRepository(connection).find(draw.run_ids[at - 1])
        done = LabelService(connection).done(draw).get(author, 0)
    own = None if run is None else _own(run, draw, author)
    hidden = draw.blind and own is None

    def place(number: int) -> str:
        kept = {"author": author} if author != site.author else {}
        return "/grade?" + urlencode({"queue": draw.id, "at": number, **kept})

    return site.page(
        request,
        "grade.html",
        title=f"{at} of {draw.size}",
        crumbs=[] if draw.blind else experiment_crumbs(draw.experiment_id, None),
        queues_url="/queues?" + urlencode({"queue": draw.id}),
        draw=draw,
        at=at,
        done=done,
        author=author,
        metric=metric,
        scale=scale_of(metric),
        run=run,
        own=own,
        own_at=_stored_at(own),
        own_tags=", ".join((own.details_json or {}).get("tags") or ()) if own else "",
        hidden=hidden,
        behind={} if run is None or hidden else _behind(run, draw, author, own is not None),
        steps=[] if run is None or hidden else _steps(run),
        longest=LONGEST,
        previous=place(at - 1) if at > 1 else None,
        following=place(at + 1) if at < draw.size else None,
    )


def create_queue(site: Site, body: Mapping[str, Any]) -> Response:
    """Draws runs; `selection` is the query of a list of runs that they are drawn from."""
    experiment_id = str(body.get("experiment", ""))
    selection = parse_qsl(str(body.get("selection") or ""), keep_blank_values=True)
    with site.store.database.write() as connection:
        ExperimentRepository(connection).get(experiment_id)
        filters = RunFilters(experiment_id)
        if selection:
            variants = site.variants(experiment_id)
            filters = run_query(QueryParams(selection), variants).filters
        if filters.experiment_id != experiment_id:
            raise UsageError("the selection is of another experiment", "Draw from its own list.")
        if not filters.outcomes:
            filters = replace(filters, outcomes=_ANSWERED)
        draw = LabelService(connection).create(
            filters,
            _whole(body.get("size"), SIZE),
            metric=str(body.get("metric") or METRIC),
            scale=next((one for one in SCALES if one == body.get("scale")), "right-wrong"),
            lower=_number(body.get("lower")),
            upper=_number(body.get("upper")),
            seed=None if body.get("seed") in (None, "") else _whole(body.get("seed"), 0),
            blind=bool(body.get("blind")),
            author=str(body.get("author") or site.author),
            selection=[pair for pair in selection if pair[0] != "experiment" and pair[1]],
        )
    site.store.forget()
    return JSONResponse({"queue": draw.id, "url": "/grade?" + urlencode({"queue": draw.id})})


def store_grade(site: Site, body: Mapping[str, Any]) -> Response:
    """Stores a label, or takes it back, and says what stands behind the answer."""
    author = str(body.get("author") or "").strip()
    with site.store.database.write() as connection:
        draw = find_draw(connection, str(body.get("queue", "")))
        at = _whole(body.get("at"), 0)
        if not 1 <= at <= draw.size:
            raise UsageError(f"there is no place {at} in this queue", f"It has {draw.size}.")
        run_id = draw.run_ids[at - 1]
        labels = LabelService(connection)
        if body.get("undo"):
            stored = labels.undo(draw, run_id, author)
        else:
            tags = [str(tag).strip()[:100] for tag in _listed(body.get("tags"))]
            stored = labels.store(
                draw,
                run_id,
                Label(
                    author[:200],
                    _number(body.get("value")),
                    str(body.get("note") or ""),
                    tuple(dict.fromkeys(tag for tag in tags if tag))[:20],
                    body.get("known") if isinstance(body.get("known"), str) else None,
                    _number(body.get("seconds")),
                ),
            )
        run = RunRepository(connection).get(run_id)
        done = labels.done(draw).get(author, 0)
    content = {
        "label": stored.score and stored.score.label,
        "value": stored.score and stored.score.value,
        "known": _stored_at(stored.score),
        "replaced": stored.unseen and stored.unseen.label,
        "behind": _behind(run, draw, author, True) if stored.score else {},
        "done": done,
    }
    return JSONResponse(content)


def _place(connection: Connection, draw: LabelDraw, author: str, text: str | None) -> int:
    """The place in the queue: the one that is named, or the first that is not graded yet."""
    if text is not None:
        if text.isascii() and text.isdigit() and 1 <= int(text) <= draw.size:
            return int(text)
        raise NotFoundError(f"there is no place {text!r} in this queue", f"It has {draw.size}.")
    runs = RunRepository(connection).find_many(draw.run_ids)
    for number, run_id in enumerate(draw.run_ids, 1):
        if run_id in runs and _own(runs[run_id], draw, author) is None:
            return number
    return draw.size


def _own(run: RunRecord, draw: LabelDraw, author: str) -> ScoreRecord | None:
    return next(
        (one for one in run.scores or () if (one.metric, one.author) == (draw.metric, author)),
        None,
    )


def _behind(run: RunRecord, draw: LabelDraw, author: str, graded: bool) -> dict[str, str]:
    """What is hidden while grading blind. What others say is shown only to who has graded."""
    facts = {
        "variant": " / ".join(filter(None, (run.approach_name, run.provider, run.model))),
        "graded": {True: "right", False: "wrong"}.get(run.is_correct, "")  # type: ignore[arg-type]
        or ("" if run.score is None else f"{run.score:g}"),
        "parsed": run.parsed_answer or "",
    }
    if graded:
        for one in run.scores or ():
            if (one.metric, one.author) != (draw.metric, author):
                who = f"{one.metric} by {one.author}" if one.author else one.metric
                facts[who] = one.label or ("-" if one.value is None else f"{one.value:g}")
    return {name: value for name, value in facts.items() if value}


def _steps(run: RunRecord) -> Sequence[Mapping[str, Any]]:
    steps = (run.metadata_json or {}).get("steps")
    if not isinstance(steps, list) or len(steps) < 2:
        return []
    return [step for step in steps if isinstance(step, dict)]


def _stored_at(score: ScoreRecord | None) -> str | None:
    return None if score is None or score.created_at is None else score.created_at.isoformat()


def _number(value: Any) -> float | None:
    if value in (None, ""):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{str(value)[:50]!r} is not a number", "Write it like 0.5.")
    return number


def _whole(value: Any, otherwise: int) -> int:
    number = _number(value)
    if number is None:
        return otherwise
    if number != int(number):
        raise UsageError(f"{number:g} is not a whole number", "Write it like 50.")
    return int(number)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []
