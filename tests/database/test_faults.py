"""Files and servers that refuse: the right kind of error, in words, and nothing changed."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import (
    CorruptDatabaseError,
    DatabaseError,
    DatabaseLockedError,
    NotFoundError,
)
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.databases import UNITS_OF_WORK, impatient
from tests.processes import Process, run


class TestPaths:
    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("These are my notes, not a database.")
        with pytest.raises(DatabaseError, match=r"notes\.txt is not a SQLite database") as caught:
            ResultsProcessor(str(path))
        assert caught.value.exit_code == 4
        assert path.read_text() == "These are my notes, not a database."

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DatabaseError, match="is a folder, not a database") as caught:
            ResultsProcessor(str(tmp_path))
        assert caught.value.exit_code == 4

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        path = tmp_path / "no" / "such" / "r.db"
        with pytest.raises(DatabaseError, match="does not exist") as caught:
            ResultsProcessor(str(path))
        assert str(caught.value.hint) == f"Create it: mkdir -p {path.parent}"

    def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(DatabaseError):
            ResultsProcessor(str(tmp_path / "file" / "r.db"))

    def test_a_name_that_is_too_long(self, tmp_path: Path) -> None:
        with pytest.raises(DatabaseError, match="too long"):
            ResultsProcessor(str(tmp_path / ("x" * 300)))

    def test_reading_never_creates_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "r.db"
        with pytest.raises(NotFoundError, match="there is no database at") as caught:
            Database(str(path), create=False)
        assert caught.value.exit_code == 3
        assert "ml-agents db-init --db-path" in str(caught.value.hint)
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_file(self, tmp_path: Path) -> None:
        path = tmp_path / "r.db"
        path.touch()
        with pytest.raises(DatabaseError, match="is empty") as caught:
            Database(str(path), create=False)
        assert "ml-agents db-init" in str(caught.value.hint)
        assert path.stat().st_size == 0
        ResultsProcessor(str(path)).save_experiment("e", {})

    def test_a_file_that_vanishes_while_it_is_open(self, sqlite_database: Database) -> None:
        processor = ResultsProcessor(sqlite_database)
        processor.save_experiment("e", {})
        assert sqlite_database.path is not None
        sqlite_database.close()
        shutil.rmtree(sqlite_database.path.parent)
        with pytest.raises(DatabaseError):
            processor.save_run(RunRecord("e", "None", 0))


@pytest.mark.parametrize(
    ("start_byte", "end_byte"),
    [(16, 100), (100, 4096), (4096, 1 << 30), (0, 16)],
    ids=["header", "schema", "pages", "magic"],
)
def test_a_damaged_file_is_named_as_such(
    sqlite_database: Database, start_byte: int, end_byte: int
) -> None:
    processor = ResultsProcessor(sqlite_database)
    processor.save_experiment("e", {})
    processor.save_runs([RunRecord("e", "None", i, raw_output="x" * 500) for i in range(200)])
    processor.close()
    path = sqlite_database.path
    assert path is not None
    damaged = bytearray(path.read_bytes())
    end = min(end_byte, len(damaged))
    damaged[start_byte:end] = b"\xa5" * (end - start_byte)
    path.write_bytes(damaged)
    with pytest.raises(DatabaseError) as caught:
        ResultsProcessor(str(path)).get_runs_paginated("e")
    assert caught.value.exit_code == 4
    assert "damaged" in str(caught.value) or "is not a SQLite database" in str(caught.value)
    assert str(path) in str(caught.value)
    if start_byte:
        assert isinstance(caught.value, CorruptDatabaseError)
    assert path.read_bytes() == bytes(damaged)


@pytest.mark.parametrize("opened", ["read", "write", "bulk", "migration"])
def test_damage_is_told_by_every_way_in(tmp_path: Path, opened: str) -> None:
    path = tmp_path / "r.db"
    path.write_bytes(b"SQLite format 3\x00" + b"\xa5" * 5000)
    with (
        pytest.raises(CorruptDatabaseError),
        UNITS_OF_WORK[opened](Database(str(path))) as connection,
    ):
        connection.execute(text("SELECT COUNT(*) FROM runs"))


def test_a_truncated_file_is_damaged(sqlite_database: Database) -> None:
    processor = ResultsProcessor(sqlite_database)
    processor.save_experiment("e", {})
    processor.save_runs([RunRecord("e", "None", i, raw_output="x" * 500) for i in range(200)])
    processor.close()
    path = sqlite_database.path
    assert path is not None
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(CorruptDatabaseError, match="is damaged"):
        ResultsProcessor(str(path)).get_runs_paginated("e")


@contextmanager
def held(database: Database, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """Another process holds the file for as long as the block lasts."""
    process = Process(
        """
        import sqlite3, sys
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.execute(sys.argv[2])
        connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()
        print("held", flush=True)
        sys.stdin.readline()
        connection.execute("ROLLBACK")
        """,
        database.path,
        begin,
    )
    assert process.stdout.readline() == "held\n"
    yield
    process.communicate("done")
    assert process.returncode == 0


class TestLocks:
    @pytest.mark.parametrize("opened", ["write", "bulk", "migration"])
    def test_a_writer_waits_and_then_says_what_it_waited_for(
        self, sqlite_database: Database, opened: str
    ) -> None:
        ResultsProcessor(sqlite_database).save_experiment("e", {})
        database = impatient(sqlite_database, 0.5)
        with held(sqlite_database):
            with (
                pytest.raises(DatabaseLockedError, match="another process") as caught,
                UNITS_OF_WORK[opened](database) as connection,
            ):
                connection.execute(text("DELETE FROM experiments"))
            assert caught.value.exit_code == 4
            assert str(sqlite_database.path) in str(caught.value.hint)
            assert ResultsProcessor(database).get_experiment("e").id == "e"
        ResultsProcessor(database).save_run(RunRecord("e", "None", 0))

    def test_saving_goes_on_when_the_lock_is_gone(self, sqlite_database: Database) -> None:
        processor = ResultsProcessor(sqlite_database)
        processor.save_experiment("e", {})
        impatient_one = ResultsProcessor(impatient(sqlite_database, 0.5))
        with held(sqlite_database), pytest.raises(DatabaseLockedError):
            impatient_one.save_run(RunRecord("e", "None", 0))
        impatient_one.save_run(RunRecord("e", "None", 0))
        assert processor.get_runs_paginated("e")["total_runs"] == 1

    @pytest.mark.parametrize("begin", ["BEGIN EXCLUSIVE", "BEGIN"])
    def test_an_older_file_that_somebody_uses(self, tmp_path: Path, begin: str) -> None:
        """Without a write-ahead log, readers hold up whoever wants to switch it on."""
        database = Database(DatabaseConfig(db_path=str(tmp_path / "r.db"), connection_timeout=0.5))
        with closing(sqlite3.connect(tmp_path / "r.db")) as connection:
            connection.executescript(
                "PRAGMA journal_mode=DELETE; CREATE TABLE alembic_version (version_num TEXT)"
            )
        with held(database, begin), pytest.raises(DatabaseLockedError, match="is locked"):
            schema.upgrade(database)
        schema.upgrade(database)
        schema.require_current(database)

    def test_a_server_whose_rows_are_locked(self, postgresql_database: Database) -> None:
        database = postgresql_database
        ResultsProcessor(database).save_experiment("e", {})
        other = create_engine(database.url, poolclass=NullPool)
        with other.connect() as connection, connection.begin():
            connection.execute(text("UPDATE experiments SET name = 'theirs'"))
            with pytest.raises(DatabaseLockedError, match="lock"):
                ResultsProcessor(impatient(database, 0.5)).save_experiment("e", {}, name="ours")
        processor = ResultsProcessor(database)
        assert processor.get_experiment("e").name == "theirs"
        processor.save_experiment("e", {}, name="ours")


class TestServers:
    def test_a_database_that_is_not_there(self, postgresql_database: Database) -> None:
        url = postgresql_database.url.set(database="no_such_database")
        with pytest.raises(DatabaseError, match='"no_such_database" does not exist') as caught:
            ResultsProcessor(url.render_as_string(hide_password=False))
        assert caught.value.exit_code == 4
        assert "database name" in str(caught.value.hint)
        assert "\n" not in str(caught.value)

    def test_one_that_is_read_only(self, postgresql_database: Database) -> None:
        ResultsProcessor(postgresql_database).save_experiment("e", {})
        url = postgresql_database.url.update_query_dict(
            {"options": "-c default_transaction_read_only=on"}
        )
        processor = ResultsProcessor(url.render_as_string(hide_password=False))
        assert processor.get_experiment("e").id == "e"
        with pytest.raises(DatabaseError, match="read-only"):
            processor.save_run(RunRecord("e", "None", 0))
        processor.close()

    def test_one_that_does_not_answer(self) -> None:
        database = Database(
            DatabaseConfig(url="postgresql://ada@127.0.0.1:1/results", connection_timeout=1)
        )
        with pytest.raises(DatabaseError, match="could not be reached") as caught:
            ResultsProcessor(database)
        assert "that the server runs" in str(caught.value.hint)


@pytest.fixture
def open_folder(migrated_file: Path) -> Iterator[Path]:
    """A folder that every user can reach, with a database that holds one experiment."""
    folder = Path(tempfile.mkdtemp(prefix="mlar-"))
    folder.chmod(0o755)
    path = folder / "r.db"
    shutil.copyfile(migrated_file, path)
    processor = ResultsProcessor(str(path))
    processor.save_experiment("e", {})
    processor.close()
    path.chmod(0o644)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


NOBODY = """
    import os, sys
    import sqlalchemy.dialects.sqlite
    from ml_agents_results.database import schema
    from ml_agents_results.database.engine import Database
    from ml_agents_results.errors import ResultsError
    from ml_agents_results.records import RunRecord
    from ml_agents_results.repositories.run_repository import RunRepository

    schema.upgrade(Database(":memory:"))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    try:
        database = Database(sys.argv[1])
        schema.require_current(database)
        if sys.argv[2] == "write":
            with database.write() as connection:
                RunRepository(connection).save(RunRecord("e", "None", 0))
        with database.read() as connection:
            print("runs", RunRepository(connection).count("e"))
    except ResultsError as error:
        print(type(error).__name__, error.exit_code, error.message, error.hint, sep="|")
