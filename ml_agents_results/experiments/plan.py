"""The plan: every run of an experiment, in an order that resuming finds again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ml_agents_results.experiments.datasets import Question
from ml_agents_results.repositories.claim_repository import RunKey

VERSION = 1
"""The order below; an experiment of another one cannot be resumed by this version."""


@dataclass(frozen=True)
class Plan:
    """Every question, asked `repeats` times with every approach.

    A run's position counts from 0: all approaches of a question, then the next question, then the
    next repeat. An experiment that stops early has therefore asked all variants the same questions.
    """

    approaches: Sequence[str]
    questions: Sequence[Question]
    repeats: int
    provider: str
    model: str
    _places: dict[tuple[str, int], int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for place, question in enumerate(self.questions):
            self._places[question.task, question.sample_index] = place

    def __len__(self) -> int:
        return len(self.approaches) * len(self.questions) * self.repeats

    def at(self, position: int) -> tuple[int, Question, int]:
        """The place of the approach, the question and the repeat at a position."""
        rest, approach = divmod(position, len(self.approaches))
        repeat, place = divmod(rest, len(self.questions))
        return approach, self.questions[place], repeat

    def key(self, position: int) -> RunKey:
        """The key of the run at a position."""
        approach, question, repeat = self.at(position)
        return RunKey(
            self.approaches[approach],
            self.provider,
            self.model,
            question.task,
            question.sample_index,
            repeat,
        )

    def position(self, key: RunKey) -> int | None:
        """The inverse of `key`; None for a run that was not planned."""
        place = self._places.get((key.task, key.sample_index))
        if (
            place is None
            or (key.provider, key.model) != (self.provider, self.model)
            or key.approach_name not in self.approaches
            or key.repeat_index >= self.repeats
        ):
            return None
        approach = self.approaches.index(key.approach_name)
        rest = key.repeat_index * len(self.questions) + place
        return rest * len(self.approaches) + approach

    def describe(self) -> dict[str, Any]:
        """What is kept with the experiment."""
        return {
            "version": VERSION,
            "approaches": list(self.approaches),
            "questions": len(self.questions),
            "repeats": self.repeats,
            "runs": len(self),
        }
