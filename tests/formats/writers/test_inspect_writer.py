"""Logs of Inspect: what they say, and that our runs come back from them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from ml_agents_results.errors import UsageError
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord, ScoreRecord
from tests.formats.readers.inspect_logs import log as inspect_log
from tests.formats.readers.inspect_logs import sample as inspect_sample
from tests.formats.readers.inspect_logs import write_json
from tests.formats.writers.round_trips import (
    ANY_RUNS,
    any_runs_come_back,
    odd_experiments_come_back,
)
from tests.formats.writers.sample_experiments import all_runs, run


def log_of(path: Path) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(path.read_bytes())
    return log


JUDGES = {"gpt": 7.0, "people": 5.0}


def test_one_variant_is_one_log(tmp_path: Path, processor: ResultsProcessor) -> None:
    path = tmp_path / "second.json"
    export(processor.database, "second", path, "inspect")
    log = log_of(path)
    assert (log["version"], log["status"]) == (2, "started")
    assert (log["eval"]["model"], log["eval"]["solver"]) == ("openai/m-1", "Reflection")
    assert log["eval"]["metadata"]["approach"] == "Reflection"
    (score,) = log["results"]["scores"]
    assert score["metrics"]["accuracy"]["value"] == 1
    assert (score["scored_samples"], log["results"]["total_samples"]) == (12, 12)
    assert len(log["samples"]) == 12
    sample = log["samples"][0]
    assert (sample["id"], sample["epoch"]) == ("task 0/s0", 1)
    assert (sample["input"], sample["target"]) == ("What is 0 + 1?", "1")
    assert sample["output"]["completion"] == sample["messages"][1]["content"] == "It is 1."
    assert sample["scores"] == {"grade": {"value": "C", "answer": "1"}}
    assert sample["working_time"] == 0.1
    assert sample["model_usage"] == {
        "openai/m-1": {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "total_cost": 0.001,
        }
    }


def test_several_variants_are_a_folder(tmp_path: Path, processor: ResultsProcessor) -> None:
    with pytest.raises(UsageError, match="there are 2") as caught:
        export(processor.database, "exp", tmp_path / "exp.json", "inspect")
    assert "--output FOLDER" in str(caught.value.hint)
    assert not (tmp_path / "exp.json").exists()
    export(processor.database, "exp", tmp_path / "logs", "inspect")
    cot, none = (log_of(path) for path in sorted((tmp_path / "logs").iterdir()))
    assert (cot["eval"]["solver"], none["eval"]["solver"]) == ("ChainOfThought", "None")
    failed = [one for one in cot["samples"] if "error" in one]
    assert [one["error"]["message"] for one in failed] == ["HTTP 500: overloaded"]
    assert "scores" not in failed[0]
    assert sum("scores" not in one for one in cot["samples"]) == 2


def test_what_is_odd_comes_back(
    tmp_path: Path, migrated_file: Path, processor: ResultsProcessor
) -> None:
    odd_experiments_come_back(processor, migrated_file, tmp_path, "inspect", "logs")


@given(runs=ANY_RUNS)
def test_any_runs_come_back(migrated_file: Path, runs: list[RunRecord]) -> None:
    any_runs_come_back(runs, migrated_file, "inspect", "logs")


def test_samples_have_ids_of_their_own(tmp_path: Path, processor: ResultsProcessor) -> None:
    processor.save_experiment("x", {})
    processor.save_runs(
        [
            run("x", index, task="", sample_id=sample_id, repeat_index=repeat)
            for index, sample_id, repeat in ((0, "a", 0), (0, "a", 1), (1, "a", 0), (2, None, 0))
        ]
    )
    export(processor.database, "x", tmp_path / "x.json", "inspect")
    assert [(one["id"], one["epoch"]) for one in log_of(tmp_path / "x.json")["samples"]] == [
        ("a #0", 1), ("a #0", 2), ("a #1", 1), ("2", 1),
    ]  # fmt: skip


def test_a_log_of_inspect_keeps_its_scores(tmp_path: Path, processor: ResultsProcessor) -> None:
    given = inspect_log(inspect_sample(1, choices=["3", "4"]), inspect_sample("q2", error="down"))
    load(processor.database, [LogSource(write_json(tmp_path / "a.json", given))], ImportOptions())
    export(processor.database, "arith-T1", tmp_path / "b.json", "inspect")
    log = log_of(tmp_path / "b.json")
    assert log["eval"]["packages"] == {"inspect_ai": "0.3.285"}
    assert log["eval"]["revision"]["commit"] == "abc"
    assert log["eval"]["dataset"]["name"] == "sums"
    for before, after in zip(given["samples"], log["samples"], strict=True):
        assert (after["id"], after["epoch"]) == (before["id"], before["epoch"])
        assert (after["input"], after["target"]) == (before["input"], before["target"])
        # The answer of `includes` is the output in lower case, and is not kept.
        assert after["scores"]["includes"] == {"value": "I", "explanation": "x"}
        assert after["scores"]["match"]["value"] == "C"
        assert after["metadata"]["topic"] == "sums"
        assert after["model_usage"] == before["model_usage"]
        assert after.get("choices") == before.get("choices")
    runs = all_runs(processor, "arith-T1")
    again = load(processor.database, [LogSource(tmp_path / "b.json")], ImportOptions())
    assert (again.read, again.skipped) == (2, 2)
    assert all_runs(processor, "arith-T1") == runs


def test_several_authors_give_one_score_together(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    processor.save_experiment("e", {})
    scores = [ScoreRecord(value, metric="judge", author=name) for name, value in JUDGES.items()]
    alone = ScoreRecord(0.5, metric="f1", author="ada")
    processor.save_run(RunRecord("e", "None", 0, is_correct=True, scores=[*scores, alone]))
    export(processor.database, "e", tmp_path / "a.json", "inspect")
    (sample,) = log_of(tmp_path / "a.json")["samples"]
    assert sample["scores"]["judge"] == {"value": 6.0, "metadata": {"authors": JUDGES}}
    assert sample["scores"]["f1"]["value"] == 0.5
    runs = all_runs(processor, "e")
    again = load(processor.database, [LogSource(tmp_path / "a.json")], ImportOptions())
    assert (again.skipped, all_runs(processor, "e")) == (1, runs)


def test_metadata_can_stay_away(tmp_path: Path, processor: ResultsProcessor) -> None:
    export(processor.database, "exp", tmp_path / "a", "inspect", metadata=False)
    export(processor.database, "exp", tmp_path / "b", "inspect", include=["metadata"])
    for path in (tmp_path / "a").iterdir():
        assert "seed" not in path.read_text("utf-8")
    assert all(log_of(path)["samples"] == [] for path in (tmp_path / "b").iterdir())
