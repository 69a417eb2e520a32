import os
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database.backup import backup_now, backups, copy, folder_of, superfluous
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import DatabaseError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord


@pytest.fixture
def processor(tmp_path: Path) -> ResultsProcessor:
    processor = ResultsProcessor(
        DatabaseConfig(db_path=str(tmp_path / "r.db"), keep=2, keep_days=0)
    )
    processor.save_experiment("e", {})
    processor.save_runs([RunRecord("e", "CoT", n, raw_output="x" * 500) for n in range(500)])
    return processor


def counted(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])


def test_a_backup_is_one_file_that_opens_by_itself(processor: ResultsProcessor) -> None:
    made = backup_now(processor.database)
    assert counted(made) == 500
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    assert ResultsProcessor(str(made)).get_experiment("e").id == "e"


def test_backups_do_not_stop_the_recording_and_hold_a_consistent_state(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    stop = threading.Event()
    saved = [500]

    def record() -> None:
        while not stop.is_set():
            batch = [RunRecord("e", "None", saved[0] + n, raw_output="y" * 500) for n in range(10)]
            processor.save_runs(batch)
            saved[0] += 10

    writer = threading.Thread(target=record)
    writer.start()
    counts = []
    for _ in range(20):
        before = saved[0]
        copy(tmp_path / "r.db", tmp_path / "copy.db")
        counts.append(counted(tmp_path / "copy.db"))
        # Transactions are of ten runs: a copy that holds a part of one was torn.
        assert counts[-1] % 10 == 0
        assert counts[-1] >= before
    stop.set()
    writer.join()
    assert counts[-1] > counts[0]


def test_old_backups_are_deleted_and_the_newest_ones_kept(processor: ResultsProcessor) -> None:
    made = [backup_now(processor.database) for _ in range(5)]
    assert processor.database.path is not None
    assert backups(folder_of(processor.database.path)) == made[-2:]


def test_one_backup_of_each_of_the_last_days_is_kept() -> None:
    now = datetime.now(UTC).replace(hour=12, minute=0)
    moments = [now - timedelta(days=day, hours=hour) for day in range(9, -1, -1) for hour in (6, 0)]
    found = [Path(f"{moment:%Y%m%dT%H%M%S%f}Z.db") for moment in moments]
    deleted = superfluous(found, keep=1, keep_days=3)
    assert [path for path in found if path not in deleted] == [found[-5], found[-3], found[-1]]
    assert superfluous(found, keep=0, keep_days=0) == found[:-1]


def test_a_failed_backup_leaves_the_older_ones_and_no_rest(processor: ResultsProcessor) -> None:
    made = backup_now(processor.database)
    assert processor.database.path is not None
    processor.close()
    content = bytearray(processor.database.path.read_bytes())
    middle = len(content) // 8192 * 4096
    content[middle : middle + 40_960] = os.urandom(40_960)
    processor.database.path.write_bytes(content)
    with pytest.raises(DatabaseError):
        backup_now(Database(str(processor.database.path)))
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    assert counted(made) == 500


def test_only_files_are_backed_up() -> None:
    with pytest.raises(DatabaseError, match="no file that could be copied"):
        backup_now(Database("sqlite:///:memory:"))
