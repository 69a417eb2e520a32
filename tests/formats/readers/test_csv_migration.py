"""`migrate_from_csv`: folders of the predecessor, from Python."""

import json
from pathlib import Path

import pytest

from ml_agents_results import ResultsProcessor, migrate_from_csv
from ml_agents_results.errors import NotFoundError
from tests.commands import contents

HEADER = "sample_id,approach,input,expected_output,response_text,execution_time,timestamp"


def test_a_tree_of_folders(tmp_path: Path) -> None:
    for number in range(3):
        folder = tmp_path / "old" / "GSM8K" / "eval" / f"2025082{number}_101500"
        folder.mkdir(parents=True)
        (folder / "experiment_results.csv").write_text(
            f"{HEADER}\n0,CoT,2+2?,4,4,1.5,2025-08-24T10:15:00\n", encoding="utf-8"
        )
        config = {"experiment_id": f"exp_{number}", "provider": "openai", "model": "m"}
        (folder / "experiment_config.json").write_text(json.dumps(config), encoding="utf-8")
    database = tmp_path / "r.db"
    result = migrate_from_csv(tmp_path / "old", database)
    assert (result.inserted, list(result.experiments)) == (3, ["exp_0", "exp_1", "exp_2"])
    before = contents(database)
    assert migrate_from_csv(str(tmp_path / "old"), str(database)).skipped == 3
    assert contents(database) == before
    processor = ResultsProcessor(str(database))
    (run,) = processor.get_runs_paginated("exp_1")["runs"]
    assert (run["approach_name"], run["provider"], run["execution_time_ms"]) == (
        "ChainOfThought",
        "openai",
        1500,
    )
    processor.close()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no file"):
        migrate_from_csv(tmp_path / "no", tmp_path / "r.db")
    assert not (tmp_path / "r.db").exists()
