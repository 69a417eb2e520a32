"""Triggers, views, columns and tables of others: found, and never carried along silently."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.database.maintenance.recovery.salvage import repair
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.errors import SchemaError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.commands import call

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


@pytest.fixture
def filled(db_path: Path) -> Path:
    processor = ResultsProcessor(str(db_path))
    processor.save_experiment("e", {})
    processor.save_run(RunRecord("e", "None", 0))
    processor.close()
    return db_path


def execute(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def test_a_trigger_is_a_fault_and_is_not_repaired_along(filled: Path, tmp_path: Path) -> None:
    execute(
        filled,
        "CREATE TRIGGER swallow BEFORE INSERT ON runs BEGIN DELETE FROM runs; END;"
        "CREATE VIEW mine AS SELECT 1; CREATE TABLE notes (id);",
    )
    report = check(Database(str(filled)))
    assert [problem.kind for problem in report.problems] == ["schema"]
    assert "the trigger swallow on runs should not be there" in report.problems[0].message
    assert report.notes == [
        "the view mine belongs to another program",
        "the table notes belongs to another program",
    ]
    assert DatabaseManager(filled).validate_integrity() is False
    repaired = repair(filled, tmp_path / "new.db")
    assert sorted(repaired.left_out) == ["the trigger swallow", "the view mine"]
    assert repaired.complete
    assert check(Database(str(tmp_path / "new.db"))).intact


def test_copies_say_that_they_contain_one(filled: Path, tmp_path: Path) -> None:
    execute(
        filled,
        "CREATE TRIGGER t AFTER DELETE ON runs BEGIN SELECT 1; END; CREATE TABLE notes (id)",
    )
    backup = call("db-backup", "--source", filled, "--dest", tmp_path / "b.db")
    restored = call("db-restore", "--source", tmp_path / "b.db", "--db-path", tmp_path / "n.db")
    for result in (backup, restored):
        assert "Note: it contains the trigger t on runs" in result.stderr
        assert "Note: it contains the table notes, which belongs to another" in result.stderr


def test_a_generated_column_is_a_fault(filled: Path) -> None:
    execute(filled, "ALTER TABLE runs ADD COLUMN twice AS (sample_index * 2)")
    messages = [problem.message for problem in check(Database(str(filled))).problems]
    assert any("the generated column twice of runs" in message for message in messages)


def test_an_index_of_an_expression_is_a_fault(filled: Path) -> None:
    execute(filled, "CREATE UNIQUE INDEX one ON runs (lower(model))")
    messages = [problem.message for problem in check(Database(str(filled))).problems]
    assert any("the index one of an expression on runs" in message for message in messages)


def test_triggers_and_rules_of_a_server(postgresql_database: Database) -> None:
    with postgresql_database.write() as connection:
        for statement in (
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER swallow BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION swallow()",
            "CREATE RULE nothing AS ON DELETE TO experiments DO INSTEAD NOTHING",
        ):
            connection.execute(text(statement))
    messages = [problem.message for problem in check(postgresql_database).problems]
    assert [message.split(" should")[0] for message in messages] == [
        "the trigger swallow on runs".replace(" on ", " of "),
        "the rule nothing of experiments",
    ]


def test_a_view_in_the_place_of_a_table_is_never_read(filled: Path, tmp_path: Path) -> None:
    execute(
        filled,
        "DROP TABLE parsing_metrics;"
        f"CREATE VIEW parsing_metrics AS SELECT i AS id, NULL AS run_id FROM ({ENDLESS})",
    )
    database = Database(str(filled))
    with pytest.raises(SchemaError, match="belongs to another program"):
        schema.require_current(database)
    call("db-stats", "--db-path", filled, code=4)
    assert not check(database).intact
    repaired = repair(filled, tmp_path / "new.db")
    assert repaired.tables["runs"].saved == 1
    assert "the view parsing_metrics" in repaired.left_out


def test_several_versions_are_refused(filled: Path) -> None:
    execute(filled, "INSERT INTO alembic_version VALUES ('0001')")
    with pytest.raises(SchemaError, match="several schema versions: 0001, "):
        schema.require_current(Database(str(filled)))
    assert not check(Database(str(filled))).intact


def test_names_are_quoted(filled: Path, tmp_path: Path) -> None:
    execute(filled, 'CREATE TABLE "a""b \'c\'" ("x""y"); INSERT INTO "a""b \'c\'" VALUES (1)')
    manager = DatabaseManager(filled)
    manager.backup_database(tmp_path / "copy.db")
    assert manager.check().intact
    repaired = repair(filled, tmp_path / "new.db")
    assert repaired.complete
    assert repaired.tables["a\"b 'c'"].saved == 1


def test_a_definition_that_never_ends_is_left_out(filled: Path, tmp_path: Path) -> None:
    execute(
        filled,
        "CREATE TABLE notes (id); PRAGMA writable_schema=ON;"
        f"UPDATE sqlite_schema SET sql = 'CREATE TABLE notes AS {ENDLESS}' WHERE name = 'notes'",
    )
    repaired = repair(filled, tmp_path / "new.db")
    assert repaired.tables["runs"].saved == 1
    assert "the table notes is not copied: its definition cannot be used" in repaired.notes
    assert not repaired.complete
