import gzip
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import (
    backup_now,
    backups,
    copy,
    folder_of,
    superfluous,
)
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.errors import (
    CorruptDatabaseError,
    DatabaseError,
    DatabaseLockedError,
    NotFoundError,
    OutputError,
    SchemaError,
    UsageError,
)
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord, StandardResponse
from tests.processes import Process, run


@pytest.fixture
def processor(migrated_file: Path, tmp_path: Path) -> ResultsProcessor:
    path = shutil.copyfile(migrated_file, tmp_path / "r.db")
    processor = ResultsProcessor(
        DatabaseConfig(db_path=str(path), keep=2, keep_days=0, backup_frequency=0)
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


def test_results_of_a_platform_are_backed_up_without_asking(tmp_path: Path) -> None:
    def results(config: DatabaseConfig | str) -> list[int]:
        processor = ResultsProcessor(config)
        processor.save_experiment("e", {})
        for number in range(25):
            metadata = {"experiment_id": "e", "approach": "CoT", "sample_index": number}
            processor.save_run_result(StandardResponse("4", "p", "m", metadata=metadata))
        processor.close()
        path = processor.database.path
        assert path is not None
        return [counted(backup) for backup in backups(folder_of(path))]

    found = results(DatabaseConfig(db_path=str(tmp_path / "a.db"), backup_frequency=10))
    assert found
    assert found[0] >= 10
    assert found[-1] >= 20
    assert results(DatabaseConfig(db_path=str(tmp_path / "b.db"), backup_frequency=0)) == []
    assert results(str(tmp_path / "c.db")) == []


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
    with pytest.raises(DatabaseError, match="not a SQLite file and cannot be copied"):
        backup_now(Database("sqlite:///:memory:"))


class TestNamedBackups:
    """`backup_database`: the user says where to."""

    def test_plain_and_packed(self, processor: ResultsProcessor, tmp_path: Path) -> None:
        manager = DatabaseManager(processor.database)
        plain = manager.backup_database(tmp_path / "b.db")
        packed = manager.backup_database(tmp_path / "b.db.gz")
        assert counted(tmp_path / "b.db") == 500
        assert packed < plain / 3
        (tmp_path / "unpacked.db").write_bytes(gzip.decompress((tmp_path / "b.db.gz").read_bytes()))
        assert counted(tmp_path / "unpacked.db") == 500

    def test_existing_files_are_replaced_only_by_force(
        self, processor: ResultsProcessor, tmp_path: Path
    ) -> None:
        manager = DatabaseManager(processor.database)
        (tmp_path / "b.db").write_text("mine")
        with pytest.raises(OutputError, match="exists already"):
            manager.backup_database(tmp_path / "b.db")
        assert (tmp_path / "b.db").read_text() == "mine"
        manager.backup_database(tmp_path / "b.db", force=True)
        assert counted(tmp_path / "b.db") == 500

    @pytest.mark.parametrize("link", ["same", "symbolic", "hard"])
    def test_never_onto_itself(
        self, processor: ResultsProcessor, tmp_path: Path, link: str
    ) -> None:
        place = tmp_path / ("r.db" if link == "same" else "other.db")
        if link == "symbolic":
            place.symlink_to(tmp_path / "r.db")
        elif link == "hard":
            os.link(tmp_path / "r.db", place)
        with pytest.raises(UsageError, match="are the same file"):
            DatabaseManager(processor.database).backup_database(place, force=True)
        assert processor.get_runs_paginated("e")["total_runs"] == 500

    def test_never_onto_a_database_in_use(
        self, processor: ResultsProcessor, tmp_path: Path
    ) -> None:
        other = ResultsProcessor(str(tmp_path / "other.db"))
        other.save_experiment("theirs", {})
        with pytest.raises(DatabaseLockedError, match="is in use"):
            DatabaseManager(processor.database).backup_database(tmp_path / "other.db", force=True)
        assert other.get_experiment("theirs").id == "theirs"

    def test_never_onto_a_folder_or_into_none(
        self, processor: ResultsProcessor, tmp_path: Path
    ) -> None:
        manager = DatabaseManager(processor.database)
        with pytest.raises(OutputError, match="is a folder"):
            manager.backup_database(tmp_path, force=True)
        with pytest.raises(OutputError, match="does not exist"):
            manager.backup_database(tmp_path / "no" / "b.db")

    def test_of_a_damaged_database(self, processor: ResultsProcessor, tmp_path: Path) -> None:
        processor.close()
        content = bytearray((tmp_path / "r.db").read_bytes())
        content[40_960:81_920] = os.urandom(40_960)
        (tmp_path / "r.db").write_bytes(content)
        with pytest.raises(DatabaseError):
            DatabaseManager(str(tmp_path / "r.db")).backup_database(tmp_path / "b.db")
        assert [path.name for path in tmp_path.iterdir()] == ["r.db"]


class TestRestoring:
    @pytest.mark.parametrize("name", ["b.db", "b.db.gz"])
    def test_what_is_replaced_is_kept(
        self, processor: ResultsProcessor, tmp_path: Path, name: str
    ) -> None:
        manager = DatabaseManager(processor.database)
        manager.backup_database(tmp_path / name)
        processor.save_run(RunRecord("e", "CoT", 500))
        with pytest.raises(OutputError, match="exists already"):
            manager.restore_database(tmp_path / name)
        kept = manager.restore_database(tmp_path / name, force=True)
        assert kept is not None
        assert counted(kept) == 501
        assert processor.get_runs_paginated("e")["total_runs"] == 500
        processor.save_run(RunRecord("e", "CoT", 500))

    def test_in_a_new_place(self, processor: ResultsProcessor, tmp_path: Path) -> None:
        DatabaseManager(processor.database).backup_database(tmp_path / "b.db")
        manager = DatabaseManager(str(tmp_path / "new.db"))
        assert manager.restore_database(tmp_path / "b.db") is None
        assert counted(tmp_path / "new.db") == 500

    def test_the_log_of_what_is_replaced_does_not_come_back(
        self, processor: ResultsProcessor, tmp_path: Path
    ) -> None:
        """A process that was killed left its newest runs in the write-ahead log."""
        manager = DatabaseManager(processor.database)
        manager.backup_database(tmp_path / "b.db")
        processor.close()
        run(
            """
            import os, sys
            from ml_agents_results.processor import ResultsProcessor
            from ml_agents_results.records import RunRecord
            ResultsProcessor(sys.argv[1]).save_run(RunRecord("e", "CoT", 500))
            os.execvp("true", ["true"])
            """,
            tmp_path / "r.db",
        )
        assert (tmp_path / "r.db-wal").stat().st_size > 0
        kept = manager.restore_database(tmp_path / "b.db", force=True)
        assert kept is not None
        assert (counted(kept), counted(tmp_path / "r.db")) == (501, 500)

    def test_a_damaged_database_makes_way(
        self, processor: ResultsProcessor, tmp_path: Path
    ) -> None:
        manager = DatabaseManager(processor.database)
        manager.backup_database(tmp_path / "b.db")
        processor.close()
        damaged = b"SQLite format 3\x00" + os.urandom(9000)
        (tmp_path / "r.db").write_bytes(damaged)
        kept = manager.restore_database(tmp_path / "b.db", force=True)
        assert kept is not None
        assert kept.read_bytes() == damaged
        assert counted(tmp_path / "r.db") == 500

    def test_a_database_in_use_stays(self, processor: ResultsProcessor, tmp_path: Path) -> None:
        DatabaseManager(processor.database).backup_database(tmp_path / "b.db")
        process = Process(
            """
            import sys
            from ml_agents_results.processor import ResultsProcessor
            processor = ResultsProcessor(sys.argv[1])
            processor.save_experiment("theirs", {})
            print("open", flush=True)
            sys.stdin.readline()
            print(processor.get_experiment("theirs").id)
            """,
            tmp_path / "r.db",
        )
        assert process.stdout.readline() == "open\n"
        manager = DatabaseManager(str(tmp_path / "r.db"))
        with pytest.raises(DatabaseLockedError, match="is in use"):
            manager.restore_database(tmp_path / "b.db", force=True)
        assert process.communicate("go")[0] == "theirs\n"
        assert processor.get_experiment("theirs").id == "theirs"

    def test_only_backups_are_restored(self, processor: ResultsProcessor, tmp_path: Path) -> None:
        manager = DatabaseManager(processor.database)
        (tmp_path / "notes.txt").write_text("no database")
        (tmp_path / "notes.gz").write_bytes(gzip.compress(b"no database"))
        manager.backup_database(tmp_path / "cut.db.gz")
        os.truncate(tmp_path / "cut.db.gz", 5000)
        manager.backup_database(tmp_path / "cut.db")
        os.truncate(tmp_path / "cut.db", 40_960)
        for name in ("notes.txt", "notes.gz", "cut.db.gz", "cut.db"):
            with pytest.raises(CorruptDatabaseError):
                manager.restore_database(tmp_path / name, force=True)
        with closing(sqlite3.connect(tmp_path / "foreign.db")) as connection:
            connection.execute("CREATE TABLE bookmarks (url TEXT)")
        with pytest.raises(SchemaError, match=r"foreign\.db belongs to another program"):
            manager.restore_database(tmp_path / "foreign.db", force=True)
        with pytest.raises(NotFoundError):
            manager.restore_database(tmp_path / "no.db", force=True)
        with pytest.raises(UsageError, match="same file"):
            manager.restore_database(tmp_path / "r.db", force=True)
        assert processor.get_runs_paginated("e")["total_runs"] == 500
        assert not list(tmp_path.glob("*.replaced-*"))
        assert not list(tmp_path.glob(".*.tmp*"))


class TestModesAndLinks:
    def test_copies_have_the_permissions_of_the_database(
        self, processor: ResultsProcessor, tmp_path: Path
    ) -> None:
        path = tmp_path / "r.db"
        path.chmod(0o600)
        manager = DatabaseManager(processor.database)
        copies = [tmp_path / name for name in ("b.db", "b.db.gz", "repaired.db", "restored.db")]
        manager.backup_database(copies[0])
        manager.backup_database(copies[1])
        manager.repair(copies[2])
        processor.close()
        DatabaseManager(copies[3]).restore_database(copies[1])
        copies.append(backup_now(processor.database))
        assert [oct(copy.stat().st_mode & 0o777) for copy in copies] == ["0o600"] * 5

    def test_a_database_that_is_replaced_hands_its_permissions_on(
        self, processor: ResultsProcessor, tmp_path: Path
    ) -> None:
        manager = DatabaseManager(processor.database)
        manager.backup_database(tmp_path / "b.db")
        (tmp_path / "b.db").chmod(0o644)
        (tmp_path / "r.db").chmod(0o640)
        processor.close()
        kept = manager.restore_database(tmp_path / "b.db", force=True)
        assert kept is not None
        modes = [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "r.db", kept)]
        assert modes == ["0o640"] * 2

    def test_a_link_stays_a_link(self, processor: ResultsProcessor, tmp_path: Path) -> None:
        processor.close()
        (tmp_path / "disk").mkdir()
        real, link = tmp_path / "disk" / "real.db", tmp_path / "r.db"
        copy(link, tmp_path / "b.db")
        link.replace(real)
        link.symlink_to(real)
        with closing(sqlite3.connect(real)) as connection:
            connection.execute("DELETE FROM runs")
            connection.commit()
        kept = DatabaseManager(link).restore_database(tmp_path / "b.db", force=True)
        assert link.is_symlink()
        assert kept is not None
        assert kept.parent == real.parent
        assert counted(real) == 500
        assert backup_now(Database(str(link))).parent == tmp_path / "disk" / "real.db.backups"
        (tmp_path / "target.db").symlink_to(tmp_path / "disk" / "copy.db")
        DatabaseManager(link).backup_database(tmp_path / "target.db")
        assert (tmp_path / "target.db").is_symlink()
        assert counted(tmp_path / "disk" / "copy.db") == 500

    def test_a_name_that_begins_like_a_uri_is_a_file(
        self, processor: ResultsProcessor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        DatabaseManager(processor.database).backup_database("b.db")
        processor.close()
        before = set(tmp_path.iterdir())
        manager = DatabaseManager("file:x.db")
        manager.restore_database("b.db")
        manager.restore_database("b.db", force=True)
        manager.backup_database("file:y.db")
        manager.repair("file:z.db")
        names = {path.name for path in set(tmp_path.iterdir()) - before}
        new = {name for name in names if ".replaced-" not in name}
        assert new == {"file:x.db", "file:y.db", "file:z.db"}
