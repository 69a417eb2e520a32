"""docs/importing.md: its format of one's own works."""

import re
from pathlib import Path

from tests.processes import COMMAND, Process

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "importing.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_a_format_of_ones_own_is_one_module_and_one_entry_point(tmp_path: Path) -> None:
    """The format of the page, as a package; pip does no more than to unpack its wheel."""
    group, point = re.findall(r'\."(.+?)"\]\n(.+)\n', block("toml"))[0]
    site = tmp_path / "site"
    about = site / "quiz_format-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "quiz_format.py").write_text(block("python"), encoding="utf-8")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: quiz-format\nVersion: 1.0")
    (about / "entry_points.txt").write_text(f"[{group}]\n{point.replace(chr(34), '')}\n")
    (tmp_path / "answers.quiz").write_text("2+2?\t4\t4\n3*3?\t9\t8\n", encoding="utf-8")
    (tmp_path / "broken.quiz").write_text("2+2?\t4\t4\n3*3?\n", encoding="utf-8")

    def run(*arguments: str) -> tuple[int | None, str, str]:
        code = f"import sys; sys.path.insert(0, {str(site)!r})\n{COMMAND}"
        process = Process(code, "import", *arguments, "--db-path", "r.db", cwd=tmp_path)
        output, errors = process.communicate()
        return process.returncode, output, errors

    code, output, errors = run("answers.quiz", "--approach", "CoT", "--dry-run")
    assert (code, errors) == (0, "")
    assert "Would import 2 runs into answers.quiz: 2 inserted." in output
    assert "│ metric   │ exact          │ the usual one │ answers.quiz │" in output
    assert "│ approach │ ChainOfThought │ --approach    │ answers.quiz │" in output
    assert run("answers.quiz", "--format", "quiz")[0] == 0
    assert "has all 2 runs already" in run("answers.quiz")[1]
    hint = "Error: broken.quiz line 2 does not have three fields\nHint: Add them.\n"
    assert run("broken.quiz") == (1, "", hint)
    assert "quiz" in run("answers.quiz", "--format", "?")[2]
