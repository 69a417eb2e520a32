"""A run that is recorded with other contents: it is replaced, kept, or stops the import."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from ml_agents_results.errors import DuplicateError
from ml_agents_results.formats.duplicates import run_key
from ml_agents_results.formats.log import Item
from ml_agents_results.formats.log_source import LogSource, OnConflict
from ml_agents_results.repositories.import_keys import digests_of_keys
from ml_agents_results.repositories.run_repository import PreparedRun


@dataclass(slots=True)
class Incoming:
    """A run of a log and the row it becomes."""

    item: Item
    prepared: PreparedRun


class Settled(NamedTuple):
    """The runs to save, and how many of a batch are recorded with other contents."""

    changed: Sequence[Incoming]
    conflicts: int


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
    known = [one for one in batch if one.item.run.experiment_id not in new]
    recorded = digests_of_keys(connection, [run_key(one.item.run) for one in known])
    if not recorded:
        return Settled(batch, 0)
    changed: list[Incoming] = []
    conflicts = 0
    for one in batch:
        digests = recorded.get(run_key(one.item.run))
        if digests is None:
            changed.append(one)
        elif digests[0] != one.prepared.digest:
            conflicts += 1
            if policy == "fail":
                run = one.item.run
                raise DuplicateError(
                    f"{source.where(one.item.position)}: sample {run.sample_index} of "
                    f"{run.variant} is recorded with other contents",
                    "Choose which to have: --on-conflict keep|replace",
                )
            if policy == "replace":
                changed.append(one)
        elif one.prepared.metrics_digest not in (None, digests[1]):
            # The same run under another id keeps its own; its parsing metrics are new.
            one.item.run.id = None
            one.prepared = one.prepared.with_new_id()
            changed.append(one)
    return Settled(changed, conflicts)
