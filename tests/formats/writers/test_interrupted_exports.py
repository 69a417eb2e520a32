"""Exports that end too early, in processes of their own: killed, without room, or watched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml_agents_results.processor import ResultsProcessor

STOPPED = """
import sys, time
from ml_agents_results.database.engine import Database
from ml_agents_results.formats.exporting import export

def stop(_runs):
    print("half", flush=True)
    time.sleep(100)

export(Database(sys.argv[1]), "exp", sys.argv[2], force=True, progress=stop)
"""
COMMAND = "from ml_agents_results.cli import main; main()"


def command(processor: ResultsProcessor, *arguments: object) -> list[str]:
    path = str(processor.database.path)
    return [sys.executable, "-c", COMMAND, "export", *map(str, arguments), "--db-path", path]


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.xlsx", "out.parquet", "out.json"])
def test_a_killed_export_leaves_the_old_file(
    processor: ResultsProcessor, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"the old one")
    arguments = [sys.executable, "-c", STOPPED, str(processor.database.path), str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "half\n"
        started.kill()
    assert path.read_bytes() == b"the old one"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("format", ["excel", "archive", "parquet", "json", "html"])
def test_a_full_disk_takes_two_lines(processor: ResultsProcessor, format: str) -> None:
    arguments = ("--experiment-id", "exp", "--format", format, "--output", "/dev/full")
    done = subprocess.run(
        command(processor, *arguments), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    # Libraries that clean up late would add to this.
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["Error", "Hint"]
    assert "No space left" in done.stderr


def test_a_terminal_shows_how_far_it_is(processor: ResultsProcessor, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    arguments = ("--experiment-id", "exp", "--output", tmp_path / "out.jsonl")
    with os.fdopen(theirs, "wb") as terminal:
        done = subprocess.run(
            command(processor, *arguments),
            stderr=terminal,
            stdout=subprocess.PIPE,
            check=False,
            env={**os.environ, "TERM": "xterm"},
        )
    shown = os.read(ours, 100_000)
    os.close(ours)
    assert done.returncode == 0
    assert done.stdout == b""
    assert b"Writing runs" in shown
    assert b"100%" in shown
