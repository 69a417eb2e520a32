"""Evaluations that our hook recorded while Inspect ran, next to the import of their logs.

`make test-real-tools` runs them (run_inspect_hooked.py) and names their folder.
"""

import os
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
    # Ids of runs are made anew by every database.
    return [asdict(run) | {"id": None} for run in processor.iter_runs(ids)]


def test_the_rows_are_those_of_the_logs(processor: ResultsProcessor) -> None:
    load(processor.database, [LogSource(FOLDER / "hooked")], ImportOptions())
    with ResultsProcessor(str(FOLDER / "hook.db")) as hooked:
        assert rows(hooked) == rows(processor)
        statuses = {one["name"]: one["status"] for one in hooked.list_experiments()}
        assert sorted(one["status"] for one in hooked.list_experiments()) == [
            "completed", "failed",
        ], statuses  # fmt: skip
        again = load(hooked.database, [LogSource(FOLDER / "hooked")], ImportOptions())
        assert (again.inserted, again.updated) == (0, 0)
