"""Runs from a line of grades, so that a test shows the data that its figures come from."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow

Grade = bool | int | str | None
"""1 or 0; None for a run without a grade, "failed", or "unparsed"."""


def run(
    experiment: str, approach: str, place: int, grade: Grade, repeat: int = 0, **columns: Any
) -> RunRecord:
    made = RunRecord(
        experiment,
        approach,
        place,
        provider="p",
        model="m",
        repeat_index=repeat,
        input_text=f"question {place}",
        expected_answer=f"answer {place}",
    )
    if grade == "failed":
        made.error = "TimeoutError: no answer"
    elif grade == "unparsed":
        made.raw_output = "Hm."
    elif grade is not None:
        made.is_correct = bool(grade)
    for name, value in columns.items():
        setattr(made, name, value)
    return made


def runs(
    experiment: str,
    approach: str,
    grades: Sequence[Any],
    first: int = 0,
    **columns: Any,
) -> list[RunRecord]:
    """A run for each grade from sample `first` on; a sequence of grades are repeats."""
    made = []
    for place, grade in enumerate(grades, start=first):
        repeats = grade if isinstance(grade, list | tuple) else [grade]
        made += [
            run(experiment, approach, place, one, repeat, **columns)
            for repeat, one in enumerate(repeats)
        ]
    return made


def save(processor: ResultsProcessor, *many: Sequence[RunRecord]) -> ResultsProcessor:
    """Records the runs, and the experiments that they belong to."""
    for some in many:
        for experiment in sorted({one.experiment_id for one in some}):
            processor.save_experiment(experiment, {})
        processor.save_runs(list(some))
    return processor


def table(both: int, candidate: int, baseline: int, neither: int) -> dict[str, list[int]]:
    """Grades of two variants whose 2x2 table is this."""
    return {
        "ChainOfThought": [1] * both + [1] * candidate + [0] * baseline + [0] * neither,
        "None": [1] * both + [0] * candidate + [1] * baseline + [0] * neither,
    }


def of_table(cells: tuple[int, int, int, int], **columns: Any) -> list[RunRecord]:
    """The runs of such a table in the experiment "exp"."""
    return [
        one
        for approach, grades in table(*cells).items()
        for one in runs("exp", approach, grades, **columns)
    ]


def near(expected: Any) -> Any:
    return None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-12)


def only_pair(processor: ResultsProcessor, **choices: Any) -> ComparisonRow:
    (pair,) = processor.compare(["exp"], options=AnalysisOptions(**choices)).comparisons
    return pair


def coin(seed: int, count: int, chance: float) -> list[int]:
    generator = random.Random(seed)
    return [int(generator.random() < chance) for _ in range(count)]


def clear(processor: ResultsProcessor) -> None:
    with processor.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM experiments")


def fresh(processor: ResultsProcessor, grades: dict[str, Any]) -> None:
    clear(processor)
    save(processor, *(runs("exp", variant, given) for variant, given in grades.items()))
