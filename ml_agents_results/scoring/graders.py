"""Grading: whether the parsed answer is the expected one.

`exact` compares after a normalisation that is written down in docs/running.md and implemented by
`same_answer`. A package can bring graders of its own: an entry point in the group
`ml_agents_results.graders` that is called as `grader(parsed_answer, expected_answer)`.
"""

import json
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.metadata import entry_points
from typing import NamedTuple

from ml_agents_results.errors import ResultsError, UsageError

Grader = Callable[[str, str], "bool | float | None"]
"""Returns whether the answer is right, or a score where that is not yes or no."""


class Grade(NamedTuple):
    """`is_correct` is None where a run is not graded; `score` is set by graders that give one."""

    is_correct: bool | None
    score: float | None = None


def grade(parsed_answer: str | None, expected_answer: str | None, grader: str = "exact") -> Grade:
    """Grades an answer; without a parsed or an expected answer there is nothing to grade.

    Raises:
        UsageError: There is no such grader.
        ResultsError: A grader from another package failed.
    """
    judge = find_grader(grader)
    if parsed_answer is None or expected_answer is None:
        return Grade(None)
    try:
        verdict = judge(parsed_answer, expected_answer)
    except Exception as error:
        raise ResultsError(
            f"the grader {grader!r} failed: {type(error).__name__}: {error}",
            "It comes from another package; `--grader exact` is the one of this package.",
        ) from error
    if verdict is None or isinstance(verdict, bool):
        return Grade(verdict)
    return Grade(None, float(verdict))


@cache
def find_grader(name: str) -> Grader:
    """The grader of that name. Raises UsageError, which lists the known ones."""
    if name in _BUILTIN:
        return _BUILTIN[name]
    plugins = entry_points(group="ml_agents_results.graders")
    for plugin in plugins:
        if plugin.name == name:
            loaded: Grader = plugin.load()
            return loaded
    known = ", ".join([*_BUILTIN, *sorted(plugins.names)])
    raise UsageError(f"there is no grader {name!r}", f"Known graders: {known}.")


def same_answer(answer: str, expected: str) -> bool:
    """Whether two answers are equal after normalisation."""
    left, right = plain(answer), plain(expected)
    if left == right:
        return True
    if (letter := _EXPECTED_CHOICE.match(right)) is not None:
        found = _CHOICE.match(left)
        return found is not None and (found[1] or found[2]) == (letter[1] or letter[2])
    if right in _TRUTH:
        word = re.match(r"(yes|no|true|false)(?=$|[,.;:!])", left)
        return word is not None and _TRUTH[word[1]] == _TRUTH[right]
    if (items := _items(right)) is not None:
        given = _items(left) or left.split()
        return len(given) == len(items) and all(map(_same_item, given, items))
    if _same_number(left, right):
        return True
    return " ".join(_items(left) or [left]).split() == right.split()


def _any_of(answer: str, expected: str) -> bool:
    """The expected answer is a JSON list, and any one of it is right."""
    try:
        alternatives = json.loads(expected)
    except ValueError:
        alternatives = expected
    if not isinstance(alternatives, list):
        alternatives = [expected]
    return any(same_answer(answer, str(alternative)) for alternative in alternatives)


_BUILTIN: dict[str, Grader] = {"exact": same_answer, "any_of": _any_of}

_LATEX = re.compile(r"\\(?:text|mathrm|mathbf|textbf|boxed)\s*\{([^{}]*)\}")
_BEFORE = "\"'`*_ \t\n,;:!"
_AFTER = _BEFORE + "."
_EXPECTED_CHOICE = re.compile(r"\(([a-z])\)|([a-z])\)?$")
_CHOICE = re.compile(
    r"(?:(?:option|choice|answer|statement)\s+)?(?:\(([a-z])\)|([a-z])(?=$|[).:]))"
)
_TRUTH = {"yes": True, "true": True, "no": False, "false": False}
_NUMBER = re.compile(
    r"(?:[a-z]?\s*=\s*)?"
    r"(?P<currency>[$€£¥])?\s*(?P<sign>[-+])?\s*(?P<currency2>[$€£¥])?\s*"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?P<exponent>e[-+]?\d{1,3})?"
    r"(?:\s*/\s*(?P<below>\d+))?"
    r"\s*(?P<unit>[%°a-z$€£¥][^\d,;\n]*(?:\^?[23])?)?"
)
_LONGEST_NUMBER = 200


def plain(text: str) -> str:
    """The text without what does not count: compatibility forms, case, markup, articles, spaces."""
    text = unicodedata.normalize("NFKC", text).replace("\u2212", "-").casefold().strip()
    while (bare := _LATEX.sub(r"\1", text)) != text:
        text = bare
    text = text.rstrip(_AFTER).lstrip(_BEFORE)
    if len(text) > 2 and text[0] == text[-1] == "$":
        text = text[1:-1].strip()
    text = re.sub(r"[^\S\n]*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text))
    return re.sub(r"^(?:the|an|a) (?=\w)", "", text)


def _items(text: str) -> list[str] | None:
    """The items of a list: in brackets, or separated by commas, semicolons, > or lines."""
    if re.fullmatch(r"\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}", text):
        text = text[1:-1]
    elif _NUMBER.fullmatch(text):
        return None
    if "\n" in text:
        parts = [re.sub(r"^(?:\d+[.)]|[-*•]) ", "", line) for line in text.split("\n")]
    else:
        parts = re.split(r"\s*[,;>]\s*", text)
    if len(parts) < 2:
        return None
    return [plain(re.sub(r"^and ", "", part)) for part in parts]


def _same_item(left: str, right: str) -> bool:
    return left == right or _same_number(left, right)


def _same_number(left: str, right: str) -> bool:
    """Equal values; a unit counts only where both have one."""
    one, other = _number(left), _number(right)
    if one is None or other is None or one[0] != other[0]:
        return False
    return one[1] == other[1] or not one[1] or not other[1]


def _number(text: str) -> tuple[Fraction, str] | None:
    """Value and unit of a text that is one number."""
    found = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if found is None:
        return None
    value = Fraction(Decimal(found["digits"].replace(",", "") + (found["exponent"] or "")))
    if found["below"] is not None:
        if not int(found["below"]):
            return None
        value /= int(found["below"])
    unit = (found["unit"] or found["currency"] or found["currency2"] or "").strip(" .")
    return (-value if found["sign"] == "-" else value), unit
