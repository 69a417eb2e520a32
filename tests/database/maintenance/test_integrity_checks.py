"""`check`: what is wrong is named in words; nothing that was recorded changes unseen."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.check_report import CheckReport
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.errors import CorruptDatabaseError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from tests.generated import make_runs
from tests.lengths import short_and_long


@pytest.fixture
def filled(database: Database) -> Database:
    processor = ResultsProcessor(database)
    processor.save_experiment("exp", {"seed": 1})
    processor.save_runs(make_runs())
    return database


@pytest.fixture(scope="module")
def template(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copyfile(migrated_file, tmp_path_factory.mktemp("checks") / "r.db"))
    processor = ResultsProcessor(str(path))
    processor.save_experiment("exp", {"seed": 1})
    processor.save_runs(make_runs(samples=60))
    processor.close()
    return path


def kinds(report: CheckReport) -> list[tuple[str, str | None]]:
    return [(problem.kind, problem.table) for problem in report.problems]


def change(database: Database, statement: str) -> None:
    with database.migration() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA ignore_check_constraints=ON")
        connection.exec_driver_sql(statement)


def test_an_intact_database(filled: Database) -> None:
    report = check(filled)
    assert report.problems == []
    assert (report.tables["experiments"], report.tables["runs"]) == (1, 80)
    assert report.runs_verified == 80
    assert report.schema_revision == schema.revisions()[-1]


def test_changed_values_are_found(filled: Database) -> None:
    changes = (
        ("raw_output", "'The answer is 99.'"),
        ("expected_answer", "'99'"),
        ("execution_time_ms", "1"),
        ("cost_estimate", "0.5"),
        ("metadata_json", "'{\"a\":1}'"),
        ("content_digest", "'0'"),
    )
    for index, (column, value) in enumerate(changes):
        # Of a run of each approach.
        where = f"sample_index = {index} AND task = 'sums'"
        change(filled, f"UPDATE runs SET {column} = {value} WHERE {where}")
    report = check(filled)
    assert kinds(report) == [("content", "runs")]
    assert f"{2 * len(changes)} runs are not what was recorded" in report.problems[0].message


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE experiments SET description = 'another'",
        "UPDATE experiments SET config_json = '{\"seed\":2}'",
        "UPDATE experiments SET status = 'failed'",
        "UPDATE parsing_metrics SET parsing_attempts = 9",
        "UPDATE parsing_metrics SET fallback_used = NOT fallback_used",
    ],
)
def test_a_change_of_what_belongs_to_runs_is_found(filled: Database, statement: str) -> None:
    table = statement.split()[1]
    with filled.write() as connection:
        connection.exec_driver_sql(statement)
    assert kinds(check(filled)) == [("content", table)]


def test_what_is_saved_again_is_what_was_recorded(filled: Database) -> None:
    processor = ResultsProcessor(filled)
    processor.save_experiment("exp", {"seed": 2}, description="Ünï \x00\ud800")
    processor.save_run(RunRecord("exp", "None", 0, task="t"))
    run_id = processor.get_runs_paginated("exp")["runs"][0]["id"]
    processor.save_parsing_metrics(run_id, {"attempts": 3, "error_details": "\x00é"})
    with filled.write() as connection:
        ExperimentRepository(connection).set_status("exp", "failed")
    assert check(filled).intact


def test_rows_without_a_parent(sqlite_database: Database) -> None:
    processor = ResultsProcessor(sqlite_database)
    processor.save_experiment("exp", {})
    processor.save_runs(make_runs())
    processor.close()
    assert sqlite_database.path is not None
    with closing(sqlite3.connect(sqlite_database.path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM experiments")
    report = check(sqlite_database)
    assert kinds(report) == [("orphans", "runs")]
    assert report.problems[0].message == "80 rows of runs belong to no experiments"


def test_a_schema_that_was_changed(filled: Database) -> None:
    change(filled, "DROP INDEX ix_runs_analysis")
    change(filled, "ALTER TABLE experiments ADD COLUMN mood TEXT")
    change(filled, "CREATE INDEX mine ON runs (task)")
    change(filled, "CREATE UNIQUE INDEX narrow ON runs (id, task)")
    report = check(filled)
    messages = [problem.message for problem in report.problems]
    assert any("ix_runs_analysis is missing" in message for message in messages), messages
    assert any("mood should not be there" in message for message in messages), messages
    assert any("narrow should not be there" in message for message in messages), messages
    assert report.notes == ["the index mine belongs to another program"]


def test_values_of_another_kind_than_their_column(sqlite_database: Database) -> None:
    processor = ResultsProcessor(sqlite_database)
    processor.save_experiment("exp", {})
    processor.save_run(RunRecord("exp", "CoT", 0))
    change(sqlite_database, "UPDATE runs SET sample_index = 'first', task = x'ff'")
    messages = [problem.message for problem in check(sqlite_database).problems]
    assert "sample_index of 1 rows of runs is not a number" in messages
    assert "task of 1 rows of runs is not a text" in messages


def test_a_value_that_its_scores_do_not_give(database: Database) -> None:
    processor = ResultsProcessor(database)
    processor.save_experiment("exp", {}, metrics=[MetricRecord("exact", "binary", is_primary=True)])
    processor.save_run(RunRecord("exp", "CoT", 0, id="r", raw_output="4"))
    processor.save_scores([("r", ScoreRecord(1.0, metric="exact", label="C"))])
    assert check(database).intact
    change(database, "UPDATE scores SET value = 0")
    messages = [problem.message for problem in check(database).problems]
    assert messages == ["the value of 1 runs is not that of their primary scores"]


def test_text_that_is_no_json_and_no_time(sqlite_database: Database) -> None:
    ResultsProcessor(sqlite_database).save_experiment("exp", {})
    change(sqlite_database, "UPDATE experiments SET config_json = '{', created_at = 'yesterday'")
    messages = [problem.message for problem in check(sqlite_database).problems]
    assert messages == [
        "config_json of 1 rows of experiments is not a JSON object",
        "created_at of 1 rows of experiments is not a time",
        "1 experiments are not what was recorded: their digest differs",
    ]


def test_an_older_schema_is_no_damage(empty_database: Database) -> None:
    schema.upgrade(empty_database, "0001")
    report = check(empty_database)
    assert report.intact
    assert "db-migrate" in report.notes[0] or "0001" in report.notes[0]


def rows(path: Path) -> Any:
    """What was recorded, as far as it can be read; None where it cannot."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
            connection.execute("PRAGMA cell_size_check=ON")
            return [
                connection.execute(f"SELECT * FROM {table} NOT INDEXED ORDER BY id").fetchall()
                for table in ("experiments", "runs", "parsing_metrics")
            ]
    except sqlite3.Error:
        return None


