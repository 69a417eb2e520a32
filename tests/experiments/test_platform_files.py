"""Platform files: importing them gives the same runs, and nothing twice."""

import csv
import json
from pathlib import Path

import pytest

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.experiments.platform_files import COLUMNS, write_platform_files
from ml_agents_results.formats.csv_migration import migrate_from_csv
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ParsingMetrics, RunRecord

OUTPUTS = ("It is 4.", "", "lone \ud800, mark \ufdd0, NUL \x00 and 😀", None)


@pytest.fixture
def folder(tmp_path: Path, processor: ResultsProcessor) -> Path:
    """The files of an experiment with tasks, repeats, ids, failures and odd texts."""
    processor.save_experiment("e", {"provider": "other", "note": 1}, name="A title")
    runs = [
        RunRecord(
            "e",
            approach,
            index,
            provider="p",
            model="m",
            task=task,
            repeat_index=repeat,
            sample_id=f"s{index}" if task else None,
            input_text='"what",\r\nhe asked',
            expected_answer="4",
            raw_output=OUTPUTS[index],
            parsed_answer="4" if index % 2 else "",
            is_correct=index % 2 == 1,
            score=0.1 * index,
            cost_estimate=1 / 3,
            execution_time_ms=1234,
            prompt_tokens=3,
            metadata_json={"n": index, "text": "\ud800"},
            parsing_metrics=ParsingMetrics(2, True, 0.5),
        )
        for approach in ("CoT", "my own")
        for task in ("", "sums", "words")
        for index in range(4)
        for repeat in range(2)
    ]
    runs += [
        RunRecord("e", "CoT", 9, task=task, repeat_index=repeat, error="bad \ud800", input_text="q")
        for task in ("sums", "words")
        for repeat in range(2)
    ]
    processor.save_runs(runs)
    return write_platform_files(
        processor.database, "e", tmp_path / "outputs", ["ChainOfThought", "my own"]
    )


def test_the_columns_of_the_platform_come_first(folder: Path) -> None:
    with (folder / "experiment_results.csv").open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    assert tuple(header[: len(COLUMNS)]) == COLUMNS
    assert header[len(COLUMNS) :] == [
        "task",
        "sample_index",
        "repeat_index",
        "provider",
        "model",
        "run_id",
        "ml_agents_run",
    ]


def test_importing_them_where_they_came_from_changes_nothing(
    folder: Path, processor: ResultsProcessor
) -> None:
    before = list(processor.iter_runs("e"))
    result = migrate_from_csv(folder, processor.db_path)
    assert (result.read, result.inserted, result.updated) == (52, 0, 0)
    assert list(processor.iter_runs("e")) == before


def test_another_database_gets_the_same_runs(
    folder: Path, processor: ResultsProcessor, tmp_path: Path
) -> None:
    other = str(tmp_path / "other.db")
    assert migrate_from_csv(folder.parent, other).inserted == 52
    assert migrate_from_csv(folder.parent, other).inserted == 0
    with ResultsProcessor(other) as results:
        assert list(results.iter_runs("e")) == list(processor.iter_runs("e"))
        copied, original = results.get_experiment("e"), processor.get_experiment("e")
    assert (copied.name, copied.config_json) == (original.name, original.config_json)
    assert copied.created_at == original.created_at


def test_a_corrected_cell_counts(folder: Path, processor: ResultsProcessor) -> None:
    path = folder / "experiment_results.csv"
    path.write_bytes(path.read_bytes().replace(b"It is 4.", b"It is 5."))
    assert migrate_from_csv(folder, processor.db_path).updated == 12
    outputs = {run.raw_output for run in processor.iter_runs("e") if run.sample_index == 0}
    assert outputs == {"It is 5."}


def test_a_damaged_row_is_named(folder: Path, processor: ResultsProcessor) -> None:
    path = folder / "experiment_errors.json"
    errors = json.loads(path.read_text("utf-8"))
    del errors[2]["ml_agents_run"]
    path.write_text(json.dumps(errors), "utf-8")
    with pytest.raises(InvalidFileError, match="without `ml_agents_run`"):
        migrate_from_csv(folder, processor.db_path)
