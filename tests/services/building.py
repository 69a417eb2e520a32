"""Runs from a line of grades, so that a test shows the data that its figures come from."""

from collections.abc import Sequence
from typing import Any

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord

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


def table(both: int, treatment: int, baseline: int, neither: int) -> dict[str, list[int]]:
    """Grades of two arms whose 2x2 table is this."""
    return {
        "ChainOfThought": [1] * both + [1] * treatment + [0] * baseline + [0] * neither,
        "None": [1] * both + [0] * treatment + [1] * baseline + [0] * neither,
    }


def of_table(cells: tuple[int, int, int, int], **columns: Any) -> list[RunRecord]:
    """The runs of such a table in the experiment "exp"."""
    return [
        one
        for approach, grades in table(*cells).items()
        for one in runs("exp", approach, grades, **columns)
    ]
