"""Run folders of HELM."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import ResultsError
from ml_agents_results.processor import ResultsProcessor
from tests.formats.readers.conftest import Importer
from tests.formats.readers.helm_runs import state, stats, write

Refused = Callable[..., ResultsError]


def test_every_field(tmp_path: Path, imported: Importer, processor: ResultsProcessor) -> None:
    measured = stats(
        quasi_exact_match=0, exact_match=1, inference_runtime=0.25, num_prompt_tokens=9,
        num_completion_tokens=2,
    )  # fmt: skip
    told, (run,) = imported(write(tmp_path / "run", [state()], [measured]))
    assert (run.approach_name, run.provider, run.model) == ("multiple_choice_joint", "lab", "m")
    assert (run.task, run.sample_index, run.sample_id) == ("mmlu:subject=logic", 0, "id7")
    assert (run.input_text, run.expected_answer) == ("2+2?", "four")
    assert (run.raw_output, run.parsed_answer) == (" B", "four")
    assert (run.is_correct, run.score) == (True, None)
    assert (run.execution_time_ms, run.prompt_tokens, run.completion_tokens) == (250, 9, 2)
    assert run.created_at == datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    assert run.cost_estimate is None
    scores = {one.metric: one.value for one in run.scores or ()}
    assert scores["quasi_exact_match"] == 0
    assert told.sources[0]["chosen"]["metric"] == "exact_match (the usual one)"
    experiment = processor.get_experiment(run.experiment_id)
    assert experiment.name == "mmlu:subject=logic,model=lab_m"
    again, _ = imported(tmp_path / "run")
    assert again.skipped == 1


def test_trials_perturbations_and_calibration(tmp_path: Path, imported: Importer) -> None:
    typos = {"name": "typos", "prob": 0.1}
    states = [
        state(), state(trial=1), state(perturbation=typos),
        state("id9", request_mode="calibration"),
    ]  # fmt: skip
    measured = [stats(exact_match=1), stats(trial=1, exact_match=0), stats(
        perturbation=typos, exact_match=0)]  # fmt: skip
    told, runs = imported(write(tmp_path / "run", states, measured))
    assert [(run.sample_index, run.repeat_index, run.is_correct) for run in runs] == [
        (0, 0, True), (0, 1, False), (1, 0, False),
    ]  # fmt: skip
    assert told.sources[0]["left_out"] == {"calibration requests": 1}


def test_choices_that_were_asked_for_one_by_one(tmp_path: Path, imported: Importer) -> None:
    def choice(number: int, logprob: float) -> dict[str, Any]:
        result = {"success": True, "completions": [{"text": "x", "logprob": logprob}]}
        return state(reference_index=number, result=result, output_mapping=None)

    _, (run,) = imported(write(tmp_path / "run", [choice(0, -3), choice(1, -2)], []))
    assert (run.raw_output, run.parsed_answer, run.is_correct) == ("[-3, -2]", "four", None)


def test_further_completions_are_kept(tmp_path: Path, imported: Importer) -> None:
    several = {"success": True, "completions": [{"text": "A"}, {"text": "B"}], "request_time": 1}
    _, (run,) = imported(
        write(tmp_path / "run", [state("a", result=several)], [stats("a", exact_match=0)])
    )
    assert run.raw_output == "A"
    assert (run.metadata_json or {})["further_completions"] == ["B"]


def test_failed_cached_and_unmeasured(tmp_path: Path, imported: Importer) -> None:
    broken = {"success": False, "error": "overloaded", "completions": []}
    cached = {"success": True, "cached": True, "completions": [{"text": "A"}], "request_time": 9}
    told, runs = imported(
        write(
            tmp_path / "run",
            [state("a", result=broken), state("b", result=cached)],
            [stats("a", exact_match=0), stats("b", bleu=0.5)],
        )
    )
    assert [(run.error, run.is_correct) for run in runs] == [("overloaded", None), (None, None)]
    assert runs[1].execution_time_ms == 9000
    assert "1 runs have no grade" in told.warnings[1]


def test_folder_of_runs(tmp_path: Path, imported: Importer, refused: Refused) -> None:
    folder = tmp_path / "suite"
    folder.mkdir()
    for name in ("one", "two"):
        write(folder / name, [state(name)], [stats(name, exact_match=1)])
    assert refused(folder, metric="x").hint == (
        "Its metrics are: exact_match; to leave the file out: --skip-broken"
    )
    told, runs = imported(folder)
    assert (len(told.sources), len(runs), len(told.experiments)) == (2, 2, 2)


@pytest.mark.parametrize(
    ("states", "measured", "message"),
    [
        ([state(None)], [], "has the instance id None"),
        ([state(), state()], [], "is answered twice"),
        ([], [], "holds no runs"),
        ([state()], {"a": 1}, "'[' is missing"),
    ],
)
def test_broken_folders(
    tmp_path: Path, refused: Refused, states: Any, measured: Any, message: str
) -> None:
    assert message in refused(write(tmp_path / "run", states, measured)).message


def test_splits_are_kept_apart(tmp_path: Path, imported: Importer, refused: Refused) -> None:
    def of(name: str, split: str) -> dict[str, Any]:
        one = state(name)
        one["instance"]["split"] = split
        return one

    def measured(name: str, split: str, value: int) -> dict[str, Any]:
        one = stats(name, exact_match=value)
        one["stats"][0]["name"]["split"] = split
        return one

    states = [of("a", "valid"), of("b", "test"), of("c", "test")]
    values = [measured("a", "valid", 0), measured("b", "test", 1), measured("c", "test", 1)]
    path = write(tmp_path / "run", states, values)
    assert refused(path, split="train").hint == "Its splits are: valid, test"
    told, runs = imported(path)
    assert [(run.sample_id, run.is_correct) for run in runs] == [("b", True), ("c", True)]
    assert told.sources[0]["chosen"]["split"] == "test (test, else valid)"
    assert told.sources[0]["left_out"] == {"requests of split valid": 1}
    assert "others are valid (to choose: --split)" in told.warnings[0]
    _, runs = imported(path, split="valid", experiment_id="valid")
    assert [(run.sample_id, run.is_correct) for run in runs] == [("a", False)]


def test_fractions_are_not_right_or_wrong(tmp_path: Path, imported: Importer) -> None:
    names = ("a", "b", "c")
    values = zip(names, (0, 1, 0.5), strict=True)
    measured = [stats(name, ifeval_strict_accuracy=value) for name, value in values]
    told, runs = imported(write(tmp_path / "run", [state(name) for name in names], measured))
    assert [(run.is_correct, run.score) for run in runs] == [(None, 0), (None, 1), (None, 0.5)]
    assert told.metrics[0]["kind"] == "numeric"
