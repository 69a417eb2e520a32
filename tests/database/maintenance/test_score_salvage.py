"""`repair` of scores: their table has no rowids, so that its pages are those of an index."""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from ml_agents_results.database.maintenance.recovery.salvage import repair
from ml_agents_results.database.maintenance.recovery.sqlite_pages import FilePages
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord, ScoreRecord

RUNS = 1200
LONG = "why " * 3000


@pytest.fixture(scope="module")
def template(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores on enough pages for inner ones, and explanations longer than a page."""
    path = Path(shutil.copyfile(migrated_file, tmp_path_factory.mktemp("scores") / "r.db"))
    processor = ResultsProcessor(str(path))
    processor.save_experiment("e", {})
    processor.save_runs(
        RunRecord(
            "e",
            "None",
            index,
            scores=[
                ScoreRecord(index / 7, metric="f1"),
                ScoreRecord(
                    index % 5, metric="judge", explanation=LONG if index % 400 == 0 else "x"
                ),
                ScoreRecord(1.0, metric="judge", author="me"),
            ],
        )
        for index in range(RUNS)
    )
    processor.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return path


def scores(path: Path, table: str = "scores") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()


def pages_of(path: Path, name: str) -> Counter[int]:
    """The pages of a table, and how many of its rows each has."""
    pages = FilePages(path.read_bytes())
    (table,) = (table for table in pages.tables() if table.name == name)
    return Counter(row.page for page in pages.with_rows(table) for row in pages.rows(page))


def damaged(template: Path, tmp_path: Path, page: int) -> Path:
    """A copy in which a page is zero."""
    path = Path(shutil.copyfile(template, tmp_path / "damaged.db"))
    data = bytearray(path.read_bytes())
    size = FilePages(bytes(data)).size
    data[(page - 1) * size : page * size] = bytes(size)
    path.write_bytes(data)
    return path


def test_every_page_is_read_the_inner_ones_too(template: Path) -> None:
    counted = pages_of(template, "scores")
    assert sum(counted.values()) == 3 * RUNS
    assert len(counted) > 20


def test_an_intact_file_comes_out_the_same(template: Path, tmp_path: Path) -> None:
    report = repair(template, tmp_path / "new.db")
    assert report.complete
    assert scores(tmp_path / "new.db") == scores(template)


def test_what_is_on_other_pages_is_saved(template: Path, tmp_path: Path) -> None:
    counted = pages_of(template, "scores")
    root = min(counted)
    leaf, rows = next((page, rows) for page, rows in counted.items() if page != root and rows > 20)
    report = repair(damaged(template, tmp_path, leaf), tmp_path / "new.db")
    assert (report.tables["scores"].saved, report.tables["scores"].lost) == (3 * RUNS - rows, rows)
    assert set(scores(tmp_path / "new.db")) < set(scores(template))
    assert report.problems == []


def test_without_the_root_the_leaves_are_told_by_their_rows(template: Path, tmp_path: Path) -> None:
    pages = FilePages(template.read_bytes())
    (table,) = (table for table in pages.tables() if table.name == "scores")
    rows = pages_of(template, "scores")[table.root]
    report = repair(damaged(template, tmp_path, table.root), tmp_path / "new.db")
    assert report.tables["scores"].saved == 3 * RUNS - rows
    assert set(scores(tmp_path / "new.db")) <= set(scores(template))
    assert report.problems == []


def test_a_changed_value_is_not_taken_for_what_was_recorded(template: Path, tmp_path: Path) -> None:
    path = Path(shutil.copyfile(template, tmp_path / "damaged.db"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        definition = "SELECT rootpage FROM sqlite_schema WHERE name = 'scores'"
        assert connection.execute(definition).fetchone()
        # Without its index, a table is changed alone.
        index = "ix_scores_metric_id_value_run_id"
        kept = connection.execute(f"SELECT * FROM sqlite_schema WHERE name = '{index}'").fetchone()
        connection.execute(f"DELETE FROM sqlite_schema WHERE name = '{index}'")
        connection.commit()
    with closing(sqlite3.connect(path)) as connection:
        run = connection.execute("SELECT MIN(run_id) FROM scores").fetchone()[0]
        connection.execute(
            "UPDATE scores SET value = 0.99 WHERE run_id = ? AND author = 'me'", (run,)
        )
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", kept)
        connection.commit()
    report = repair(path, tmp_path / "new.db")
    assert (report.tables["scores"].saved, report.tables["scores"].damaged) == (3 * RUNS - 1, 1)
    assert [row[3] for row in scores(tmp_path / "new.db", "damaged_scores")] == [0.99]


def test_scores_outlive_their_metrics(template: Path, tmp_path: Path) -> None:
    (page,) = pages_of(template, "metrics")
    report = repair(damaged(template, tmp_path, page), tmp_path / "new.db")
    assert scores(tmp_path / "new.db") == scores(template)
    assert any("2 metrics are lost" in note for note in report.notes)
    assert report.problems == []
