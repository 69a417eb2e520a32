import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ml_agents_results.database.types import from_stored
from ml_agents_results.errors import OutputError, UsageError
from ml_agents_results.formats.exporting import export
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ParsingMetrics, RunRecord
from ml_agents_results.services.summary import SummaryService
from tests.formats.writers.sample_experiments import all_runs

NUMBERS: dict[str, Callable[[str], Any]] = {
    "sample_index": int,
    "repeat_index": int,
    "parsing_confidence": float,
    "execution_time_ms": int,
    "cost_estimate": float,
    "prompt_tokens": int,
    "completion_tokens": int,
    "score": float,
    "created_at": datetime.fromisoformat,
    "is_correct": {"true": True, "false": False}.__getitem__,
    "metadata_json": json.loads,
}


def rows(path: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The `# key: value` lines of one experiment, and the rows."""
    head: dict[str, str] = {}
    with path.open(encoding="utf-8", newline="") as file:
        lines = iter(file)
        for line in lines:
            if not line.startswith("# "):
                names = next(csv.reader([line]))
                return head, list(csv.DictReader(lines, names))
            key, _, value = line[2:].rstrip("\r\n").partition(": ")
            head[key] = value
    raise AssertionError("there is no header row")


def record(row: dict[str, str]) -> RunRecord:
    values: dict[str, Any] = {}
    empty = row.pop("empty_texts").split()
    metrics = row.pop("parsing_metrics")
    for name, cell in row.items():
        text = from_stored(cell)
        if name in empty or name in ("task", "provider", "model"):
            values[name] = text
        else:
            values[name] = NUMBERS.get(name, str)(text) if text else None
    values["parsing_metrics"] = (
        ParsingMetrics(**json.loads(from_stored(metrics))) if metrics else None
    )
    return RunRecord(**values)


@pytest.mark.parametrize("name", ["exp", "odd", "failed", "none", "second"])
def test_a_folder_holds_every_run_as_it_was(
    processor: ResultsProcessor, tmp_path: Path, name: str
) -> None:
    export(processor.database, name, tmp_path / "out", "csv")
    _, found = rows(tmp_path / "out" / "runs.csv")
    assert [record(row) for row in found] == all_runs(processor, name)


def test_every_file_is_headed_by_the_experiment(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    export(processor.database, "exp", tmp_path / "out", "csv")
    for name in ("runs.csv", "summary.csv", "parsing_metrics.csv"):
        head, _ = rows(tmp_path / "out" / name)
        assert head["experiment_id"] == "exp"
        assert head["name"] == "Sums"
        assert head["status"] == "completed"
        assert json.loads(head["config"]) == {"dataset": "sums", "seed": 7}


def test_a_name_that_fits_on_no_line_is_quoted(processor: ResultsProcessor, tmp_path: Path) -> None:
    export(processor.database, "second", tmp_path / "out", "csv")
    head, _ = rows(tmp_path / "out" / "runs.csv")
    assert json.loads(head["name"]) == 'it\'s "quoted"\nand\u2028/../odd 🧪'


def test_other_readers_need_no_metadata(processor: ResultsProcessor, tmp_path: Path) -> None:
    export(processor.database, "exp", tmp_path / "out", "csv", metadata=False)
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert len(runs) == len(all_runs(processor, "exp"))
    assert runs["is_correct"].dropna().isin([True, False]).all()
    metrics = pd.read_csv(tmp_path / "out" / "parsing_metrics.csv")
    assert set(metrics["run_id"]) < set(runs["id"])
    assert metrics["confidence_score"].eq(0.9).all()


def test_the_summary_has_the_figures_of_the_analysis(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    export(processor.database, ["exp", "second"], tmp_path / "out", "csv", metadata=False)
    file = tmp_path / "out" / "summary.csv"
    summary = pd.read_csv(file, keep_default_na=False, float_precision="round_trip")
    from ml_agents_results.repositories.filters import Filters

    with processor.database.read() as connection:
        filters = Filters(experiment_id=("exp", "second"))
        expected = SummaryService(connection, filters).report().variants
    assert [tuple(row) for row in summary[["experiment_id", "approach_name"]].to_numpy()] == [
        (variant.variant.experiment_id, variant.variant.approach_name) for variant in expected
    ]
    for name in ("runs", "graded", "failed", "unparsed", "correct", "accuracy", "total_cost"):
        assert summary[name].tolist() == [getattr(variant, name) for variant in expected]
    assert summary["ci_low"].tolist() == pytest.approx(
        [variant.ci_low for variant in expected], rel=1e-15
    )


def test_a_name_of_one_file_gets_the_runs(processor: ResultsProcessor, tmp_path: Path) -> None:
    export(processor.database, "exp", tmp_path / "out.csv")
    _, found = rows(tmp_path / "out.csv")
    assert [record(row) for row in found] == all_runs(processor, "exp")


def test_only_what_is_asked_for_is_written(processor: ResultsProcessor, tmp_path: Path) -> None:
    export(processor.database, "exp", tmp_path / "out", "csv", include=["summary"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["summary.csv"]
    with pytest.raises(UsageError, match="no part failures"):
        export(processor.database, "exp", tmp_path / "other", "csv", include=["failures"])


def test_only_an_earlier_export_is_replaced(processor: ResultsProcessor, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    export(processor.database, "exp", folder, "csv")
    with pytest.raises(OutputError, match="exists"):
        export(processor.database, "second", folder, "csv")
    export(processor.database, "second", folder, "csv", force=True)
    assert rows(folder / "runs.csv")[0]["experiment_id"] == "second"
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.tex"):
        export(processor.database, "exp", folder, "csv", force=True)
    assert (folder / "thesis.tex").read_text() == "years of work"
    assert rows(folder / "runs.csv")[0]["experiment_id"] == "second"
