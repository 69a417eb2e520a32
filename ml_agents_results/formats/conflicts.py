"""A run that is recorded with other contents: it is replaced, kept, or stops the import.

What is replaced stays in the metadata of the run, and in the details of its scores.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from ml_agents_results.database.digests import COVERED
from ml_agents_results.errors import DuplicateError
from ml_agents_results.formats.duplicates import run_key
from ml_agents_results.formats.log import Item
from ml_agents_results.formats.log_source import LogSource, OnConflict
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.import_keys import RunDigests, recorded_runs, scores_of_ids
from ml_agents_results.repositories.prepared_run import PreparedRun
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.score_repository import with_history

REPLACED = "replaced_by_import"
"""The key in metadata_json of what imports replaced, oldest first."""

_CHUNK = 200

_Scores = dict[tuple[int, str], tuple[float | None, str | None]]


@dataclass(slots=True)
class Incoming:
    """A run of a log and the row it becomes."""

    item: Item
    prepared: PreparedRun


class Settled(NamedTuple):
    """The runs of a batch to save.

    Attributes:
        changed: Those that are new or differ from what is recorded.
        conflicts: How many of the batch are recorded with other contents or scores.
        rescored: Of those to save, how many differ in scores or parsing metrics only.
    """

    changed: Sequence[Incoming]
    conflicts: int
    rescored: int = 0


def settle(
    connection: Connection,
    policy: OnConflict,
    source: LogSource,
    batch: Sequence[Incoming],
    new: Collection[str],
) -> Settled:
    """Compares a batch with what is recorded; runs that are recorded unchanged are left out.

    Args:
        new: Experiments that had no runs before this import: one import has no key twice.

    Raises:
        DuplicateError: A run is recorded with other contents, and the policy is `fail`.
    """
    keys = [run_key(one.item.run) for one in batch if one.item.run.experiment_id not in new]
    recorded = recorded_runs(connection, keys)
    if not recorded:
        return Settled(batch, 0)
    scores = scores_of_ids(connection, [run.id for run in recorded.values()])
    pairs = [(one, recorded.get(run_key(one.item.run))) for one in batch]
    _carry_history(connection, source, pairs, scores)
    changed: list[Incoming] = []
    conflicts = rescored = 0
    for one, known in pairs:
        if known is None:
            changed.append(one)
            continue
        rest = one.prepared.parsing_digest in (None, known.parsing_digest)
        if _differs(one.prepared, known, scores):
            conflicts += 1
            if policy == "fail":
                run = one.item.run
                raise DuplicateError(
                    f"{source.where(one.item.position)}: sample {run.sample_index} of "
                    f"{run.variant} is recorded with other contents",
                    "Choose which to have: --on-conflict keep|replace",
                )
            if policy != "replace":
                continue
        elif rest:
            continue
        if known.digest == one.prepared.digest:
            # The same run under another id keeps its own.
            one.item.run.id = None
            one.prepared = one.prepared.with_new_id()
            rescored += 1
        changed.append(one)
    return Settled(changed, conflicts, rescored)


def _carry_history(
    connection: Connection,
    source: LogSource,
    pairs: Sequence[tuple[Incoming, RunDigests | None]],
    scores: dict[str, _Scores],
) -> None:
    """Adds to the runs that differ from what is recorded what was there before them.

    A run that differs in that history only is unchanged from then on.
    """
    runs = RunRepository(connection)
    differing = [
        (one, known) for one, known in pairs if known and _differs(one.prepared, known, scores)
    ]
    for start in range(0, len(differing), _CHUNK):
        chunk = differing[start : start + _CHUNK]
        earlier = runs.find_many([known.id for _, known in chunk])
        for one, known in chunk:
            run, before = one.item.run, earlier[known.id]
            history = (before.metadata_json or {}).get(REPLACED)
            _set_history(run, history if isinstance(history, list) else [])
            of_scores = {(score.metric, score.author): score for score in before.scores or ()}
            run.scores = run.scores and [
                with_history(score, of_scores.get((score.metric, score.author)))
                for score in run.scores
            ]
            [one.prepared] = runs.prepare([run])
            if one.prepared.digest != known.digest:
                replaced = _replaced(run, before, source)
                _set_history(run, [*(run.metadata_json or {}).get(REPLACED, ()), replaced])
                [one.prepared] = runs.prepare([run])


def _set_history(run: RunRecord, history: list[Any]) -> None:
    if history:
        run.metadata_json = {**(run.metadata_json or {}), REPLACED: history}


def _replaced(run: RunRecord, before: RunRecord, source: LogSource) -> dict[str, Any]:
    """The fields in which a run differs from the one before, as they were."""
    fields: dict[str, Any] = {
        name: getattr(before, name)
        for name in COVERED["runs"]
        if name != "metadata_json" and getattr(before, name) != getattr(run, name)
    }
    rest, now = ({**(one.metadata_json or {})} for one in (before, run))
    for metadata in (rest, now):
        metadata.pop(REPLACED, None)
    if rest != now:
        fields["metadata_json"] = rest
    if run.parsing_metrics is not None and before.parsing_metrics not in (
        None,
        run.parsing_metrics,
    ):
        fields["parsing_metrics"] = asdict(before.parsing_metrics)
    recorded = None if before.created_at is None else before.created_at.isoformat()
    return {
        **fields,
        "id": before.id,
        "created_at": recorded,
        "by": source.name,
        "until": datetime.now(UTC).isoformat(),
    }


def _differs(prepared: PreparedRun, known: RunDigests, scores: dict[str, _Scores]) -> bool:
    return known.digest != prepared.digest or bool(
        _scores(prepared).items() - scores.get(known.id, {}).items()
    )


def _scores(prepared: PreparedRun) -> _Scores:
    """Value and digest of each score, by metric and author; see `score_row`."""
    return {(row[0], row[1]): (row[2], row[-1]) for row in prepared.scores}
