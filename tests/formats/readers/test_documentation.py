"""docs/importing.md: its example is what the commands print, and its format of one's own works."""

import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.commands import PROGRAM, call
from tests.processes import environment

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "importing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^\$ ml-agents (.+?(?:\\\n.+?)*)\n((?:[^$`].*\n)*)", PAGE, re.MULTILINE)


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_example_is_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zstandard", reason="needs the package zstandard")
    (tmp_path / "docs").symlink_to(DOCS)
    monkeypatch.chdir(tmp_path)
    assert len(EXAMPLES) == 4
    for command, shown in EXAMPLES:
        result = call(*shlex.split(command.replace("\\\n", "")))
        assert _lines(result.stderr + result.stdout) == _lines(shown), command


def _lines(text: str) -> list[str]:
    """Without the space around tables."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_a_format_of_ones_own_is_one_module_and_one_entry_point(tmp_path: Path) -> None:
    """The format of the page, as a package that pip installs."""
    group, point = re.findall(r'\."(.+?)"\]\n(.+)\n', block("toml"))[0]
    wheel = tmp_path / "quiz_format-1.0-py3-none-any.whl"
    name = "quiz_format-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("quiz_format.py", block("python"))
        archive.writestr(
            f"{name}/METADATA", "Metadata-Version: 2.1\nName: quiz-format\nVersion: 1.0"
        )
        archive.writestr(
            f"{name}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any"
        )
        archive.writestr(f"{name}/entry_points.txt", f"[{group}]\n{point.replace(chr(34), '')}\n")
        archive.writestr(f"{name}/RECORD", "")
    place = tmp_path / "site"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    subprocess.run([*pip, "--target", place, wheel], check=True, capture_output=True)
    (tmp_path / "answers.quiz").write_text("2+2?\t4\t4\n3*3?\t9\t8\n", encoding="utf-8")
    (tmp_path / "broken.quiz").write_text("2+2?\t4\t4\n3*3?\n", encoding="utf-8")
    path = environment()
    path["PYTHONPATH"] = f"{place}:{path.get('PYTHONPATH', '')}"

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [*PROGRAM, "import", *arguments, "--db-path", "r.db"]
        return subprocess.run(
            command, cwd=tmp_path, env=path, capture_output=True, encoding="utf-8", check=False
        )

    done = run("answers.quiz", "--approach", "CoT", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Would import 2 runs into answers.quiz: 2 inserted." in done.stdout
    assert "│ approach │ ChainOfThought │ --approach or none │ answers.quiz │" in done.stdout
    assert run("answers.quiz", "--format", "quiz").returncode == 0
    assert "has all 2 runs already" in run("answers.quiz").stdout
    broken = run("broken.quiz")
    assert broken.returncode == 1
    assert broken.stderr == "Error: broken.quiz line 2 has no three fields\nHint: Add them.\n"
    assert "quiz" in run("answers.quiz", "--format", "?").stderr
