"""Samples of one's own: what a loop goes through, and the index under which each is recorded."""

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from ml_agents_results.database.digests import input_fingerprint
from ml_agents_results.errors import UsageError

_NAMES = {
    "sample_id": ("sample_id", "id", "task_id", "question_id", "example_id"),
    "input_text": ("input_text", "input", "question", "prompt", "query", "problem"),
    "expected_answer": ("expected_answer", "expected", "answer", "target", "gold", "reference"),
    "task": ("task",),
}
"""The names that a field may have in a mapping or an object, the first that is there."""


@dataclass(frozen=True)
class Sample:
    """One question of a dataset, as it is recorded.

    Attributes:
        sample_index: The index within the task, from 0; None until it has one.
        repeat_index: Which repetition is to be asked, from 0.
        source: What the caller gave: `sample["name"]` reads it.
    """

    sample_index: int | None = None
    task: str = ""
    sample_id: str | None = None
    input_text: str | None = None
    expected_answer: str | None = None
    repeat_index: int = 0
    source: Any = field(default=None, compare=False, repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.source[name]

    @property
    def identity(self) -> str | None:
        """What the sample is known by within its task: its id, else its content."""
        fingerprint = input_fingerprint(self.input_text, self.expected_answer)
        return identity_of(self.sample_id, fingerprint)

    def __str__(self) -> str:
        return self.input_text or f"sample {self.sample_index}"


def sample_of(source: object) -> Sample:
    """A sample from a mapping, an object with such attributes, a text, or an index.

    Raises:
        UsageError: It is nothing of these, or says nothing of a question.
    """
    if isinstance(source, Sample):
        return source
    if isinstance(source, str):
        return Sample(input_text=source, source=source)
    if isinstance(source, int) and not isinstance(source, bool):
        return Sample(sample_index=source, source=source)
    values = {name: _first(source, names) for name, names in _NAMES.items()}
    index = _get(source, "sample_index")
    if index is None and values["sample_id"] is None and values["input_text"] is None:
        raise UsageError(
            f"a sample cannot be {_shown(source)}",
            "Give a mapping or an object with id, question and answer; a text; or an index.",
        )
    texts = {name: _text(value) for name, value in values.items()}
    return Sample(
        sample_index=None if index is None else int(index),
        task=texts["task"] or "",
        sample_id=texts["sample_id"],
        input_text=texts["input_text"],
        expected_answer=texts["expected_answer"],
        source=source,
    )


class SampleNumbering:
    """Gives samples their index, the same each time they are recorded in one experiment.

    A sample is known by its id, else by its question and expected answer and how often that has
    occurred; a new one gets its position, or the next free index where that is taken.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_identity: dict[tuple[str, str, int], int] = {}
        self._taken: dict[str, set[int]] = {}
        self._moved: dict[tuple[str, str | None, int | None], int] = {}

    def learn(self, recorded: Iterable[tuple[str, int, str | None, str | None]]) -> None:
        """Takes over the indexes of samples that have runs: task, index, id and fingerprint."""
        seen: Counter[tuple[str, str]] = Counter()
        known: set[tuple[str, int]] = set()
        with self._lock:
            for task, index, sample_id, fingerprint in sorted(recorded, key=lambda row: row[:2]):
                if (task, index) in known:
                    continue
                known.add((task, index))
                self._taken.setdefault(task, set()).add(index)
                if (identity := identity_of(sample_id, fingerprint)) is not None:
                    self._by_identity[task, identity, seen[task, identity]] = index
                    seen[task, identity] += 1

    def numbered(self, sample: Sample, position: int, seen: "Counter[tuple[str, str]]") -> Sample:
        """The sample with its index.

        Args:
            position: Where the sample stands among those of its task.
            seen: How often each sample has occurred in this pass; counted here.
        """
        if sample.sample_index is not None:
            with self._lock:
                self._taken.setdefault(sample.task, set()).add(sample.sample_index)
            return sample
        identity = sample.identity or ""
        with self._lock:
            key = (sample.task, identity, 0 if sample.sample_id else seen[sample.task, identity])
            seen[sample.task, identity] += 1
            if (index := self._by_identity.get(key)) is None:
                taken = self._taken.setdefault(sample.task, set())
                index = position if position not in taken else max(taken) + 1
                taken.add(index)
                self._by_identity[key] = index
        return replace(sample, sample_index=index)

    def given(self, sample: Sample) -> bool:
        """Whether the index of a sample is ours, not the caller's."""
        return any(index == sample.sample_index for _, index in self._named_like(sample))

    def renumber(self, sample: Sample, index: int) -> Sample:
        """The sample under another index, which it has from now on."""
        with self._lock:
            for key, known in list(self._named_like(sample)):
                if known == sample.sample_index:
                    self._by_identity[key] = index
            self._taken.setdefault(sample.task, set()).add(index)
            self._moved.pop((sample.task, sample.identity, index), None)
            self._moved[sample.task, sample.identity, sample.sample_index] = index
        return replace(sample, sample_index=index)

    def latest(self, sample: Sample) -> Sample:
        """The sample under the index that it has by now."""
        if not self._moved:
            return sample
        key = (sample.task, sample.identity, sample.sample_index)
        while (index := self._moved.get(key)) is not None:
            sample = replace(sample, sample_index=index)
            key = (sample.task, sample.identity, index)
        return sample

    def _named_like(self, sample: Sample) -> Iterator[tuple[tuple[str, str, int], int]]:
        """The occurrences of a sample that have an index."""
        for occurrence in count():
            key = (sample.task, sample.identity or "", occurrence)
            if (index := self._by_identity.get(key)) is None:
                return
            yield key, index


def identity_of(sample_id: str | None, fingerprint: str | None) -> str | None:
    """What a sample with this id and this fingerprint of its content is known by."""
    return f"id {sample_id}" if sample_id else fingerprint


def _first(source: object, names: tuple[str, ...]) -> object:
    return next((value for name in names if (value := _get(source, name)) is not None), None)


def _get(source: object, name: str) -> Any:
    if isinstance(source, Mapping):
        return source.get(name)
    return getattr(source, name, None)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _shown(source: object) -> str:
    text = repr(source)
    return text if len(text) <= 80 else f"{text[:77]}..."
