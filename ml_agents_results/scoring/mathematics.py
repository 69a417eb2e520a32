"""Mathematical answers: their type first, then part by part, and only scalars by value."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ml_agents_results.scoring import algebra, expressions, latex, quantities, quantity_patterns
from ml_agents_results.scoring.plain_text import fold

Shape = Literal[
    "scalar", "tuple", "set", "list", "union", "matrix", "relation", "equation", "text", "base",
    "plus_minus",
]  # fmt: skip

LONGEST = 4000
_MATRIX = re.compile(
    r"\\begin\{([pbvBV]?matrix|array)\}(?:\{[lcr|]*\})?(.*?)\\end\{\1\}", re.DOTALL
)
_BASE = re.compile(r"([0-9A-Fa-f]+)_\{?(\d{1,2})\}?")
_OPERATION = re.compile(
    r"(?:\\frac\{\s*(?:d|∂)[^{}]*\}\{\s*(?:d|∂)[^{}]*\}|d\w?/d\w|\\(?:int|lim|sum|prod)|[a-zA-Z]'+\()"
)
_POINT_NAME = re.compile(r"^[A-Z]\s?(?=\([^()]*,[^()]*\)$)")
_SUPERSCRIPT = re.compile(r"(?<=[\w)\]])[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
NAME = re.compile(
    r"(?:[A-Za-zα-ω](?:_\{?\w+\}?)?"
    r"|[A-Za-z](?:\^\{?-1\}?|['′]{1,2})?\([A-Za-z](?:,\s*[A-Za-z])*\)|[xyz]['′])"
)


@dataclass(frozen=True, slots=True)
class Form:
    """A mathematical answer.

    Attributes:
        shape: What it is.
        text: Its text without LaTeX's symbols and spaces.
        parts: Of a tuple, set, list, union or matrix row by row; the two sides of a relation.
        mark: The brackets of a tuple or interval, the sign of a relation, the base of a number.
    """

    shape: Shape
    text: str
    parts: tuple["Form", ...] = ()
    mark: str = ""


@lru_cache(maxsize=8192)
def read(text: str) -> Form:
    """The form of a text."""
    plain = latex.plain(text[:LONGEST]).strip()
    plain = _SUPERSCRIPT.sub(
        lambda found: "^{" + found[0].translate(quantity_patterns.SUPERSCRIPTS) + "}", plain
    )
    if not re.fullmatch(r"-?\d*\s?.", plain):
        for sign, (above, below) in quantity_patterns.VULGAR.items():
            plain = plain.replace(sign, f"({above}/{below})")
    plain = plain.replace(">=", "≥").replace("<=", "≤").replace("!=", "≠")
    plain = plain.strip("$ \n").rstrip(".,;:").lstrip("=").strip() if plain else plain
    plain = _POINT_NAME.sub("", plain)
    return _read(plain, 0)


def _read(text: str, depth: int) -> Form:
    text = text.strip()
    if depth > 8:
        return Form("text", text)
    if (found := _MATRIX.fullmatch(text)) is not None:
        rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?", found[2]) if row.strip()]
        parts = tuple(
            Form("list", row.strip(), tuple(_read(cell, depth + 1) for cell in row.split("&")))
            for row in rows
        )
        return Form("matrix", text, parts, found[1][0] if found[1][0] in "vV" else "")
    text = re.sub(r"(?<![A-Za-z\\])\s+|\s+(?![A-Za-z])", lambda m: m[0][:1], text)
    union = _split(text, "∪")
    if len(union) > 1:
        return Form("union", text, tuple(_read(part, depth + 1) for part in union))
    if (member := re.fullmatch(r"[A-Za-z]\s*∈\s*(.+)", text)) is not None:
        return _read(member[1], depth)
    if text and text[0] in "([⦃{" and _closes_at_end(text):
        inner = text[1:-1]
        items = _items(inner)
        if text[0] in "⦃{" and (len(items) > 1 or text[0] == "⦃"):
            return Form(
                "set", text, tuple(_read(item, depth + 1) for item in items if item.strip())
            )
        if len(items) > 1:
            parts = tuple(_read(item, depth + 1) for item in items)
            return Form("tuple", text, parts, text[0] + text[-1])
        if text[0] in "({" and text[-1] in ")}":
            return _read(inner, depth + 1)
    if quantities.read(text) is None:
        items = _items(re.sub(r",?\s+and\s+", ",", text))
        if len(items) > 1 and all(item.strip() for item in items):
            return Form("list", text, tuple(_read(item, depth + 1) for item in items))
    sides = re.split(r"(≤|≥|<|>|≠|(?<![<>!:])=)", text)
    if len(sides) > 1 and all(side.strip() for side in sides):
        signs = sides[1::2]
        parts = tuple(_read(side, depth + 1) for side in sides[::2])
        if all(sign == "=" for sign in signs):
            return Form("equation", text, parts, "=")
        return Form("relation", text, parts, "".join(signs))
    if (found := _BASE.fullmatch(text.replace(" ", ""))) is not None and found[1].isdigit():
        return Form("base", text, mark=found[2])
    if "±" in text or "∓" in text:
        return Form("plus_minus", text)
    if re.search(
        r"[A-Za-z]{3,}", re.sub(r"\\[A-Za-z]+|sqrt|sin|cos|tan|log|exp|frac|arc", "", text)
    ):
        return Form("text", text)
    return Form("scalar", text)


def _closes_at_end(text: str) -> bool:
    """Whether the bracket at the start is closed at the end; `(` may be closed by `]`."""
    depth = 0
    for index, character in enumerate(text):
        if character in "([⦃{":
            depth += 1
        elif character in ")]⦄}":
            depth -= 1
            if depth == 0:
                return index == len(text) - 1
    return False


def _split(text: str, mark: str) -> list[str]:
    """The parts between marks that stand outside all brackets."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        if character in "([⦃{":
            depth += 1
        elif character in ")]⦄}":
            depth -= 1
        elif character == mark and depth <= 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _items(text: str) -> list[str]:
    """The items between commas; a comma inside `1,234` does not separate."""
    if re.fullmatch(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", text.strip()):
        return [text]
    for mark in (";", ","):
        items = _split(text, mark)
        if len(items) > 1:
            return items
    return [text]


def same(answer: Form, expected: Form, *, unordered: bool = False) -> bool | None:
    """Whether two forms are equal; None where no rule and no computer algebra decides it.

    Args:
        unordered: Whether bare lists (`1, 2, 3`) are compared in any order.
    """
    if _squeeze(answer.text) == _squeeze(expected.text) and answer.shape == expected.shape:
        return True
    answer, expected = _aligned(answer, expected)
    if answer.shape != expected.shape:
        return _across(answer, expected)
    if expected.shape in ("tuple", "matrix", "list", "union", "set"):
        if answer.mark != expected.mark:
            return False
        free = expected.shape in ("set", "union") or (expected.shape == "list" and unordered)
        return _parts(answer.parts, expected.parts, any_order=free)
    if expected.shape == "relation":
        return _relation(answer, expected)
    if expected.shape == "equation":
        return _equation(answer, expected)
    if expected.shape == "base":
        return _squeeze(answer.text) == _squeeze(expected.text)
    if expected.shape == "plus_minus":
        return _all(
            [
                _scalar(answer.text.replace("±", sign), expected.text.replace("±", sign))
                for sign in "+-"
            ]
        )
    if expected.shape == "text":
        return fold(answer.text) == fold(expected.text)
    return _scalar(answer.text, expected.text)


def _aligned(answer: Form, expected: Form) -> tuple[Form, Form]:
    """Without a `name =` that only one side has: `x = 5` equals `5`."""
    for _ in range(2):
        if answer.shape == "equation" and expected.shape != "equation":
            if (
                NAME.fullmatch(answer.parts[0].text)
                or _OPERATION.match(answer.parts[0].text)
                or len(answer.parts) > 2
                or not (expressions.letters(answer.parts[-1].text))
            ):
                answer = answer.parts[-1]
        elif (
            expected.shape == "equation"
            and answer.shape != "equation"
            and NAME.fullmatch(expected.parts[0].text)
        ):
            expected = expected.parts[-1]
    return _unnamed(answer, expected)


def _unnamed(answer: Form, expected: Form) -> tuple[Form, Form]:
    """Lists like `x = 1, x = 2` or `x = 1, 2` against `1, 2`."""

    def bare(form: Form) -> Form:
        if form.shape != "list":
            return form
        parts = tuple(
            part.parts[-1]
            if part.shape == "equation" and NAME.fullmatch(part.parts[0].text)
            else part
            for part in form.parts
        )
        return Form("list", form.text, parts, form.mark)

    if answer.shape == expected.shape == "list":
        named = [
            tuple(p.parts[0].text for p in form.parts if p.shape == "equation")
            for form in (answer, expected)
        ]
        if named[0] != named[1] and not (all(named) and len(set(named[0])) > 1):
            return bare(answer), bare(expected)
    return answer, expected


def _across(answer: Form, expected: Form) -> bool | None:
    """Two shapes that can mean the same: `±3` and `3, -3`; a set without its braces is none."""
    shapes = (answer.shape, expected.shape)
    if "plus_minus" in shapes and ("list" in shapes or "set" in shapes):
        single, several = (answer, expected) if shapes[0] == "plus_minus" else (expected, answer)
        both = tuple(Form("scalar", single.text.replace("±", sign)) for sign in "+-")
        return _parts(several.parts, both, any_order=True)
    if set(shapes) == {"text", "scalar"}:
        one, other = quantities.read(answer.text), quantities.read(expected.text)
        if one is not None and other is not None:
            return quantities.same(one, other)
        return fold(answer.text) == fold(expected.text)
    if shapes == ("list", "tuple") and expected.mark == "()":
        # `x = 4, y = 6` for the point (4, 6)
        named = [part.parts[0].text for part in answer.parts if part.shape == "equation"]
        if len(named) == len(expected.parts) and named == sorted(set(named)):
            return _parts(
                tuple(part.parts[-1] for part in answer.parts), expected.parts, any_order=False
            )
        return False
    if shapes in (("list", "set"), ("set", "list")):
        return _parts(answer.parts, expected.parts, any_order=True)
    return False


def _parts(given: tuple[Form, ...], wanted: tuple[Form, ...], *, any_order: bool) -> bool | None:
    if len(given) != len(wanted):
        return False
    if not any_order:
        return _all([same(one, other) for one, other in zip(given, wanted, strict=True)])
    left, undecided = list(given), False
    for form in wanted:
        verdicts = [same(one, form) for one in left]
        if True in verdicts:
            del left[verdicts.index(True)]
        elif None in verdicts:
            undecided = True
        else:
            return False
    return None if undecided else True


def _all(verdicts: list[bool | None]) -> bool | None:
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _relation(answer: Form, expected: Form) -> bool | None:
    mirrored = str.maketrans("≤≥<>", "≥≤><")
    if answer.mark == expected.mark:
        return _parts(answer.parts, expected.parts, any_order=expected.mark == "≠")
    if answer.mark[::-1].translate(mirrored) == expected.mark:
        return _parts(answer.parts[::-1], expected.parts, any_order=False)
    return False


def _equation(answer: Form, expected: Form) -> bool | None:
    if NAME.fullmatch(expected.parts[0].text) and NAME.fullmatch(answer.parts[0].text):
        if fold(answer.parts[0].text) != fold(expected.parts[0].text):
            return False
        return same(answer.parts[-1], expected.parts[-1])
    if len(answer.parts) == len(expected.parts) == 2:
        for sides in (answer.parts, answer.parts[::-1]):
            if _parts(sides, expected.parts, any_order=False):
                return True
        one, other = (f"({f.parts[0].text})-({f.parts[1].text})" for f in (answer, expected))
        return _proportional(one, other)
    return False


def _proportional(one: str, other: str) -> bool | None:
    """Whether two expressions have one constant ratio: then their equations say the same."""
    names = expressions.letters(one) | expressions.letters(other)
    ratios = []
    for point in expressions.points(names):
        try:
            left, right = expressions.evaluate(one, point), expressions.evaluate(other, point)
            ratios.append(complex(left) / complex(right))
        except (expressions.NotReadable, ZeroDivisionError, OverflowError):
            return None
    return all(abs(ratio - ratios[0]) <= 1e-9 * abs(ratios[0]) for ratio in ratios)


def _scalar(answer: str, expected: str) -> bool | None:
    if _squeeze(answer) == _squeeze(expected):
        return True
    one, other = quantities.read(answer), quantities.read(expected)
    if one is not None and other is not None and "!" not in answer + expected:
        return quantities.same(one, other)
    verdict = expressions.same(_bare(answer), _bare(expected))
    if verdict is None:
        verdict = algebra.same(_for_algebra(expected), _for_algebra(answer))
    return verdict


def _bare(text: str) -> str:
    """Without a degree or percent sign and a unit in words after it."""
    return re.sub(r"[°%$]", "", text).strip()


def _for_algebra(text: str) -> str:
    for character, command in (("×", "\\times "), ("π", "\\pi "), ("≤", "\\le "), ("≥", "\\ge "),
                               ("∞", "\\infty "), ("°", "")):  # fmt: skip
        text = text.replace(character, command)
    return text


@lru_cache(maxsize=16384)
def _squeeze(text: str) -> str:
    text = re.sub(r"\s+", "", text)
    text = re.sub(r"[\^_]\{(\w)\}", lambda m: m[0][0] + m[1], text)
    return text.replace("\\left", "").replace("\\right", "").strip("$.")


def looks_mathematical(text: str) -> bool:
    """Whether a text is an expression, a tuple, a set or an equation; not a word or a number."""
    if "\\" in text and re.search(
        r"\\(?:[dt]?frac|sqrt|begin|pi|cup|infty|pm|left|cdot|times|\{|ln|log|sin|cos|tan|binom"
        r"|le|ge|ne|lt|gt|angle|alpha|beta|theta|lambda|sum|int|lim|mod|pmod)(?![a-z])",
        text,
    ):
        return True
    plain = latex.plain(text[:LONGEST]).strip()
    if re.search(r"[A-Za-z]{3,}", re.sub(r"\\[A-Za-z]+|sqrt|sin|cos|tan|log|exp", "", plain)):
        return False
    if len(plain) < 2 or re.fullmatch(r"[A-Z][a-z]?\.?|[A-Z]{2,}", plain):
        return False
    return bool(
        re.search(
            r"[\^√π∪≤≥∞±⦃]|\bsqrt\s?\(|[a-z]\s*[<>]=?\s*-?\d|-?\d\s*[<>]=?\s*[a-z]\b|\d\s*[a-z]\b|[a-z]\s*[-+*/=]|[-+*/=]\s*[a-z]|_\{?\d",
            plain,
        )
        or re.fullmatch(r"[(\[{⦃]\s*-?[\w./]+(?:\s*,\s*-?[\w./]+)+\s*[)\]}⦄]", plain)
        or re.search(r"\d\s*[-+*×]\s*\d", plain)
    )
