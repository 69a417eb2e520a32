"""Evaluations that our hook recorded while Inspect ran, next to the import of their logs.

`make test-real-tools` runs them (run_inspect_hooked.py) and names their folder.
"""

import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor

FOLDER = Path(os.environ.get("ML_AGENTS_REAL_LOGS", "none"))

pytestmark = pytest.mark.skipif(
    not (FOLDER / "hook.db").exists(), reason="needs Inspect: make test-real-tools"
)


def rows(processor: ResultsProcessor) -> list[dict[str, Any]]:
    ids = sorted(experiment["id"] for experiment in processor.list_experiments())
    # Ids of runs are made anew by every database; only the hook saw what a retry replaced.
    runs = [asdict(run) | {"id": None} for run in processor.iter_runs(ids)]
    for run in runs:
        run["metadata_json"].pop("replaced_by_import", None)
    return runs


def statuses(processor: ResultsProcessor) -> list[tuple[str, str]]:
    return sorted((one["name"], one["status"]) for one in processor.list_experiments())


def test_the_rows_are_those_of_the_logs(processor: ResultsProcessor) -> None:
    load(processor.database, [LogSource(FOLDER / "hooked")], ImportOptions())
    with ResultsProcessor(str(FOLDER / "hook.db")) as hooked:
        assert rows(hooked) == rows(processor)
        assert statuses(hooked) == statuses(processor)
        assert statuses(hooked) == [
            ("again", "completed"),
            ("hooked", "completed"),
            ("hooked", "failed"),
            ("interrupted", "failed"),
            ("retried", "completed"),
        ]


def test_importing_the_logs_changes_nothing(processor: ResultsProcessor, tmp_path: Path) -> None:
    shutil.copy(FOLDER / "hook.db", tmp_path / "hook.db")
    with ResultsProcessor(str(tmp_path / "hook.db")) as hooked:
        before = rows(hooked), statuses(hooked)
        logs = sorted((FOLDER / "hooked").rglob("*.eval"))
        # The newer first, then the older.
        for log in (*logs[::-1], *logs):
            result = load(hooked.database, [LogSource(log)], ImportOptions())
            assert (result.inserted, result.updated) == (0, 0)
        assert (rows(hooked), statuses(hooked)) == before
