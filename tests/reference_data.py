"""Published grades and reference figures: the files of tests/data."""

import csv
import gzip
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ml_agents_results.records import RunRecord

FOLDER = Path(__file__).parent / "data"
GRADES = FOLDER / "bbh_grades.csv.gz"


def load(name: str) -> dict[str, Any]:
    """The reference figures of a JSON file."""
    figures: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return figures


def graded_runs(experiment_id: str, tasks: Collection[str] | None = None) -> list[RunRecord]:
    """The published grades as runs of one experiment, of all 27 tasks or of `tasks`."""
    with gzip.open(GRADES, "rt", encoding="utf-8", newline="") as file:
        return [
            RunRecord(
                experiment_id,
                row["approach_name"],
                int(row["sample_index"]),
                provider="openai",
                model="code-davinci-002",
                task=row["task"],
                is_correct=row["is_correct"] == "1",
            )
            for row in csv.DictReader(file)
            if tasks is None or row["task"] in tasks
        ]
