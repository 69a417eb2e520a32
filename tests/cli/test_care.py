"""`db-backup`, `db-restore`, `db-check`: care of the database from the command line."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml_agents_results.processor import ResultsProcessor
from tests.commands import call, contents, document, refusal
from tests.generated import make_runs


@pytest.fixture
def filled(processor: ResultsProcessor, db_path: Path) -> Path:
    processor.save_experiment("exp", {})
    processor.save_runs(make_runs())
    processor.close()
    return db_path


def test_back_up_and_restore(filled: Path, tmp_path: Path) -> None:
    before = contents(filled)
    told = call("db-backup", "--source", filled, "--dest", tmp_path / "b.db", "--verify").stdout
    assert told.startswith(f"Backed {filled} up to {tmp_path / 'b.db'} (")
    found = document("db-backup", "--source", filled, "--dest", tmp_path / "b.db.gz", "--verify")
    assert found["verified"] is True
    assert found["size_bytes"] == (tmp_path / "b.db.gz").stat().st_size
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("DELETE FROM runs")
    restore = ("db-restore", "--source", tmp_path / "b.db.gz", "--db-path", filled)
    message, hint = refusal(*restore, code=4)
    assert message == f"{filled} exists already"
    assert "--force" in hint
    told = call(*restore, "--force").stderr
    assert "What it replaced is kept as" in told
    assert contents(filled) == before
    new = tmp_path / "new.db"
    found = document("db-restore", "--source", tmp_path / "b.db", "--db-path", new)
    assert found["replaced"] is None
    assert contents(new) == before


def test_places_that_are_refused(filled: Path, tmp_path: Path) -> None:
    message, _ = refusal("db-backup", "--source", filled, "--dest", filled, code=2)
    assert "are the same file" in message
    message, _ = refusal("db-backup", "--source", filled, "--dest", tmp_path, code=4)
    assert message == f"{tmp_path} is a folder"
    refusal("db-backup", "--source", tmp_path / "no.db", "--dest", tmp_path / "b.db", code=3)
    refusal("db-restore", "--source", tmp_path / "no.db", "--db-path", filled, code=3)


def test_check(filled: Path) -> None:
    found = document("db-check", "--db-path", filled)
    assert (found["intact"], found["runs_verified"], found["problems"]) == (True, 80, [])
    assert "the content of 80 runs" in call("db-check", "--db-path", filled).stdout
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("UPDATE runs SET raw_output = 'x' WHERE sample_index = 0")
    result = call("db-check", "--db-path", filled, code=4)
    assert "content: 4 runs are not what was recorded" in result.stdout
    assert "db-restore" in result.stderr


def test_a_backup_of_changed_runs_is_told_by_verify(filled: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("UPDATE runs SET raw_output = 'x' WHERE sample_index = 0")
    message, hint = refusal(
        "db-backup", "--source", filled, "--dest", tmp_path / "b.db", "--verify", code=4
    )
    assert "4 runs are not what was recorded" in message
    assert hint == "See what is wrong with: ml-agents db-check"
