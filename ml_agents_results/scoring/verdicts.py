"""Verdicts: what a grader is given of an answer, and what it says of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ml_agents_results.scoring import kinds
from ml_agents_results.scoring.kinds import AnswerKind, Expectation


class Verdict(NamedTuple):
    """What a grader says of one answer.

    Attributes:
        value: Whether it is right, a number, or None for no verdict.
        label: A word for it: why there is no verdict, or why it is wrong (`negated`, `hedged`,
            `multiple`, `bound`).
        explanation: A sentence for people.
        parsed: What was compared, where that is not the parsed answer.
    """

    value: bool | float | None
    label: str = ""
    explanation: str = ""
    parsed: str | None = None

    @property
    def is_correct(self) -> bool | None:
        """The value of a binary grader; None for numbers and no verdict."""
        return self.value if isinstance(self.value, bool) else None

    @property
    def score(self) -> float | None:
        """The value of a numeric grader; None for yes or no and no verdict."""
        return None if self.value is None or isinstance(self.value, bool) else float(self.value)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer with all that a grader may look at.

    Attributes:
        parsed: The answer that was taken from the output.
        expected: The target; None where the dataset has none.
        output: The raw output.
        choices: Label and text of the options shown.
        kind: The declared or guessed kind; None where each target decides.
        labels: The closed set of kind `label`.
        metadata: The run's.
    """

    parsed: str | None
    expected: str | None
    question: str = ""
    output: str | None = None
    choices: Mapping[str, str] | Sequence[str] | None = None
    kind: AnswerKind | None = None
    labels: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def expectation(self) -> Expectation:
        """What the sample asks for."""
        return kinds.expectation(self.question, self.kind, self.choices, self.labels)


Function = Callable[..., Any]
