import importlib
import json
import time
from pathlib import Path

import pytest

from ml_agents_results.errors import ResultsError, UsageError
from ml_agents_results.experiments.datasets import load_dataset
from ml_agents_results.scoring.graders import find_grader, grade
from ml_agents_results.scoring.verdicts import Verdict

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


@pytest.mark.parametrize(
    ("grader", "answer", "expected", "value"),
    [
        ("number", "3.14", "3.14159", False),
        ("number,absolute=0.01", "3.14", "3.14159", True),
        ("number,relative=0.001", "3.14", "3.14159", True),
        ("number,relative=0.0001", "3.14", "3.14159", False),
        ("number,tolerance=target", "0.333", "0.33", True),
        ("number,tolerance=target", "0.34", "0.33", False),
        ("number", "50%", "0.5", False),
        ("number,percent=ratio", "50%", "0.5", True),
        ("number", "12 miles", "12 km", False),
        ("number,units=ignore", "12 miles", "12 km", True),
        ("number,absolute=1", "12 miles", "12.5 km", False),
        ("number,absolute=5", "more than 12", "12", False),
        ("number", "twelve", "12", True),
        ("number", "12", "a dozen or so", None),
        ("choice", "(B) and (C)", "B, C", True),
        ("choice,multi=share", "B", "B, C", 0.5),
        ("choice,multi=share", "B, D", "B, C", 1 / 3),
        ("math", "(x+1)^2", "x^2+2x+1", True),
        ("math", "[2,5]", "(2,5)", False),
        ("contains", "It is Paris, France", "Paris", True),
        ("contains", "Parisian", "Paris", False),
        ("contains", "the Donau", '["Danube", "Donau"]', True),
        ("list", "a, b, c", "a, b, c", True),
        ("list", "c, b, a", "a, b, c", False),
        ("list,ordered=false", "c, b, a", "a, b, c", True),
        ("list,partial=true", "a, b, x", "a, b, c", 2 / 3),
        ("json", '{"a": 1.0, "b": 2}', '{"b": 2, "a": 1}', True),
        ("json", '{"a": 1, "b": 2, "c": 3}', '{"a": 1, "b": 2}', False),
        ('json,keys=["a"]', '{"a": 1, "c": 3}', '{"a": 1, "b": 2}', True),
        ("json,partial=true", '{"a": 1, "b": 3}', '{"a": 1, "b": 2}', 0.5),
        ("json", "no object", '{"a": 1}', False),
        ("f1", "the cat sat", "a cat sat down", 0.8),
        ("f1", "dog", '["cat", "the dog"]', 1.0),
    ],
)
def test_graders_by_name(
    grader: str, answer: str, expected: str, value: bool | float | None
) -> None:
    verdict = grade(answer, expected, grader)
    assert verdict.value == pytest.approx(value) if value is not None else verdict.value is None
    scale = find_grader(grader).scale
    assert isinstance(verdict.value, bool | None) == (scale == "binary")


def test_the_regex_grader_looks_at_the_output() -> None:
    spec = "regex,pattern=Score: (\\d+)"
    assert grade(None, "7", spec, output="Score: 5\nScore: 7").value is True
    assert grade(None, "7", spec, output="Score: 5").value is False
    assert grade(None, None, "regex,pattern=^OK$", output="OK") == Verdict(True)
    assert grade("x", "7", spec, output="none").label == "no_match"


def test_contains_is_refused_where_it_would_call_wrong_answers_right() -> None:
    for expected in ("12", "yes"):
        with pytest.raises(ResultsError, match="contains cannot grade"):
            grade("it is not 12, yes", expected, "contains")


