"""Logs that lm-evaluation-harness wrote, compared with what it computed itself.

`make test-real-tools` has it write them (write_lm_eval_logs.py) and names their folder.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.run_repository import RunRepository

FOLDER = Path(os.environ.get("ML_AGENTS_REAL_LOGS", "none")) / "lm_eval"

pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason="needs logs of lm-eval: make test-real-tools"
)


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "told.json").read_text(encoding="utf-8"))
    return found


def runs_of(processor: ResultsProcessor, task: str, **options: Any) -> list[RunRecord]:
    paths = sorted((FOLDER / "logs").rglob(f"samples_{task}_*.jsonl"))
    result = load(processor.database, [LogSource(path) for path in paths], ImportOptions(**options))
    with processor.database.read() as connection:
        return list(RunRepository(connection).iterate(result.experiments))


@pytest.mark.parametrize(
    ("task", "name", "metric"),
    [
        ("sums_cot", "strict", "exact_match"),
        ("sums_cot", "flexible", "exact_match"),
        ("colours", "none", "acc"),
        ("colours", "none", "acc_norm"),
    ],
)
def test_every_field_is_what_lm_eval_has(
    processor: ResultsProcessor, told: dict[str, Any], task: str, name: str, metric: str
) -> None:
    runs = {run.sample_index: run for run in runs_of(processor, task, filter=name, metric=metric)}
    samples = {one["doc_id"]: one for one in told["samples"][task] if one["filter"] == name}
    assert runs.keys() == samples.keys()
    for index, sample in samples.items():
        run = runs[index]
        metadata = run.metadata_json or {}
        assert run.task == task
        assert run.sample_id == sample["doc_hash"]
        assert run.input_text == f"Q: {sample['doc']['question']}\nA:"
        assert metadata["doc"] == sample["doc"]
        others = {score.metric: score.value for score in run.scores or ()}
        others.pop(metric, None)
        if task == "sums_cot":
            assert run.raw_output == sample["resps"][0][0]
            assert metadata["resps"] == sample["resps"]
            found = sample["filtered_resps"][0]
            assert run.parsed_answer == (None if found == "[invalid]" else found)
            other = {"strict": "flexible", "flexible": "strict"}[name]
            assert run.expected_answer == str(sample["target"])
            assert others.keys() <= {f"{metric},{other}"}
        else:
            assert sample["target"] == "1"
            assert run.expected_answer == "green"
            assert others == {name: sample[name] for name in {"acc", "acc_norm"} - {metric}}
            likelihoods = [float(one[0][0]) for one in sample["resps"]]
            assert json.loads(run.raw_output or "") == likelihoods
            best = likelihoods.index(max(likelihoods))
            assert run.parsed_answer == ["red", "green", "dark blue"][best]
        if run.parsed_answer is None:
            assert run.is_correct is None
        else:
            assert run.is_correct == (sample[metric] == 1)
    if task == "colours" or all(run.parsed_answer for run in runs.values()):
        accuracy = sum(bool(run.is_correct) for run in runs.values()) / len(runs)
        assert accuracy == pytest.approx(told["results"][task][f"{metric},{name}"])
    assert any(run.is_correct for run in runs.values())


def test_experiment_is_that_of_the_results_file(processor: ResultsProcessor) -> None:
    runs = runs_of(processor, "*")
    (experiment_id,) = {run.experiment_id for run in runs}
    assert {run.task for run in runs} == {"sums_cot", "colours"}
    assert {run.approach_name for run in runs if run.task == "sums_cot"} == {"ChainOfThought"}
    experiment = processor.get_experiment(experiment_id)
    assert experiment.environment_json["tool"] == "lm_eval"
    assert experiment.environment_json["tool_version"]
    assert experiment.config_json["tasks"]["colours"]["output_type"] == "multiple_choice"
    assert len(experiment.environment_json["imports"]) == 2


@pytest.mark.parametrize(("database", "folder"), [("memory", "logs"), ("command", "command")])
def test_recorded_rows_are_those_of_the_files(
    processor: ResultsProcessor, database: str, folder: str
) -> None:
    load(processor.database, [LogSource(FOLDER / folder)], ImportOptions())
    with ResultsProcessor(str(FOLDER / f"{database}.db")) as recorded:
        assert rows(recorded) == rows(processor) != []


def rows(processor: ResultsProcessor) -> list[dict[str, Any]]:
    (experiment,) = processor.list_experiments()
    # The experiment is named after the moment at which the files were written.
    return [
        asdict(run) | {"id": None, "experiment_id": None}
        for run in processor.iter_runs(experiment["id"])
    ]
