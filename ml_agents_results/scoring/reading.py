"""Reading: what a statement says when it is read for a kind of answer.

Two ways that stay apart: *whole* (structured fields, tags, boxes: all of it is the answer) and
*leading* (sentences: the value with its unit, then perhaps a reason).
"""

import re
from typing import NamedTuple

from ml_agents_results.scoring import (
    dates,
    equality,
    kinds,
    latex,
    mathematics,
    number_words,
    options,
    quantities,
    statements,
)
from ml_agents_results.scoring.kinds import TRUTH, Expectation
from ml_agents_results.scoring.plain_text import fold


class Reading(NamedTuple):
    """What a text says.

    Attributes:
        text: The answer, with unit, brackets and bounds.
        status: '' for a plain answer, else `negated`, `hedged`, `multiple` or `bound`.
        loose: Whether it was picked out of a longer sentence.
    """

    text: str
    status: str = ""
    loose: bool = False


_REASON = re.compile(
    r"\s*[,;(–—-]?\s*\b(?:because|since|i\.e\.|that is,"
    r"|in other words|or equivalently|or about|namely"
    r"|due to|given that|as (?:it|the|they|we|there|he|she|this"
    r"|that|per"
    r"|shown|given|calculated|required|stated|you|all|both|a|an|our)|which (?:is|are|means|makes"
    r"|gives"
    r"|equals|corresponds|can|was|has|we|would|also|matches)|so (?:that|the|we|it|he|she|they"
    r"|this|there"
    r"|option)|rather than|instead of|assuming|according to|therefore|thus|hence|but not|and not"
    r"|after"
    r" (?:\w+ing)|when (?:we|you|the|x|it)|if (?:we|you|the|it)|where|whereas|while|followed by"
    r"|although"
    r"|making|meaning|leaving|giving)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_NOT_ANOTHER = re.compile(
    r"\s*(?:,|\(|–|—|;|\s-)\s*(?:and |but )?not\b.*|\s+not\s+[\d$(].*", re.IGNORECASE | re.DOTALL
)
NOT_BUT = re.compile(
    r"^(?:\(?(?:it|that|this|the answer)(?:'s| is| was)?\s+)?(?:not|isn't|wasn't|neither)\s+"
    r"(?P<denied>.{1,80}?)\s*[,;.]?\s*(?:but(?: rather)?|rather|instead|it(?: is|'s)|it should be"
    r"|the (?:correct|right) (?:answer|one) is)\s+(?P<meant>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_PARENTHESIS = re.compile(
    r"(?<=[\w%$°.})])\s+\([^()]*[^\W\d_]{2,}[^()]*\)\s*$|\s*\((?:[A-Za-z ,.'-]{12,})\)\s*$"
)
_LEAD = re.compile(
    r"^(?:[\s:\"'*_>~]+(?![\d.$])|(?:=>|->|→|⇒|∴|=|\.{2,}|…)\s*"
    r"|(?:that |simply |therefore |thus |just |indeed |clearly "
    r"|definitely |now )+)",
    re.IGNORECASE,
)
ABSTAINS = re.compile(
    r"\b(?:can(?:no|')t|cannot|could not|couldn't|unable to|impossible to|not possible to"
    r"|not able to)"
    r" (?:\w+ ){0,3}?(?:determine|say|tell|answer|know|help|assist|provide|choose|decide"
    r"|be determined|be answered|be known|calculate|comply|find|conclude|fulfill|give|solve|work"
    r"|pick|select|be calculated|be found|continue|discuss|engage)"
    r"|\b(?:do not|don't|does not|doesn't) (?:know|have (?:enough|sufficient|any|access))"
    r"|\bnot (?:enough|sufficient) (?:information|data|context)|\binsufficient (?:information|data)"
    r"|\bno idea\b"
    r"|\bit depends\b|\bI(?:'m| am) not (?:sure|certain|able)\b"
    r"|\bas an ai\b|\bnot (?:sure|certain)\b"
    r"|\bmore (?:information|context|details) (?:is|are) (?:needed|required)"
    r"|\bneed more (?:information|context)",
    re.IGNORECASE,
)
SORRY = re.compile(
    r"\b(?:I(?:'m| am) (?:very |really |so )?sorry|I apologi[sz]e|I must (?:decline|refuse)"
    r"|I(?:'d| would) rather not"
    r"|I (?:can(?:no|')t|won't|will not|refuse to|decline to|am unable to)\b|I(?:'m"
    r"| am) unable to|my apologies)",
    re.IGNORECASE,
)
PROSE = re.compile(
    r"\b(?:is|are|was|were|be|has|have|had|do|does|did|can|cannot|could|will|would|should|must"
    r"|may|might"
    r"|(?-i:I)|we|you|they|let|lets|first|then|because|there|so|here|sure|okay|means|gives|think|need"
    r"|makes)\b|n't\b",
    re.IGNORECASE,
)
_MEANT_AGAIN = re.compile(
    r"\b(?:wait|actually|hold on|correction|oops|scratch that|on second thought|no,|sorry,"
    r"|my mistake|let me correct"
    r"|I made (?:a|an) (?:mistake|error)|that's (?:wrong|not right|incorrect)|that is (?:wrong"
    r"|not right|incorrect))",
    re.IGNORECASE,
)
_REVISED = re.compile(
    r"\b(?:(?:it|that|this)(?:'s| is| was)?(?: actually)?(?: should| must"
    r"| would)?(?: have)?(?: been| be)?(?: actually)?"
    r"|(?:that |this )?(?:gives|makes)(?: us| it)?|make (?:it|that)|I meant|it's|actually"
    r"|correction|the (?:correct|right"
    r"|actual|true) (?:\w+ )?(?:is|was|should be)|we get|there are|there is|she \w+|he \w+"
    r"|they \w+|=)\s*[:,]?\s*",
    re.IGNORECASE,
)


