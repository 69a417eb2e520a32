"""A run that is recorded with other contents: it is replaced, kept, or stops the import."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from ml_agents_results.errors import DuplicateError
from ml_agents_results.formats.duplicates import run_key
from ml_agents_results.formats.log import Item
from ml_agents_results.formats.log_source import LogSource, OnConflict
from ml_agents_results.repositories.import_keys import recorded_runs, scores_of_ids
from ml_agents_results.repositories.run_repository import PreparedRun


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
    changed: list[Incoming] = []
    conflicts = rescored = 0
    for one in batch:
        known = recorded.get(run_key(one.item.run))
        if known is None:
            changed.append(one)
            continue
        same = known.digest == one.prepared.digest
        rest = one.prepared.metrics_digest in (None, known.metrics_digest)
        if not same or _scores(one.prepared).items() - scores.get(known.id, {}).items():
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
        if same:
            # The same run under another id keeps its own.
            one.item.run.id = None
            one.prepared = one.prepared.with_new_id()
            rescored += 1
        changed.append(one)
    return Settled(changed, conflicts, rescored)


def _scores(prepared: PreparedRun) -> dict[tuple[int, str], tuple[float | None, str | None]]:
    """Value and digest of each score, by metric and author; see `score_row`."""
    return {(row[0], row[1]): (row[2], row[-1]) for row in prepared.scores}
