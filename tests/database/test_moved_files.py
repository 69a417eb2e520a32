"""A file that is moved, deleted or replaced while it is open: no write is acknowledged any more."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import restore
from ml_agents_results.errors import DatabaseError, MovedDatabaseError, NotFoundError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord


def move(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def delete(path: Path) -> None:
    path.unlink()


def delete_all(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def delete_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def replace(path: Path) -> None:
    shutil.copyfile(path, path.with_name("copy.db"))
    path.with_name("copy.db").replace(path)


def rescued(error: MovedDatabaseError) -> Path:
    words = shlex.split(str(error.hint))
    return Path(words[words.index("--source") + 1])


@pytest.mark.parametrize("change", [move, delete, delete_all, delete_log, replace])
def test_everything_recorded_is_written_to_a_file_that_the_error_names(
    db_path: Path, change: Callable[[Path], None]
) -> None:
    processor = ResultsProcessor(str(db_path))
    processor.save_experiment("e", {})
    for number in range(5):
        processor.save_run(RunRecord("e", "None", number, raw_output="x" * 500))
    change(db_path)
    copies = set()
    # Answers that were under way when it was noticed are in there, too.
    for number in (5, 6):
        with pytest.raises(MovedDatabaseError, match="was moved, deleted or replaced") as caught:
            processor.save_run(RunRecord("e", "None", number))
        assert caught.value.exit_code == 4
        copies.add(rescued(caught.value))
    [copy] = copies
    assert copy.parent == db_path.parent
    assert copy.name.startswith("results.db.recovered-")
    processor.close()
    with Database(str(copy), create=False).read() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM runs")) == 7
    restore(copy, db_path, force=True)
    again = ResultsProcessor(str(db_path))
    assert again.get_runs_paginated("e")["total_runs"] == 7
    again.save_run(RunRecord("e", "None", 7))
    again.close()


def test_an_import_notices_it_too(sqlite_database: Database) -> None:
    assert sqlite_database.path is not None
    with pytest.raises(MovedDatabaseError), sqlite_database.bulk():
        move(sqlite_database.path)


def test_a_folder_that_is_gone(tmp_path: Path, migrated_file: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copyfile(migrated_file, folder / "r.db")
    processor = ResultsProcessor(str(folder / "r.db"))
    processor.save_experiment("e", {})
    shutil.rmtree(folder)
    with pytest.raises(MovedDatabaseError) as caught:
        processor.save_run(RunRecord("e", "None", 0))
    copy = rescued(caught.value)
    assert copy.exists()
    copy.unlink()


def test_a_relative_name_and_a_change_of_folder(
    db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(db_path.parent)
    processor = ResultsProcessor(db_path.name)
    processor.save_experiment("e", {})
    monkeypatch.chdir("/")
    processor.save_run(RunRecord("e", "None", 0))


def test_a_log_without_its_database_is_not_thrown_away(db_path: Path) -> None:
    processor = ResultsProcessor(str(db_path))
    processor.save_experiment("e", {})
    move(db_path)
    with pytest.raises(DatabaseError, match=r"its log .*-wal holds data"):
        ResultsProcessor(str(db_path))
    db_path.with_name("moved.db").rename(db_path)
    assert ResultsProcessor(str(db_path)).get_experiment("e").id == "e"


def test_a_file_that_is_moved_before_it_is_opened_is_not_created_again(db_path: Path) -> None:
    named = Database(str(db_path), create=False)
    opened = ResultsProcessor(str(db_path))
    opened.save_experiment("e", {})
    move(db_path)
    with pytest.raises(NotFoundError, match="there is no database"):
        ResultsProcessor(named)
    # Another connection of those that have it open already.
    with pytest.raises(DatabaseError), opened.database.read() as one, opened.database.read():
        one.execute(text("SELECT 1"))
    opened.close()
    assert not db_path.exists()