def trimmed(text: str) -> str:
    """A statement's text without what leads to it, reasons, and words after it."""
    text = text.strip()
    for _ in range(3):
        shorter = _LEAD.sub("", text).strip()
        if shorter == text or not shorter:
            break
        text = shorter
    for pattern in (_REASON, _NOT_ANOTHER):
        shorter = pattern.sub("", text)
        if any(character.isalnum() for character in shorter):
            text = shorter
    if not re.search(r"[\\^=]", text):
        shorter = _PARENTHESIS.sub("", text)
        text = shorter if shorter.strip() else text
    text = text.strip().rstrip(",;:").rstrip()
    return without_quotes(text)


def without_quotes(text: str) -> str:
    text = text.strip("*_` ")
    pairs = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»"}
    if len(text) > 2 and pairs.get(text[0]) == text[-1]:
        return text[1:-1].strip()
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1]
    return text.rstrip("*_` ").strip()


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
    if not text or (ABSTAINS.search(text) and not final and len(text) < 300):
        return None
    if final and "boxed" not in text:
        inner = statements.find(text, options=expected.options)
        if inner and inner[-1].text and len(inner[-1].text) < len(text):
            return of_statement(inner[-1].text, expected)
    if (found := NOT_BUT.match(text)) is not None:
        return of_statement(found["meant"], expected)
    if expected.options and expected.kind in ("any", "choice"):
        return _choice(text, expected, final=final)
    if expected.kind in ("boolean", "label") or (expected.kind == "any" and expected.labels):
        read = _label(text, expected)
        if read is not None or expected.kind != "any":
            return read
    if expected.kind == "number":
        return _number(text, final=final, label=label)
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
        and not mathematics.looks_mathematical(trimmed(text))
    ):
        read = _number(text, final=final, label=label)
        if read is not None:
            return read
    return _any(text, expected, final=final, label=label)


def _choice(text: str, expected: Expectation, *, final: bool) -> Reading | None:
    chosen = options.read(text, expected.options)
    if chosen is not None:
        shown = ", ".join(sorted(chosen.labels))
        if not chosen.status:
            return Reading(shown)
        return Reading(in_one_line(text), chosen.status)
    short = trimmed(text)
    by_text = options.asserted(short, expected.options)
    if by_text is not None:
        return Reading(next(iter(by_text.labels)), loose=True)
    if final or _NO_OPTION.match(short):
        return Reading(without_quotes(text))
    if len(short) <= 200 and expected.kind == "any" and quantities.read(short) is not None:
        return Reading(short)
    inside = set(re.findall(r"\(([A-R])\)", text)) & set(expected.options)
    if len(inside) == 1 and not statements.DENIED.search(text):
        return Reading(inside.pop(), loose=True)
    return None


_NO_OPTION = re.compile(
    r"\W*(?:none of|no (?:option|choice|answer|correct)|neither|not (?:listed|among|given))\b",
    re.IGNORECASE,
)


def in_one_line(text: str) -> str:
    return " ".join(text.split())[:200]


def _label(text: str, expected: Expectation) -> Reading | None:
    labels = expected.labels
    short = trimmed(text)
    found = equality.label_in(short, labels) or equality.label_in(text, labels)
    if found is None and set(labels) & set(TRUTH):
        found = equality.label_in(short) or equality.label_in(text)
    if found is not None:
        return Reading(found if found not in TRUTH else as_written(text, found))
    if re.match(r"\W*(?:not|neither)\b", text, re.IGNORECASE):
        return Reading(f"{trimmed(text)}", "negated")
    single = only_label(text, labels or tuple(TRUTH))
    return Reading(single, loose=True) if single is not None else None


def as_written(text: str, folded: str) -> str:
    found = re.search(rf"\b{re.escape(folded)}\b", text, re.IGNORECASE)
    return found[0] if found is not None else folded


