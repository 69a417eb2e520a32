"""A sample that is answered twice in one import: refused, superseded, or numbered as a repeat."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from ml_agents_results.database.models import RUN_KEY
from ml_agents_results.errors import DuplicateError
from ml_agents_results.formats.log import Item
from ml_agents_results.formats.log_source import Duplicates, LogSource
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.import_keys import KeyMap

Policy = Callable[[KeyMap, LogSource, Sequence[Item]], Sequence[Item]]
"""Returns the remaining items of a batch, given the keys of the batches before it."""


run_key: Callable[[RunRecord], tuple[Any, ...]] = attrgetter(*RUN_KEY)
"""The natural key of a run."""


def refuse(seen: KeyMap, source: LogSource, batch: Sequence[Item]) -> Sequence[Item]:
    """Lets only runs with a new key pass.

    Raises:
        DuplicateError: A key occurs again; the message names the sample and both positions.
    """
    positions: dict[bytes, str] = {}
    for item in batch:
        position = source.where(item.position)
        if (earlier := positions.setdefault(_digest(run_key(item.run)), position)) is not position:
            raise _twice(item.run, earlier, position, batch)
    if seen.add(positions) < len(positions):
        stored = seen.get(positions)
        for item in batch:
            if (earlier := stored[_digest(run_key(item.run))]) != source.where(item.position):
                raise _twice(item.run, earlier, source.where(item.position), batch)
    return batch


def note_latest(seen: KeyMap, source: LogSource, batch: Sequence[Item]) -> None:
    """Records the position of each key; later ones replace earlier ones. All before `latest`."""
    seen.set({_digest(run_key(item.run)): source.where(item.position) for item in batch})


def latest(seen: KeyMap, source: LogSource, batch: Sequence[Item]) -> Sequence[Item]:
    """Drops the items that a later line supersedes."""
    keys = [_digest(run_key(item.run)) for item in batch]
    last = seen.get(keys)
    return [
        item
        for item, key in zip(batch, keys, strict=True)
        if last[key] == source.where(item.position)
    ]


def repeats(seen: KeyMap, source: LogSource, batch: Sequence[Item]) -> Sequence[Item]:
    """Numbers the answers to each sample in the order of the lines."""
    keys = [_digest(run_key(item.run)[:-1]) for item in batch]
    counts = {key: int(count) for key, count in seen.get(set(keys)).items()}
    for item, key in zip(batch, keys, strict=True):
        item.run.repeat_index = counts.get(key, 0)
        counts[key] = item.run.repeat_index + 1
    seen.set({key: str(count) for key, count in counts.items()})
    return batch


POLICIES: dict[Duplicates, Policy] = {"refuse": refuse, "latest": latest, "repeats": repeats}


def _digest(key: tuple[Any, ...]) -> bytes:
    return blake2b(repr(key).encode(), digest_size=16).digest()


def _twice(run: RunRecord, earlier: str, later: str, batch: Sequence[Item]) -> DuplicateError:
    sample = run.sample_index if run.sample_id is None else run.sample_id
    task = f" of task {run.task!r}" if run.task else ""
    approach = None if run.approach_name == "None" else run.approach_name
    variant = "/".join(filter(None, (approach, run.provider, run.model)))
    by = f" by {variant}" if variant else ""
    first: dict[tuple[Any, ...], Item] = {}
    again = [
        (item, earliest)
        for item in batch
        if (earliest := first.setdefault(run_key(item.run), item)) is not item
    ]
    others = len({run_key(item.run) for item, _ in again} - {run_key(run)})
    more = f"; so {'is' if others == 1 else 'are'} {others:,} more" if others else ""
    hint = (
        "If a column tells the answers apart, name it: --map model=COLUMN or --map "
        "approach_name=COLUMN; else choose: --duplicates latest|repeats"
    )
    if again and all(
        (item.run, item.scores) == (earliest.run, earliest.scores) for item, earliest in again
    ):
        hint = "The later ones are copies of the earlier ones; to drop them: --duplicates latest"
    return DuplicateError(
        f"sample {sample}{task} is answered twice{by}: {earlier} and {later}{more}", hint
    )
