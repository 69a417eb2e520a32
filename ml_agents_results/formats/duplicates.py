"""A sample that is answered twice in one import: refused, superseded, or numbered as repeats."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from ml_agents_results.database.models import RUN_KEY
from ml_agents_results.errors import DuplicateError
from ml_agents_results.formats.log_source import Duplicates, Item, LogSource
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.import_keys import KeyMap

Policy = Callable[[KeyMap, LogSource, Sequence[Item]], Sequence[Item]]
"""Returns what remains of a batch, given the keys of the batches before it."""


run_key: Callable[[RunRecord], tuple[Any, ...]] = attrgetter(*RUN_KEY)
"""The natural key of a run."""


def refuse(seen: KeyMap, source: LogSource, batch: Sequence[Item]) -> Sequence[Item]:
    """Lets only runs with a new key pass.

    Raises:
        DuplicateError: Names the sample and both places.
    """
    places: dict[bytes, str] = {}
    for item in batch:
        place = source.where(item.place)
        if (earlier := places.setdefault(_digest(run_key(item.run)), place)) is not place:
            raise _twice(item.run, earlier, place)
    if seen.add(places) < len(places):
        stored = seen.get(places)
        for item in batch:
            if (earlier := stored[_digest(run_key(item.run))]) != source.where(item.place):
                raise _twice(item.run, earlier, source.where(item.place))
    return batch


def note_latest(seen: KeyMap, source: LogSource, batch: Sequence[Item]) -> None:
    """The first pass of `latest`: which line is the last one of its key."""
    seen.set({_digest(run_key(item.run)): source.where(item.place) for item in batch})


def latest(seen: KeyMap, source: LogSource, batch: Sequence[Item]) -> Sequence[Item]:
    """Drops what a later line supersedes."""
    keys = [_digest(run_key(item.run)) for item in batch]
    last = seen.get(keys)
    return [
        item for item, key in zip(batch, keys, strict=True) if last[key] == source.where(item.place)
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


def _twice(run: RunRecord, earlier: str, later: str) -> DuplicateError:
    task = f" of task {run.task!r}" if run.task else ""
    model = "/".join(filter(None, (run.approach_name, run.provider, run.model)))
    return DuplicateError(
        f"sample {run.sample_index}{task} is answered twice by {model}: {earlier} and {later}",
        "Give the lines different `repeat_index`, or choose: --duplicates latest|repeats",
    )
