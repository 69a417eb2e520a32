"""The plan of an experiment: its variants and questions, and the order of its runs."""

from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ml_agents_results.database.engine import Database
from ml_agents_results.experiments.question import Question
from ml_agents_results.repositories.claim_repository import RunKey
from ml_agents_results.repositories.run_repository import RunRepository

VERSION = 2
"""Version of the order below; an experiment with a newer one cannot be resumed. A plan of one model
that was not extended is recorded as version 1, which programs before this one read."""


class PlannedModel(NamedTuple):
    """A model under the names that its runs are stored by."""

    provider: str
    model: str


class PlannedVariant(NamedTuple):
    """An approach with one model."""

    approach_name: str
    provider: str
    model: str


class Extent(NamedTuple):
    """The part of a plan that was planned at some time: the first approaches and models, samples of
    each task (None: all), and repeats."""

    approaches: int
    models: int
    samples: int | None
    repeats: int


class PlannedRun(NamedTuple):
    """A run of a plan: indexes of its model and approach, its question and repeat."""

    model: int
    approach: int
    question: Question
    repeat: int


def _numbers() -> "array[int]":
    return array("Q")


@dataclass(frozen=True)
class Plan:
    """Every question, asked `repeats` times by every variant: every approach with every model.

    A run's position counts from 0: all variants of a question, then the next question, then the
    next repeat. An experiment that stops early has therefore asked all variants the same questions.
    Shuffled questions have their repeats before the next question: each is then complete early.
    What an extension added comes after all that was planned before, in the same order: the position
    of a run never changes, so that processes which know the plan before and after it share claims.

    Attributes:
        shuffle: The seed that the questions were put in random order by.
        before: The extents of the plan before each of its extensions.
    """

    approaches: Sequence[str]
    questions: Sequence[Question]
    repeats: int
    models: Sequence[PlannedModel]
    shuffle: int | None = None
    before: Sequence[Extent] = ()
    _indexes: dict[tuple[str, int], int] = field(default_factory=dict, init=False, repr=False)
    _variants: dict[PlannedVariant, int] = field(default_factory=dict, init=False, repr=False)
    _cells: "array[int]" = field(default_factory=_numbers, init=False, repr=False)
    _positions: "array[int]" = field(default_factory=_numbers, init=False, repr=False)

    def __post_init__(self) -> None:
        for index, question in enumerate(self.questions):
            self._indexes[question.task, question.sample_index] = index
        for index, variant in enumerate(self.variants):
            self._variants.setdefault(variant, index)
        if self.before:
            self._order()

    def __len__(self) -> int:
        return self._width * len(self.questions) * self.repeats

    @property
    def _width(self) -> int:
        """The number of variants."""
        return len(self.approaches) * len(self.models)

    @property
    def variants(self) -> Sequence[PlannedVariant]:
        """All approaches of a model, then those of the next one."""
        return [PlannedVariant(name, *model) for model in self.models for name in self.approaches]

    @property
    def titles(self) -> Sequence[str]:
        """What tells each variant from the others: its approach, its model, or both."""
        names = [model.model for model in self.models]
        if len(set(names)) < len(names):
            names = ["/".join(model) for model in self.models]
        if len(names) == 1:
            return list(self.approaches)
        if len(self.approaches) == 1:
            return names
        return [f"{approach} / {name}" for name in names for approach in self.approaches]

    def at(self, position: int) -> PlannedRun:
        """The run at a position."""
        cell = self._cells[position] if self.before else position
        rest, variant = divmod(cell, self._width)
        if self.shuffle is None:
            repeat, index = divmod(rest, len(self.questions))
        else:
            index, repeat = divmod(rest, self.repeats)
        model, approach = divmod(variant, len(self.approaches))
        return PlannedRun(model, approach, self.questions[index], repeat)

    def model_at(self, position: int) -> int:
        """The index of the model that is asked at a position."""
        cell = self._cells[position] if self.before else position
        return cell % self._width // len(self.approaches)

    def key(self, position: int) -> RunKey:
        """The key of the run at a position."""
        run = self.at(position)
        return RunKey(
            self.approaches[run.approach],
            *self.models[run.model],
            run.question.task,
            run.question.sample_index,
            run.repeat,
        )

    def cell(self, key: RunKey) -> int | None:
        """Where a run would stand if all had been planned at once; None for one that was not
        planned."""
        index = self._indexes.get((key.task, key.sample_index))
        variant = self._variants.get(PlannedVariant(key.approach_name, key.provider, key.model))
        if index is None or variant is None or key.repeat_index >= self.repeats:
            return None
        return self._cell(variant, index, key.repeat_index)

    def position(self, key: RunKey) -> int | None:
        """The inverse of `key`; None for a run that was not planned."""
        cell = self.cell(key)
        return self._positions[cell] if self.before and cell is not None else cell

    def _cell(self, variant: int, index: int, repeat: int) -> int:
        rest = repeat * len(self.questions) + index
        if self.shuffle is not None:
            rest = index * self.repeats + repeat
        return rest * self._width + variant

    def _order(self) -> None:
        """Lines up the runs: those of each extent that no extent before it has."""
        seen = bytearray(len(self))
        whole = Extent(len(self.approaches), len(self.models), None, self.repeats)
        for extent in (*self.before, whole):
            for cell in self._within(extent):
                if not seen[cell]:
                    seen[cell] = 1
                    self._cells.append(cell)
        self._positions.extend([0] * len(self))
        for position, cell in enumerate(self._cells):
            self._positions[cell] = position

    def _within(self, extent: Extent) -> Iterator[int]:
        variants = [
            model * len(self.approaches) + approach
            for model in range(extent.models)
            for approach in range(extent.approaches)
        ]
        indexes = [
            index
            for index, question in enumerate(self.questions)
            if extent.samples is None or question.sample_index < extent.samples
        ]
        repeats = range(extent.repeats)
        if self.shuffle is None:
            pairs = ((repeat, index) for repeat in repeats for index in indexes)
        else:
            pairs = ((repeat, index) for index in indexes for repeat in repeats)
        for repeat, index in pairs:
            for variant in variants:
                yield self._cell(variant, index, repeat)

    @property
    def is_random(self) -> bool:
        """Whether the questions are in random order: not where later ones came after others."""
        first = min((e.samples for e in self.before if e.samples is not None), default=None)
        return self.shuffle is not None and (
            first is None or all(question.sample_index < first for question in self.questions)
        )

    def describe(self) -> dict[str, Any]:
        """The plan as it is recorded with the experiment."""
        several = {"models": len(self.models)} if len(self.models) > 1 else {}
        return {
            "version": VERSION if several or self.before else 1,
            "approaches": list(self.approaches),
            **several,
            "questions": len(self.questions),
            "repeats": self.repeats,
            "runs": len(self),
            **({"shuffle": self.shuffle} if self.is_random else {}),
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