"""


class TestPermissions:
    """As a user whom permissions bind: root passes all of them."""

    def test_a_file_and_folder_of_others_can_be_read(self, open_folder: Path) -> None:
        open_folder.chmod(0o555)
        assert run(NOBODY, open_folder / "r.db", "read") == "runs 0\n"

    def test_but_not_written(self, open_folder: Path) -> None:
        open_folder.chmod(0o555)
        found = run(NOBODY, open_folder / "r.db", "write").split("|")
        assert found[:2] == ["DatabaseError", "4"]
        assert found[2] == f"{open_folder / 'r.db'} is read-only"
        assert "permissions" in found[3]

    def test_a_read_only_file_in_a_folder_of_ours(self, open_folder: Path) -> None:
        open_folder.chmod(0o777)
        (open_folder / "r.db").chmod(0o444)
        assert run(NOBODY, open_folder / "r.db", "read") == "runs 0\n"
        assert "is read-only" in run(NOBODY, open_folder / "r.db", "write")

    def test_a_writable_file_in_a_read_only_folder_can_be_read(self, open_folder: Path) -> None:
        (open_folder / "r.db").chmod(0o666)
        open_folder.chmod(0o555)
        assert run(NOBODY, open_folder / "r.db", "read") == "runs 0\n"
        assert "is read-only" in run(NOBODY, open_folder / "r.db", "write")

    def test_readers_see_what_a_writer_of_another_user_has_just_saved(
        self, open_folder: Path
    ) -> None:
        """It is still in the write-ahead log, beside the file."""
        processor = ResultsProcessor(str(open_folder / "r.db"))
        for number in range(3):
            processor.save_run(RunRecord("e", "None", number))
        open_folder.chmod(0o555)
        assert run(NOBODY, open_folder / "r.db", "read") == "runs 3\n"

    def test_a_file_that_must_not_be_read(self, open_folder: Path) -> None:
        (open_folder / "r.db").chmod(0o600)
        found = run(NOBODY, open_folder / "r.db", "read").split("|")
        assert found[:3] == [
            "DatabaseError",
            "4",
            f"{open_folder / 'r.db'} cannot be read: Permission denied",
        ]

    def test_a_folder_that_must_not_be_entered(self, open_folder: Path) -> None:
        open_folder.chmod(0o700)
        found = run(NOBODY, open_folder / "r.db", "read").split("|")
        assert found[:2] == ["DatabaseError", "4"]
        assert "Permission denied" in found[2]

    def test_a_folder_that_must_not_be_written(self, open_folder: Path) -> None:
        found = run(NOBODY, open_folder / "new.db", "read").split("|")
        assert found[:3] == ["DatabaseError", "4", f"the folder {open_folder} is not writable"]


def test_a_full_disk_is_named_as_such(sqlite_database: Database) -> None:
    """The limit of a file's size stands in for the disk's."""
    ResultsProcessor(sqlite_database).save_experiment("e", {})
    printed = run(
        """
        import resource, signal, sys
        from ml_agents_results.errors import ResultsError
        from ml_agents_results.processor import ResultsProcessor
        from ml_agents_results.records import RunRecord
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        processor = ResultsProcessor(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        saved = 0
        try:
            for number in range(100):
                processor.save_run(RunRecord("e", "None", number, raw_output="x" * 100_000))
                saved += 1
        except ResultsError as error:
            print(saved, error.exit_code, error.message, error.hint, sep="|")
        """,
        sqlite_database.path,
    )
    saved, code, message, _ = printed.split("|")
    assert code == "4"
    assert "disk" in message
    processor = ResultsProcessor(sqlite_database)
    assert processor.get_runs_paginated("e")["total_runs"] == int(saved) > 0
    processor.save_run(RunRecord("e", "None", 99))


def test_a_full_disk_leaves_no_log_behind(tmp_path: Path) -> None:
    """The log of an undone import would keep the disk full."""
    path = tmp_path / "r.db"
    printed = run(
        """
        import os, resource, signal, sys
        from ml_agents_results.errors import ResultsError
        from ml_agents_results.processor import ResultsProcessor
        from ml_agents_results.records import ExperimentRecord, RunRecord
        from ml_agents_results.repositories.experiment_repository import ExperimentRepository
        from ml_agents_results.repositories.run_repository import RunRepository
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        processor = ResultsProcessor(sys.argv[1])
        size = os.path.getsize(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
        runs = [RunRecord("e", "None", n, raw_output="x" * 9000) for n in range(2000)]
        try:
            with processor.database.bulk() as connection:
                ExperimentRepository(connection).save(ExperimentRecord("e"))
                RunRepository(connection).save_many(runs)
        except ResultsError as error:
            log = sys.argv[1] + "-wal"
            print(error.exit_code, os.path.getsize(log) if os.path.exists(log) else 0)
        """,
        path,
    )
    assert printed == "4 0\n"
    processor = ResultsProcessor(str(path))
    processor.save_experiment("e", {})
    assert processor.get_runs_paginated("e")["total_runs"] == 0
