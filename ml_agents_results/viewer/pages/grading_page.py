"""Grading: the runs of a queue, one after the other by keyboard."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.experiments.labelling import Labelling, LabelScale
from ml_agents_results.records import RunRecord, ScoreRecord, Variant
from ml_agents_results.repositories.queue_repository import (
    QueuedRun,
    QueueRepository,
    queue_of_number,
)
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.viewer.form_values import list_of, number_of, whole_of
from ml_agents_results.viewer.pages.sample_page import LONGEST
from ml_agents_results.viewer.security import ANNOTATOR
from ml_agents_results.viewer.site import Site

_LONGEST_NOTE = 10_000
_WORDS = {0.0: "wrong", 0.5: "partly", 1.0: "correct"}


def show(site: Site, request: Request) -> Response:
    params = request.query_params
    number = whole_of(params.get("queue"), 0)
    author = site.author_of(request)
    labelling, runs = _labelling(site, number, author)
    queued = _place(labelling, runs, params.get("at"))
    with site.store.read() as connection:
        run = RunRepository(connection).find(queued.run_id)
        done = QueueRepository(connection, labelling.experiment_id).labelled(labelling.queue.name)
    own = None if run is None else _own(run, labelling)
    hidden = labelling.queue.blind and own is None
    at = runs.index(queued)

    def place(index: int) -> str:
        kept = {"author": author} if "author" in params else {}
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
        author_is_fixed=ANNOTATOR in request.scope,
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


def store_grade(site: Site, body: Mapping[str, Any]) -> Response:
    """Stores a label, or takes it back, and says what stands behind the answer."""
    author = str(body.get("author") or "").strip()[:200]
    if not author:
        raise UsageError("a grade needs an author", "Give your name.")
    labelling, runs = _labelling(site, whole_of(body.get("queue"), 0), author)
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
    value, note = number_of(body.get("value")), str(body.get("note") or "")
    if len(note) > _LONGEST_NOTE:
        raise UsageError("the note is too long", f"At most {_LONGEST_NOTE:,} characters.")
    tags = [str(tag).strip()[:100] for tag in list_of(body.get("tags"))]
    labelling.save(
        queued,
        _on_scale(value, labelling.scale),
        label="cannot tell" if value is None else _word(value, labelling.scale),
        note=note or None,
        seconds=number_of(body.get("seconds")),
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
