"""Store: a database that is replaced, gone or written while it is looked at."""

import sqlite3
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from ml_agents_results.database.engine import Database
from ml_agents_results.database.limited_reads import limited_read, without_writes
from ml_agents_results.errors import DatabaseError, MovedDatabaseError, TimeLimitError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.viewer.store import Store
from tests.viewer.conftest import client_of


def test_a_restored_file_is_opened_again(db_path: Path, tmp_path: Path) -> None:
    other = Path(copyfile(db_path, tmp_path / "other.db"))
    with ResultsProcessor(str(other)) as processor:
        processor.save_experiment("brought-back", {})
    store = Store(Database(str(db_path)))
    with client_of(store) as client:
        assert "brought-back" not in client.get("/").text
        other.replace(db_path)
        assert "brought-back" in client.get("/").text
        db_path.unlink()
        gone = client.get("/")
        assert gone.status_code == 503
        assert "is gone" in gone.text
    store.database.close()


def test_a_migration_while_pages_are_open_is_noticed(
    db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_agents_results.viewer.store._TRUSTED_FOR", 0.0)
    store = Store(Database(str(db_path)))
    with client_of(store) as client:
        assert client.get("/").status_code == 200
        with sqlite3.connect(db_path) as other:
            other.execute("UPDATE alembic_version SET version_num = '9999'")
        newer = client.get("/")
    assert newer.status_code == 503
    assert "newer" in newer.text
    store.database.close()


def test_figures_are_computed_again_when_something_was_written(db_path: Path) -> None:
    store = Store(Database(str(db_path)))
    asked = 0

    def count() -> int:
        nonlocal asked
        asked += 1
        return store.figures("n", lambda c: len(ExperimentRepository(c).list()))

    assert [count(), count()] == [0, 0]
    with ResultsProcessor(str(db_path)) as processor:
        processor.save_experiment("one", {})
    store.forget()
    assert count() == 1
    store.database.close()


def test_what_nobody_asks_for_is_forgotten_first(
    db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_agents_results.viewer.store._CAPACITY", 2)
    store = Store(Database(str(db_path)))
    computed = []

    def ask(key: str) -> None:
        store.figures(key, lambda _: computed.append(key))

    for key in ("often", "once", "often", "new", "often", "once"):
        ask(key)
    assert computed == ["often", "once", "new", "once"]
    store.database.close()


def test_the_analyses_of_a_page_read_the_runs_once(study: Path) -> None:
    with ResultsProcessor(str(study)) as processor:
        # While a study runs, its head is counted apart.
        processor.set_status("other", "completed")
    database, statements = Database(str(study)), []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "GROUP BY" in statement:
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    with client_of(Store(database)) as client:
        for part in ("findings", "costs"):
            assert client.get(f"/experiment?id=other&part={part}").status_code == 200
            assert len(statements) == 1, part
            statements.clear()
    event.remove(Engine, "before_cursor_execute", note)
    database.close()


def test_reads_cannot_write_and_end(database: Database) -> None:
    refusing = without_writes(database)
    with pytest.raises((DatabaseError, DBAPIError)), limited_read(refusing) as connection:
        connection.execute(text("DELETE FROM experiments"))
    slow = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        if database.is_sqlite
        else "SELECT pg_sleep(30)"
    )
    with pytest.raises(TimeLimitError, match="within"), limited_read(refusing, 0.2) as reader:
        reader.execute(text(slow))
    with database.write() as connection:
        connection.execute(text("UPDATE experiments SET name = 'x'"))
    refusing.close()


def test_a_file_that_is_gone_at_the_start_is_said(db_path: Path) -> None:
    database = Database(str(db_path))
    db_path.unlink()
    with pytest.raises(MovedDatabaseError, match="is gone"):
        Store(database)
