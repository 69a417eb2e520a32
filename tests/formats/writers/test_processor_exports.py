"""The exports that Python callers reach through ResultsProcessor."""

import json
from pathlib import Path

import pytest
from openpyxl import load_workbook

from ml_agents_results.errors import NotFoundError, OutputError
from ml_agents_results.processor import ResultsProcessor
from tests.generated import make_runs


@pytest.fixture
def filled(processor: ResultsProcessor) -> ResultsProcessor:
    processor.save_experiment("e", {}, name="Study")
    processor.save_runs(make_runs("e", samples=5))
    return processor


def test_every_export_writes_all_runs(filled: ResultsProcessor, tmp_path: Path) -> None:
    total = filled.get_runs_paginated("e")["total_runs"]
    filled.export_to_csv("e", tmp_path / "csv")
    filled.export_to_json(["e"], tmp_path / "e.json")
    filled.export_to_excel("e", tmp_path / "e.xlsx")
    filled.export_large_dataset("e", tmp_path / "e.jsonl", chunk_size=2)
    assert {path.name for path in (tmp_path / "csv").iterdir()} >= {"runs.csv", "summary.csv"}
    assert len(json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))["runs"]) == total
    assert "Runs" in load_workbook(tmp_path / "e.xlsx").sheetnames
    assert len((tmp_path / "e.jsonl").read_text(encoding="utf-8").splitlines()) == total


def test_nothing_is_replaced_unasked(filled: ResultsProcessor, tmp_path: Path) -> None:
    place = tmp_path / "e.json"
    place.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="exists already"):
        filled.export_to_json("e", place)
    assert place.read_text(encoding="utf-8") == "mine"
    with pytest.raises(NotFoundError, match="nothing"):
        filled.export_to_json("nothing", tmp_path / "other.json")
