"""The program and the commands of docs/metrics.md, run."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.commands import call

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
(PROGRAM,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FROM_A_FILE, COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def test_from_a_file_to_error_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answers = [
        f"What is {n} + {n}?,{2 * n},{prompt},The answer is {2 * n + wrong}."
        for n in range(12)
        for prompt, wrong in (("terse", n % 2), ("patient", 0))
    ]
    Path("answers.csv").write_text("question,gold,prompt,response\n" + "\n".join(answers))
    imported, compared = (call(*shlex.split(line)[1:]) for line in FROM_A_FILE.strip().split("\n"))
    assert "Imported 24 runs" in imported.stdout
    assert "patient is better" in compared.stdout
    assert "100.0%" in compared.stdout
    assert "50.0%" in compared.stdout


def test_the_commands_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(PROGRAM, "docs/metrics.md", "exec"), {})
    outputs = [call(*shlex.split(line)[1:]) for line in COMMANDS.strip().split("\n")]
    summary, ratings, errors, polite, document, both, _ = (output.stdout for output in outputs)
    assert "Mean rating" in summary
    assert "4.100" in summary
    assert "higher in rating than None" in ratings
    assert "lower in wer than None" in errors
    assert "CoT is better" in errors or "ChainOfThought is better" in errors
    assert "Accuracy (polite)" in polite
    for output in (summary, ratings, errors):
        assert "accura" not in output.lower()
        assert "%" not in output.replace("95% CI", "").replace("80% power", "").replace(
            "90% CI", ""
        )
    assert "rating: " in both
    assert "wer: " in both
    assert "adjusted for 2 tests" in both
    (pair,) = json.loads(document)["comparisons"]
    assert pair["difference"] == pytest.approx(-0.09)
    assert (pair["verdict"], pair["better"], pair["worse"]) == ("candidate_better", 7, 0)
    assert (tmp_path / "study.xlsx").exists()
