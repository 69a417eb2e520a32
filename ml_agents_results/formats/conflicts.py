"""A run that is in the database with other contents: replaced, kept, or a reason to stop."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from ml_agents_results.database.models import RUN_COLUMNS
from ml_agents_results.database.validation import run_row
from ml_agents_results.errors import DuplicateError
from ml_agents_results.formats.duplicates import run_key
from ml_agents_results.formats.log_source import Item, LogSource, OnConflict
from ml_agents_results.repositories.import_keys import digests_of_keys

_DIGEST_AT = RUN_COLUMNS.index("content_digest")


def settle(
    connection: Connection,
    policy: OnConflict,
    source: LogSource,
    batch: Sequence[Item],
    new: Collection[str],
) -> tuple[Sequence[Item], int]:
    """What of a batch is to be saved, and how many runs are in the database with other contents.

    Args:
        new: Experiments that had no runs before this import; no run of theirs is looked for, since
            one import has no key twice.

    Raises:
        DuplicateError: There is one, and the policy is `fail`; the message names it.
    """
    known = [item for item in batch if item.run.experiment_id not in new]
    recorded = digests_of_keys(connection, [run_key(item.run) for item in known])
    conflicting = []
    for item in known:
        if (digest := recorded.get(run_key(item.run))) is None:
            continue
        if _digest(item, source) != digest:
            conflicting.append(item)
        else:
            # The same run under another id stays what it is.
            item.run.id = None
    if not conflicting:
        return batch, 0
    if policy == "fail":
        first = conflicting[0]
        run = first.run
        raise DuplicateError(
            f"{source.where(first.place)}: sample {run.sample_index} of {run.variant} is recorded "
            "with other contents",
            "Choose which to have: --on-conflict keep|replace",
        )
    if policy == "replace":
        return batch, len(conflicting)
    left_out = {id(item) for item in conflicting}
    return [item for item in batch if id(item) not in left_out], len(conflicting)


def _digest(item: Item, source: LogSource) -> str:
    with source.locate(item.place):
        return str(run_row(item.run, True)[_DIGEST_AT])
