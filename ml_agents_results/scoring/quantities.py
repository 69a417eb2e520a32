"""Quantities: numbers as exact fractions, with unit, percent sign, and bound or range."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from ml_agents_results.scoring import latex, number_words, quantity_patterns, units

LONGEST = 200
"""Characters of a text that is read as one quantity."""

_MOST_EXPONENT = 400


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and what it counts.

    Attributes:
        value: Exact. Of a range the lower end.
        unit: A canonical unit, `#word` for what is counted, '' where there is none. A percent
            sign is the unit `%`.
        relation: `=`, `~` (about), `<`, `>`, `≤`, `≥`, `..` (range) or `±`.
        upper: The upper end of a range, or what follows `±`.
        ratio: The two parts of `3:2`.
    """

    value: Fraction
    unit: str = ""
    relation: str = "="
    upper: Fraction | None = None
    ratio: tuple[Fraction, Fraction] | None = None


@lru_cache(maxsize=16384)
def read(text: str) -> Quantity | None:
    """The quantity that a text is, wholly; None for any other text."""
    if len(text) > LONGEST:
        return None
    text = re.sub(r"\s+", " ", latex.plain(text)).strip()
    return _read(text) if text else None


def _read(text: str) -> Quantity | None:
    text = quantity_patterns.ZERO_COMMA.sub(r"\g<1>0.", text.strip())
    if (compound := _compound(text)) is not None:
        return compound
    text = text.strip("\"'").strip()
    if text.startswith("(") and text.endswith(")") and "," not in text and _digit(text):
        text = text[1:-1].strip()
    text = text.rstrip("!.,;:").strip() if text[-1:] in "!.,;:" else text
    text, relation = _relation(text)
    if not text:
        return None
    found = _compound(text) or _plain(text) or _worded(text)
    if found is not None:
        return Quantity(found.value, found.unit, relation, found.upper, found.ratio)
    if relation in ("=", "~"):
        return _ratio(text) or _plus_minus(text) or _range(text) or _or_more(text)
    return None


def _digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _relation(text: str) -> tuple[str, str]:
    """The text without the words of a bound in front of it, and the bound."""
    relation = "="
    for _ in range(3):
        for pattern, sign in quantity_patterns.BOUNDS:
            if (found := pattern.match(text)) is not None:
                rest = text[found.end() :]
                if found[0][-1:].isalpha() and rest[:1].isalpha():
                    continue
                exact = found[0].lower() in ("exactly", "precisely", "just", "only", "a total of",
                                             "equal to", "=")  # fmt: skip
                text = rest.strip()
                relation = relation if exact else sign
                break
        else:
            break
    return text, relation


def _plain(text: str) -> Quantity | None:
    found = quantity_patterns.WHOLE.fullmatch(text)
    if found is None or found["rest"].startswith("^"):
        return _power_of_ten(text)
    if found["digits"] and quantity_patterns.COMMA_DECIMALS.match(found["rest"]):
        return _decimal_comma(text)
    value = _value(found)
    if value is None:
        return None
    rest = found["rest"]
    if not found["digits"] and rest[:1].isdigit():
        return None
    unit = _unit(rest)
    if unit is None:
        return None
    sign = (found["currency"] or "").strip()
    if sign:
        money = units.canonical(sign[-1] if sign[-1] in units.CURRENCY_SIGNS else sign) or sign
        if unit.startswith(units.NOUN) or not unit:
            unit = money
        elif unit.split("/")[0] != money:
            unit = f"{money}/{unit}"
    return Quantity(value, unit)


def _decimal_comma(text: str) -> Quantity | None:
    """`12,5 km`, `€5,50`: a unit shows that this is one number."""
    found = _plain(re.sub(r"(\d),(\d{1,2})(?!\d)", r"\1.\2", text, count=1))
    return found if found is not None and found.unit else None


def _power_of_ten(text: str) -> Quantity | None:
    found = quantity_patterns.POWER.fullmatch(text)
    if found is None:
        return None
    exponent = int(found[1] or found[2].translate(quantity_patterns.SUPERSCRIPTS))
    return Quantity(Fraction(10) ** exponent)


