"""Reading: what a statement says when it is read for a kind of answer.

Two ways that stay apart: *whole* (structured fields, tags, boxes: all of it is the answer) and
*leading* (sentences: the value with its unit, then perhaps a reason).
"""

import re

from ml_agents_results.scoring import (
    dates,
    equality,
    evidence,
    kinds,
    latex,
    mathematics,
    numbers_in_text,
    options,
    phrases,
    quantities,
    statements,
)
from ml_agents_results.scoring.evidence import Reading
from ml_agents_results.scoring.kinds import TRUTH, Expectation
from ml_agents_results.scoring.plain_text import fold


def is_closed_set(expected: Expectation) -> bool:
    """Whether the answer is one of few labels: then a denial says nothing about which."""
    return expected.kind in ("boolean", "label") or (
        expected.kind == "any" and bool(expected.labels)
    )


def of_statement(
    text: str, expected: Expectation, *, final: bool = False, label: bool = False
) -> Reading | None:
    """What a statement says; None where it says nothing of the kind that is asked for.

    Args:
        final: Whether the text is the content of a tag, box or field: all of it is the answer.
        label: Whether it follows a label (`Answer:`), after which a whole derivation may stand.
    """
    text = text.strip()
    if not text or (phrases.ABSTAINS.search(text) and not final and len(text) < 300):
        return None
    if final and "boxed" not in text:
        inner = statements.find(text, options=expected.options)
        if inner and inner[-1].text and len(inner[-1].text) < len(text):
            return of_statement(inner[-1].text, expected)
    if (found := phrases.NOT_BUT.match(text)) is not None:
        return of_statement(found["meant"], expected)
    if expected.options and expected.kind in ("any", "choice"):
        return _choice(text, expected, final=final)
    if expected.kind in ("boolean", "label") or (expected.kind == "any" and expected.labels):
        read = _label(text, expected)
        if read is not None or expected.kind != "any":
            return read
    if expected.kind == "number":
        return numbers_in_text.read(text, final=final, label=label, question=expected.question)
    if expected.kind == "date" or (expected.kind == "any" and expected.order):
        read = read_date(text, expected)
        if read is not None or expected.kind == "date":
            return read
    if expected.kind == "symbols":
        symbols = text.strip("`\"' ")
        if kinds.SYMBOLS.fullmatch(
            latex.plain(symbols).replace(latex.SET_OPEN, "{").replace(latex.SET_CLOSE, "}").strip()
            or "x"
        ):
            return Reading(symbols if symbols == "." else symbols.rstrip("."))
        return None
    if (
        expected.kind == "any"
        and kinds.asks_number(expected.question)
        and not mathematics.looks_mathematical(phrases.trimmed(text))
    ):
        read = numbers_in_text.read(text, final=final, label=label, question=expected.question)
        if read is not None:
            return read
    return _any(text, expected, final=final, label=label)


def _choice(text: str, expected: Expectation, *, final: bool) -> Reading | None:
    chosen = options.read(text, expected.options)
    if chosen is not None:
        shown = ", ".join(sorted(chosen.labels))
        if not chosen.status:
            return Reading(shown)
        return Reading(phrases.in_one_line(text), chosen.status)
    short = phrases.trimmed(text)
    by_text = options.asserted(short, expected.options)
    if by_text is not None:
        return Reading(next(iter(by_text.labels)), loose=True)
    if final or _NO_OPTION.match(short):
        return Reading(phrases.without_quotes(text))
    if len(short) <= 200 and expected.kind == "any" and quantities.read(short) is not None:
        return Reading(short)
    inside = set(re.findall(r"\(([A-R])\)", text)) & set(expected.options)
    if len(inside) == 1 and not phrases.DENIED.search(text):
        return Reading(inside.pop(), loose=True)
    return None


_NO_OPTION = re.compile(
    r"\W*(?:none of|no (?:option|choice|answer|correct)|neither|not (?:listed|among|given))\b",
    re.IGNORECASE,
)


def _label(text: str, expected: Expectation) -> Reading | None:
    labels = expected.labels
    short = phrases.trimmed(text)
    found = equality.label_in(short, labels) or equality.label_in(text, labels)
    if found is None and set(labels) & set(TRUTH):
        found = equality.label_in(short) or equality.label_in(text)
    if found is not None:
        return Reading(found if found not in TRUTH else phrases.as_written(text, found))
    if re.match(r"\W*(?:not|neither)\b", text, re.IGNORECASE):
        return Reading(phrases.trimmed(text), "negated")
    single = only_label(text, labels or tuple(TRUTH))
    return Reading(single, loose=True) if single is not None else None


