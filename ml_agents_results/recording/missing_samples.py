"""Missing samples: what a variant has still to be asked, alone or shared between processes."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ml_agents_results.errors import UsageError
from ml_agents_results.recording.sample_numbering import Sample, sample_of

if TYPE_CHECKING:
    from ml_agents_results.recording.experiment_recording import ExperimentRecording

POLL = 0.5
"""Seconds between looks at samples that other processes have claimed."""

_END: Any = object()


class MissingSamples:
    """The samples of one variant without a run; `for`, `async for`, and `len` if it is known.

    Attributes:
        variant: approach, model and provider.
        unfinished: Whether a loop over them has begun and not come to its end.
    """

    def __init__(
        self,
        experiment: "ExperimentRecording",
        samples: Iterable[Any],
        variant: Mapping[str, str],
        repeats: int,
        retry_failed: bool,
        claim: bool,
    ) -> None:
        self._experiment = experiment
        # A second repetition needs the samples again.
        self._samples = samples if repeats == 1 or isinstance(samples, Sized) else list(samples)
        self.variant = variant
        self._approach = variant["approach"]
        self._repeats = repeats
        self._retry_failed = retry_failed
        self._claim = claim
        self._recorded = experiment.claims.recorded(variant, retry_failed)
        self.unfinished = False

    def plan(self, before: object) -> dict[str, Any] | None:
        """What is to be asked of the experiment, with what was planned of other variants before;
        None where the samples have no length."""
        if not isinstance(self._samples, Sized):
            return None
        noted = before if isinstance(before, Mapping) else {}
        known = noted.get("variants")
        questions = len(self._samples)
        variants = {
            **(known if isinstance(known, Mapping) else {}),
            "/".join(self.variant.values()): [questions, self._repeats],
        }
        return {
            "approaches": list(dict.fromkeys([*noted.get("approaches", ()), self._approach])),
            "questions": max(number for number, _ in variants.values()),
            "repeats": max(repeats for _, repeats in variants.values()),
            "runs": sum(number * repeats for number, repeats in variants.values()),
            "variants": variants,
        }

    def __len__(self) -> int:
        if not isinstance(self._samples, Sized):
            raise TypeError("the samples have no length: give a list")
        return sum(1 for _ in self._candidates())

    def __iter__(self) -> Iterator[Sample]:
        self.unfinished = True
        for sample in self._claimed() if self._claim else self._candidates():
            if sample is None:
                time.sleep(POLL)
            else:
                yield sample
        self.unfinished = False

    async def __aiter__(self) -> AsyncIterator[Sample]:
        self.unfinished = True
        if self._claim:
            claimed = self._claimed()
            while (sample := await asyncio.to_thread(next, claimed, _END)) is not _END:
                if sample is None:
                    await asyncio.sleep(POLL)
                else:
                    yield sample
        else:
            for sample in self._candidates():
                yield sample
        self.unfinished = False

    def _claimed(self) -> Iterator[Sample | None]:
        """The samples that become this process's own; None while others are still asking some."""
        left: Iterable[Sample] = self._candidates()
        while True:
            elsewhere = []
            for sample in left:
                claims = self._experiment.claims
                state, own = claims.claim(sample, self.variant, self._retry_failed)
                if state == "ours":
                    yield own
                elif state == "elsewhere":
                    elsewhere.append(own)
            if not elsewhere:
                return
            left = elsewhere
            yield None

    def _candidates(self) -> Iterator[Sample]:
        for repeat in range(self._repeats):
            positions: Counter[str] = Counter()
            seen: Counter[tuple[str, str]] = Counter()
            ids: set[tuple[str, str]] = set()
            for source in self._samples:
                given = sample_of(source)
                if given.sample_id is not None:
                    if (given.task, given.sample_id) in ids:
                        raise UsageError(
                            f"several samples have the id {given.sample_id!r}",
                            "Give each its own, or leave ids out.",
                        )
                    ids.add((given.task, given.sample_id))
                position = positions[given.task]
                positions[given.task] += 1
                sample = self._experiment.claims.numbering.numbered(given, position, seen)
                assert sample.sample_index is not None
                if (sample.task, sample.sample_index, repeat) not in self._recorded:
                    yield replace(sample, repeat_index=repeat)
