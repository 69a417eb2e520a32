"""Every Eval Ever: what others read in it, and that our runs come back from it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from ml_agents_results.errors import UsageError
from ml_agents_results.formats.exporting import export
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.formats.writers.round_trips import (
    ANY_RUNS,
    any_runs_come_back,
    odd_experiments_come_back,
)


def totals_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(folder.rglob("*.json"))]


def lines_of(folder: Path, totals: dict[str, Any]) -> list[dict[str, Any]]:
    text = (folder / totals["detailed_evaluation_results"]["file_path"]).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_totals_are_those_of_the_analysis(tmp_path: Path, processor: ResultsProcessor) -> None:
    export(processor.database, "exp", tmp_path / "out", "eee")
    totals = {
        one["source_metadata"]["additional_details"]["approach"]: one
        for one in totals_of(tmp_path / "out")
    }
    assert totals.keys() == {"None", "ChainOfThought"}
    variants = processor.generate_accuracy_report({"experiment_id": "exp"})["variants"]
    for variant in variants:
        found = totals[variant["approach_name"]]
        assert found["schema_version"] == "0.3.0"
        assert found["model_info"]["id"] == "openai/m-1"
        whole, *tasks = found["evaluation_results"]
        assert whole["score_details"]["score"] == variant["accuracy"]
        uncertainty = whole["score_details"]["uncertainty"]
        assert uncertainty.get("standard_error", {}).get("value") == variant["se"]
        assert uncertainty["confidence_interval"]["lower"] == variant["ci_low"]
        assert uncertainty["num_samples"] == variant["graded"]
        assert whole["score_details"]["details"]["failed"] == str(variant["failed"])
        assert [one["evaluation_name"] for one in tasks] == ["task 0", "task 1", "task 2"]


def test_samples_say_what_the_format_can(tmp_path: Path, processor: ResultsProcessor) -> None:
    folder = tmp_path / "out"
    export(processor.database, "exp", folder, "eee")
    for totals in totals_of(folder):
        details = totals["detailed_evaluation_results"]
        lines = lines_of(folder, totals)
        data = (folder / details["file_path"]).read_bytes()
        assert details["checksum"] == hashlib.sha256(data).hexdigest()
        assert details["total_rows"] == len(lines) == 30
        known = {one["evaluation_result_id"] for one in totals["evaluation_results"]}
        assert {one["evaluation_id"] for one in lines} == {totals["evaluation_id"]}
        assert {one["evaluation_result_id"] for one in lines} <= known
        graded = [one for one in lines if one["metadata"]["graded"] == "true"]
        for task in totals["evaluation_results"][1:]:
            of_task = [one for one in graded if one["evaluation_name"] == task["evaluation_name"]]
            mean = sum(one["evaluation"]["score"] for one in of_task) / len(of_task)
            assert mean == pytest.approx(task["score_details"]["score"])
        for one in lines:
            if one["metadata"]["graded"] == "false":
                assert one["evaluation"] == {"score": -1, "is_correct": False}
                assert totals["evaluation_results"][0]["metric_config"]["has_unknown_level"]
    errors = [one["error"] for totals in totals_of(folder) for one in lines_of(folder, totals)]
    assert list(filter(None, errors)) == ["HTTP 500: overloaded"]


def test_what_is_odd_comes_back(
    tmp_path: Path, migrated_file: Path, processor: ResultsProcessor
) -> None:
    odd_experiments_come_back(processor, migrated_file, tmp_path, "eee", "out")


@given(runs=ANY_RUNS)
def test_any_runs_come_back(migrated_file: Path, runs: list[RunRecord]) -> None:
    any_runs_come_back(runs, migrated_file, "eee", "out")


def test_what_the_format_said_of_the_source_is_kept(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    processor.save_experiment(
        "exp",
        {
            "temperature": 0.5,
            "max_tokens": 100,
            "source_metadata": {
                "source_organization_name": "Our lab",
                "evaluator_relationship": "third_party",
            },
            "model_info": {"name": "M", "id": "openai/m-1", "developer": "OpenAI"},
        },
    )
    export(processor.database, "exp", tmp_path / "out", "eee")
    totals = totals_of(tmp_path / "out")[0]
    assert totals["source_metadata"]["source_organization_name"] == "Our lab"
    assert totals["source_metadata"]["evaluator_relationship"] == "third_party"
    assert totals["model_info"]["developer"] == "OpenAI"
    settings = totals["evaluation_results"][0]["generation_config"]["generation_args"]
    assert (settings["temperature"], settings["max_tokens"]) == (0.5, 100)


def test_parts(tmp_path: Path, processor: ResultsProcessor) -> None:
    export(processor.database, "exp", tmp_path / "out", "eee", include=["metadata"])
    assert not list((tmp_path / "out").rglob("*.jsonl"))
    assert "detailed_evaluation_results" not in totals_of(tmp_path / "out")[0]
    export(processor.database, "exp", tmp_path / "bare", "eee", metadata=False)
    assert "seed" not in json.dumps(totals_of(tmp_path / "bare"))
    with pytest.raises(UsageError, match="eee is a folder"):
        export(processor.database, "exp", "-", "eee")


def test_an_experiment_without_grades_has_no_results(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    export(processor.database, "failed", tmp_path / "out", "eee")
    (totals,) = totals_of(tmp_path / "out")
    assert totals["evaluation_results"] == []
    assert [one["error"] for one in lines_of(tmp_path / "out", totals)] == ["down"] * 3


def test_the_same_experiment_gives_the_same_bytes(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    for name in ("one", "two"):
        export(processor.database, "exp", tmp_path / name, "eee")
    one, two = (
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two
