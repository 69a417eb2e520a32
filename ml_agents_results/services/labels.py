"""Labels: grades that people give to runs drawn at random, stored as scores of their author.

What was drawn is recorded in the definition of the metric (`draws`), and each score names its draw:
whoever corrects a judge by these labels can tell that they are a random subset, and of what.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from secrets import randbelow, token_hex
from typing import Any, Literal, get_args

from sqlalchemy import Connection

from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.records import MetricKind, MetricRecord, ScoreRecord
from ml_agents_results.repositories.metric_repository import MetricRepository, metrics_that_mention
from ml_agents_results.repositories.run_filters import RunFilters
from ml_agents_results.repositories.run_list import RunListRepository
from ml_agents_results.repositories.score_repository import HISTORY, ScoreRepository
from ml_agents_results.repositories.score_rows import scores_of_runs

Scale = Literal["right-wrong", "partial", "number"]
SCALES: tuple[Scale, ...] = get_args(Scale)

DRAWS = "draws"
"""The key of a metric's definition that holds its draws by id."""

DRAW = "draw"
"""The key of a score's details that says which draw its run belongs to, and how that was made."""

MOST_DRAWN = 5000
LONGEST_NOTE = 10_000
_KINDS: dict[Scale, MetricKind] = {
    "right-wrong": "binary",
    "partial": "numeric",
    "number": "numeric",
}


