"""The scripts of examples/, run as their first lines say."""

import subprocess
import sys
from pathlib import Path

import pytest

from ml_agents_results import ResultsProcessor
from tests.processes import ROOT, environment

pytestmark = pytest.mark.slow


def run(script: str, *arguments: object, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / f"{script}.py", *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def test_the_table_of_a_paper(tmp_path: Path) -> None:
    output = run("paper_table", ROOT / "tests/data/bbh_grades.csv.gz", tmp_path / "table.tex")
    assert "on 6,511 shared samples ChainOfThought is 21.6 percentage points more" in output
    assert "Not on word_sorting: -10.0 points" in output
    assert r"\begin{tabular}" in (tmp_path / "table.tex").read_text("utf-8")


def test_a_loop_goes_on_after_a_crash_and_its_gate_passes(tmp_path: Path) -> None:
    database = tmp_path / "loop.db"
    run("own_loop", database, "--crash-after", 5, code=1)
    assert "asked 55 times" in run("own_loop", database)
    assert "asked 0 times" in run("own_loop", database)
    with ResultsProcessor(database) as results:
        assert sum(1 for _ in results.iter_runs("sums")) == 60
    assert "passes" in run("release_gate", database, "sums")


def test_two_tools_are_compared(tmp_path: Path) -> None:
    output = run("two_logs", ROOT / "examples" / "two_tools", tmp_path / "two.db")
    assert "inspect: 40 runs" in output
    assert "lm_eval: 40 runs" in output
    assert "on 37 shared samples" in output
    assert run("two_logs", code=1) == ""
