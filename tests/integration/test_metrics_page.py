"""The program and the commands of docs/metrics.md, run."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.commands import call

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
PROGRAM, COMMANDS = (
    re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[0] for language in ("python", "sh")
)


def test_the_commands_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(PROGRAM, "docs/metrics.md", "exec"), {})
    outputs = [call(*shlex.split(line)[1:]) for line in COMMANDS.strip().split("\n")]
    summary, ratings, errors, polite, document, _ = (output.stdout for output in outputs)
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
    (pair,) = json.loads(document)["comparisons"]
    assert pair["difference"] == pytest.approx(-0.09)
    assert (pair["verdict"], pair["better"], pair["worse"]) == ("candidate_better", 7, 0)
    assert (tmp_path / "study.xlsx").exists()
