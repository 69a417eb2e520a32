"""The examples of docs/scoring.md, run."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ml_agents_results.experiments.dataset_recipes import load_recipe
from ml_agents_results.scoring.built_in_graders import GRADERS
from ml_agents_results.scoring.evidence import CALIBRATION
from ml_agents_results.scoring.extraction import parse
from ml_agents_results.scoring.graders import grade

PAGE = (Path(__file__).parents[2] / "docs" / "scoring.md").read_text(encoding="utf-8")


def rows(first_cell: str) -> Iterator[list[str]]:
    """The rows of the table whose header begins with that cell."""
    lines = iter(PAGE.split("\n"))
    for line in lines:
        if line.startswith(f"| {first_cell} |"):
            next(lines)
            break
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def code(cell: str) -> str:
    return cell.strip("`").replace("\\n", "\n") if "\\n####" in cell else cell.strip("`")


EXAMPLES = list(rows("grader | answer"))
TAKEN = list(rows("question"))


@pytest.mark.parametrize(("grader", "answer", "target", "verdict"), EXAMPLES)
def test_graders_accept_what_the_page_says(
    grader: str, answer: str, target: str, verdict: str
) -> None:
    value = grade(answer.strip("`"), target.strip("`"), grader.strip("`")).value
    assert value == {"right": True, "wrong": False}.get(verdict, None if value is None else value)
    assert verdict in ("right", "wrong") or value == pytest.approx(float(verdict))


@pytest.mark.parametrize(("question", "output", "taken"), TAKEN)
def test_what_is_taken_is_what_the_page_says(question: str, output: str, taken: str) -> None:
    parsed = parse(code(output), None, question)
    assert (parsed.parsed_answer or "") == taken.strip("`")
    assert (parsed.outcome is None) == bool(taken)


def test_the_page_has_its_examples_and_names_every_grader() -> None:
    assert len(EXAMPLES) == 34
    assert len(TAKEN) == 15
    named = {name for row in rows("grader | settings") for name in re.findall(r"`(\w+)`", row[0])}
    assert set(GRADERS) <= named


def test_the_confidences_are_those_of_the_page() -> None:
    figures = [float(f) for row in rows("evidence") for f in re.findall(r"0\.\d+", row[3])]
    assert set(figures) == set(CALIBRATION.values()) - {CALIBRATION["pattern"]}


def test_the_grader_of_the_page_works(monkeypatch: pytest.MonkeyPatch) -> None:
    source = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert source is not None
    module = ModuleType("my_module")
    exec(source[1], module.__dict__)
    monkeypatch.setitem(sys.modules, "my_module", module)
    verdict = grade("4", "4", "my_module:short_enough,words=3", output="It is 4")
    assert (verdict.value, verdict.explanation) == (True, "3 words")
    assert grade("4", "4", "my_module:short_enough,words=2", output="It is 4").value is False


def test_the_recipe_of_the_page_works(tmp_path: Path) -> None:
    source = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert source is not None
    path = tmp_path / "mine.yaml"
    path.write_text(source[1], encoding="utf-8")
    row = {"context": "c", "question": "q", "options": ["x", "y"], "answer": 1, "subject": "s",
           "question_id": 7}  # fmt: skip
    prepared = load_recipe(path).prepare(row, "row 1")
    assert (prepared.input_text, prepared.expected_answer) == ("c\n\nq\n\n(A) x\n(B) y", "B")
