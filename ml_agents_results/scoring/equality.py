"""Equality of answers: the rule of each kind, for texts that hold all that the model said."""

import json
import re
from typing import Any

from ml_agents_results.scoring import (
    dates,
    expressions,
    kinds,
    latex,
    mathematics,
    options,
    quantities,
    units,
)
from ml_agents_results.scoring.kinds import TRUTH, Expectation
from ml_agents_results.scoring.plain_text import fold
from ml_agents_results.scoring.verdicts import Verdict

LONGEST = 10_000
"""Characters of an answer that are compared by kind; longer ones only as text."""

_APPROXIMATION = re.compile(r"≈|\\approx(?![a-z])")
_HEDGED = re.compile(
    r"\b(?:either\b.+\bor\b|or (?:maybe|perhaps|possibly|even)\b)|\S\s+or\s+\S", re.IGNORECASE
)
_NEGATED = re.compile(
    r"^(?:it (?:is|was)\s+)?(?:not|isn'?t|neither|never|cannot be|can't be)\b", re.IGNORECASE
)


def compare(answer: str, target: str, expected: Expectation) -> Verdict:
    """Whether an answer is the expected one, by the kind of the expectation, or where that is `any`
    by that of the target; None with the label `undecided` where it cannot be decided."""
    answer, target = answer.strip(), target.strip()
    if len(answer) > LONGEST:
        return Verdict(fold(answer) == fold(target))
    kind = expected.kind
    if len(both := _APPROXIMATION.split(answer)) == 2 and both[0].strip():
        # The model holds both for the same: the exact value, and a rounded or converted one.
        verdicts = [compare(part, target, expected) for part in both]
        return next((verdict for verdict in verdicts if verdict.value), verdicts[0])
    if kind in _ONE_OF and (several := kinds.alternatives(target)) is not None:
        return one_of([compare(answer, alternative, expected) for alternative in several])
    if kind == "any":
        kind = kinds.of_target(target, expected)
    if kind == "choice":
        return _choice(answer, target, expected)
    if kind in ("boolean", "label"):
        return _label(answer, target, expected)
    if kind == "number":
        return _number(answer, target, expected)
    if kind == "math":
        return _math(answer, target, expected)
    if kind == "date":
        return _date(answer, target, expected)
    if kind in ("list", "set"):
        return _list(answer, target, expected, unordered=kind == "set")
    if kind == "symbols":
        return Verdict(_symbols(answer) == _symbols(target))
    if kind == "json":
        return _json(answer, target)
    return _text(answer, target)


_ONE_OF = frozenset({"text", "number", "date", "boolean", "label"})
"""Kinds of which a target that is a JSON list names alternatives; one of them is enough."""


def one_of(comparisons: list[Verdict]) -> Verdict:
    """The verdict on an answer that may be any of several."""
    if any(comparison.value for comparison in comparisons):
        return Verdict(True)
    undecided = any(comparison.value is None for comparison in comparisons)
    return Verdict(None, "undecided") if undecided else comparisons[0]


def _choice(answer: str, target: str, expected: Expectation) -> Verdict:
    wanted = options.target_labels(target, expected.options)
    if wanted is None:
        return _text(answer, target)
    chosen = options.read(answer, expected.options)
    if chosen is None:
        return Verdict(False, _status(answer))
    if chosen.status:
        return Verdict(False, chosen.status)
    if len(chosen.labels) > 1 and len(wanted) == 1:
        return Verdict(False, "multiple")
    return Verdict(chosen.labels == wanted)


def _status(answer: str) -> str:
    if _NEGATED.search(answer):
        return "negated"
    return "hedged" if _HEDGED.search(answer) else ""


def label_in(text: str, labels: tuple[str, ...] = ()) -> str | None:
    """The label that a text is, or begins with before a comma, a stop or a reason; folded.

    Args:
        labels: The closed set; empty for yes, no, true and false.
    """
    closed = labels or tuple(TRUTH)
    folded = fold(latex.plain(text))
    if folded in closed:
        return folded
    head = folded
    for _ in range(3):
        found = re.match(r"(?:(?:clearly|definitely|certainly|obviously|that|it|this|is|the|option|"
                         r"answer|choice|also|therefore|simply)\s+)+(?!not\b)", head)  # fmt: skip
        if found is None:
            break
        head = head[found.end() :]
    for label in sorted(closed, key=len, reverse=True):
        if head.startswith(label):
            rest = head[len(label) :]
            if not rest or re.match(
                r"\s*(?:[,.;:!()\"'–—\n-]|because\b|since\b|as\b|for\b|so\b|it (?:is|does|was"
                r"|could|can)\b)",
                rest,
            ):
                if re.match(r"\s*(?:,\s*)?(?:and|or|but not)\b", rest):
                    return None
                return label
    return None


