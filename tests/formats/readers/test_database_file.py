"""Merging databases: what is the same is kept once, what contradicts is told."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import DuplicateError, SchemaError, UsageError
from ml_agents_results.formats.importing import ImportResult, load
from ml_agents_results.formats.log_source import ImportOptions, LogSource, OnConflict
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.run_repository import RunRepository
from tests.commands import call, contents, document
from tests.generated import make_runs


@pytest.fixture
def other(migrated_file: Path, tmp_path: Path) -> Path:
    """Has `exp`, whose sample 0 it answers otherwise, and an experiment of its own."""
    path = Path(shutil.copyfile(migrated_file, tmp_path / "other.db"))
    processor = ResultsProcessor(str(path))
    processor.save_experiment("exp", {"seed": 1})
    runs = make_runs() + make_runs(tasks=("more",))
    for run in runs:
        if run.sample_index == 0 and run.task != "more":
            run.raw_output = "something else"
    processor.save_runs(runs)
    processor.save_experiment("theirs", {"seed": 2}, name="Theirs")
    processor.save_run(RunRecord("theirs", "None", 0))
    processor.close()
    return path


@pytest.fixture
def ours(database: Database) -> Database:
    processor = ResultsProcessor(database)
    processor.save_experiment("exp", {"seed": 1})
    processor.save_runs(make_runs())
    return database


def merge(database: Database, path: Path, on_conflict: OnConflict = "replace") -> ImportResult:
    return load(database, [LogSource(path)], ImportOptions(on_conflict=on_conflict))


def outputs(database: Database) -> set[str | None]:
    with database.read() as connection:
        return set(
            connection.exec_driver_sql(
                "SELECT raw_output FROM runs WHERE sample_index = 0 AND task IN ('sums', 'words')"
            ).scalars()
        )


def test_the_same_runs_are_kept_once(ours: Database, other: Path) -> None:
    result = merge(ours, other)
    # 4 runs contradict, 40 are new in `exp`, and one is theirs.
    assert (result.read, result.inserted, result.updated, result.conflicts) == (121, 41, 4, 4)
    assert outputs(ours) == {"something else"}
    assert ResultsProcessor(ours).get_experiment("theirs").name == "Theirs"
    again = merge(ours, other)
    assert (again.inserted, again.updated, again.skipped, again.conflicts) == (0, 0, 121, 0)


def test_what_an_import_replaces_stays_with_the_run(ours: Database, other: Path) -> None:
    metric = MetricRecord("f1", "numeric")
    with closing(Database(str(other))) as theirs:
        for database, value in ((ours, 0.25), (theirs, 0.75)):
            scored = [run for run in runs_of(database) if run.task == "sums"]
            results = ResultsProcessor(database)
            results.save_experiment("exp", {"seed": 1}, metrics=[metric])
            results.save_scores([(str(run.id), ScoreRecord(value, metric="f1")) for run in scored])
    before = {run.id: run for run in runs_of(ours)}
    for _ in range(2):
        merge(ours, other)
        for run in runs_of(ours):
            replaced = (run.metadata_json or {}).get("replaced_by_import", [])
            if run.sample_index == 0 and run.task in ("sums", "words"):
                [entry] = replaced
                assert entry["raw_output"] == before[entry["id"]].raw_output
                assert entry["by"].endswith("other.db")
            else:
                assert replaced == []
            if run.task == "sums":
                [score] = run.scores or []
                assert score.value == 0.75
                history = (score.details_json or {})["history"]
                assert [one["value"] for one in history] == [0.25]


def runs_of(database: Database) -> list[RunRecord]:
    with database.read() as connection:
        return list(RunRepository(connection).iterate(["exp"]))


def test_contradictions_can_be_kept_as_they_are(ours: Database, other: Path) -> None:
    before = outputs(ours)
    result = merge(ours, other, "keep")
    assert (result.inserted, result.updated, result.conflicts) == (41, 0, 4)
    assert outputs(ours) == before


def test_contradictions_can_stop_it(ours: Database, other: Path) -> None:
    before = contents(ours)
    with pytest.raises(DuplicateError, match="sample 0 of exp/") as caught:
        merge(ours, other, "fail")
    assert "--on-conflict keep|replace" in str(caught.value.hint)
    assert contents(ours) == before


def test_a_database_with_itself(other: Path) -> None:
    with pytest.raises(UsageError, match="is the database itself"):
        merge(Database(str(other)), other)


def test_an_older_database_stays_as_it_is(sqlite_database: Database, tmp_path: Path) -> None:
    old = Database(str(tmp_path / "old.db"))
    schema.upgrade(old, "0001")
    old.close()
    with closing(sqlite3.connect(tmp_path / "old.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO experiments (id) VALUES ('old')")
        connection.execute(
            "INSERT INTO runs (id, experiment_id, sample_index, raw_output) "
            "VALUES ('r', 'old', 7, 'text')"
        )
    assert merge(sqlite_database, tmp_path / "old.db").inserted == 1
    with sqlite_database.read() as connection:
        found = connection.exec_driver_sql("SELECT id, raw_output, approach_name FROM runs").one()
    assert tuple(found) == ("r", "text", "unknown")
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)


def test_a_database_of_another_program(sqlite_database: Database, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(SchemaError, match="belongs to another program"):
        merge(sqlite_database, tmp_path / "foreign.db")


def test_from_the_command_line(other: Path, tmp_path: Path, migrated_file: Path) -> None:
    target = Path(shutil.copyfile(migrated_file, tmp_path / "target.db"))
    assert document("import", other, "--db-path", target)["inserted"] == 121
    processor = ResultsProcessor(str(other))
    processor.save_run(RunRecord("theirs", "None", 0, raw_output="changed"))
    processor.close()
    told = call("import", other, "--db-path", target, "--on-conflict", "keep").stderr
    assert "1 runs are recorded with other contents; they were kept." in told
    call("import", other, "--db-path", target, "--on-conflict", "fail", code=1)
    assert document("import", other, "--db-path", target)["conflicts"] == 1
