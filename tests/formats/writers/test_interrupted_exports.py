"""Exports that end too early, in processes of their own: killed, without room, or watched."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from ml_agents_results.processor import ResultsProcessor
from tests.commands import PROGRAM
from tests.processes import COMMAND, Process

STOPPED = """
import sys, time
from ml_agents_results.database.engine import Database
from ml_agents_results.formats.exporting import export

def stop(_runs):
    print("half", flush=True)
    time.sleep(100)

export(Database(sys.argv[1]), "exp", sys.argv[2], force=True, progress=stop)
"""


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.xlsx", "out.parquet", "out.json"])
def test_a_killed_export_leaves_the_old_file(
    processor: ResultsProcessor, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"the old one")
    process = Process(STOPPED, processor.database.path, path)
    assert process.stdout.readline() == "half\n"
    process.kill()
    process.communicate()
    assert path.read_bytes() == b"the old one"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("format", ["excel", "archive", "parquet", "json", "html"])
def test_a_full_disk_takes_two_lines(processor: ResultsProcessor, format: str) -> None:
    process = Process(
        COMMAND, "export", "--experiment-id", "exp", "--format", format, "--output", "/dev/full",
        "--db-path", processor.database.path,
    )  # fmt: skip
    _, errors = process.communicate()
    assert process.returncode == 1
    # Libraries that clean up late would add to this.
    assert [line.partition(":")[0] for line in errors.splitlines()] == ["Error", "Hint"]
    assert "No space left" in errors


def test_a_terminal_shows_how_far_it_is(processor: ResultsProcessor, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = [*PROGRAM, "export", "--experiment-id", "exp", "--db-path", str(processor.db_path)]
    with os.fdopen(theirs, "wb") as terminal:
        done = subprocess.run(
            [*command, "--output", str(tmp_path / "out.jsonl")],
            stderr=terminal,
            stdout=subprocess.PIPE,
            check=False,
            env={**os.environ, "TERM": "xterm"},
        )
    shown = b""
    # A terminal hands over some 4 KB at a time, and ends with an error.
    with suppress(OSError):
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert done.returncode == 0
    assert done.stdout == b""
    assert b"Writing runs" in shown
    assert b"100%" in shown