def flip(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def blank(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    data[start : start + 512] = bytes(len(data[start : start + 512]))


@pytest.mark.parametrize("cases", short_and_long(range(10), range(10, 80)), ids=["few", "many"])
@pytest.mark.parametrize("damage", [flip, cut, blank])
def test_no_damage_of_what_was_recorded_passes_unseen(
    template: Path,
    tmp_path: Path,
    damage: Callable[[bytearray, random.Random], None],
    cases: range,
) -> None:
    original = rows(template)
    path = tmp_path / "r.db"
    for case in cases:
        data = bytearray(template.read_bytes())
        damage(data, random.Random(f"{damage.__name__} {case} {os.environ.get('SEED')}"))
        if not data:
            continue
        path.write_bytes(data)
        report = check(Database(str(path), create=False))
        assert path.read_bytes() == bytes(data)
        if not report.intact:
            assert all(problem.message for problem in report.problems)
        else:
            assert rows(path) == original
        assert damage is not cut or not report.intact


def test_a_stored_time_that_is_not_one_is_named_by_those_who_read_it(db_path: Path) -> None:
    processor = ResultsProcessor(str(db_path))
    processor.save_experiment("e", {})
    processor.save_run(RunRecord("e", "None", 0))
    with closing(sqlite3.connect(db_path)) as connection:
        connection.execute("UPDATE runs SET created_at = 'yesterday'")
        connection.commit()
    with pytest.raises(CorruptDatabaseError, match="holds 'yesterday' where a time") as caught:
        processor.get_runs_paginated("e")
    assert "ml-agents db-check" in str(caught.value.hint)
