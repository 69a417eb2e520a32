"""`db-init`, `db-migrate`, `db-stats`, and databases that are not what they should be."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from tests.commands import call, document, refusal
from tests.generated import make_runs

READING = (
    ("list",),
    ("show", "--experiment-id", "latest"),
    ("delete", "--experiment-id", "latest", "--yes"),
    ("db-stats",),
    ("db-migrate",),
)


def test_init_says_what_it_did(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    head = schema.revisions()[-1]
    assert call("db-init", "--db-path", path).stdout == f"Created {path} with schema {head}.\n"
    told = call("db-init", "--db-path", path).stdout
    assert told == f"{path} exists already, with schema {head}; nothing was changed.\n"
    found = document("db-init", "--db-path", tmp_path / "s.db")
    assert (found["created"], found["schema_revision"]) == (True, head)


def test_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    path.touch()
    message, hint = refusal("list", "--db-path", path, code=4)
    assert message == f"{path} is empty"
    assert hint == f"Make it a database with: ml-agents db-init --db-path {path}"
    assert path.stat().st_size == 0
    assert call("db-init", "--db-path", path).stdout.startswith("Created")


def test_migrate_says_from_where_to_where(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    first, *_, head = schema.revisions()
    database = Database(str(path))
    schema.upgrade(database, first)
    database.close()
    message, hint = refusal("list", "--db-path", path, code=4)
    assert message == f"{path} has schema {first}, this version works on {head}"
    assert hint == f"Bring it up to date with: ml-agents db-migrate --db-path {path}"
    told = call("db-migrate", "--db-path", path).stdout
    assert told == f"Migrated {path} from schema {first} to {head}.\n"
    told = call("db-migrate", "--db-path", path).stdout
    assert told == f"{path} is up to date, with schema {head}; nothing was changed.\n"
    assert document("db-migrate", "--db-path", path)["migrated"] is False


def test_stats(processor: ResultsProcessor, db_path: Path) -> None:
    processor.save_experiment("exp", {})
    processor.save_runs(make_runs())
    found = document("db-stats", "--db-path", db_path)
    assert (found["experiments"], found["runs"]) == (1, 80)
    assert found["size_bytes"] > 0
    assert "│ runs            │ 80 " in call("db-stats", "--db-path", db_path).stdout


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_reading_never_creates_a_database(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = tmp_path / "no.db"
    message, hint = refusal(*command, "--db-path", path, code=3)
    assert message == f"there is no database at {path}"
    assert hint == f"Create one with: ml-agents db-init --db-path {path}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [*READING, ("db-init",)], ids=lambda command: command[0])
def test_what_is_no_database(tmp_path: Path, command: tuple[str, ...]) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("These are notes, and no database.", encoding="utf-8")
    message, _ = refusal(*command, "--db-path", text, code=4)
    assert message == f"{text} is not a SQLite database"
    assert text.read_text(encoding="utf-8") == "These are notes, and no database."
    message, _ = refusal(*command, "--db-path", tmp_path, code=4)
    assert message == f"{tmp_path} is a folder, not a database"


@pytest.mark.parametrize("command", [*READING, ("db-init",)], ids=lambda command: command[0])
def test_newer_and_foreign_databases_stay_as_they_are(
    db_path: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    with closing(sqlite3.connect(db_path, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    message, hint = refusal(*command, "--db-path", db_path, code=4)
    assert f"{db_path} has schema 9999, made by a newer version than this one" in message
    assert hint == "Update with: pip install --upgrade ml-agents-results"
    foreign = _foreign(tmp_path)
    rows = _rows(foreign)
    message, _ = refusal(*command, "--db-path", foreign, code=4)
    assert message == f"{foreign} belongs to another program"
    assert _rows(foreign) == rows


def test_migrate_leaves_the_file_of_another_program_untouched(tmp_path: Path) -> None:
    foreign = _foreign(tmp_path)
    before = foreign.read_bytes()
    refusal("db-migrate", "--db-path", foreign, code=4)
    assert foreign.read_bytes() == before


def _foreign(folder: Path) -> Path:
    path = folder / "foreign.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    return path


def _rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_damaged_database(db_path: Path) -> None:
    data = bytearray(db_path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    db_path.write_bytes(data)
    message, _ = refusal("list", "--db-path", db_path, code=4)
    assert str(db_path) in message


def test_database_of_the_environment(
    db_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message, _ = refusal("list", code=3)
    assert message.endswith("ml_agents_results.db")
    monkeypatch.setenv("ML_AGENTS_DB_PATH", str(db_path))
    assert document("list")["experiments"] == []
    monkeypatch.setenv("ML_AGENTS_DB_URL", f"sqlite:///{tmp_path / 'no.db'}")
    refusal("list", code=3)
    assert document("list", "--db-path", db_path)["experiments"] == []
    message, _ = refusal("list", "--db-path", db_path, "--db-url", "sqlite:///x", code=2)
    assert message == "--db-path and --db-url cannot be combined"


def test_url_with_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://ada:s3cret-pass@127.0.0.1:1/results"
    result = call("list", "--db-url", f"{url}?connect_timeout=2", code=4)
    assert "s3cret" not in result.output
    assert "127.0.0.1" in result.stderr
    monkeypatch.setenv("ML_AGENTS_DEBUG", "1")
    from typer.testing import CliRunner

    from ml_agents_results.cli import app

    assert "s3cret" not in CliRunner().invoke(app, ["list", "--db-url", url]).output