def _label(answer: str, target: str, expected: Expectation) -> Verdict:
    wanted = fold(target)
    closed = expected.labels
    if wanted not in closed:
        closed = tuple(TRUTH) if wanted in TRUTH else (*closed, wanted)
    elif wanted in TRUTH and not {"yes", "true"} <= set(closed):
        closed = tuple({*closed, *TRUTH})
    if expected.kind == "any" and options.read(answer, expected.options) and expected.options:
        chosen = options.read(answer, expected.options)
        if chosen and not chosen.status and len(chosen.labels) == 1:
            answer = expected.options[next(iter(chosen.labels))]
    given = label_in(answer, closed)
    if given is None:
        return Verdict(False, _status(answer))
    if given in TRUTH and wanted in TRUTH:
        return Verdict(TRUTH[given] == TRUTH[wanted])
    return Verdict(given == wanted)


def last_side(text: str) -> str:
    """What stands right of the last equals sign."""
    return re.split(r"(?<![<>!])=|≈|\\approx\b|\\Rightarrow\b|⇒", text)[-1].strip()


def number_in(answer: str) -> quantities.Quantity | None:
    """The quantity that an answer is: read wholly, or what an equation or expression comes to."""
    found = quantities.read(answer)
    if found is not None:
        return found
    plain = _MODULO.sub("", latex.plain(answer)).replace("≡", "=").replace("\\equiv", "=")
    if "=" in plain or "≈" in plain:
        side = last_side(plain)
        if (found := quantities.read(side)) is not None:
            return found
        plain = side
    try:
        value = expressions.evaluate(plain)
    except expressions.NotReadable:
        return None
    return quantities.Quantity(value) if not isinstance(value, complex) else None


def other_unit(given: quantities.Quantity, wanted: quantities.Quantity, question: str) -> bool:
    """Whether an answer has another unit than the one that the question asks for, where the target
    has none: `60 mph` for 60 where km/h is asked."""
    return not wanted.unit and units.conflict(given.unit, units.asked(question))


def _number(answer: str, target: str, expected: Expectation) -> Verdict:
    wanted = quantities.read(target)
    if wanted is None:
        return _math(answer, target, expected)
    given = number_in(answer)
    if given is None:
        if "boxed" in answer and (inner := [b for *_, b in latex.boxes(answer) if b]):
            return _number(inner[-1], target, expected)
        if fold(answer) == fold(target):
            return Verdict(True)
        several = len(list(quantities.find(latex.plain(answer)))) > 1
        return Verdict(False, _status(answer) or ("multiple" if several else ""))
    bounded = given.relation not in "=~" and given.ratio is None
    same = quantities.same(given, wanted)
    if same and other_unit(given, wanted, expected.question):
        return Verdict(False, "unit")
    return Verdict(same, "bound" if bounded and not same else "")


_MODULO = re.compile(r"(?:\\pmod|\\bmod|\(\s*\\?mod)\b.*$")


def _result(answer: str, target: str, question: str) -> str:
    """Of `x^2 - 5x + 6 = (x-2)(x-3)`, whose left side the question gives, the right side."""
    answer = _MODULO.sub("", answer).replace("≡", "=").replace("\\equiv", "=").strip()
    left, sign, right = answer.rpartition("=")
    first = re.sub(r"\s+", "", left.split("=")[0])
    if not sign or "=" in target or len(first) < 3 or re.search(r"[<>≤≥,]", answer):
        return answer
    given = re.sub(r"\s+|\\left|\\right", "", latex.plain(question))
    identity = expressions.letters(first) and expressions.same(first, right) is True
    return right if identity or first in given else answer


def _math(answer: str, target: str, expected: Expectation) -> Verdict:
    if fold(answer) == fold(target):
        return Verdict(True)
    if _NEGATED.search(answer):
        return Verdict(False, "negated")
    if "boxed" in answer and (inner := [b for *_, b in latex.boxes(answer) if b]):
        answer = ", ".join(inner)
    plain = latex.plain(answer)
    if plain.count("$") > 1:
        plain = plain.replace("$", "")
    if re.search(r"\bor\b", plain) and not re.search(r"\bor\b|,|±|\\pm", target):
        return Verdict(False, "hedged")
    plain = _result(re.sub(r"\s+or\s+", ", ", plain), target, expected.question)
    verdict = mathematics.same(
        mathematics.read(_without_unit(plain)),
        mathematics.read(_without_unit(latex.plain(target))),
        unordered=expected.unordered,
    )
    return Verdict(verdict, "undecided" if verdict is None else "")