@pytest.mark.parametrize(
    ("grader", "message"),
    [
        ("number,tolerence=1", "no setting 'tolerence'"),
        ("number,relative=-1", "relative of the grader number is -1"),
        ("number,percent=both", "percent of the grader number is 'both'"),
        ("list,ordered=2", "ordered of the grader list is 2"),
        ("regex,pattern=(a)(b)", "at most one group"),
        ("regex,pattern=(", "the pattern of the grader regex is wrong"),
        ("no.such.module:grader", "cannot be loaded"),
        ("json:nothing", "cannot be loaded"),
        ("exakt", "no grader 'exakt'"),
    ],
)
def test_a_grader_or_setting_that_makes_no_sense_is_refused(grader: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_grader(grader)


def test_a_definition_tells_graders_apart() -> None:
    exact, number = find_grader("exact").definition, find_grader("number").definition
    assert number["settings"]["relative"] == 0.0
    assert len({exact["fingerprint"], number["fingerprint"]}) == 2
    assert find_grader("number,relative=0.1").definition["fingerprint"] != number["fingerprint"]
    assert find_grader("number", {"relative": 0.0}).definition == number


def test_a_function_needs_no_packaging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_rules.py").write_text(
        "from ml_agents_results.scoring.graders import Verdict\n"
        "def polite(output, question):\n"
        "    return Verdict('please' in output, 'polite', question)\n"
        "def near(parsed, expected, within=1):\n"
        "    return abs(float(parsed) - float(expected)) <= within\n"
        "def all_of_it(**given):\n    return sorted(given) and len(given) / 10\n"
        "def wrong(parsed, expected):\n    return 'yes'\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    verdict = grade(None, None, "my_rules:polite", question="q", output="please")
    assert verdict == Verdict(True, "polite", "q")
    assert grade("3", "4", "my_rules:near").value is True
    assert grade("3", "5", "my_rules:near,within=2").value is True
    assert grade("3", "5", "my_rules:near").value is False
    assert grade("3", "5", "my_rules:all_of_it") == Verdict(0.7)
    assert find_grader("my_rules:near").definition["source"]
    with pytest.raises(UsageError, match="no setting 'widthin'"):
        find_grader("my_rules:near,widthin=2")
    with pytest.raises(ResultsError, match="returned str"):
        grade("3", "5", "my_rules:wrong")


def test_answers_that_are_judged_afterwards_come_without_a_grade() -> None:
    assert grade("4", "4", "judge") == Verdict(None, "not_judged")


@pytest.mark.parametrize(
    ("answer", "target", "right"),
    [
        ("120 minutes", "2 hours", True),
        ("12000 m", "12 km", True),
        ("12 miles", "12 km", False),
        ("60 mph", "96.56064 km/h", True),
        ("68 °F", "20 °C", True),
        ("5 feet 6 inches", "66 inches", True),
        ("1 acre", "4046.8564224 m²", True),
        ("3 kg", "3 L", False),
    ],
)
def test_units_are_converted_only_where_that_is_asked_for(
    answer: str, target: str, right: bool
) -> None:
    assert grade(answer, target, "number,units=convert").value is right
    if right:
        assert grade(answer, target, "number").value is False


def test_another_unit_than_the_question_asks_for_is_wrong() -> None:
    question = "What is the average speed in km/h?"
    assert grade("60 mph", "60", question=question) == Verdict(False, "unit")
    assert grade("60 km/h", "60", question=question).value is True
    assert grade("34%", "34", question="How many students are there?").value is False
    assert (
        grade("€5", "5", question="A pen costs $2 and a pad $3. How much is that?").value is False
    )


def test_json_is_held_against_a_schema(tmp_path: Path) -> None:
    pytest.importorskip("jsonschema", reason="the extra `schema` is not installed")
    schema = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(schema), encoding="utf-8")
    grader = f"json,schema={path}"
    assert grade('{"city": "Bern"}', None, grader).value is True
    assert grade(None, None, grader, output='```json\n{"city": "Bern"}\n```').value is True
    wrong = grade('{"city": 3}', None, grader)
    assert (wrong.value, wrong.label, wrong.explanation) == (
        False, "schema", "$.city: 3 is not of type 'string'",
    )  # fmt: skip
    assert grade("Bern", None, grader).label == "not_json"
    # The definition holds the schema, so that a changed file is another grader.
    assert json.loads(find_grader(grader).definition["settings"]["schema"]) == schema
    with pytest.raises(UsageError, match="not a JSON Schema"):
        find_grader("json", {"schema": {"type": "nothing"}})
