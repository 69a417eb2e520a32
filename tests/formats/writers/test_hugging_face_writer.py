"""The data set is loaded by the library that it is for."""

from pathlib import Path

import pytest
import yaml

from ml_agents_results.formats.exporting import export
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ScoreRecord
from tests.formats.writers.sample_experiments import all_runs


def test_datasets_loads_what_was_written(
    processor: ResultsProcessor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    runs = [*all_runs(processor, "exp"), *all_runs(processor, "odd")]
    scored = ScoreRecord(0.25, "low", metric="f1", details_json={"a": "\ud800"})
    assert runs[0].id is not None
    processor.save_scores([(runs[0].id, scored)])
    export(processor.database, ["exp", "odd"], tmp_path / "out", "huggingface")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(card.split("---\n")[1])["configs"][0]["default"] is True
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["README.md", "runs.parquet", "scores.parquet"]
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=cache)
    assert loaded["id"][:] == [run.id for run in runs]
    assert loaded["is_correct"][:] == [run.is_correct for run in runs]
    folder = str(tmp_path / "out")
    (score,) = datasets.load_dataset(folder, "scores", split="train", cache_dir=cache)
    assert (score["run_id"], score["value"], score["label"]) == (runs[0].id, 0.25, "low")
