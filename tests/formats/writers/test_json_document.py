import json
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.formats.exporting import export
from ml_agents_results.processor import ResultsProcessor
from tests.formats.writers.sample_experiments import all_runs


def _strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def document(processor: ResultsProcessor, path: Path, *names: str, **options: Any) -> Any:
    export(processor.database, names, path, "json", **options)
    return _strict(path.read_text(encoding="utf-8"))


def test_one_experiment_has_the_documented_structure(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    found = document(processor, tmp_path / "out.json", "exp")
    assert list(found) == ["schema_version", "experiment_metadata", "runs", "analysis"]
    assert list(found["experiment_metadata"]) == [
        "id",
        "name",
        "description",
        "status",
        "created_at",
        "config",
        "environment",
        "metrics",
        "summary_statistics",
    ]
    assert found["experiment_metadata"]["config"] == {"dataset": "sums", "seed": 7}
    assert {
        "accuracy_by_approach",
        "parsing_performance",
        "cost_analysis",
        "failure_patterns",
    } <= set(found["analysis"])
    assert [run["id"] for run in found["runs"]] == [run.id for run in all_runs(processor, "exp")]
    statistics = found["experiment_metadata"]["summary_statistics"]
    assert (statistics["runs"], statistics["failed"], statistics["unparsed"]) == (60, 1, 1)
    assert statistics["accuracy"] == statistics["correct"] / 58


@pytest.mark.parametrize("name", ["none", "failed", "odd", "second"])
def test_any_experiment_gives_a_valid_document(
    processor: ResultsProcessor, tmp_path: Path, name: str
) -> None:
    found = document(processor, tmp_path / "out.json", name)
    assert len(found["runs"]) == len(all_runs(processor, name))


def test_several_experiments_come_with_their_comparison(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    found = document(processor, tmp_path / "out.json", "exp", "second")
    assert [one["experiment_metadata"]["id"] for one in found["experiments"]] == ["exp", "second"]
    assert len(found["comparison"]["comparisons"]) == 2


def test_parts_may_be_left_out(processor: ResultsProcessor, tmp_path: Path) -> None:
    found = document(processor, tmp_path / "out.json", "exp", include=["summary"])
    assert "runs" not in found
    assert list(found["analysis"]) == ["accuracy_by_approach"]
    assert "config" not in found["experiment_metadata"]
