import importlib
import time
from pathlib import Path

import pytest

from ml_agents_results.errors import ResultsError, UsageError
from ml_agents_results.experiments.datasets import load_dataset
from ml_agents_results.scoring.graders import Verdict, grade

RIGHT = [
    # numbers
    ("1,234", "1234"),
    ("$1,234.50", "1234.5"),
    ("0.7", "0.70"),
    ("-3", "\u22123"),
    ("6e3", "6000"),
    (".5", "1/2"),
    ("395 rolls", "395"),
    ("x = 395", "395"),
    ("192 cm²", "192"),
    ("90 km/h", "90"),
    ("40%", "40"),
    ("\\boxed{27}", "27"),
    ("$27$", "27"),
    # choices
    ("B", "(B)"),
    ("(b)", "B"),
    ("b) 2000", "(B)"),
    ("Option B", "(B)"),
    ("(B) 2000", "B"),
    # yes and no
    ("Yes.", "yes"),
    ("TRUE", "yes"),
    ("No, it does not follow.", "no"),
    ("**False**", "False"),
    # lists
    ("-8,-3, 0", "-8, -3, 0"),
    ("[a, b, c]", "a, b, c"),
    ("a\nb\nc", "a, b, c"),
    ("1. a\n2. b\n3. c", "a, b, c"),
    ("a, b, and c", "a, b, c"),
    ("pea peach plum", "pea, peach, plum"),
    ("pea, peach, plum", "pea peach plum"),
    ("['a', 'b']", '["a", "b"]'),
    ("1.0, 2/4", "1, 0.5"),
    # text
    ("The knight.", "knight"),
    ('"Ada"', "ada"),
    ("new   york", "New York"),
    ("ﬁve", "five"),
]
WRONG = [
    ("1234.5", "1,234"),
    ("12 cm", "12 m"),
    ("0.4", "40%"),
    ("12 or 13", "12"),
    ("1/0", "1"),
    ("C", "(B)"),
    ("B or C", "(B)"),
    ("C. difficile", "C. elegans"),
    ("no cats", "no dogs"),
    ("Yes", "no"),
    ("nobody", "no"),
    ("True and not False", "True"),
    ("a, c, b", "a, b, c"),
    ("a, b", "a, b, c"),
    ("a, b, c", "a"),
    ("not Ada", "Ada"),
    ("", "0"),
]


@pytest.mark.parametrize(("answer", "expected"), RIGHT)
def test_answers_that_mean_the_same_are_right(answer: str, expected: str) -> None:
    assert grade(answer, expected) == Verdict(True)


@pytest.mark.parametrize(("answer", "expected"), WRONG)
def test_answers_that_mean_something_else_are_wrong(answer: str, expected: str) -> None:
    assert grade(answer, expected).value is False


def test_of_the_builtin_questions_each_answer_is_right_and_no_other_one() -> None:
    for task in ("arithmetic", "dates", "sorting"):
        answers = {q.expected_answer for q in load_dataset("builtin").questions if q.task == task}
        for expected in answers:
            assert {answer for answer in answers if grade(answer, expected).is_correct} == {
                expected
            }


def test_without_an_answer_or_an_expectation_nothing_is_graded() -> None:
    assert grade(None, "4") == Verdict(None, "unparsed")
    assert grade("4", None) == Verdict(None, "no_target")


def test_any_of_takes_each_alternative() -> None:
    assert grade("FOUR", '["4", "four"]', "any_of") == Verdict(True)
    assert grade("5", '["4", "four"]', "any_of") == Verdict(False)
    assert grade("4.0", "4", "any_of") == Verdict(True)


def test_very_long_answers_are_graded_in_no_time() -> None:
    start = time.perf_counter()
    for piece in ("9", "a, ", "(", " \n", "1,234", "$", "\\boxed{"):
        assert grade(piece * 200_000, "4") == Verdict(False)
    assert time.perf_counter() - start < 20


def test_a_grader_from_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "graders.py").write_text(
        "def length(answer, expected):\n    return len(answer) / len(expected)\n"
        "def broken(answer, expected):\n    raise KeyError(answer)\n",
        encoding="utf-8",
    )
    info = tmp_path / "graders-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: graders\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[ml_agents_results.graders]\nlength = graders:length\nbroken = graders:broken\n", "utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert grade("ab", "abcd", "length") == Verdict(0.5)
    with pytest.raises(ResultsError, match="the grader 'broken' failed: KeyError"):
        grade("ab", "abcd", "broken")
    with pytest.raises(UsageError, match="no grader 'exakt'") as caught:
        grade("ab", "abcd", "exakt")
    assert caught.value.hint is not None
    assert "any_of, broken, length; or package.module:function" in caught.value.hint
