"""docs/coming-from-csv-platform.md: its commands move results of both kinds, and lose none."""

import csv
import json
import re
import shlex
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ml_agents_results import ResultsProcessor, migrate_from_csv
from ml_agents_results.cli.command_group import CommandGroup
from ml_agents_results.records import RunRecord
from tests.commands import call, document
from tests.endpoint import Endpoint
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "coming-from-csv-platform.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ ml-agents (.+)$", PAGE, re.MULTILINE)
OLD_DATABASE = """
CREATE TABLE experiments (
    id TEXT PRIMARY KEY, name TEXT, description TEXT, created_at TIMESTAMP,
    config_json TEXT NOT NULL, status TEXT
);
CREATE TABLE runs (
    id TEXT PRIMARY KEY, experiment_id TEXT NOT NULL, approach_name TEXT NOT NULL,
    provider TEXT NOT NULL, model TEXT NOT NULL, sample_index INTEGER NOT NULL,
    input_text TEXT NOT NULL, expected_answer TEXT, raw_output TEXT, parsed_answer TEXT,
    parsing_method TEXT, parsing_confidence REAL, is_correct BOOLEAN, execution_time_ms INTEGER,
    cost_estimate REAL, created_at TIMESTAMP, metadata_json TEXT
);
CREATE TABLE parsing_metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, parsing_attempts INTEGER,
    fallback_used BOOLEAN, confidence_score REAL, extraction_time_ms INTEGER, error_details TEXT
);
CREATE TABLE schema_version (version TEXT PRIMARY KEY, applied_at TIMESTAMP);
INSERT INTO schema_version VALUES ('1.1.0', '2025-08-22 10:00:00');
INSERT INTO experiments VALUES ('exp_old', 'Old', NULL, '2025-08-22 10:00:00', '{}', 'completed');
"""
COLUMNS = (
    "sample_id", "approach", "input", "expected_output", "extracted_answer", "response_text",
    "execution_time", "total_tokens", "cost_estimate", "reasoning_steps", "timestamp",
)  # fmt: skip


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the platform left it: its database, and the folders of two experiments."""
    with closing(sqlite3.connect(tmp_path / "ml_agents_results.db")) as connection:
        connection.executescript(OLD_DATABASE)
        values = "'exp_old', 'None', 'lab', 'm', ?, '2+2?', '4', '4', '4', 'none', 0.0, 1, 900, 0.1"
        connection.executemany(
            f"INSERT INTO runs VALUES (?, {values}, '2025-08-22 10:00:01', NULL)",
            [(f"old-{index}", index) for index in range(3)],
        )
        connection.commit()
    for name in ("first", "second"):
        folder = tmp_path / "outputs" / "data" / "eval" / name
        folder.mkdir(parents=True)
        with (folder / "experiment_results.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for index in range(4):
                for approach in ("None", "ChainOfThought"):
                    answer = "four" if index else "five"
                    time = f"2025-09-0{1 + (name == 'second')}T10:00:0{index}"
                    writer.writerow(
                        (
                            index,
                            approach,
                            f"{index}?",
                            "Four",
                            answer,
                            answer,
                            1.5,
                            9,
                            0.01,
                            1,
                            time,
                        )
                    )
        config = {"experiment_id": f"exp_{name}", "provider": "openrouter", "model": "lab/m"}
        (folder / "experiment_config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "questions.csv").write_text("question,answer\nTwo and two?,4\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_of_the_page(platform: Path) -> None:
    outputs = defaultdict(list)
    with Endpoint("The answer is 4.") as endpoint:
        for command in COMMANDS:
            words = shlex.split(command)
            if words[0] == "run":
                words += ["--provider", "openai", "--model", "m", "--base-url", endpoint.url]
            outputs[command].append(call(*words).output)
    import_ = "import outputs --db-path results.db"
    assert "Imported 16 runs" in outputs[import_][0]
    assert "Nothing to do" in outputs[import_][1]
    # What `run` wrote for the platform's scripts is recorded already.
    assert "Nothing to do" in outputs[import_][2]
    (adopted,) = document("list", "--db-path", "ml_agents_results.db")["experiments"]
    assert (adopted["id"], adopted["runs"], adopted["graded"]) == ("exp_old", 3, 3)
    moved = document("list", "--db-path", "results.db")["experiments"]
    by_id = {one["id"]: (one["runs"], one["graded"]) for one in moved}
    assert by_id.pop("exp_old") == (3, 3)
    assert by_id.pop("exp_first") == by_id.pop("exp_second") == (8, 8)
    assert list(by_id.values()) == [(1, 1)]
    assert (platform / "report.xlsx").exists()


def test_migrating_from_python_is_the_same(platform: Path) -> None:
    migrate_from_csv("outputs", "python.db")
    call("import", "outputs", "--db-path", "cli.db")
    assert [run.execution_time_ms for run in runs("python.db")] == [1500] * 8
    assert runs("python.db") == runs("cli.db")


def runs(path: str) -> list[RunRecord]:
    with ResultsProcessor(path) as results:
        found = list(results.iter_runs("exp_first"))
    return [replace(run, id=None, metadata_json=None) for run in found]


def test_the_new_names_are_commands() -> None:
    section = PAGE.split("## Commands")[1].split("```")[0]
    cells = re.findall(r"^\| `.+?` \| (.+) \|$", section, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`([a-z][a-z-]*)", cell)}
    assert len(named) > 8
    assert named <= set(CommandGroup().commands)
