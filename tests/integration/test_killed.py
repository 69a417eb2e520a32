"""A kill at any moment: the database opens, is intact, and holds what was reported as saved."""

import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import folder_of
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.formats.archive_reader import verify_file
from ml_agents_results.processor import ResultsProcessor
from tests.commands import contents
from tests.generated import lines_of, make_runs, write_runs_file
from tests.lengths import short_and_long
from tests.operations import SAVED, import_runs, migrate, score, start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and forkserver")


@pytest.fixture(params=short_and_long(1, int(os.environ.get("ML_AGENTS_KILLS", "50"))))
def kills(request: pytest.FixtureRequest) -> int:
    """At how many moments the operation is killed: $ML_AGENTS_KILLS, or 50, in the long form."""
    return int(request.param)


@pytest.fixture(scope="module")
def template(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database, a backup of another state of it, and a file to import."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copyfile(migrated_file, folder / "backup.db")
    processor = ResultsProcessor(str(folder / "backup.db"))
    processor.save_experiment("exp", {"seed": 1})
    processor.save_experiment("new", {})
    processor.save_runs(make_runs(samples=100))
    processor.close()
    shutil.copyfile(folder / "backup.db", folder / "r.db")
    processor = ResultsProcessor(str(folder / "r.db"))
    processor.save_runs(make_runs(samples=400, seed=1))
    processor.close()
    write_runs_file(folder / "runs.jsonl", lines_of(make_runs(samples=500)))
    # The server that forks the operations imports what they need when it makes the first of them.
    start("back_up", folder).join()
    (folder / "copy.db").unlink()
    return folder


@contextmanager
def killed(
    name: str, kills: int, template: Path, tmp_path: Path
) -> Iterator[Callable[[], Iterator[Path]]]:
    """Gives folders in which the operation was killed at a random moment."""
    folder = tmp_path / "whole"
    shutil.copytree(template, folder)
    begun = time.monotonic()
    process = start(name, folder)
    process.join()
    assert process.exitcode == 0
    lasts = time.monotonic() - begun
    hit = 0

    def folders() -> Iterator[Path]:
        nonlocal hit, lasts
        yield folder
        chance = random.Random(f"{name} {os.environ.get('SEED')}")
        for number in range(3 * kills + 10):
            broken = tmp_path / str(number)
            shutil.copytree(template, broken)
            process = start(name, broken)
            time.sleep(chance.uniform(0, lasts))
            process.kill()
            process.join()
            if process.exitcode == 0:
                # It was faster than the one that was timed.
                lasts *= 0.8
            else:
                hit += 1
            yield broken
            shutil.rmtree(broken)
            if hit == kills:
                return

    yield folders
    assert hit, "no kill came in time"


def intact(path: Path) -> bool:
    return check(Database(str(path), create=False)).problems == []


def test_saving(template: Path, tmp_path: Path, kills: int) -> None:
    before = contents(template / "r.db")["runs"]
    with killed("save", kills, template, tmp_path) as folders:
        for folder in folders():
            assert intact(folder / "r.db")
            reported = (
                len((folder / "reported").read_bytes())
                if folder.joinpath("reported").exists()
                else 0
            )
            processor = ResultsProcessor(str(folder / "r.db"))
            runs = {
                run["sample_index"]: run["raw_output"]
                for run in processor.get_runs_paginated("new")["runs"]
            }
            processor.close()
            # One may be saved whose report was cut off.
            assert reported <= len(runs) <= min(reported + 1, SAVED)
            assert runs == {number: f"answer {number} " * 50 for number in range(len(runs))}
            assert set(before) <= set(contents(folder / "r.db")["runs"])


def test_importing(template: Path, tmp_path: Path, kills: int) -> None:
    before = contents(template / "r.db")
    with killed("import_runs", kills, template, tmp_path) as folders:
        for folder in folders():
            assert intact(folder / "r.db")
            found = len(contents(folder / "r.db")["runs"])
            assert found in (len(before["runs"]), len(before["runs"]) + 2000)
            import_runs(folder)
            assert len(contents(folder / "r.db")["runs"]) == len(before["runs"]) + 2000


def test_migrating(template: Path, tmp_path: Path, kills: int) -> None:
    old = tmp_path / "old"
    shutil.copytree(template, old)
    database = Database(str(old / "r.db"))
    schema.downgrade(database, "0001", lossy=True)
    database.close()
    # Only the migration's own backups are looked at, not those that recording made.
    shutil.rmtree(folder_of(old / "r.db"), ignore_errors=True)
    before = contents(old / "r.db")
    head = schema.revisions()[-1]
    with killed("migrate", kills, old, tmp_path) as folders:
        for folder in folders():
            database = Database(str(folder / "r.db"))
            with database.read() as connection:
                revision = schema.status(connection).revision
            database.close()
            assert revision in ("0001", head)
            assert intact(folder / "r.db")
            if revision == "0001":
                assert contents(folder / "r.db") == before
            for backup in folder_of(folder / "r.db").glob("2*.db"):
                assert contents(backup) == before
            migrate(folder)
            found = contents(folder / "r.db")
            assert [len(rows) for rows in found.values()] == [len(one) for one in before.values()]
            assert intact(folder / "r.db")


@pytest.mark.parametrize("name", ["back_up", "repair"])
def test_writing_a_copy(template: Path, tmp_path: Path, kills: int, name: str) -> None:
    before = contents(template / "r.db")
    with killed(name, kills, template, tmp_path) as folders:
        for folder in folders():
            assert contents(folder / "r.db") == before
            if (folder / "copy.db").exists():
                assert intact(folder / "copy.db")
                assert contents(folder / "copy.db") == before


def test_restoring(template: Path, tmp_path: Path, kills: int) -> None:
    old, new = contents(template / "r.db"), contents(template / "backup.db")
    with killed("restore", kills, template, tmp_path) as folders:
        for folder in folders():
            assert intact(folder / "r.db")
            found = contents(folder / "r.db")
            assert found in (old, new)
            assert contents(folder / "backup.db") == new
            kept = list(folder.glob("r.db.replaced-*"))
            assert [contents(path) for path in kept if "-wal" not in path.name] == [old] * len(kept)
            assert kept or found == old


def test_scoring(template: Path, tmp_path: Path, kills: int) -> None:
    """What was not scored is scored by the same command; the runs stay as they are."""
    before = contents(template / "r.db")
    whole: dict[str | None, float | None] = {}
    with killed("score", kills, template, tmp_path) as folders:
        for folder in folders():
            assert intact(folder / "r.db")
            assert contents(folder / "r.db") == before
            whole = whole or scores(folder)
            assert scores(folder).items() <= whole.items()
            score(folder)
            assert scores(folder) == whole


def scores(folder: Path) -> dict[str | None, float | None]:
    """Run to its value of the metric that `score` makes."""
    with ResultsProcessor(str(folder / "r.db")) as processor:
        return {
            run.id: one.value
            for run in processor.iter_runs("exp")
            for one in run.scores or ()
            if one.metric == "again"
        }


def test_exporting_an_archive(template: Path, tmp_path: Path, kills: int) -> None:
    before = contents(template / "r.db")
    with killed("export_archive", kills, template, tmp_path) as folders:
        for folder in folders():
            assert contents(folder / "r.db") == before
            if (folder / "out.mlar").exists():
                verify_file(folder / "out.mlar")


def test_exporting_over_a_folder(template: Path, tmp_path: Path, kills: int) -> None:
    """The one that was there is there still, or the new one is."""
    old = tmp_path / "old"
    shutil.copytree(template, old)
    process = start("export_folder", old)
    process.join()
    whole = {path.name: path.read_bytes() for path in (old / "out").iterdir()}
    with killed("export_folder", kills, old, tmp_path) as folders:
        for folder in folders():
            assert {path.name: path.read_bytes() for path in (folder / "out").iterdir()} == whole
