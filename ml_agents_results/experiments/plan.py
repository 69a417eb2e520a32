"""The plan of an experiment: its questions and approaches, and the order of its runs."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.datasets import Dataset, Question, load_dataset
from ml_agents_results.repositories.claim_repository import RunKey
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.scoring.extraction import compile_pattern
from ml_agents_results.scoring.graders import find_grader

if TYPE_CHECKING:
    from ml_agents_results.experiments.approaches import Approach

logger = logging.getLogger(__name__)

VERSION = 1
"""Version of the order below; an experiment with another order cannot be resumed."""


@dataclass(frozen=True)
class Plan:
    """Every question, asked `repeats` times with every approach.

    A run's position counts from 0: all approaches of a question, then the next question, then the
    next repeat. An experiment that stops early has therefore asked all variants the same questions.
    Shuffled questions have their repeats before the next question: each is then complete early.

    Attributes:
        shuffle: The seed that the questions were put in random order by.
    """

    approaches: Sequence[str]
    questions: Sequence[Question]
    repeats: int
    provider: str
    model: str
    shuffle: int | None = None
    _indexes: dict[tuple[str, int], int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for index, question in enumerate(self.questions):
            self._indexes[question.task, question.sample_index] = index

    def __len__(self) -> int:
        return len(self.approaches) * len(self.questions) * self.repeats

    def at(self, position: int) -> tuple[int, Question, int]:
        """The index of the approach, the question and the repeat at a position."""
        rest, approach = divmod(position, len(self.approaches))
        if self.shuffle is None:
            repeat, index = divmod(rest, len(self.questions))
        else:
            index, repeat = divmod(rest, self.repeats)
        return approach, self.questions[index], repeat

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
        index = self._indexes.get((key.task, key.sample_index))
        if (
            index is None
            or (key.provider, key.model) != (self.provider, self.model)
            or key.approach_name not in self.approaches
            or key.repeat_index >= self.repeats
        ):
            return None
        approach = self.approaches.index(key.approach_name)
        rest = key.repeat_index * len(self.questions) + index
        if self.shuffle is not None:
            rest = index * self.repeats + key.repeat_index
        return rest * len(self.approaches) + approach

    def describe(self) -> dict[str, Any]:
        """The plan as it is recorded with the experiment."""
        return {
            "version": VERSION,
            "approaches": list(self.approaches),
            "questions": len(self.questions),
            "repeats": self.repeats,
            "runs": len(self),
            **({} if self.shuffle is None else {"shuffle": self.shuffle}),
        }

    def settled(
        self,
        database: Database,
        experiment_id: str,
        *,
        retry: Collection[str] = (),
        missing: bool = True,
    ) -> bytearray:
        """One byte for each position: 1 where nothing is left to do.

        Args:
            retry: Outcomes whose runs are asked again.
            missing: Whether runs that were never asked are left to do.
        """
        settled = bytearray(len(self)) if missing else bytearray(b"\x01") * len(self)
        with database.read() as connection:
            for *key, outcome in RunRepository(connection).keys(experiment_id):
                position = self.position(RunKey(*key))
                if position is not None:
                    settled[position] = outcome not in retry
        return settled


@dataclass(frozen=True)
class Study:
    """What an experiment asks, loaded and checked; nothing of it has been asked yet."""

    config: ExperimentConfig
    dataset: Dataset
    approaches: Sequence["Approach"]
    plan: Plan

    def asking(self, provider: str, model: str) -> "Study":
        """The same study, planned for a provider and model under the names they are stored by."""
        return replace(self, plan=replace(self.plan, provider=provider, model=model))


def require_monitored(approaches: Sequence[str], shuffle: int | None) -> None:
    """Raises UsageError where looking early would be wrong, or there is nothing to look at."""
    if len(approaches) < 2:
        raise UsageError(
            "stop_when looks at differences, and there is one approach",
            "Give a baseline as well, for example --approach None,CoT.",
        )
    if shuffle is None:
        raise UsageError(
            "stop_when needs the questions in random order: the first may be the easy ones",
            "Add: --shuffle 1",
        )


def prepare(config: ExperimentConfig) -> Study:
    """Loads dataset, approaches and prompts; the provider comes later.

    Raises:
        UsageError, NotFoundError, InvalidFileError: Something in the configuration is wrong.
    """
    from ml_agents_results.experiments.approaches import load_approaches

    config.check()
    find_grader(config.grader)
    prompts = Path(config.prompts) if config.prompts is not None else None
    approaches = load_approaches(config.approaches, prompts, config.allow_code_execution)
    dataset = load_dataset(
        config.dataset, config.columns, config.dataset_recipe, config.answer_kind
    )
    if config.answer_pattern is not None:
        compile_pattern(config.answer_pattern)
    for warning in dataset.warnings:
        logger.warning("%s: %s", dataset.name, warning)
    names = [approach.name for approach in approaches]
    questions = list(dataset.first(config.samples))
    if config.shuffle is not None:
        Random(config.shuffle).shuffle(questions)
    if config.stop_when == "decided":
        require_monitored(names, config.shuffle)
    plan = Plan(names, questions, config.repeats, provider="", model="", shuffle=config.shuffle)
    return Study(config, dataset, approaches, plan)
