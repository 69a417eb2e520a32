"""Triggers, views, columns and tables of others: found, and never carried along silently."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.foreign_objects import active_objects
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.database.maintenance.recovery.salvage import repair
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.errors import SchemaError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.commands import call, refusal

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


def test_a_backup_says_that_it_contains_one_and_is_not_restored(
    filled: Path, tmp_path: Path
) -> None:
    execute(
        filled,
        "CREATE TRIGGER t AFTER DELETE ON runs BEGIN SELECT 1; END; CREATE TABLE notes (id)",
    )
    backup = call("db-backup", "--source", filled, "--dest", tmp_path / "b.db")
    assert "Note: it contains the trigger t on runs" in backup.stderr
    assert "Note: it contains the table notes, which belongs to another" in backup.stderr
    message, hint = refusal(
        "db-restore", "--source", tmp_path / "b.db", "--db-path", tmp_path / "n.db", code=4
    )
    assert message.startswith(f"{tmp_path / 'b.db'} has the trigger t on runs")
    assert f"db-repair --source {tmp_path / 'b.db'}" in hint
    assert not (tmp_path / "n.db").exists()


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END",
        "CREATE TRIGGER t BEFORE UPDATE ON experiments BEGIN SELECT RAISE(IGNORE); END",
        "CREATE INDEX one ON scores (lower(label))",
        "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = "
        "replace(sql, 'approach_name TEXT', 'approach_name TEXT NOT NULL ON  CONFLICT IGNORE') "
        "WHERE name = 'runs'; PRAGMA schema_version=999",
    ],
)
def test_nothing_is_written_where_a_stranger_changes_it(filled: Path, script: str) -> None:
    """Not even by those that had the file open before."""
    with ResultsProcessor(str(filled)) as processor:
        processor.save_run(RunRecord("e", "None", 1))
        execute(filled, script)
        with pytest.raises(SchemaError, match="did not create and which may change what is saved"):
            processor.save_run(RunRecord("e", "None", 2))
    for command in ("delete", "edit"):
        options = ["--yes"] if command == "delete" else ["--name", "x"]
        _, hint = refusal(command, "--experiment-id", "e", *options, "--db-path", filled, code=4)
        assert "db-repair --source" in hint
    assert "e" in call("list", "--db-path", filled).stdout
    with closing(sqlite3.connect(filled)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM runs").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "script",
    [
        "ALTER TABLE runs ADD COLUMN twice AS (sample_index * 2)",
        "DROP TABLE scores; CREATE VIRTUAL TABLE scores USING fts5(run_id, metric_id, value)",
        "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = "
        "replace(sql, 'experiment_id TEXT', 'experiment_id TEXT COLLATE NOCASE') "
        "WHERE name = 'runs'",
    ],
)
def test_nothing_is_read_where_a_stranger_changes_it(filled: Path, script: str) -> None:
    execute(filled, script)
    imports = ("import", filled, "--db-path", filled.with_name("new.db"))
    for command in (("list", "--db-path", filled), imports):
        message, _ = refusal(*command, code=4)
        assert message.startswith(str(filled))
        assert "may change what is read" in message


def test_a_generated_column_is_a_fault(filled: Path) -> None:
    execute(filled, "ALTER TABLE runs ADD COLUMN twice AS (sample_index * 2)")
    messages = [problem.message for problem in check(Database(str(filled))).problems]
    assert any("the generated column twice of runs" in message for message in messages)


def test_an_index_of_an_expression_is_a_fault(filled: Path) -> None:
    execute(filled, "CREATE UNIQUE INDEX one ON runs (lower(model))")
    messages = [problem.message for problem in check(Database(str(filled))).problems]
    assert any("the index one of an expression on runs" in message for message in messages)


def test_objects_of_a_stranger_on_a_server(postgresql_database: Database) -> None:
    for statement, name, reads in _ON_SERVER:
        with postgresql_database.engine.connect() as connection:
            assert active_objects(connection) == []
            connection.execute(text(_FUNCTIONS))
            connection.execute(text(statement))
            assert active_objects(connection) == [(name, reads)]
    with postgresql_database.engine.begin() as other:
        other.execute(text(_FUNCTIONS))
        other.execute(text(_ON_SERVER[0][0]))
    with pytest.raises(SchemaError, match="the trigger swallow"), postgresql_database.write():
        pass
    [problem] = check(postgresql_database).problems
    assert problem.message.startswith("the trigger swallow of runs should not be there")


_ON_SERVER = (
    (
        "CREATE TRIGGER swallow BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION swallow()",
        "the trigger swallow of runs",
        False,
    ),
    (
        "CREATE RULE nothing AS ON DELETE TO experiments DO INSTEAD NOTHING",
        "the rule nothing of experiments",
        False,
    ),
    ("ALTER TABLE runs ADD CHECK (allow())", "function allow() in a part of runs", False),
    (
        "ALTER TABLE runs ADD COLUMN x BOOLEAN DEFAULT allow()",
        "function allow() in a part of runs",
        False,
    ),
    ("ALTER TABLE runs ENABLE ROW LEVEL SECURITY", "row security of runs", True),
    ("CREATE TABLE more () INHERITS (scores)", "the child table more of scores", True),
    (
        "DROP TABLE parsing_metrics; CREATE VIEW parsing_metrics AS SELECT 1",
        "another kind of table in place of parsing_metrics",
        True,
    ),
)
_FUNCTIONS = """
    CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE FUNCTION allow() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN TRUE; END'
"""


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
