"""Question: one sample of a dataset, as it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ml_agents_results.providers.interface import Message
from ml_agents_results.scoring.kinds import AnswerKind


@dataclass(frozen=True, slots=True)
class Question:
    """One sample. `sample_index` counts from 0 within its task; the task is '' where none is.

    Attributes:
        choices: The options in the order shown, where the dataset has them apart.
        messages: Its turns, where the question is a conversation.
        metadata: Columns that a grader may need.
        answer_kind: The declared or guessed kind of answer; None where each target decides.
        labels: The closed set of kind `label`.
    """

    task: str
    sample_index: int
    sample_id: str | None
    input_text: str
    expected_answer: str | None
    choices: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)
    answer_kind: AnswerKind | None = field(default=None, compare=False)
    labels: tuple[str, ...] = field(default=(), compare=False)

    @property
    def history(self) -> tuple[Message, ...]:
        """The turns before the last one, of a question that is a conversation."""
        return self.messages[:-1]

    @property
    def prompt(self) -> str:
        """What is asked: the last turn of a conversation, else the question's text."""
        return self.messages[-1].content if self.messages else self.input_text
