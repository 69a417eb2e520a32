"""Few-shot examples: solved questions that are shown before each question."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.errors import InvalidFileError, UsageError
from ml_agents_results.experiments.approaches.base import Approach, PromptingApproach
from ml_agents_results.experiments.approaches.prompt_files import fill
from ml_agents_results.experiments.dataset_rows import row_source
from ml_agents_results.experiments.datasets import load_dataset
from ml_agents_results.experiments.question import Question
from ml_agents_results.providers.interface import Message

SOLUTION = "output"
"""The column of a worked solution; without it the expected answer is shown."""


_FORM = "The answer is X."
"""How prompts ask for the line that states the answer."""


class SolvedQuestion(NamedTuple):
    """A question with the text that answers it.

    Attributes:
        is_worked: Whether that is a solution of the file's, not the expected answer alone.
    """

    question: Question
    answer: str
    is_worked: bool


@dataclass(frozen=True)
class Examples:
    """Solved questions, of which each question is shown some.

    It is shown the first `shots` of its task (of all, where there is none of its task), never
    itself: questions with the same words are left out.

    Attributes:
        name: That of the file.
        source: What loads it again from any working directory.
        fingerprint: SHA-256 over all of its questions and answers.
        shots: How many each question is shown.
    """

    name: str
    source: str
    fingerprint: str
    shots: int
    solved: Sequence[SolvedQuestion]
    _by_task: dict[str, list[SolvedQuestion]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        for one in self.solved:
            self._by_task.setdefault(one.question.task, []).append(one)

    def of(self, question: Question) -> list[SolvedQuestion]:
        """What a question is shown.

        Raises:
            UsageError: There are fewer than `shots`.
        """
        own = _words(question)
        known = self._by_task.get(question.task, self.solved)
        shown = list(islice((one for one in known if _words(one.question) != own), self.shots))
        if len(shown) < self.shots:
            of_task = f" of the task {question.task}" if question.task in self._by_task else ""
            raise UsageError(
                f"{self.name} has {len(shown)} examples{of_task} besides the question itself, and "
                f"shots is {self.shots}",
                f"Add examples, or ask with: --shots {len(shown)}",
            )
        return shown

    def turns(self, approach: Approach, question: Question) -> list[Message]:
        """The examples as turns of a conversation.

        An approach with a single prompt asks them by that prompt, and where that asks for a line
        of the form "The answer is X.", an answer alone is shown in that form. Others, whose prompts
        ask for steps, show the bare questions and answers.
        """
        prompt = "{question}"
        if isinstance(approach, PromptingApproach) and len(approach.steps) == 1:
            prompt = approach.prompts[approach.steps[0]]
        turns = []
        for solved in self.of(question):
            answer = solved.answer
            if _FORM in prompt and not solved.is_worked:
                answer = _FORM.replace("X", answer)
            turns += [
                *(turn for turn in solved.question.history if turn.role != "system"),
                Message("user", fill(prompt, {"question": solved.question.prompt})),
                Message("assistant", answer),
            ]
        return turns

    def describe(self) -> dict[str, Any]:
        """The examples as they are recorded with the experiment."""
        return {"name": self.name, "fingerprint": self.fingerprint, "shots": self.shots}


def load_examples(config: ExperimentConfig, questions: Iterable[Question]) -> Examples | None:
    """The examples of an experiment; None where it has none.

    The file is read like its dataset.

    Args:
        questions: Those that are to be asked.

    Raises:
        UsageError: There are too few for a question, or one of two settings is missing.
        NotFoundError, InvalidFileError: The file cannot be read, or an example has no answer.
    """
    if (config.examples is None) != (config.shots is None):
        raise UsageError(
            "examples and shots go together",
            "As in: --examples solved.jsonl --shots 4",
        )
    if config.examples is None or config.shots is None:
        return None
    dataset = load_dataset(
        config.examples, config.columns, config.dataset_recipe, config.answer_kind
    )
    solved = []
    digest = sha256()
    rows = row_source(config.examples).rows
    for question, (where, row) in zip(dataset.questions, rows, strict=True):
        solution = row.get(SOLUTION)
        answer = solution or question.expected_answer
        if not isinstance(answer, str) or not answer.strip():
            raise InvalidFileError(
                f"{where} has no answer to show",
                f"Give it one under target, or a worked solution under {SOLUTION}.",
            )
        solved.append(SolvedQuestion(question, answer, bool(solution)))
        digest.update(json.dumps([question.task, question.input_text, answer]).encode() + b"\n")
    examples = Examples(dataset.name, dataset.source, digest.hexdigest(), config.shots, solved)
    for question in questions:
        examples.of(question)
    return examples


def _words(question: Question) -> str:
    return " ".join(question.prompt.split()).casefold()
