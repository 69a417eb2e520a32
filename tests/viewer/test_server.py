"""The command `view`: its link, its end, and what it refuses."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.commands import PROGRAM, refusal
from tests.processes import environment


def test_a_missing_database_is_refused_and_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "none.db"
    refusal("view", "--db-path", missing, code=3)
    assert not missing.exists()


@pytest.mark.slow
def test_the_link_works_until_it_is_interrupted(db_path: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "view", "--db-path", str(db_path), "--no-open", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stderr is not None
    link = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", process.stderr.readline())
    assert link is not None
    process.stderr.readline()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(link[0], timeout=10) as answer:
        assert b"<h1>Experiments</h1>" in answer.read()
        assert "token" not in answer.url
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) in (0, 130)


@pytest.mark.slow
def test_other_commands_do_not_import_the_server() -> None:
    code = (
        "import sys\n"
        "from ml_agents_results.cli import app\n"
        "import typer\n"
        "group = typer.main.get_command(app)\n"
        "[group.get_command(None, n).loaded() for n in ('analyze', 'view', 'run')]\n"
        "print([n for n in ('starlette', 'uvicorn', 'jinja2') if n in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert ended.stdout == "[]\n"
