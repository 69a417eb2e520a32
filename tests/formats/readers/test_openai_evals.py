"""Logs of OpenAI's evals."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import ResultsError
from ml_agents_results.processor import ResultsProcessor
from tests.formats.readers.conftest import Importer
from tests.formats.readers.openai_evals_logs import event, sampling, write

Refused = Callable[..., ResultsError]


def test_every_field(tmp_path: Path, imported: Importer, processor: ResultsProcessor) -> None:
    path = write(
        tmp_path / "a.jsonl",
        sampling("arith.dev.3"),
        event("arith.dev.3", "match", correct=True, expected="4", picked="4", sampled="4"),
    )
    told, (run,) = imported(path)
    assert run.experiment_id == "R1"
    assert (run.approach_name, run.provider, run.model, run.task) == ("None", "", "m-1", "arith")
    assert (run.sample_index, run.sample_id) == (3, "arith.dev.3")
    assert (run.input_text, run.expected_answer) == ("arith.dev.3?", "4")
    assert (run.raw_output, run.parsed_answer) == ("4", "4")
    assert (run.is_correct, run.score) == (True, None)
    assert (run.prompt_tokens, run.completion_tokens) == (20, 2)
    assert (run.execution_time_ms, run.cost_estimate) == (None, None)
    assert run.created_at == datetime(2026, 1, 15, 10, 30, 1, tzinfo=UTC)
    assert told.sources[0]["chosen"]["metric"] == "match.correct (the usual one)"
    experiment = processor.get_experiment("R1")
    assert (experiment.name, experiment.status) == ("arith.dev.v0", "completed")
    assert experiment.environment_json["log"] == {"final_report": {"accuracy": 0.5}}
    again, _ = imported(path)
    assert again.skipped == 1


def test_events_of_several_samples_and_steps_alternate(tmp_path: Path, imported: Importer) -> None:
    events = [
        sampling("b", "hm"), sampling("a"), sampling("b", "5"),
        event("b", "match", correct=False, expected=["4"], picked=None),
        event("a", "match", correct=True, expected="4"),
    ]  # fmt: skip
    _, runs = imported(write(tmp_path / "a.jsonl", *events))
    assert [(run.sample_id, run.raw_output, run.is_correct) for run in runs] == [
        ("b", "5", False), ("a", "4", True),
    ]  # fmt: skip
    assert runs[0].prompt_tokens == 40
    assert len((runs[0].metadata_json or {})["sampling"]) == 2


@pytest.mark.parametrize(
    ("picked", "parsed"), [([], None), (["4"], "4"), (["4", "four"], '["4", "four"]')]
)
def test_a_fuzzy_match_lists_what_matched(
    tmp_path: Path, imported: Importer, picked: list[str], parsed: str | None
) -> None:
    match = event("a", "match", correct=bool(picked), expected=["4", "four"], picked=picked)
    _, (run,) = imported(write(tmp_path / "a.jsonl", sampling("a"), match))
    assert run.parsed_answer == parsed


def test_metrics_errors_and_nothing(tmp_path: Path, imported: Importer, refused: Refused) -> None:
    events = [
        event("a", "metrics", accuracy=1, f1=0.5),
        event("b", "error", type="Timeout", message="late"),
        sampling("c"),
    ]
    path = write(tmp_path / "a.jsonl", *events, eval_name="x.cot.v1")
    told, runs = imported(path)
    assert [(run.is_correct, run.error) for run in runs] == [
        (True, None), (None, "late"), (None, None),
    ]  # fmt: skip
    assert (told.failed, told.ungraded) == (1, 1)
    assert {run.approach_name for run in runs} == {"ChainOfThought"}
    _, runs = imported(path, metric="f1")
    assert [run.score for run in runs] == [0.5, None, None]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([event("a.1", "match"), event("b", "match")], "has the sample_id 'b', others are of"),
        ([event("x.1", "match"), event("y.1", "match")], "is answered twice"),
        ([], "holds no runs"),
        ([[1]], "line 2: it is a list"),
        ([event("1", "match"), event(1, "match")], "whose id is a number"),
    ],
)
def test_broken_logs(tmp_path: Path, refused: Refused, events: Any, message: str) -> None:
    assert message in refused(write(tmp_path / "a.jsonl", *events)).message


def test_log_without_its_beginning(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(sampling("a")), encoding="utf-8")
    error = refused(path, format_name="openai-evals")
    assert "does not begin with the specification" in error.message


def test_arguments_of_models_stay_away(
    tmp_path: Path, imported: Importer, processor: ResultsProcessor
) -> None:
    asked = {"completion_args": "base=inside.lab", "seed": 7}
    path = write(tmp_path / "a.jsonl", sampling("a.1"), run_config=asked)
    imported(path)
    assert processor.get_experiment("R1").config_json["run_config"] == {"seed": 7}
    imported(path, experiment_id="asked", model_args=True)
    assert processor.get_experiment("asked").config_json["run_config"] == asked


def test_verdicts_that_contradict_each_other(tmp_path: Path, imported: Importer) -> None:
    events = [event("a.1", "match", correct=True), event("a.1", "match", correct=False)]
    told, (run,) = imported(write(tmp_path / "a.jsonl", *events))
    assert run.is_correct is False
    assert "contradict each other" in told.warnings[0]


def judged(sample: str, answer: str, choice: str, score: float) -> list[dict[str, Any]]:
    """What a model-graded evaluation records of a sample: the answer, then the judge's."""
    judge = {"prompt": "Is it right?", "sampled": [f"My verdict: {choice}"], "model": "judge-9"}
    usage = {"prompt_tokens": 700, "completion_tokens": 70}
    return [
        sampling(sample, answer),
        event(sample, "sampling", **judge, usage=usage),
        event(sample, "metrics", choice=choice, score=score),
    ]


def test_the_judge_of_a_model_graded_sample_is_not_the_model(
    tmp_path: Path, imported: Importer
) -> None:
    events = [*judged("e.dev.0", "4", "Y", 1.0), *judged("e.dev.1", "5", "N", 0.0)]
    _, runs = imported(write(tmp_path / "a.jsonl", *events))
    assert [(run.raw_output, run.model, run.is_correct) for run in runs] == [
        ("4", "m-1", True),
        ("5", "m-1", False),
    ]
    assert [(run.prompt_tokens, run.completion_tokens) for run in runs] == [(20, 2), (20, 2)]
    assert (runs[0].metadata_json or {})["sampling"][1]["model"] == "judge-9"


def test_a_judge_that_was_not_understood_leaves_no_grade(
    tmp_path: Path, imported: Importer
) -> None:
    path = write(tmp_path / "a.jsonl", *judged("e.dev.0", "4", "__invalid__", 0.0))
    told, (run,) = imported(path)
    assert (run.raw_output, run.is_correct, run.score, run.error) == ("4", None, None, None)
    assert told.ungraded == 1