def only_label(sentence: str, labels: tuple[str, ...]) -> str | None:
    """The one label that a sentence asserts: `The argument is invalid.`"""
    if phrases.UNDECIDED.search(sentence):
        return None
    sentence = phrases.IDIOMS.sub(" ", sentence)
    closed = sorted({*labels}, key=len, reverse=True)
    pattern = re.compile(
        rf"(?<![\w-])(?:{'|'.join(re.escape(label) for label in closed)})(?![\w-])", re.IGNORECASE
    )
    found = list(pattern.finditer(sentence))
    if len({match[0].casefold() for match in found}) != 1:
        return None
    before = sentence[: found[-1].start()]
    if phrases.DENIED.search(before) or re.match(
        r"\s*(?:[?]|is (?:wrong|not|incorrect))", sentence[found[-1].end() :]
    ):
        return None
    word = found[-1][0]
    if (
        word.casefold() in ("no", "yes")
        and not re.match(r"\W*$", sentence[found[-1].end() :])
        and before.strip(" ,")
    ):
        return None  # "has no apples"
    return word


def read_date(text: str, expected: Expectation) -> Reading | None:
    short = phrases.trimmed(text)
    if dates.read(short, expected.order) is not None:
        return Reading(short)
    found = [m for m in _DATE.finditer(text) if dates.read(m[0], expected.order)]
    if len({m[0] for m in found}) == 1:
        before = text[: found[0].start()]
        if phrases.DENIED.search(before) or _BOUND_OF_TIME.search(before):
            return Reading(text[:200], "negated" if phrases.DENIED.search(before) else "bound")
        return Reading(found[0][0], loose=True)
    return None


def has_date(text: str) -> bool:
    """Whether a text is more than a date or time that stands in it."""
    return dates.read(text) is None and _DATE.search(text) is not None


_BOUND_OF_TIME = re.compile(
    r"\b(?:before|after|since|until|by|between|around|about)\s+(?:the )?$", re.IGNORECASE
)
_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|[A-Z][a-z]+ \d{1,2}(?:st|nd|rd|th)?,? \d{4}"
    r"|\d{1,2}(?:st|nd|rd|th)?(?: of)? [A-Z][a-z]+,? \d{4}"
    r"|\b\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?m\b\.?)?|\b\d{1,2}\s?[ap]\.?m\b\.?"
)


def _any(text: str, expected: Expectation, *, final: bool, label: bool) -> Reading | None:
    if final:
        return Reading(phrases.without_quotes(text))
    short = phrases.trimmed(text)
    if not short or len(short) > evidence.LONGEST:
        return None
    if re.match(r"(?:not|neither|never)\b|isn't\b", short, re.IGNORECASE) and len(short) < 120:
        return Reading(short, "negated")
    if re.search(r"\bis (?:wrong|incorrect|not (?:correct|right|the answer))\b", short):
        return Reading(f"not {short}", "negated")
    if kinds.SYMBOLS.fullmatch(text.strip()):
        symbols = text.strip()
        return Reading(symbols)
    if "=" in short and not re.search(r"[≤≥<>]", short):
        short = _of_equation(short)
    listed = "\n" in short
    if (
        not listed
        and (head := numbers_in_text.quantity_at_head(short)) is not None
        and quantities.read(short) is None
    ):
        rest = short[len(head) :]
        if (
            re.match(r"\s*(?:[.;:(]|,\s*(?![\d$-])|\s[a-z]{3,})", rest)
            and dates.read(short) is None
        ):
            return Reading(head)
    if equality.label_in(short) is not None and len(short) > 5:
        word = equality.label_in(short) or ""
        return Reading(phrases.as_written(short, word))
    if label and len(short) > 150 and not kinds.items_of(short):
        return None
    if (
        expected.kind in ("any", "text")
        and len(short) > 80
        and len(phrases.PROSE.findall(short)) > 2
    ):
        return None
    return Reading(short)


def _of_equation(text: str) -> str:
    """`x = 5` as it stands; of a chain `m+n = 256+37 = 293` the last side."""
    plain = latex.plain(text)
    sides = plain.split("=")
    side = sides[-1].strip()
    if (
        quantities.read(side) is not None
        and (len(sides) > 2 or not mathematics.NAME.fullmatch(sides[0].strip()))
        and (len(sides) > 2 or not re.search(r"[a-z]", sides[0]))
    ):
        return side
    return text


def agree(one: str, other: str, expected: Expectation) -> bool:
    """Whether two readings say the same."""
    return fold(one) == fold(other) or equality.compare(one, other, expected).value is True


def revision(text: str, start: int, expected: Expectation) -> Reading | None:
    """What the model says instead of the statement that ends at `start`: `Wait, it is 18.`"""
    rest = text[start:]
    corrections = list(phrases.MEANT_AGAIN.finditer(rest[:3000]))
    if not corrections:
        return None
    tail = rest[corrections[-1].start() :]
    last: Reading | None = None
    for found in phrases.REVISED.finditer(tail):
        value, _ = statements.right_side(tail, found.end())
        if not value or len(value) > 120:
            continue
        if expected.options and expected.kind in ("any", "choice"):
            chosen = options.read(value, expected.options)
            if chosen is not None:
                last = Reading(", ".join(sorted(chosen.labels)), chosen.status)
            continue
        short = phrases.trimmed(value)
        if quantities.read(short) is not None:
            last = Reading(short)
        elif (head := numbers_in_text.quantity_at_head(short)) is not None:
            last = Reading(head)
        elif expected.labels and (word := equality.label_in(short, expected.labels)):
            last = Reading(word)
    return last