_UNIT_AT_END = re.compile(
    r"(?P<value>.*?[\d)}πa-z])\s+(?P<unit>(?:square |cubic )?[a-zA-Z]{1,12}(?:\s?\^?\{?[23²³]\}?)?)"
)


def _without_unit(text: str) -> str:
    """`6π cm^2` without its unit, which mathematics does not compare."""
    found = _UNIT_AT_END.fullmatch(text.rstrip("."))
    if found is None or quantities.read(text) is not None:
        return text
    known = units.canonical(found["unit"]) or re.match(r"(?:square |cubic )?units?", found["unit"])
    return found["value"] if known and len(found["unit"]) > 1 else text


def _date(answer: str, target: str, expected: Expectation) -> Verdict:
    wanted, given = dates.read(target, expected.order), dates.read(answer, expected.order)
    if wanted is None or given is None:
        return Verdict(fold(answer) == fold(target), _status(answer))
    return Verdict(dates.same(given, wanted))


def _items(text: str) -> list[str]:
    items = kinds.items_of(latex.plain(text) if "\\" in text else text)
    return items if items is not None else [text]


_POINT = re.compile(r"\(\s*-?[\d./]+(?:\s*,\s*-?[\d./]+){1,2}\s*\)")


def _list(answer: str, target: str, expected: Expectation, *, unordered: bool) -> Verdict:
    wanted = _items(target)
    given = _items(re.sub(r"\s+or\s+", ", ", answer) if len(wanted) > 1 else answer)
    if "±" in latex.plain(answer) and len(wanted) == 2:
        return _math(answer, target, expected)
    if _POINT.fullmatch(answer) and not _POINT.fullmatch(target):
        return Verdict(False)
    if len(given) == 1 and len(wanted) > 1:
        given = given[0].split()
    if len(given) != len(wanted):
        return Verdict(fold(answer) == fold(target))
    if unordered or expected.unordered:
        left = list(given)
        for item in wanted:
            match = next((one for one in left if same_item(one, item)), None)
            if match is None:
                return Verdict(False)
            left.remove(match)
        return Verdict(True)
    return Verdict(all(map(same_item, given, wanted)))


def same_item(answer: str, target: str) -> bool:
    """Whether two items of lists are equal: as text, number or expression."""
    if fold(answer) == fold(target):
        return True
    one, other = quantities.read(answer), quantities.read(target)
    if one is not None and other is not None:
        return quantities.same(one, other)
    if mathematics.looks_mathematical(target) or (other is not None and "=" in answer):
        return mathematics.same(mathematics.read(answer), mathematics.read(target)) is True
    return False


def _symbols(text: str) -> str:
    text = text.strip().strip("`\"'")
    squeezed = re.sub(r"\s+", "", latex.plain(text))
    return squeezed.replace(latex.SET_OPEN, "{").replace(latex.SET_CLOSE, "}").rstrip(".")


def _text(answer: str, target: str) -> Verdict:
    one, other = fold(latex.plain(answer)), fold(latex.plain(target))
    if one == other:
        return Verdict(True)
    given, wanted = kinds.items_of(answer), kinds.items_of(target)
    if given and not wanted and [w for item in given for w in fold(item).split()] == other.split():
        return Verdict(True)
    if wanted and given and list(map(fold, given)) == list(map(fold, wanted)):
        return Verdict(True)
    one_number, other_number = quantities.read(answer), quantities.read(target)
    if one_number is not None and other_number is not None:
        return Verdict(quantities.same(one_number, other_number))
    letters = [re.sub(r"[^\w+#&/%$]|_", "", text) for text in (one, other)]
    if letters[0] == letters[1] and len(letters[1]) > 2 and not any(map(str.isdigit, one)):
        return Verdict(True)
    return Verdict(False, _status(answer))


def _json(answer: str, target: str) -> Verdict:
    try:
        return Verdict(same_json(parse_json(answer), json.loads(target)))
    except ValueError:
        return Verdict(fold(answer) == fold(target))


def parse_json(text: str) -> Any:
    """The JSON value of a text, also inside a fence. Raises ValueError."""
    fenced = re.search(r"```(?:json)?\s*\n(.*?)```", text, re.DOTALL)
    return json.loads(fenced[1] if fenced else text)


def same_json(answer: Any, target: Any) -> bool:
    """Whether two JSON values are equal; numbers by value, keys in any order."""
    if isinstance(target, dict):
        return (
            isinstance(answer, dict)
            and answer.keys() == target.keys()
            and all(same_json(answer[key], target[key]) for key in target)
        )
    if isinstance(target, list):
        return (
            isinstance(answer, list)
            and len(answer) == len(target)
            and all(map(same_json, answer, target))
        )
    if isinstance(target, bool) or isinstance(answer, bool):
        return answer is target
    return bool(answer == target)
