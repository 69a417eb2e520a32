"""A kill at any moment: the database opens, is intact, and holds what was reported as saved."""

import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import folder_of
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.experiments.labelling import draw_queue
from ml_agents_results.formats.archive_reader import verify_file
from ml_agents_results.processor import ResultsProcessor
from tests.commands import contents
from tests.databases import Server
from tests.generated import lines_of, make_runs, write_runs_file
from tests.lengths import short_and_long
from tests.operations import (
    GRADED,
    SAVED,
    import_runs,
    located,
    migrate,
    note_of,
    score,
    start,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and forkserver")


@pytest.fixture(params=short_and_long(1, int(os.environ.get("ML_AGENTS_KILLS", "50"))))
def kills(request: pytest.FixtureRequest) -> int:
    """At how many moments the operation is killed: $ML_AGENTS_KILLS, or 50, in the long form."""
    return int(request.param)


class Template:
    """A folder with a database, a backup of another state of it, and a file to import."""

    def __init__(self, folder: Path, server: Server | None) -> None:
        self.folder, self.server = folder, server

    def copy(self, folder: Path) -> Path:
        shutil.copytree(self.folder, folder)
        if self.server is not None:
            name = make_url(located(folder)).database
            (folder / "url").write_text(self.server.create(template=str(name)), encoding="utf-8")
        return folder

    def remove(self, folder: Path) -> None:
        if self.server is not None:
            self.server.drop(located(folder))
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def file_template(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("template")
    shutil.copyfile(migrated_file, folder / "backup.db")
    with ResultsProcessor(str(folder / "backup.db")) as processor:
        processor.save_experiment("exp", {"seed": 1})
        processor.save_experiment("new", {})
        processor.save_runs(make_runs(samples=100))
    shutil.copyfile(folder / "backup.db", folder / "r.db")
    fill(folder)
    # The server that forks the operations imports what they need when it makes the first of them.
    start("back_up", folder).join()
    (folder / "copy.db").unlink()
    return Template(folder, None)


@pytest.fixture(scope="module")
def server_template(
    postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Template]:
    folder = tmp_path_factory.mktemp("template")
    url = postgres.create_migrated()
    (folder / "url").write_text(url, encoding="utf-8")
    with ResultsProcessor(url) as processor:
        processor.save_experiment("exp", {"seed": 1})
        processor.save_experiment("new", {})
    fill(folder)
    yield Template(folder, postgres)
    postgres.drop(url)


def fill(folder: Path) -> None:
    with ResultsProcessor(located(folder)) as processor:
        processor.save_runs(make_runs(samples=400, seed=1))
        draw_queue(processor, "exp", GRADED, seed=1, blind=True)
    write_runs_file(folder / "runs.jsonl", lines_of(make_runs(samples=500)))


@pytest.fixture
def template(request: pytest.FixtureRequest) -> Template:
    """By default a file's; `on_both` asks for a server's, too."""
    kind: Template = request.getfixturevalue(getattr(request, "param", "file_template"))
    return kind


on_both = pytest.mark.parametrize(
    "template",
    ["file_template", pytest.param("server_template", marks=pytest.mark.slow)],
    indirect=True,
    ids=["file", "server"],
)


@contextmanager
def killed(
    name: str, kills: int, template: Template, tmp_path: Path
) -> Iterator[Callable[[], Iterator[Path]]]:
    """Gives folders in which the operation was killed at a random moment."""
    folder = template.copy(tmp_path / "whole")
    begun = time.monotonic()
    process = start(name, folder)
    process.join()
    assert process.exitcode == 0
    lasts = time.monotonic() - begun
    hit = 0

    def folders() -> Iterator[Path]:
        nonlocal hit, lasts
        yield folder
        template.remove(folder)
        chance = random.Random(f"{name} {os.environ.get('SEED')}")
        for number in range(3 * kills + 10):
            broken = template.copy(tmp_path / str(number))
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
            template.remove(broken)
            if hit == kills:
                return

    yield folders
    assert hit, "no kill came in time"


def opened(folder: Path) -> Database:
    return Database(located(folder), create=False)


def rows(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    database = opened(folder)
    try:
        return contents(database)
    finally:
        database.close()


def sound(folder: Path) -> bool:
    """Whether a check finds nothing."""
    database = opened(folder)
    try:
        return check(database).problems == []
    finally:
        database.close()


def intact(path: Path) -> bool:
    return check(Database(str(path), create=False)).problems == []


def reports(folder: Path) -> int:
    """How many times the operation said that something was saved."""
    noted = folder / "reported"
    return len(noted.read_bytes()) if noted.exists() else 0


@on_both
def test_saving(template: Template, tmp_path: Path, kills: int) -> None:
    before = rows(template.folder)["runs"]
    with killed("save", kills, template, tmp_path) as folders:
        for folder in folders():
            assert sound(folder)
            with ResultsProcessor(opened(folder)) as processor:
                runs = {run.sample_index: run.raw_output for run in processor.iter_runs("new")}
            # One may be saved whose report was cut off.
            assert reports(folder) <= len(runs) <= min(reports(folder) + 1, SAVED)
            assert runs == {number: f"answer {number} " * 50 for number in range(len(runs))}
            assert set(before) <= set(rows(folder)["runs"])


@on_both
def test_importing(template: Template, tmp_path: Path, kills: int) -> None:
    before = len(rows(template.folder)["runs"])
    with killed("import_runs", kills, template, tmp_path) as folders:
        for folder in folders():
            assert sound(folder)
            assert len(rows(folder)["runs"]) in (before, before + 2000)
            import_runs(folder)
            assert len(rows(folder)["runs"]) == before + 2000


@on_both
def test_migrating(template: Template, tmp_path: Path, kills: int) -> None:
    old = Template(template.copy(tmp_path / "old"), template.server)
    database = opened(old.folder)
    schema.downgrade(database, "0001", lossy=True)
    database.close()
    # Only the migration's own backups are looked at, not those that recording made.
    shutil.rmtree(folder_of(old.folder / "r.db"), ignore_errors=True)
    before = rows(old.folder)
    head = schema.revisions()[-1]
    with killed("migrate", kills, old, tmp_path) as folders:
        for folder in folders():
            database = opened(folder)
            with database.read() as connection:
                revision = schema.status(connection).revision
            database.close()
            assert revision in ("0001", head)
            assert sound(folder)
            if revision == "0001":
                assert rows(folder) == before
            for backup in folder_of(folder / "r.db").glob("2*.db"):
                assert contents(backup) == before
            migrate(folder)
            found = rows(folder)
            assert [len(one) for one in found.values()] == [len(one) for one in before.values()]
            assert sound(folder)
    template.remove(old.folder)


@pytest.mark.parametrize("name", ["back_up", "repair"])
def test_writing_a_copy(template: Template, tmp_path: Path, kills: int, name: str) -> None:
    before = rows(template.folder)
    with killed(name, kills, template, tmp_path) as folders:
        for folder in folders():
            assert rows(folder) == before
            if (folder / "copy.db").exists():
                assert intact(folder / "copy.db")
                assert contents(folder / "copy.db") == before


def test_restoring(template: Template, tmp_path: Path, kills: int) -> None:
    old, new = rows(template.folder), contents(template.folder / "backup.db")
    with killed("restore", kills, template, tmp_path) as folders:
        for folder in folders():
            assert sound(folder)
            found = rows(folder)
            assert found in (old, new)
            assert contents(folder / "backup.db") == new
            kept = list(folder.glob("r.db.replaced-*"))
            assert [contents(path) for path in kept if "-wal" not in path.name] == [old] * len(kept)
            assert kept or found == old


@on_both
def test_scoring(template: Template, tmp_path: Path, kills: int) -> None:
    """What was not scored is scored by the same command; the runs stay as they are."""
    before = rows(template.folder)
    whole: dict[str | None, float | None] = {}
    with killed("score", kills, template, tmp_path) as folders:
        for folder in folders():
            assert sound(folder)
            assert rows(folder) == before
            whole = whole or values(folder)
            assert values(folder).items() <= whole.items()
            score(folder)
            assert values(folder) == whole


def values(folder: Path) -> dict[str | None, float | None]:
    """Run to its value of the metric that `score` makes."""
    with ResultsProcessor(opened(folder)) as processor:
        return {
            run.id: one.value
            for run in processor.iter_runs("exp")
            for one in run.scores or ()
            if one.metric == "again"
        }


@pytest.mark.slow
@on_both
def test_grading_in_the_viewer(template: Template, tmp_path: Path, kills: int) -> None:
    """Each grade that was acknowledged is there, whole."""
    before = rows(template.folder)
    with killed("grade", kills, template, tmp_path) as folders:
        for folder in folders():
            assert sound(folder)
            assert rows(folder) == before
            with ResultsProcessor(opened(folder)) as processor:
                given = [
                    one
                    for run in processor.iter_runs("exp")
                    for one in run.scores or ()
                    if one.author
                ]
            assert reports(folder) <= len(given) <= min(reports(folder) + 1, GRADED)
            told = {
                (one.details_json or {})["queue"]["position"] + 1: (
                    one.author, one.value, one.explanation, (one.details_json or {})["tags"]
                )
                for one in given
            }  # fmt: skip
            assert told == {
                at: ("ada", at % 2, note_of(at), ["a", "b"]) for at in range(1, len(given) + 1)
            }


@on_both
def test_exporting_an_archive(template: Template, tmp_path: Path, kills: int) -> None:
    before = rows(template.folder)
    with killed("export_archive", kills, template, tmp_path) as folders:
        for folder in folders():
            assert rows(folder) == before
            if (folder / "out.mlar").exists():
                verify_file(folder / "out.mlar")


def test_exporting_over_a_folder(template: Template, tmp_path: Path, kills: int) -> None:
    """The one that was there is there still, or the new one is."""
    old = Template(template.copy(tmp_path / "old"), None)
    process = start("export_folder", old.folder)
    process.join()
    whole = {path.name: path.read_bytes() for path in (old.folder / "out").iterdir()}
    with killed("export_folder", kills, old, tmp_path) as folders:
        for folder in folders():
            assert {path.name: path.read_bytes() for path in (folder / "out").iterdir()} == whole
