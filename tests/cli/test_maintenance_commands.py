"""`db-backup`, `db-restore`, `db-check`: care of the database from the command line."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.manager import DatabaseManager
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
    assert told.startswith(f"Backed up {filled} to {tmp_path / 'b.db'} (")
    found = document("db-backup", "--source", filled, "--dest", tmp_path / "b.db.gz", "--verify")
    assert found["verified"] is True
    assert found["size_bytes"] == (tmp_path / "b.db.gz").stat().st_size
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("DELETE FROM runs")
    restore = ("db-restore", "--source", tmp_path / "b.db.gz", "--db-path", filled)
    message, hint = refusal(*restore, code=1)
    assert message == f"{filled} exists already"
    assert "--force" in hint
    told = call(*restore, "--force").stderr
    assert "The replaced database is kept as" in told
    assert contents(filled) == before
    new = tmp_path / "new.db"
    found = document("db-restore", "--source", tmp_path / "b.db", "--db-path", new)
    assert found["replaced"] is None
    assert contents(new) == before


def test_a_server_is_backed_up_to_an_archive(postgresql_database: Database, tmp_path: Path) -> None:
    processor = ResultsProcessor(postgresql_database)
    processor.save_experiment("exp", {"seed": 1})
    processor.save_runs(make_runs())
    before = contents(postgresql_database)["runs"]
    url = postgresql_database.url.render_as_string(hide_password=False)
    place, mirror = tmp_path / "backup.mlar", tmp_path / "mirror.db"
    found = document("db-backup", "--db-url", url, "--dest", place)
    assert found["size_bytes"] == place.stat().st_size
    processor.close()
    assert document("import", place, "--db-path", mirror)["inserted"] == len(before)
    message, _ = refusal("db-backup", "--db-url", url, "--dest", place, code=1)
    assert "exists" in message


def test_places_that_are_refused(filled: Path, tmp_path: Path) -> None:
    message, _ = refusal("db-backup", "--source", filled, "--dest", filled, code=2)
    assert "are the same file" in message
    message, _ = refusal("db-backup", "--source", filled, "--dest", tmp_path, code=1)
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


def older(path: Path) -> Path:
    database = Database(str(path))
    schema.upgrade(database, "0001")
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO experiments (id) VALUES ('exp')")
    database.close()
    return path


def test_a_dry_run_shows_the_steps_and_changes_nothing(tmp_path: Path) -> None:
    path = older(tmp_path / "r.db")
    before = path.read_bytes()
    told = call("db-migrate", "--db-path", path, "--dry-run").stdout
    assert "0002: A key for every run" in told
    assert "0001:" not in told
    assert "CREATE INDEX ix_runs_analysis" in told
    found = document("db-migrate", "--db-path", path, "--dry-run")
    assert [step[0] for step in found["steps"]] == list(schema.revisions()[1:])
    assert path.read_bytes() == before


def test_a_migration_is_backed_up_unless_told_otherwise(tmp_path: Path) -> None:
    path = older(tmp_path / "r.db")
    found = document("db-migrate", "--db-path", path)
    with closing(sqlite3.connect(found["backup"])) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
    other = older(tmp_path / "other.db")
    assert document("db-migrate", "--db-path", other, "--no-backup")["backup"] is None
    assert contents(other)["experiments"][0][0] == "exp"
    assert not (tmp_path / "other.db.backups").exists()
    again = document("db-migrate", "--db-path", other)
    assert (again["migrated"], again["backup"]) == (False, None)


def test_a_dry_run_on_a_server_is_undone(empty_database: Database) -> None:
    schema.upgrade(empty_database, "0001")
    assert DatabaseManager(empty_database).plan_migration().statements
    with empty_database.read() as connection:
        assert schema.status(connection).revision == "0001"


def test_repair(filled: Path, tmp_path: Path) -> None:
    before = contents(filled)
    broken, mended = tmp_path / "broken.db", tmp_path / "mended.db"
    call("db-backup", "--source", filled, "--dest", broken)
    data = broken.read_bytes()
    repair = ("db-repair", "--source", broken, "--dest", mended)
    call(*repair)
    assert contents(mended) == before
    message, _ = refusal(*repair, code=1)
    assert message == f"{mended} exists already"
    changed = data.replace(b"The answer is 7.", b"The answer is 8.", 1)
    assert changed != data
    broken.write_bytes(changed)
    told = call(*repair, "--force", code=5)
    assert "are in damaged_runs" in told.stderr
    tables = json.loads(call(*repair, "--force", "--json", code=5).stdout)["tables"]
    assert tables["runs"] == {"expected": 80, "saved": 79, "damaged": 1, "lost": 0}
    assert broken.read_bytes() == changed