def _value(found: re.Match[str]) -> Fraction | None:
    """The number of a match of `_NUMBER`; None for 1/0 and monsters."""
    whole = found["mixed"] or found["vulgar_whole"]
    above = found["above"] or found["above2"]
    below = found["below"] or found["below2"]
    value: Fraction
    if found["vulgar"]:
        value = Fraction(int(whole or 0)) + Fraction(*quantity_patterns.VULGAR[found["vulgar"]])
    elif above:
        if not int(below or 0) or int(above) >= int(below or 0):
            return None
        value = int(whole or 0) + Fraction(int(above), int(below or 1))
    elif found["above3"]:
        if not int(found["below3"]):
            return None
        value = Fraction(int(found["above3"]), int(found["below3"]))
    else:
        value = _decimal(found["digits"])
        exponent = found["exponent"] or found["power"] or found["super"]
        if exponent is not None:
            power = int(exponent.translate(quantity_patterns.SUPERSCRIPTS).lstrip("eE"))
            if abs(power) > _MOST_EXPONENT:
                return None
            value *= Fraction(10) ** power
        if found["divisor"]:
            below_value = _decimal(found["divisor"])
            if not below_value:
                return None
            value /= below_value
    scale = found["glued"] or found["wan"] or found["scale"]
    if scale is not None:
        value *= quantity_patterns.SCALES[
            scale if scale in quantity_patterns.SCALES else scale.lower()
        ]
    return -value if _negative(found) else value


def _negative(found: re.Match[str]) -> bool:
    sign = (found["sign"] or "").strip().lower()
    return (sign in ("-", "minus", "negative")) != (found["sign2"] == "-")


def _decimal(digits: str) -> Fraction:
    digits = digits.replace("'", "").replace("’", "").replace(" ", "")
    if re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:\.\d{3})+,\d+", digits):
        digits = digits.replace(".", "").replace(",", ".")
    return Fraction(Decimal(digits.replace(",", "")))


def _unit(rest: str) -> str | None:
    """The canonical unit of what follows a number; None where that is not a unit or a noun."""
    glued = not rest.startswith((" ", "-"))
    text = rest.strip(" -").rstrip(".")
    text = re.sub(r"^\((.*)\)$", r"\1", text)
    if not text:
        return "" if not rest.strip(" .") else None
    if glued and quantity_patterns.ORDINAL_REST.fullmatch(text):
        return None
    text = re.sub(r"^(?:of|in) (?=\w)", "", text)
    if (name := units.canonical(text)) is not None:
        if glued and text[0].isalpha() and not _may_be_glued(text):
            return None
        return name
    if quantity_patterns.STOP.search(text) or (glued and text[0].isalpha() and text[0].isascii()):
        head = re.match(r"[A-Za-zµ°%/²³]+", text)
        if glued and head and _may_be_glued(head[0]) and not quantity_patterns.STOP.search(text):
            return units.canonical(head[0])
        return None
    if not quantity_patterns.NOUNS.fullmatch(text) or re.search(r"[α-ωπ√^]|^[A-Za-z]$", text):
        return None
    words = text.split()
    for length in (4, 3, 2, 1):  # "dollars a day in total": the unit is at the head
        if (name := units.canonical(" ".join(words[:length]))) is not None and (
            length > 1 or len(words[0]) > 1 or not words[0].isalpha()
        ):
            return name
    return units.NOUN + words[-1].lower()


def _may_be_glued(text: str) -> bool:
    head = re.match(r"[A-Za-zµ°%]+", text)
    return head is None or head[0].lower() in units.GLUED


def _compound(text: str) -> Quantity | None:
    """`5 feet 6 inches`: in the smaller unit, under the name of both."""
    found = quantity_patterns.COMPOUND.fullmatch(text)
    if found is None:
        return None
    marks = {"'": "ft", "′": "ft", '"': "in", "″": "in"}
    large = units.canonical(marks.get(found[2], found[2])) or ""
    small = units.canonical(marks.get(found[4], found[4])) or ""
    if large == "h" and small == "m":
        small = "min"
    if large == "m" and small == "s":
        large = "min"
    factor = quantity_patterns.COMPOUND_FACTOR.get((large, small))
    if factor is None:
        return None
    return Quantity(_decimal(found[1]) * factor + _decimal(found[3]), f"{large}+{small}")


def _worded(text: str) -> Quantity | None:
    if (value := number_words.read(text)) is not None:
        return Quantity(value)
    found = number_words.RUN.match(text)
    if found is None:
        return None
    value, unit = number_words.read(found[0]), _unit(text[found.end() :])
    return None if value is None or unit is None else Quantity(value, unit)


def _ratio(text: str) -> Quantity | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s?(?::|to)\s?(\d+(?:\.\d+)?)", text)
    if found is None or re.fullmatch(r"\d{1,2}:[0-5]\d", text) or not Fraction(found[2]):
        return None
    one, other = Fraction(found[1]), Fraction(found[2])
    return Quantity(one / other, ratio=(one, other), relation="..", upper=other)