IDIOMS = re.compile(
    r"\bno (?:doubt|idea|matter|one|longer|more|need|problem|reason|other|such|wonder)\b"
    r"|\bnot at all\b",
    re.IGNORECASE,
)
_UNDECIDED = re.compile(
    r"\bno way\b|\btrue or false\b|\byes or no\b|\bvalid or invalid\b|\byes and no\b"
    r"|\bfalse or true\b"
    r"|\bno or yes\b|\binvalid or valid\b|\btrue,? (?:but|though)\b",
    re.IGNORECASE,
)


def only_label(sentence: str, labels: tuple[str, ...]) -> str | None:
    """The one label that a sentence asserts: `The argument is invalid.`"""
    if _UNDECIDED.search(sentence):
        return None
    sentence = IDIOMS.sub(" ", sentence)
    closed = sorted({*labels}, key=len, reverse=True)
    pattern = re.compile(
        rf"(?<![\w-])(?:{'|'.join(re.escape(label) for label in closed)})(?![\w-])", re.IGNORECASE
    )
    found = list(pattern.finditer(sentence))
    if len({match[0].casefold() for match in found}) != 1:
        return None
    before = sentence[: found[-1].start()]
    if statements.DENIED.search(before) or re.match(
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


_RANGE_WORDS = re.compile(
    r"\b(?:between|at least|at most|more than|less than|fewer than|greater than|over|under|up to"
    r"|no more than"
    r"|no less than|above|below|around|about|approximately|roughly|exactly|either)\b\s*[$€£]?\s*$"
    r"|[<>≤≥~≈]\s*$",
    re.IGNORECASE,
)


def _number(text: str, *, final: bool = False, label: bool = False) -> Reading | None:
    """A quantity: wholly, at the head of a reason, or the only one."""
    plain = latex.plain(text)
    short = trimmed(plain)
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
        side = trimmed(equality.last_side(trimmed(plain)))
        if quantities.read(side) is not None:
            return Reading(side, bound(side))
        side = trimmed(equality.last_side(plain))
        if quantities.read(side) is not None:
            return Reading(side, bound(side))
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
            Reading(without_quotes(text))
            if any(c.isdigit() for c in text) or len(text) < 60
            else None
        )
    return single_quantity(short if not label else plain, label=label)


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
        if statements.DENIED.search(before) or re.search(
            r"\b(?:wrong|incorrect|is not|isn't|was not|cannot)\b", text[last.end : last.end + 40]
        ):
            return Reading(text[:200], "negated", True)
        edge = _RANGE_WORDS.search(before)
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


def read_date(text: str, expected: Expectation) -> Reading | None:
    short = trimmed(text)
    if dates.read(short, expected.order) is not None:
        return Reading(short)
    found = [m[0] for m in _DATE.finditer(text) if dates.read(m[0], expected.order)]
    if len(set(found)) == 1:
        return Reading(found[0], loose=True)
    return None


_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|[A-Z][a-z]+ \d{1,2}(?:st|nd|rd|th)?,? \d{4}"
    r"|\d{1,2} [A-Z][a-z]+ \d{4}"
)


def _any(text: str, expected: Expectation, *, final: bool, label: bool) -> Reading | None:
    if final:
        return Reading(without_quotes(text))
    short = trimmed(text)
    if not short or len(short) > statements.LONGEST:
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
        and (head := quantity_at_head(short)) is not None
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
        return Reading(as_written(short, word))
    if label and len(short) > 150 and not kinds.items_of(short):
        return None
    if expected.kind in ("any", "text") and len(short) > 80 and len(PROSE.findall(short)) > 2:
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


def is_refusal(text: str) -> bool:
    """Whether an output declines to answer."""
    return len(text) < 2000 and (
        SORRY.search(text) is not None or ABSTAINS.search(text) is not None
    )


def revision(text: str, start: int, expected: Expectation) -> Reading | None:
    """What the model says instead of the statement that ends at `start`: `Wait, it is 18.`"""
    rest = text[start:]
    corrections = list(_MEANT_AGAIN.finditer(rest[:3000]))
    if not corrections:
        return None
    tail = rest[corrections[-1].start() :]
    last: Reading | None = None
    for found in _REVISED.finditer(tail):
        value, _ = statements.right_side(tail, found.end())
        if not value or len(value) > 120:
            continue
        if expected.options and expected.kind in ("any", "choice"):
            chosen = options.read(value, expected.options)
            if chosen is not None:
                last = Reading(", ".join(sorted(chosen.labels)), chosen.status)
            continue
        short = trimmed(value)
        if quantities.read(short) is not None:
            last = Reading(short)
        elif (head := quantity_at_head(short)) is not None:
            last = Reading(head)
        elif expected.labels and (word := equality.label_in(short, expected.labels)):
            last = Reading(word)
    return last
