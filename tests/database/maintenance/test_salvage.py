"""`repair`: every row outside of the damaged pages comes back; the damaged file is only read."""

import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.database.maintenance.recovery.salvage import repair
from ml_agents_results.database.maintenance.recovery.sqlite_pages import FilePages
from ml_agents_results.errors import CorruptDatabaseError, NotFoundError, UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.commands import contents
from tests.generated import make_runs
from tests.lengths import short_and_long
from tests.processes import run

SAMPLES = 80


@pytest.fixture(scope="module")
def template(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough runs for a tree with inner pages, one of them longer than a page."""
    path = Path(shutil.copyfile(migrated_file, tmp_path_factory.mktemp("repair") / "r.db"))
    processor = ResultsProcessor(str(path))
    processor.save_experiment("exp", {"seed": 1}, name="First")
    processor.save_runs(make_runs(samples=SAMPLES))
    processor.save_run(RunRecord("exp", "None", 0, task="long", raw_output="é\U0001f600x" * 9000))
    processor.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return path


def leaf_pages(path: Path, name: str) -> dict[object, int]:
    """The page that each row of a table is on."""
    pages = FilePages(path.read_bytes())
    (table,) = (table for table in pages.tables() if table.name == name)
    return {
        row.rowid if name == "parsing_metrics" else row.values[0]: row.page
        for page in pages.leaves(table.root)
        for row in pages.rows(page)
    }


def interior_page(path: Path) -> int:
    pages = FilePages(path.read_bytes())
    (runs,) = (table for table in pages.tables() if table.name == "runs")
    return runs.root


def test_an_intact_file_comes_out_the_same(template: Path, tmp_path: Path) -> None:
    before = template.read_bytes()
    report = repair(template, tmp_path / "new.db")
    assert template.read_bytes() == before
    assert contents(tmp_path / "new.db") == contents(template)
    assert report.notes == []
    assert {(one.lost, one.damaged) for one in report.tables.values()} == {(0, 0)}


def flip(data: bytearray, chance: random.Random) -> range:
    place = chance.randrange(len(data))
    data[place] ^= 1 << chance.randrange(8)
    return range(place, place + 1)


def cut(data: bytearray, chance: random.Random) -> range:
    size = len(data)
    del data[chance.randrange(512, size) :]
    return range(len(data), size)


def blank(data: bytearray, chance: random.Random) -> range:
    start = chance.randrange(len(data) - 512)
    data[start : start + 512] = bytes(512)
    return range(start, start + 512)


def noise(data: bytearray, chance: random.Random) -> range:
    start = chance.randrange(0, len(data) - 4096, 4096)
    data[start : start + 4096] = chance.randbytes(4096)
    return range(start, start + 4096)


@pytest.mark.parametrize("seeds", short_and_long(range(1), range(1, 53)), ids=["few", "many"])
@pytest.mark.parametrize("damage", [flip, cut, blank, noise])
def test_every_row_outside_of_the_damaged_pages_comes_back(
    template: Path,
    tmp_path: Path,
    damage: Callable[[bytearray, random.Random], range],
    seeds: range,
) -> None:
    for seed in seeds:
        data = bytearray(template.read_bytes())
        size = FilePages(bytes(data)).size
        hit = damage(data, random.Random(f"{damage.__name__} {seed} {os.environ.get('SEED')}"))
        damaged = {offset // size + 1 for offset in hit}
        folder = tmp_path / str(seed)
        folder.mkdir()
        check_repair(template, bytes(data), damaged, folder, cut_off=damage is cut)


def time_column(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    return names.index("created_at")


def check_repair(
    template: Path, data: bytes, damaged: set[int], folder: Path, *, cut_off: bool
) -> None:
    size = FilePages(template.read_bytes()).size
    broken, mended = folder / "broken.db", folder / "new.db"
    broken.write_bytes(data)
    try:
        repair(broken, mended)
    except CorruptDatabaseError:
        # Only where nearly nothing was left.
        assert cut_off
        assert len(data) < 20 * size
        return
    assert broken.read_bytes() == data
    assert check(Database(str(mended))).intact
    before, after = contents(template), contents(mended)
    for table in before:
        originals = {row[0]: row for row in before[table]}
        saved = {row[0]: row for row in after[table]}
        for key, page in leaf_pages(template, table).items():
            # A row that is longer than a page is on several, and metrics go with their run.
            whole = len(str(originals[key])) < 2000 and table != "parsing_metrics"
            assert page in damaged or not whole or saved[key] == originals[key], (table, key)
        made = {row[0] for row in saved.values() if row[1] == "lost experiment"}
        # Ids of parsing metrics do not matter. No digest covers the time of a run: where row and
        # index disagree on it, nobody knows which is right, and the report says so.
        if table == "parsing_metrics":
            originals = {row[1]: ("", *row[1:]) for row in before[table]}
            saved = {row[1]: ("", *row[1:]) for row in after[table]}
        left_out = time_column(template) if table == "runs" else 0
        for key, row in saved.items():
            if key not in made:
                pairs = enumerate(zip(originals[key], row, strict=True))
                assert [
                    pair for index, pair in pairs if index != left_out and len(set(pair)) > 1
                ] == []


def test_runs_whose_way_from_the_root_is_lost_are_found(template: Path, tmp_path: Path) -> None:
    data = bytearray(template.read_bytes())
    size = FilePages(bytes(data)).size
    root = interior_page(template)
    data[(root - 1) * size : root * size] = bytes(size)
    (tmp_path / "broken.db").write_bytes(data)
    report = repair(tmp_path / "broken.db", tmp_path / "new.db")
    assert contents(tmp_path / "new.db")["runs"] == contents(template)["runs"]
    assert report.tables["runs"].saved == 4 * SAMPLES + 1


def test_the_schema_may_be_lost(template: Path, tmp_path: Path) -> None:
    data = bytearray(template.read_bytes())
    size = FilePages(bytes(data)).size
    data[100:size] = bytes(size - 100)
    (tmp_path / "broken.db").write_bytes(data)
    report = repair(tmp_path / "broken.db", tmp_path / "new.db")
    assert contents(tmp_path / "new.db") == contents(template)
    assert "the schema is lost" in report.notes[0]


def test_a_changed_run_is_put_aside(template: Path, tmp_path: Path) -> None:
    data = template.read_bytes()
    assert data.count(b"The answer is 77.") > 0
    changed = data.replace(b"The answer is 77.", b"The answer is 78.", 1)
    (tmp_path / "broken.db").write_bytes(changed)
    report = repair(tmp_path / "broken.db", tmp_path / "new.db")
    runs = report.tables["runs"]
    assert (runs.saved, runs.damaged, runs.lost) == (4 * SAMPLES, 1, 0)
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        kept = connection.execute("SELECT raw_output FROM damaged_runs").fetchall()
    assert kept == [("The answer is 78.",)]


def test_runs_of_a_lost_experiment_are_saved(template: Path, tmp_path: Path) -> None:
    shutil.copyfile(template, tmp_path / "broken.db")
    with closing(sqlite3.connect(tmp_path / "broken.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM experiments")
    report = repair(tmp_path / "broken.db", tmp_path / "new.db")
    assert report.notes == ["the rows of 1 experiments are lost; their runs are saved"]
    found = contents(tmp_path / "new.db")
    assert found["runs"] == contents(template)["runs"]
    assert found["experiments"][0][:2] == ("exp", "lost experiment")


def test_what_is_in_the_log_is_saved(migrated_file: Path, tmp_path: Path) -> None:
    path = Path(shutil.copyfile(migrated_file, tmp_path / "r.db"))
    processor = ResultsProcessor(str(path))
    processor.save_experiment("exp", {})
    processor.save_runs(make_runs())
    assert (tmp_path / "r.db-wal").stat().st_size > 0
    shutil.copyfile(path, tmp_path / "broken.db")
    shutil.copyfile(tmp_path / "r.db-wal", tmp_path / "broken.db-wal")
    report = repair(tmp_path / "broken.db", tmp_path / "new.db")
    assert report.tables["runs"].saved == 80


def test_an_older_schema_is_repaired_as_it_is(tmp_path: Path) -> None:
    old = Database(str(tmp_path / "old.db"))
    schema.upgrade(old, "0001")
    with old.write() as connection:
        connection.exec_driver_sql("INSERT INTO experiments (id, name) VALUES ('e', 'Old')")
        connection.exec_driver_sql("INSERT INTO runs (id, experiment_id) VALUES ('r', 'e')")
        connection.exec_driver_sql("CREATE TABLE mine (a INTEGER PRIMARY KEY, b TEXT)")
        connection.exec_driver_sql("INSERT INTO mine VALUES (7, 'x')")
    old.close()
    repair(tmp_path / "old.db", tmp_path / "new.db")
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
        assert connection.execute("SELECT id FROM runs").fetchall() == [("r",)]
        assert connection.execute("SELECT * FROM mine").fetchall() == [(7, "x")]


def test_a_schema_that_would_do_other_things_does_nothing(template: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copyfile(template, tmp_path / "broken.db"))
    with closing(sqlite3.connect(broken, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE evil (a)")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = ? WHERE name = 'evil'",
            (f"ATTACH '{tmp_path / 'evil.db'}' AS evil",),
        )
    repair(broken, tmp_path / "new.db")
    assert not (tmp_path / "evil.db").exists()
    assert contents(tmp_path / "new.db") == contents(template)


def test_what_cannot_be_repaired(template: Path, tmp_path: Path) -> None:
    for name, data in (
        ("notes.txt", b"no database"),
        ("noise.db", b"SQLite format 3\x00" + random.Random(1).randbytes(20_000)),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CorruptDatabaseError, match="has no readable experiment or run"):
            repair(tmp_path / name, tmp_path / "new.db")
    with pytest.raises(NotFoundError):
        repair(tmp_path / "no.db", tmp_path / "new.db")
    with pytest.raises(UsageError, match="the same file"):
        repair(template, template, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["noise.db", "notes.txt"]


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
def test_what_a_cut_file_has_lost_is_not_called_nothing(
    template: Path, tmp_path: Path, share: float
) -> None:
    data = template.read_bytes()
    size = FilePages(data).size
    pages = int(len(data) // size * share)
    (tmp_path / "cut.db").write_bytes(data[: pages * size])
    report = repair(tmp_path / "cut.db", tmp_path / "new.db")
    assert not report.complete
    assert any(f"only {pages} of its {len(data) // size} pages" in note for note in report.notes)


def test_a_count_that_no_index_tells_is_unknown(template: Path, tmp_path: Path) -> None:
    data = bytearray(template.read_bytes())
    size = FilePages(bytes(data)).size
    with closing(sqlite3.connect(template)) as connection:
        roots = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE tbl_name = 'parsing_metrics' AND rootpage"
        ).fetchall()
    for (root,) in roots:
        data[(root - 1) * size : root * size] = bytes(size)
    (tmp_path / "broken.db").write_bytes(data)
    report = repair(tmp_path / "broken.db", tmp_path / "new.db")
    assert report.tables["parsing_metrics"].lost is None
    assert not report.complete
    assert report.to_dict()["complete"] is False


def test_a_source_that_must_not_be_read_is_named(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="mlar-"))
    try:
        folder.chmod(0o777)
        (folder / "secret.db").touch(0o600)
        printed = run(
            """
            import os, sys
            from pathlib import Path
            from ml_agents_results.database.maintenance.recovery.salvage import repair
            from ml_agents_results.errors import ResultsError
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            try:
                repair(Path(sys.argv[1]), Path(sys.argv[2]))
            except ResultsError as error:
                print(error.exit_code, error.message)
            """,
            folder / "secret.db" if os.geteuid() == 0 else "/etc/shadow",
            folder / "new.db",
        )
        assert printed.startswith("4 ")
        assert "cannot be read: Permission denied" in printed
    finally:
        shutil.rmtree(folder)