def _plus_minus(text: str) -> Quantity | None:
    head, found, tail = text.partition("±")
    if not found or not head.strip():
        return None
    one, other = _plain(head.strip()), _plain(tail.strip())
    if one is None or other is None:
        return None
    return Quantity(one.value, one.unit or other.unit, "±", other.value)


def _range(text: str) -> Quantity | None:
    found = quantity_patterns.RANGE.fullmatch(text)
    if found is None or (found["mark"] == "and" and not found["between"]):
        return None
    low, high = _plain(found["low"].strip()), _plain(found["high"].strip())
    if low is None or high is None or low.value >= high.value:
        return None
    return Quantity(low.value, low.unit or high.unit, "..", high.value)


def _or_more(text: str) -> Quantity | None:
    for found in quantity_patterns.AFTER_BOUND.finditer(text):
        one = _plain(f"{text[: found.start()]} {text[found.end() :]}".strip())
        if one is not None:
            return Quantity(one.value, one.unit, "≤" if found["less"] else "≥")
    return None


@dataclass(frozen=True, slots=True)
class Span:
    """A quantity inside a text, from `start` to `end`."""

    start: int
    end: int
    quantity: Quantity


_UNIT_AFTER = re.compile(
    r"\s?(?:(?:square|cubic|sq\.?)\s[a-z]+|degrees?\s(?:celsius|fahrenheit|c\b|f\b)"
    r"|°\s?[CF]?|%|[€£¥₹]|[A-Za-zµ]+(?:\s?/\s?[A-Za-z]+(?:[²³]|\^\{?[23]\}?)?"
    r"|[²³]|\^\{?[23]\}?)?)"
    r"(?:\s(?:per|an?|each)\s[a-z]+)?",
    re.IGNORECASE,
)


_NUMBERED = re.compile(
    r"\b(?:step|part|case|question|problem|equation|figure|table|line|method|option|chapter)\s$",
    re.IGNORECASE,
)
_AND_WORDS = re.compile(rf"\s+and\s+(?={number_words.RUN.pattern})", re.IGNORECASE)


def find(text: str) -> Iterator[Span]:
    """The quantities inside a text (without LaTeX), in order; whole tokens only."""
    position = 0
    while (found := quantity_patterns.FIND.search(text, position)) is not None:
        position = max(found.end(), position + 1)
        end = found.end()
        value = _value(found)
        if value is None or _NUMBERED.search(text, max(0, found.start() - 14), found.start()):
            continue
        rest = text[end : end + 40]
        unit = ""
        after = _UNIT_AFTER.match(rest)
        if after is not None:
            for candidate in (after[0], re.match(r"\s?[^\s/]*", after[0])[0]):  # type: ignore[index]
                name = units.canonical(candidate)
                spaced = candidate[:1] == " "
                if name and (not spaced or len(candidate.strip()) > 1 or name in "%°$€£¥"):
                    if not spaced and candidate[:1].isalpha() and not _may_be_glued(candidate):
                        continue
                    if spaced and candidate.strip().lower() in ("in", "a", "i"):
                        continue
                    unit, end = name, end + len(candidate)
                    break
        following = text[end : end + 1]
        if not unit and following and (following.isalnum() or following == "_"):
            if ord(following) < 0x2E80:
                continue  # a part of a token: 3rd, 2x, A4
        elif re.match(r"[.,:]\d", text[end : end + 2]) and not unit:
            position = end + 1
            while position < len(text) and (text[position].isdigit() or text[position] in ".,:"):
                position += 1
            continue
        sign = (found["currency"] or "").strip()
        if sign and (not unit or unit.startswith(units.NOUN)):
            unit = units.canonical(sign[-1] if sign[-1] in units.CURRENCY_SIGNS else sign) or sign
        if (more := _AND_WORDS.match(text, end)) is not None:  # 7 hundred and ten
            position = more.end()
            continue
        position = max(position, end)
        yield Span(found.start(), end, Quantity(value, unit))
    return


def holds_one(text: str) -> bool:
    """Whether a text holds exactly one quantity."""
    return len(list(find(text))) == 1


def same(answer: Quantity, expected: Quantity) -> bool:
    """Equal values, compatible units, no bound or range against an exact number."""
    relation = {"~": "="}
    if answer.ratio is not None or expected.ratio is not None:
        return answer.value == expected.value and not (
            answer.ratio is None and answer.relation not in "=~"
        )
    if relation.get(answer.relation, answer.relation) != relation.get(
        expected.relation, expected.relation
    ):
        return False
    return (
        answer.value == expected.value
        and answer.upper == expected.upper
        and units.same(answer.unit, expected.unit)
    )
