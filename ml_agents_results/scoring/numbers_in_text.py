"""Numbers in running text: the quantity that a statement or a sentence comes to."""

import re

from ml_agents_results.scoring import equality, latex, number_words, phrases, quantities, units
from ml_agents_results.scoring.evidence import Reading

_RANGE_WORDS = re.compile(
    r"\b(?:between|at least|at most|more than|less than|fewer than|greater than|over|under|up to"
    r"|no more than"
    r"|no less than|above|below|around|about|approximately|roughly|exactly|either)\b\s*[$€£]?\s*$"
    r"|[<>≤≥~≈]\s*$",
    re.IGNORECASE,
)
_BEFORE_OR_AFTER = re.compile(r"\b(?:before|after|since|until|prior to)\s*$", re.IGNORECASE)


def read(
    text: str, *, final: bool = False, label: bool = False, question: str = ""
) -> Reading | None:
    """A quantity: wholly, at the head of a reason, the only one, or the only new one.

    Args:
        question: What it names is given, and not the answer where there is another number.
    """
    plain = latex.plain(text)
    short = phrases.trimmed(plain)
    for candidate in (plain.rstrip("."), short):
        if quantities.read(candidate) is not None:
            return Reading(candidate, bound(candidate))
    if re.match(r"(?:not|neither|never)\b|isn't\b", short, re.IGNORECASE):
        return Reading(short, "negated")
    if (
        re.search(r"[≤≥<>]|\bor\b|±", short)
        and len(short) <= 80
        and any(c.isdigit() for c in short)
    ):
        hedged = re.search(r"\bor\b", short) is not None
        two = {(s.quantity.value, s.quantity.unit) for s in quantities.find(short)}
        if not hedged or len(two) > 1:
            return Reading(short, "hedged" if hedged else "bound")
    if "=" in plain or "≈" in plain:
        for whole in (phrases.trimmed(plain), plain):
            if (value := of_last_side(whole)) is not None:
                return value
        side = phrases.trimmed(equality.last_side(plain))
        if (head := quantity_at_head(side)) is not None:
            return Reading(head)
    head = quantity_at_head(short)
    if head is not None and short[len(head) :].startswith(" ("):
        return Reading(head)
    if len(short) <= 120 and equality.number_in(short) is not None:
        return Reading(short)
    if head is not None:
        return Reading(head)
    if final:
        return (
            Reading(phrases.without_quotes(text))
            if any(c.isdigit() for c in text) or len(text) < 60
            else None
        )
    found = single_quantity(short if not label else plain, label=label)
    if found is not None and found.status == "multiple":
        fresh = not_given(short, question)
        if fresh is not None and not re.search(r"\bor\b", short):
            return Reading(fresh, loose=True)
    return found


def of_last_side(text: str) -> Reading | None:
    """The quantity right of the last `=`; with what it is about, `60 km/h ≈ 16.7 m/s`, both."""
    side = phrases.trimmed(re.split(r"(?<![<>!])=|→|⇒", text)[-1])
    parts = [part.strip() for part in side.split("≈")]
    if len(parts) > 1 and parts[0] and all(quantities.read(part) for part in parts):
        return Reading(f"{parts[0]} ≈ {parts[-1]}")
    if quantities.read(parts[-1]) is not None:
        return Reading(parts[-1], bound(parts[-1]))
    return None


def only_measured(sentence: str) -> bool:
    """Whether a sentence has one quantity, and that with a known unit: `It boils at 78 °C.`"""
    spans = list(quantities.find(latex.plain(sentence)))
    unit = spans[0].quantity.unit if len(spans) == 1 else ""
    return bool(unit) and not unit.startswith(units.NOUN)


def not_given(text: str, question: str) -> str | None:
    """The only quantity of a text whose value the question does not name."""
    given = {span.quantity.value for span in quantities.find(latex.plain(question))}
    spans = [span for span in quantities.find(text) if span.quantity.value not in given]
    if len({span.quantity.value for span in spans}) != 1 or not question:
        return None
    return text[spans[-1].start : spans[-1].end].strip()


def bound(text: str) -> str:
    found = quantities.read(text)
    return "bound" if found is not None and found.relation not in "=~" and not found.ratio else ""


def quantity_at_head(text: str) -> str | None:
    """The quantity at the head of a text, before words or a stop that do not change it."""
    spans = list(quantities.find(text))
    if not spans or spans[0].start > 0:
        return None
    first, rest = spans[0], text[spans[0].end :]
    if re.match(
        r"\s*(?:[-+×*/^=<>≤≥±√\\\\{]|or\b|to\b|and\b\s*[\d$])|\s*[,;]\s*(?:and\s+)?-?[\d$]"
        r"|\s*[a-zA-Z]?\^|\w",
        rest,
    ):
        return None
    if re.search(r"\bor\b\s+\S*\d", rest[:40]):
        return None
    if re.search(r"\b(?:wrong|incorrect|not (?:correct|right|the answer))\b", rest[:60]):
        return None
    noun = re.match(r"\s+([a-z]+(?:\s[a-z]+)?)\s*(?=[,.;:]|$)", rest)
    end = first.end + (noun.end(1) if noun and quantities.read(text[: first.end] + noun[0]) else 0)
    return text[:end]


_CONVERTED = re.compile(
    r"\s*\([^()]*\d[^()]*\)|,\s+or (?:about |approximately |roughly )?[\d.,]+.*"
)
_OF_WHICH = re.compile(
    r"\b(?:out of|of|from|instead of|rather than)\s+(?:the |these |those |all )?[$€£]?\d[\d.,]*"
    r"(?=[\s,])",
    re.IGNORECASE,
)


def single_quantity(text: str, *, label: bool) -> Reading | None:
    """The only quantity of a sentence; several different ones are `multiple`."""
    spans = list(quantities.find(text))
    if not spans:
        words = list(number_words.RUN.finditer(text))
        if len(words) == 1 and words[0][0].lower() not in ("one", "a"):
            return Reading(words[0][0], loose=True)
        return None
    values = {span.quantity.value for span in spans}
    last = spans[-1]
    taken = text[last.start : last.end].strip()
    if len(values) == 1:
        before = text[: spans[0].start]
        if phrases.DENIED.search(before) or re.search(
            r"\b(?:wrong|incorrect|is not|isn't|was not|cannot)\b", text[last.end : last.end + 40]
        ):
            return Reading(text[:200], "negated", True)
        edge = _RANGE_WORDS.search(before)
        if edge is None and 1000 <= last.quantity.value <= 2100 and not last.quantity.unit:
            edge = _BEFORE_OR_AFTER.search(before)
        if edge is not None:
            phrase = f"{edge[0].strip()} {taken}"
            return Reading(phrase, bound(phrase), True)
        return Reading(taken, loose=True)
    if label and (len(text) > 120 or "=" in text):
        return None  # a derivation after the label
    if len(spans) == 2 and quantities.read(text[spans[0].start : last.end]) is not None:
        return Reading(text[spans[0].start : last.end], loose=True)  # 1 hour 30 minutes
    for part in (_CONVERTED.sub("", text), _OF_WHICH.sub("", text)):
        if part != text and len({s.quantity.value for s in quantities.find(part)}) == 1:
            return single_quantity(part, label=label)
    return Reading(text[:200], "multiple", True)
