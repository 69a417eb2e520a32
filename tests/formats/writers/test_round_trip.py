"""What is exported, imported into a new database and exported again is the same."""

from pathlib import Path

import pytest
from hypothesis import given

from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.formats.writers.round_trips import (
    ANY_RUNS,
    opened,
    same_experiment,
    the_same_bytes_come_back,
)
from tests.formats.writers.sample_experiments import odd, study


@pytest.mark.parametrize(
    ("format", "name"), [("jsonl", "runs.jsonl"), ("csv", "runs.csv"), ("csv", "folder")]
)
def test_known_texts(format: str, name: str, migrated_file: Path) -> None:
    the_same_bytes_come_back([*odd("exp"), *study("exp")], migrated_file, format, name)


@pytest.mark.parametrize(("format", "name"), [("jsonl", "runs.jsonl"), ("csv", "runs.csv")])
@given(runs=ANY_RUNS)
def test_any_runs(format: str, name: str, migrated_file: Path, runs: list[RunRecord]) -> None:
    the_same_bytes_come_back(runs, migrated_file, format, name)


@pytest.mark.parametrize(("format", "output"), [("csv", "out"), ("json", "out.json")])
def test_the_experiments_come_along(
    format: str, output: str, tmp_path: Path, migrated_file: Path, processor: ResultsProcessor
) -> None:
    export(processor.database, ["odd", "exp"], tmp_path / output, format)
    with opened(migrated_file, tmp_path / "other.db") as other:
        load(other.database, [LogSource(tmp_path / output)], ImportOptions())
        for name in ("odd", "exp"):
            same_experiment(processor, other, name)
