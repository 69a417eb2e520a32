"""Valid logs of any contents: in every format each sample becomes the run that it should be."""

import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.repositories.run_repository import RunRepository
from tests.formats.readers import (
    every_eval_ever_files,
    helm_runs,
    lm_eval_logs,
    openai_evals_logs,
    promptfoo_results,
)
from tests.formats.readers.inspect_logs import log, sample, write_eval


class Answer(NamedTuple):
    """What a sample of a log is about; no grade and no error means that nothing judged it."""

    output: str
    grade: bool | None
    error: str | None


def inspect(folder: Path, answers: Sequence[Answer]) -> Path:
    samples = [
        sample(
            number,
            output={"completion": one.output},
            scores={} if one.grade is None else {"match": {"value": "C" if one.grade else "I"}},
            error=None if one.error is None else {"message": one.error},
        )
        for number, one in enumerate(answers)
    ]
    return write_eval(folder / "a.eval", log(*samples))


def lm_eval(folder: Path, answers: Sequence[Answer]) -> Path:
    rows = [
        lm_eval_logs.row(
            number,
            resps=[[one.output]],
            filtered_resps=["[invalid]" if one.grade is None else "4"],
            exact_match=float(one.grade or 0),
        )
        for number, one in enumerate(answers)
    ]
    return lm_eval_logs.write(folder / "logs", "a", *rows)


def promptfoo(folder: Path, answers: Sequence[Answer]) -> Path:
    unjudged: dict[str, Any] = {"gradingResult": None, "testCase": {}}
    results = [
        promptfoo_results.result(
            number,
            response={"output": one.output},
            success=bool(one.grade),
            failureReason=2 if one.error else 0 if one.grade else 1,
            error=one.error,
            **(unjudged if one.grade is None else {}),
        )
        for number, one in enumerate(answers)
    ]
    return promptfoo_results.write(folder / "a.json", promptfoo_results.document(*results))


def helm(folder: Path, answers: Sequence[Answer]) -> Path:
    states = [
        helm_runs.state(
            f"id{number}",
            output_mapping=None,
            result={
                "success": one.error is None,
                "error": one.error,
                "completions": [{"text": one.output}],
            },
        )
        for number, one in enumerate(answers)
    ]
    measured = [
        helm_runs.stats(f"id{number}", exact_match=int(one.grade))
        for number, one in enumerate(answers)
        if one.grade is not None
    ]
    return helm_runs.write(folder / "run", states, measured)


def openai_log(folder: Path, answers: Sequence[Answer]) -> Path:
    events = []
    for number, one in enumerate(answers):
        events.append(openai_evals_logs.sampling(f"a.{number}", one.output))
        if one.error is not None:
            events.append(openai_evals_logs.event(f"a.{number}", "error", message=one.error))
        elif one.grade is not None:
            events.append(openai_evals_logs.event(f"a.{number}", "match", correct=one.grade))
    return openai_evals_logs.write(folder / "a.jsonl", *events)


def every_eval_ever(folder: Path, answers: Sequence[Answer]) -> Path:
    lines = [
        every_eval_ever_files.line(
            f"q{number}",
            output={"raw": [one.output]},
            evaluation={
                "score": -1 if one.grade is None else int(one.grade),
                "is_correct": bool(one.grade),
            },
            error=one.error,
        )
        for number, one in enumerate(answers)
    ]
    path = every_eval_ever_files.write(folder / "x", *lines)
    totals = path.with_name(f"{every_eval_ever_files.UUID}.json")
    text = totals.read_text(encoding="utf-8").replace(
        '"metric_name": "accuracy"', '"metric_name": "accuracy", "has_unknown_level": true'
    )
    totals.write_text(text, encoding="utf-8")
    return path


ANSWERS = st.builds(
    Answer,
    output=st.text(st.characters(codec=None), max_size=30),
    grade=st.none() | st.booleans(),
    error=st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
)
NUMBERS = itertools.count()


@pytest.mark.parametrize(
    ("write", "tells_errors"),
    [
        (inspect, True),
        (lm_eval, False),
        (promptfoo, True),
        (helm, True),
        (openai_log, True),
        (every_eval_ever, True),
    ],
)
@given(answers=st.lists(ANSWERS, min_size=1, max_size=8))
def test_any_answers(
    processor: ResultsProcessor,
    write: Callable[[Path, Sequence[Answer]], Path],
    tells_errors: bool,
    answers: list[Answer],
) -> None:
    name = f"x{next(NUMBERS)}"
    with tempfile.TemporaryDirectory() as folder:
        source = LogSource(write(Path(folder), answers))
        result = load(processor.database, [source], ImportOptions(experiment_id=name))
        again = load(processor.database, [source], ImportOptions(experiment_id=name))
    with processor.database.read() as connection:
        runs = list(RunRepository(connection).iterate([name]))
    expected: list[Any] = [
        (
            number,
            one.output,
            None if tells_errors and one.error else one.grade,
            one.error if tells_errors else None,
        )
        for number, one in enumerate(answers)
    ]
    assert [
        (run.sample_index, run.raw_output, run.is_correct, run.error) for run in runs
    ] == expected
    failed = sum(error is not None for *_, error in expected)
    assert (result.read, result.failed) == (len(answers), failed)
    assert result.ungraded == sum(grade is None for _, _, grade, _ in expected) - failed
    assert again.skipped == len(answers)