@dataclass(frozen=True, slots=True)
class LabelDraw:
    """Runs drawn at random for people to grade.

    Attributes:
        id: Ours to name it by in links.
        metric: What they are graded for.
        method: `random`: each run of the selection is as likely as another.
        of: Number of runs that they were drawn from.
        selection: What these runs were chosen by, as pairs of a link; empty for all runs that have
            an output.
        blind: Whether graders are shown no model, approach, cost or grade of somebody else.
        run_ids: In the order in which they are graded.
    """

    id: str
    experiment_id: str
    metric: str
    seed: int
    size: int
    of: int
    blind: bool
    run_ids: tuple[str, ...]
    created_at: str
    author: str = ""
    method: str = "random"
    selection: tuple[tuple[str, str], ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What each label says of its draw."""
        facts: dict[str, Any] = {
            "id": self.id,
            "method": self.method,
            "seed": self.seed,
            "size": self.size,
            "of": self.of,
        }
        return facts | (
            {"selection": [list(pair) for pair in self.selection]} if self.selection else {}
        )


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says about a run.

    Attributes:
        value: None for "cannot tell".
        known: When the label that the person saw was stored; None if there was none.
        seconds: How long the person looked.
    """

    author: str
    value: float | None
    note: str = ""
    tags: tuple[str, ...] = ()
    known: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """A label as it is stored now, and one of the same author that was there unseen."""

    score: ScoreRecord | None
    unseen: ScoreRecord | None = None


class LabelService:
    """Draws runs and stores labels, inside a transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        filters: RunFilters,
        size: int,
        *,
        metric: str = "human",
        scale: Scale = "right-wrong",
        lower: float | None = None,
        upper: float | None = None,
        seed: int | None = None,
        blind: bool = False,
        author: str = "",
        selection: Sequence[tuple[str, str]] = (),
    ) -> LabelDraw:
        """Draws runs for a metric, which is added to the experiment if it is new.

        Raises:
            NotFoundError: No run passes the filters.
            UsageError: The metric is measured otherwise, or the size makes no sense.
        """
        if not 1 <= size <= MOST_DRAWN:
            raise UsageError(f"cannot draw {size} runs", f"Give a number from 1 to {MOST_DRAWN}.")
        ids = RunListRepository(self._connection).ids(filters)
        if not ids:
            raise NotFoundError("there is no run to grade", "Loosen the selection.")
        seed = randbelow(2**31) if seed is None else seed
        chosen = random.Random(seed).sample(list(ids), min(size, len(ids)))
        draw = LabelDraw(
            token_hex(8),
            filters.experiment_id,
            metric,
            seed,
            len(chosen),
            len(ids),
            blind,
            tuple(chosen),
            datetime.now(UTC).isoformat(timespec="seconds"),
            author,
            selection=tuple(selection),
        )
        self._record(draw, scale, lower, upper)
        return draw

    def draws(self, experiment_id: str) -> list[LabelDraw]:
        """All draws of an experiment, the newest first."""
        metrics = MetricRepository(self._connection, experiment_id).list()
        every = [draw for metric in metrics for draw in _draws_of(experiment_id, metric)]
        return sorted(every, key=lambda draw: draw.created_at, reverse=True)

    def done(self, draw: LabelDraw) -> dict[str, int]:
        """How many of the runs each person has graded."""
        counts: dict[str, int] = {}
        for scores in scores_of_runs(self._connection, draw.run_ids).values():
            for score in scores:
                if score.metric == draw.metric:
                    counts[score.author] = counts.get(score.author, 0) + 1
        return counts

    def store(self, draw: LabelDraw, run_id: str, label: Label) -> StoredLabel:
        """Sets the label of its author for a run; what it replaces is kept in its details.

        Raises:
            UsageError: There is no author, or the value is not on the scale of the metric.
            NotFoundError: The run is gone.
        """
        metric = MetricRepository(self._connection, draw.experiment_id).get(draw.metric)
        _check(label, metric)
        scores = ScoreRepository(self._connection)
        before = scores.find(run_id, draw.metric, label.author)
        details: dict[str, Any] = {
            DRAW: draw.facts,
            # Who grades again has seen what stood behind the answer.
            "blind": draw.blind and before is None,
            "tags": list(label.tags) or None,
            "seconds": label.seconds,
        }
        score = ScoreRecord(
            label.value,
            _name(label.value, metric),
            label.note or None,
            {name: value for name, value in details.items() if value is not None},
            draw.metric,
            label.author,
            created_at=datetime.now(UTC),
        )
        scores.save(run_id, score)
        unseen = before is not None and _moment(before) != label.known
        return StoredLabel(score, before if unseen else None)

    def undo(self, draw: LabelDraw, run_id: str, author: str) -> StoredLabel:
        """Takes the label of its author back; one that it replaced stands again."""
        scores = ScoreRepository(self._connection)
        now = scores.find(run_id, draw.metric, author)
        if now is None:
            return StoredLabel(None)
        history = (now.details_json or {}).get(HISTORY) or []
        scores.delete(run_id, draw.metric, author)
        if not history:
            return StoredLabel(None)
        last = {**history[-1]}
        if last.get("created_at"):
            last["created_at"] = datetime.fromisoformat(last["created_at"])
        earlier = ScoreRecord(**{"value": None, **last}, metric=draw.metric, author=author)
        if history[:-1]:
            details = {**(earlier.details_json or {}), HISTORY: history[:-1]}
            earlier = replace(earlier, details_json=details)
        scores.save(run_id, earlier)
        return StoredLabel(earlier)

    def _record(
        self, draw: LabelDraw, scale: Scale, lower: float | None, upper: float | None
    ) -> None:
        metrics = MetricRepository(self._connection, draw.experiment_id)
        known = metrics.find(draw.metric)
        metric = known or _new_metric(draw.metric, scale, lower, upper)
        if known is not None and (known.scorer != "people" or scale_of(known) != scale):
            raise UsageError(
                f"{draw.metric!r} is a metric of this experiment that is measured otherwise",
                "Choose another name for what people say.",
            )
        entry = asdict(draw)
        for name in ("id", "experiment_id", "metric"):
            del entry[name]
        entry |= {"run_ids": list(draw.run_ids), "selection": [list(p) for p in draw.selection]}
        draws = {**metric.definition_json.get(DRAWS, {}), draw.id: entry}
        metrics.save(replace(metric, definition_json={**metric.definition_json, DRAWS: draws}))


def find_draw(connection: Connection, draw_id: str) -> LabelDraw:
    """The draw of this id, of whatever experiment.

    Raises:
        NotFoundError: There is no such draw.
    """
    if draw_id.isalnum() and draw_id.isascii():
        for experiment_id, metric in metrics_that_mention(connection, draw_id):
            for draw in _draws_of(experiment_id, metric):
                if draw.id == draw_id:
                    return draw
    raise NotFoundError(f"there is no queue {draw_id!r}", "It may have been deleted.")


def scale_of(metric: MetricRecord) -> Scale:
    """The scale that people grade a metric on."""
    named = metric.definition_json.get("scale")
    for scale in SCALES:
        if scale == named:
            return scale
    return "right-wrong" if metric.kind == "binary" else "number"


def _new_metric(name: str, scale: Scale, lower: float | None, upper: float | None) -> MetricRecord:
    if scale == "number":
        if lower is None or upper is None or not lower < upper:
            raise UsageError("a number needs bounds", "Give the lowest and the highest one.")
    else:
        lower, upper = 0.0, 1.0
    return MetricRecord(name, _KINDS[scale], lower, upper, True, "people", {"scale": scale})


def _draws_of(experiment_id: str, metric: MetricRecord) -> list[LabelDraw]:
    entries = metric.definition_json.get(DRAWS)
    if not isinstance(entries, Mapping):
        return []
    return [_draw(experiment_id, metric.name, one, entry) for one, entry in entries.items()]


def _draw(experiment_id: str, metric: str, draw_id: str, entry: Mapping[str, Any]) -> LabelDraw:
    values = {
        **entry,
        "run_ids": tuple(entry["run_ids"]),
        "selection": tuple((name, value) for name, value in entry.get("selection", ())),
    }
    return LabelDraw(id=draw_id, experiment_id=experiment_id, metric=metric, **values)


def _check(label: Label, metric: MetricRecord) -> None:
    if not label.author.strip():
        raise UsageError("a grade needs an author", "Give your name.")
    if len(label.note) > LONGEST_NOTE:
        raise UsageError("the note is too long", f"At most {LONGEST_NOTE:,} characters.")
    if label.value is None:
        return
    allowed = {"right-wrong": (0, 1), "partial": (0, 0.5, 1)}.get(scale_of(metric))
    low, high = metric.lower, metric.upper
    beyond = (low is not None and label.value < low) or (high is not None and label.value > high)
    if (allowed is not None and label.value not in allowed) or beyond:
        raise UsageError(
            f"{label.value:g} is not on the scale of {metric.name}",
            f"It goes from {low:g} to {high:g}."
            if low is not None and high is not None
            else "Choose one of those that are offered.",
        )


def _name(value: float | None, metric: MetricRecord) -> str:
    if value is None:
        return "cannot tell"
    if scale_of(metric) == "number":
        return f"{value:g}"
    return {0: "wrong", 0.5: "partial", 1: "right"}[value]


def _moment(score: ScoreRecord) -> str | None:
    return None if score.created_at is None else score.created_at.isoformat()
