"""Disks that fill, folders that vanish, permissions that are lost: nothing is half done."""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance import backups as backup
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.errors import DatabaseLockedError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.commands import contents
from tests.generated import lines_of, make_runs, write_runs_file
from tests.processes import Process, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits and signals")

FULL = """
    import resource, signal, sys
    from pathlib import Path
    from ml_agents_results.errors import ResultsError
    from tests import operations

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    try:
        getattr(operations, sys.argv[1])(Path(sys.argv[2]))
    except ResultsError as error:
        print(error.exit_code, error.message, error.hint, sep="|")
"""

WATCHED = """
    import os, shutil, sys, threading, time
    from pathlib import Path
    from ml_agents_results.database.maintenance.backups import back_up
    from ml_agents_results.errors import ResultsError

    if os.geteuid() == 0:
        os.setuid(65534)
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir()

    def spoil():
        while not any(folder.iterdir()):
            time.sleep(0.0001)
        if sys.argv[3] == "vanishes":
            shutil.rmtree(folder, ignore_errors=True)
        else:
            folder.chmod(0o555)

    watcher = threading.Thread(target=spoil)
    watcher.start()
    try:
        back_up(source, folder / "copy.db")
    except ResultsError as error:
        print(error.exit_code, error.message, error.hint, sep="|")
    watcher.join()
    if folder.exists():
        folder.chmod(0o755)
"""


@pytest.fixture
def folder(migrated_file: Path) -> Iterator[Path]:
    """A folder that every user may write to, with a database of 1.5 MB."""
    made = Path(tempfile.mkdtemp(prefix="mlar-"))
    made.chmod(0o777)
    shutil.copyfile(migrated_file, made / "r.db")
    processor = ResultsProcessor(str(made / "r.db"))
    processor.save_experiment("exp", {})
    processor.save_runs(make_runs(samples=500))
    processor.close()
    (made / "r.db").chmod(0o666)
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize(
    "name",
    [
        "import_runs",
        "migrate",
        "export_archive",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("back_up", "restore", "repair", "export_folder")
        ),
    ],
)
def test_a_full_disk(folder: Path, name: str) -> None:
    """The limit of a file's size stands in for the disk's."""
    if name == "migrate":
        database = Database(str(folder / "r.db"))
        schema.downgrade(database, "0001", lossy=True)
        database.close()
    write_runs_file(folder / "runs.jsonl", lines_of(make_runs(samples=500, seed=3)))
    shutil.copyfile(folder / "r.db", folder / "backup.db")
    before = contents(folder / "r.db")
    files = {path.name for path in folder.rglob("*")}
    code, message, hint = run(FULL, name, folder).split("|")
    assert code in ("1", "4")
    assert any(word in message for word in ("disk", "written", "copied", "large")), message
    assert hint.strip()
    assert contents(folder / "r.db") == before
    left = {path.name for path in folder.rglob("*")} - files
    assert left <= {"r.db-wal", "r.db-shm", "r.db.backups"}, left
    assert check(Database(str(folder / "r.db"))).intact


@pytest.mark.parametrize("spoiled", ["vanishes", "is closed"])
def test_a_folder_that_changes_in_the_middle_of_a_backup(folder: Path, spoiled: str) -> None:
    before = contents(folder / "r.db")
    code, message, hint = run(WATCHED, folder / "r.db", folder / "backups", spoiled).split("|")
    assert code == "4"
    assert str(folder / "backups") in message
    assert hint.strip()
    assert not (folder / "backups" / "copy.db").exists()
    assert contents(folder / "r.db") == before


def test_a_process_that_is_suspended_in_a_transaction(folder: Path) -> None:
    process = Process(
        """
        import os, signal, sys
        from ml_agents_results.processor import ResultsProcessor
        from ml_agents_results.records import RunRecord
        from ml_agents_results.repositories.run_repository import RunRepository
        processor = ResultsProcessor(sys.argv[1])
        with processor.database.write() as connection:
            RunRepository(connection).save(RunRecord("exp", "None", 1, task="suspended"))
            print("in it", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        """,
        folder / "r.db",
    )
    assert process.stdout.readline() == "in it\n"
    config = DatabaseConfig(db_path=str(folder / "r.db"), connection_timeout=1)
    waiting = ResultsProcessor(config)
    with pytest.raises(DatabaseLockedError, match="another process was writing") as caught:
        waiting.save_run(RunRecord("exp", "None", 1, task="waiting"))
    assert "fuser" in str(caught.value.hint)
    assert waiting.get_runs_paginated("exp")["total_runs"] == 2000
    process.send_signal(signal.SIGCONT)
    process.communicate()
    assert process.returncode == 0
    waiting.save_run(RunRecord("exp", "None", 1, task="waiting"))
    assert waiting.get_runs_paginated("exp")["total_runs"] == 2002
    waiting.close()


def test_a_clock_that_goes_backwards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest backup is the newest, whatever its time; runs are saved and found."""
    database = Database(DatabaseConfig(db_path=str(folder / "r.db"), keep=2, keep_days=0))
    processor = ResultsProcessor(database)
    made = [backup.backup_now(database) for _ in range(2)]

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Earlier":
            return cls.fromtimestamp(time.time() - 400 * 86_400, tz)

    monkeypatch.setattr(backup, "datetime", Earlier)
    processor.save_run(RunRecord("exp", "None", 0, task="later", created_at=Earlier.now(UTC)))
    for _ in range(3):
        made.append(backup.backup_now(database))
        assert made[-1].exists()
    assert backup.backups(backup.folder_of(folder / "r.db")) == made[-2:]
    assert contents(made[-1]) == contents(database)
    processor.save_experiment("exp", {"changed": True})
    assert check(database).intact
    processor.close()


def test_what_dead_processes_leave_behind_is_no_lock(folder: Path) -> None:
    """Drafts, and a rollback journal and a log whose processes are gone."""
    for name in ("r.db-journal", ".copy.db.0badf00d.tmp", "r.db-shm"):
        (folder / name).write_bytes(b"")
    os.utime(folder / "r.db-journal", (0, 0))
    processor = ResultsProcessor(str(folder / "r.db"))
    processor.save_run(RunRecord("exp", "None", 0, task="later"))
    assert processor.get_runs_paginated("exp")["total_runs"] == 2001
    assert check(processor.database).intact
    processor.close()
