"""Grading: queues of runs that were drawn at random, and one run after the other by keyboard."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import randbelow
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.experiments.labelling import HUMAN, Labelling, LabelScale, draw_queue
from ml_agents_results.records import QueueRecord, RunRecord, ScoreRecord, Variant
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.queue_repository import (
    QueuedRun,
    QueueRepository,
    queue_of_number,
)
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.viewer.cell_links import experiment_crumbs
from ml_agents_results.viewer.pages.sample_page import LONGEST
from ml_agents_results.viewer.people_agreement import people_agreement
from ml_agents_results.viewer.site import Site

SIZE = 50
_LONGEST_NOTE = 10_000
_WORDS = {0.0: "wrong", 0.5: "partly", 1.0: "correct"}


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue, the number that links name it by, and how many runs each person has graded."""

    queue: QueueRecord
    number: int
    labelled: Mapping[str, int]


def queues(site: Site, request: Request) -> Response:
    params = request.query_params
    with site.store.read() as connection:
        experiment_id = params.get("experiment", "")
        if "queue" in params:
            # A queue may be blind: its pages do not name the experiment.
            experiment_id, _ = queue_of_number(connection, _whole(params["queue"], 0))
        record = ExperimentRepository(connection).get(experiment_id)
        repository = QueueRepository(connection, experiment_id)
        lines = [
            QueueLine(queue, repository.number(queue.name), repository.labelled(queue.name))
            for queue in reversed(repository.list()[-50:])
        ]
    agreement = site.store.figures(
        ("agreement", experiment_id), lambda c: people_agreement(c, record)
    )
    return site.page(
        "queues.html",
        agreement=agreement,
        title="Grading",
        crumbs=experiment_crumbs(record.id, record.name),
        record=record,
        lines=lines,
        metric=HUMAN,
        size=SIZE,
        tasks=list(dict.fromkeys(cell.task for cell in site.cells(experiment_id))),
        author=site.author,
        grade_url=lambda line: "/grade?" + urlencode({"queue": line.number}),
    )


def show(site: Site, request: Request) -> Response:
    params = request.query_params
    number = _whole(params.get("queue"), 0)
    author = params.get("author", site.author).strip()
    labelling, runs = _labelling(site, number, author)
    queued = _place(labelling, runs, params.get("at"))
    with site.store.read() as connection:
        run = RunRepository(connection).find(queued.run_id)
        done = QueueRepository(connection, labelling.experiment_id).labelled(labelling.queue.name)
    own = None if run is None else _own(run, labelling)
    hidden = labelling.queue.blind and own is None
    at = runs.index(queued)

    def place(index: int) -> str:
        kept = {"author": author} if author != site.author else {}
        return "/grade?" + urlencode({"queue": number, "at": runs[index].position + 1, **kept})

    return site.page(
        "grade.html",
        title=f"{queued.position + 1} of {labelling.queue.size}",
        crumbs=[("/", "Experiments"), ("/queues?" + urlencode({"queue": number}), "Grading")],
        queue=labelling.queue,
        number=number,
        at=queued.position + 1,
        done=done.get(author, 0),
        author=author,
        scale=labelling.scale,
        run=run,
        own=own,
        own_at=_stored_at(own),
        own_tags=", ".join((own.details_json or {}).get("tags") or ()) if own else "",
        hidden=hidden,
        behind={} if run is None or hidden else _behind(run, labelling, graded=own is not None),
        steps=[] if run is None or hidden else _steps(run),
        longest=LONGEST,
        previous=place(at - 1) if at else None,
        following=place(at + 1) if at + 1 < len(runs) else None,
    )


def create_queue(site: Site, body: Mapping[str, Any]) -> Response:
    """Draws runs at random, all that have an output, or those of some tasks."""
    experiment_id = str(body.get("experiment", ""))
    author = str(body.get("author") or site.author)
    tasks = tuple(str(task) for task in _listed(body.get("tasks")))
    with site.store.read() as connection:
        ExperimentRepository(connection).get(experiment_id)
    size, whole = _whole(body.get("size"), SIZE), bool(body.get("whole_samples"))
    if not whole:
        size = min(size, _answered(site, experiment_id, tasks))
    queue = draw_queue(
        site.store.processor,
        experiment_id,
        size,
        seed=_whole(body.get("seed"), randbelow(2**31)),
        metric=str(body.get("metric") or HUMAN),
        scale=LabelScale.of(str(body["scale"])) if body.get("scale") else None,
        filters=Filters(task=tasks or None),
        blind=bool(body.get("blind")),
        author=author,
        whole_samples=whole,
    )
    with site.store.read() as connection:
        number = QueueRepository(connection, experiment_id).number(queue.name)
    url = "/grade?" + urlencode({"queue": number, "author": author})
    return JSONResponse({"queue": number, "url": url})


