"""Databases with values that nobody recorded: every command ends in words, soon, with its code.

A failure names the seed that repeats it.
"""

import random
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml_agents_results.cli import app
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, ScoreRecord
from tests.commands import call, refusal
from tests.generated import make_runs
from tests.lengths import first_seed, fuzz_seconds

SLOWEST = 30
"""Seconds of one command on a busy machine."""

NOT_TEXT = b"a\xffb"
VALUES: Sequence[object] = (
    "yesterday", "", b"\x00\xff", NOT_TEXT, float("inf"), float("-inf"), -1, 10**18, -(2**63),
    1e308, 0.5, 2, None, "{", "[]", "{}", "null", "5", '"x"', "NaN", "[" * 100_000,
    '{"a":' * 50_000 + "1" + "}" * 50_000, "\x1b[31m", "\u202e", "é" * 1000, "x" * 100_000,
    "2024-13-45 99:99:99", "0001-01-01 00:00:00.000000", "%s %d {0}", "'; drop table runs; --",
    "../../x", "latest", "[bold]x[/nope]", "1e999", '{"plan": 5}', '{"plan": {"runs": "x"}}',
    '{"imports": 5}', '{"extra": 5}', '{"approaches": 5}', '[{"name": 1}]', '{"history": 5}',
    '{"steps": 5, "choices": 7, "answer_kind": [], "labels": 3}', "numeric", "binary", "failed",
)  # fmt: skip
REPORTS = ("summary", "accuracy", "parsing", "cost", "latency", "failures", "power", "ranking")
FORMATS = ("excel", "csv", "json", "jsonl", "parquet", "archive", "html", "markdown", "latex")


@pytest.fixture(scope="module")
def sound(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copyfile(migrated_file, tmp_path_factory.mktemp("hostile") / "sound.db"))
    with ResultsProcessor(str(path)) as processor:
        metrics = [MetricRecord("exact", "binary", is_primary=True), MetricRecord("f1", "numeric")]
        processor.save_experiment("e", {"seed": 1}, metrics=metrics)
        runs = make_runs("e", samples=6)
        for number, run in enumerate(runs):
            run.id = f"r{number}"
        processor.save_runs(runs)
        scored = [run.id or "" for run in runs if run.error is None]
        processor.save_scores([(run, ScoreRecord(0.5, metric="f1", label="C")) for run in scored])
        processor.save_experiment("f", {})
        processor.save_runs(make_runs("f", samples=3))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return path


def spoil(path: Path, table: str, column: str, value: object, rows: str = "") -> bool:
    """Puts a value into a column; returns whether SQLite takes it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        placeholder = "CAST(? AS TEXT)" if value is NOT_TEXT else "?"
        try:
            connection.execute(f"UPDATE {table} SET {column} = {placeholder} {rows}", (value,))
        except (sqlite3.Error, OverflowError):
            return False
        connection.commit()
        return True


def commands(path: Path, folder: Path) -> list[list[str]]:
    database = ["--db-path", str(path)]
    e = ["--experiment-id", "e", *database]
    reports = [["analyze", "--report-type", name, *e] for name in REPORTS]
    exports = [
        ["export", "--all", "--format", name, "--output", str(folder / name), "--force", *database]
        for name in FORMATS
    ]
    return [
        ["list", *database],
        ["list", "--json", *database],
        ["show", *e],
        ["show", "--run-id", "r1", *database],
        *reports,
        *([*report, "--json"] for report in reports),
        ["compare", "--experiment-ids", "e,f", *database],
        ["compare", "--experiment-ids", "e", "--metric", "f1", "--json", *database],
        *exports,
        ["import", str(path), "--db-path", str(folder / "new.db")],
        ["db-check", *database],
        ["db-stats", *database],
        ["db-backup", "--source", str(path), "--dest", str(folder / "b.db"), "--force"],
        ["db-repair", "--source", str(path), "--dest", str(folder / "r.db"), "--force"],
        ["score", "--name", "again", *e],
        ["score", "--reparse", "--primary", "--force", *e],
        ["resume", *e],
    ]


def attempt(command: list[str], what: object) -> None:
    began = time.monotonic()
    result = CliRunner().invoke(app, command)
    assert "unexpected error" not in result.output, (what, command, result.output)
    assert "\x1b" not in result.output, (what, command)
    assert "\u202e" not in result.output, (what, command)
    assert result.exit_code in (0, 1, 2, 3, 4, 5), (what, command, result.exception)
    assert time.monotonic() - began < SLOWEST, (what, command)


@pytest.mark.slow
def test_every_command_ends_in_words(sound: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(sound)) as connection:
        names = connection.execute(
            "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c "
            "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'"
        ).fetchall()
    end = time.monotonic() + fuzz_seconds()
    seed = first_seed()
    while time.monotonic() < end:
        seed += 1
        chance = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        path = Path(shutil.copyfile(sound, folder / "x.db"))
        table, column = chance.choice(names)
        value = chance.choice(VALUES)
        rows = chance.choice(("", f"WHERE rowid = (SELECT min(rowid) FROM {table})"))
        if spoil(path, table, column, value, rows):
            for command in chance.sample(commands(path, folder), 6):
                attempt(command, (seed, table, column, str(value)[:40], rows))
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("table", "column", "value", "command"),
    [
        ("runs", "input_fingerprint", "not one", ["compare", "--experiment-ids", "e,f"]),
        ("runs", "created_at", "yesterday", ["export", "--all", "--format", "jsonl"]),
        ("parsing_metrics", "fallback_used", -1, ["export", "--all", "--format", "jsonl"]),
        ("runs", "raw_output", NOT_TEXT, ["export", "--all", "--format", "jsonl"]),
    ],
)
def test_what_is_damaged_is_named_with_the_command_that_helps(
    sound: Path, tmp_path: Path, table: str, column: str, value: object, command: list[str]
) -> None:
    path = Path(shutil.copyfile(sound, tmp_path / "x.db"))
    assert spoil(path, table, column, value)
    output = ["--output", str(tmp_path / "o")] if command[0] == "export" else []
    _, hint = refusal(*command, *output, "--db-path", path, code=4)
    assert "db-check" in hint
    call("db-check", "--db-path", path, code=4)
    assert not (tmp_path / "o").exists()