def store_grade(site: Site, body: Mapping[str, Any]) -> Response:
    """Stores a label, or takes it back, and says what stands behind the answer."""
    author = str(body.get("author") or "").strip()[:200]
    if not author:
        raise UsageError("a grade needs an author", "Give your name.")
    labelling, runs = _labelling(site, _whole(body.get("queue"), 0), author)
    queued = _place(labelling, runs, str(body.get("at")))
    with site.store.read() as connection:
        before = _own(RunRepository(connection).get(queued.run_id), labelling)
    if body.get("undo"):
        labelling.undo(queued)
    else:
        _save(labelling, queued, body, before)
    site.store.forget()
    with site.store.read() as connection:
        run = RunRepository(connection).get(queued.run_id)
        done = QueueRepository(connection, labelling.experiment_id).labelled(labelling.queue.name)
    now = _own(run, labelling)
    unseen = not body.get("undo") and before is not None
    replaced = unseen and _stored_at(before) != body.get("known")
    content = {
        "label": now and _said(now),
        "value": now and now.value,
        "known": _stored_at(now),
        "replaced": _said(before) if before is not None and replaced else None,
        "behind": _behind(run, labelling, graded=True) if now else {},
        "done": done.get(author, 0),
    }
    return JSONResponse(content)


def _save(
    labelling: Labelling, queued: QueuedRun, body: Mapping[str, Any], before: ScoreRecord | None
) -> None:
    value, note = _number(body.get("value")), str(body.get("note") or "")
    if len(note) > _LONGEST_NOTE:
        raise UsageError("the note is too long", f"At most {_LONGEST_NOTE:,} characters.")
    tags = [str(tag).strip()[:100] for tag in _listed(body.get("tags"))]
    labelling.save(
        queued,
        _on_scale(value, labelling.scale),
        label="cannot tell" if value is None else _word(value, labelling.scale),
        note=note or None,
        seconds=_number(body.get("seconds")),
        # Who grades again has seen what stood behind the answer.
        blind=labelling.queue.blind and before is None,
        tags=list(dict.fromkeys(tag for tag in tags if tag))[:20],
    )


def _labelling(site: Site, number: int, author: str) -> tuple[Labelling, list[QueuedRun]]:
    with site.store.read() as connection:
        experiment_id, name = queue_of_number(connection, number)
        repository = QueueRepository(connection, experiment_id)
        queue, runs = repository.get(name), list(repository.runs(name))
    return Labelling(site.store.processor, experiment_id, queue, author), runs


def _place(labelling: Labelling, runs: Sequence[QueuedRun], text: str | None) -> QueuedRun:
    """The run at a place from 1 on, or the first that the person has not graded."""
    if text is None:
        waiting = labelling.open_runs()
        if waiting or runs:
            return waiting[0] if waiting else runs[-1]
    for queued in runs:
        if str(queued.position + 1) == text:
            return queued
    raise NotFoundError(
        f"there is no run {text or 'left'} in this queue", "It may have been deleted meanwhile."
    )


def _answered(site: Site, experiment_id: str, tasks: Sequence[str]) -> int:
    """The runs that can be graded: a run that failed has no answer."""
    cells = site.cells(experiment_id)
    return sum(cell.runs - cell.failed for cell in cells if not tasks or cell.task in tasks)


def _own(run: RunRecord, labelling: Labelling) -> ScoreRecord | None:
    ours = (labelling.queue.metric, labelling.author)
    return next((one for one in run.scores or () if (one.metric, one.author) == ours), None)


def _behind(run: RunRecord, labelling: Labelling, *, graded: bool) -> dict[str, str]:
    """What is hidden while grading blind. What others say is shown only to who has graded."""
    verdict = {True: "correct", False: "wrong"}
    facts = {
        "variant": " / ".join(filter(None, Variant(*run.variant)[1:])),
        "graded": "" if run.is_correct is None else verdict[run.is_correct],
        "score": "" if run.score is None else f"{run.score:g}",
        "parsed": run.parsed_answer or "",
    }
    if graded:
        for one in run.scores or ():
            if (one.metric, one.author) != (labelling.queue.metric, labelling.author):
                facts[f"{one.metric} by {one.author}" if one.author else one.metric] = _said(one)
    return {name: value for name, value in facts.items() if value}


def _said(score: ScoreRecord) -> str:
    return score.label or ("-" if score.value is None else f"{score.value:g}")


def _steps(run: RunRecord) -> Sequence[Mapping[str, Any]]:
    steps = (run.metadata_json or {}).get("steps")
    if not isinstance(steps, list) or len(steps) < 2:
        return []
    return [step for step in steps if isinstance(step, dict)]


def _stored_at(score: ScoreRecord | None) -> str | None:
    return None if score is None or score.created_at is None else score.created_at.isoformat()


def _on_scale(value: float | None, scale: LabelScale) -> float | None:
    """Raises UsageError for a value that nobody offered."""
    offered = (0, 0.5, 1) if scale.partial else (0, 1)
    fits = value is None or (
        scale.lower <= value <= scale.upper if scale.points else value in offered
    )
    if fits:
        return value
    raise UsageError(
        f"{value:g} is not on the scale", f"It goes from {scale.lower:g} to {scale.upper:g}."
    )


def _word(value: float, scale: LabelScale) -> str | None:
    return None if scale.points else _WORDS.get(value)


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
    if number != int(number) or not -(2**62) < number < 2**62:
        raise UsageError(f"{number:g} is not a whole number of use", "Write it like 50.")
    return int(number)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []
