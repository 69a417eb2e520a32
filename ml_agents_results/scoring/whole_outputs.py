"""Whole outputs: texts that are one value of the kind, and nothing else."""

import re

from ml_agents_results.scoring import (
    dates,
    equality,
    kinds,
    latex,
    mathematics,
    numbers_in_text,
    options,
    phrases,
    quantities,
    reading,
    sentence_splitting,
    unstated_names,
)
from ml_agents_results.scoring.evidence import Reading
from ml_agents_results.scoring.kinds import TRUTH, Expectation

_NO_ANSWER = re.compile(
    r"(?-i:None)$|(?:hello|hi|sure|okay|ok|certainly|of course)[!.]?$|error\b|thinking\b"
    r"|loading\b|h+m+[.!]*$|um+[.!]*$|.*\.\.\.$|.*…$",
    re.IGNORECASE,
)
_EMPTY = re.compile(r"[{<].{0,40}answer", re.IGNORECASE)
_PLACED = re.compile(r"^(?:in|on|at|around|by|for|when)\s+(?P<value>\S.*?)[.!]?$", re.IGNORECASE)
_LABELLED = re.compile(r"^(?:the )?(?:final )?answer(?: is)?\s*[:=]?\s*(?=\S)", re.IGNORECASE)


def read(text: str, expected: Expectation) -> Reading | None:
    """The output itself, where it is one value of the kind."""
    line = re.sub(r"^[-*•]\s+(?=[^\W\d][^\n]*$)", "", text.strip())
    content = _LABELLED.sub("", line)
    if _EMPTY.match(line) or _NO_ANSWER.match(line):
        return None
    if len(line) > 300 or phrases.PLACEHOLDER.fullmatch(content) or "boxed" in line:
        return None
    if expected.options and expected.kind in ("any", "choice"):
        return _choice(line, expected)
    closed = reading.is_closed_set(expected)
    if closed or expected.kind == "any":
        label = _label(line, expected)
        if label is not None or closed:
            return label
    first = line.split("\n")[0].strip()
    body = line if "\n" not in line else first if _only_further(line, first) else line
    number = _number(body, expected)
    if number is not None or expected.kind == "number":
        return number
    if expected.kind == "date":
        whole = dates.read(phrases.trimmed(body), expected.order) is not None
        return reading.read_date(body, expected) if whole else None
    if expected.kind == "symbols":
        return reading.of_statement(body, expected, final=False)
    if phrases.ABSTAINS.search(line) or phrases.is_refusal(line):
        return None
    if "\n" in body:
        return _rows(body, expected)
    return _expression(body) or _text(body, expected)


def _choice(line: str, expected: Expectation) -> Reading | None:
    """The option that the first paragraph is."""
    paragraph = line.split("\n\n")[0]
    several = {one or other for one, other in _MARKED.findall(paragraph)}
    if len(several & set(expected.options)) > 2:
        return None
    chosen = options.read(paragraph, expected.options)
    if chosen is not None and chosen.status == "negated":  # Not A. D.
        rest = line[sentence_splitting.end_of(line, 5) :].lstrip(". ")
        chosen = (options.read(rest, expected.options) if rest else None) or chosen
    if chosen is None or (chosen.status == "" and phrases.ABSTAINS.search(line)):
        return None
    if chosen.status:
        return Reading(phrases.in_one_line(line), chosen.status)
    return Reading(", ".join(sorted(chosen.labels)))


def _label(line: str, expected: Expectation) -> Reading | None:
    """The label of a closed set that the line is."""
    labels = expected.labels
    word = equality.label_in(line, labels) if labels else None
    if word is None and (not labels or set(labels) & set(TRUTH)):
        word = equality.label_in(line)
    if word is None or phrases.IDIOMS.match(line) or phrases.ABSTAINS.search(line):
        return None
    return Reading(phrases.as_written(line, word))


def _number(body: str, expected: Expectation) -> Reading | None:
    """The quantity that a text is, with what explains it, or that its arithmetic comes to."""
    plain = latex.plain(body)
    if (
        expected.kind in ("any", "number", "math")
        and quantities.read(plain.rstrip(".")) is not None
        and not _is_prose_number(plain)
    ):
        return Reading(phrases.without_quotes(plain), numbers_in_text.bound(plain))
    if (number := _leading_number(plain, expected)) is not None:
        return number
    if expected.kind not in ("any", "number") or "=" not in plain or "\n" in plain:
        return None
    side = equality.last_side(plain)
    arithmetic = (
        len(plain) < 80
        and re.match(r"[\d(.$-]", plain)
        and "," not in plain
        and not re.search(r"[A-Za-z]", re.sub(r"\bx\b", "", plain))
    )
    if arithmetic and quantities.read(side) is not None:
        return Reading(side, numbers_in_text.bound(side))
    return None


def _rows(body: str, expected: Expectation) -> Reading | None:
    """Several lines that are a list, where none is the number that is asked for."""
    rows = [row.strip() for row in body.split("\n") if row.strip()]
    marked = all(re.match(r"(?:\(?\d{1,3}[.)]|[-*•–])\s", row) for row in rows)
    bare = all(len(row.split()) <= 3 and row[-1].isalnum() for row in rows)
    single = not kinds.asks_number(expected.question)
    return Reading(body) if kinds.items_of(body) and single and (marked or bare) else None


def _expression(body: str) -> Reading | None:
    """The expression that a text is, or concludes with."""
    if mathematics.looks_mathematical(phrases.without_lead(body)):
        body = phrases.without_lead(body)
    if _GIVEN.match(body):
        return None
    conclusion = _SO.split(body)[-1].strip()
    if conclusion != body and mathematics.looks_mathematical(conclusion) and len(conclusion) > 2:
        body = conclusion
    prose = phrases.PROSE.search(re.sub(r"\\[a-z]+", "", body)) is not None
    if mathematics.looks_mathematical(body) and not prose:
        return Reading(phrases.without_quotes(body))
    return None


def _text(body: str, expected: Expectation) -> Reading | None:
    """A name, a list or a few words; None for a sentence."""
    if _WORDS.fullmatch(body) and _ASKS_WORDS.search(expected.question):
        return Reading(body)
    if _GIVEN.match(body) or _says_more(body, expected):
        return None
    if (placed := _PLACED.match(body)) is not None:
        value = placed["value"]
        if is_value(value, expected) or re.fullmatch(r"[A-Z]\w+", value):
            return Reading(value)
    if kinds.SYMBOLS.fullmatch(body):
        return Reading(body)
    body = phrases.without_lead(body)
    short = phrases.trimmed(body)
    cut = body[len(short) :]
    if short != body and not phrases.PROSE.search(short) and not phrases.CONCLUDES.search(cut):
        body = short
    body = _ONE.sub(r"\1", body)
    if (listed := PREFIXED.match(body)) is not None and is_list(listed["value"]):
        return Reading(listed["value"].rstrip("."))
    items = kinds.items_of(body) or []
    if len(items) > 2 and all(len(item.split()) <= 3 for item in items) and len(body) <= 200:
        return Reading(phrases.without_quotes(body))
    prose = (
        phrases.PROSE.search(body)
        or unstated_names.IS.match(body)
        or (len(body.split()) > 6 and body.endswith("."))
    )
    if len(body) <= 100 and not prose and not body.endswith(":"):
        return Reading(phrases.without_quotes(body))
    return None


def _says_more(body: str, expected: Expectation) -> bool:
    """Whether a text says what is asked for in words around it: a number, a date, a person."""
    question = expected.question
    if is_value(body, expected):
        return False
    if kinds.asks_number(question):
        return any(character.isdigit() for character in body) or len(body.split()) > 3
    if kinds.asks_date(question) and reading.has_date(body):
        return True
    if body.endswith(".") and numbers_in_text.only_measured(body):
        return True
    return kinds.asks_person(question) and unstated_names.person(body, question) is not None


_MARKED = re.compile(r"\(([A-R])\)|(?<![\w'])([A-R])[).:]")
_NAMED = re.compile(r"[A-Za-z][A-Za-z ']{0,30}[:：]\s+(?=\S)")


def _leading_number(line: str, expected: Expectation) -> Reading | None:
    """`12 km (7.5 miles)`, `18 eggs, not 20`, `Tom: 36`: one quantity, and what explains it."""
    if "\n" in line or len(line) > 120 or expected.kind not in ("any", "number"):
        return None
    short = phrases.trimmed(line)
    if re.match(r"[-+$€£.]?\s?[$€£]?\d", short) and quantities.read(short) is not None:
        return Reading(short, numbers_in_text.bound(short))
    first = line[: sentence_splitting.end_of(line, 0)]
    if quantities.read(first) is not None and line[len(first) : len(first) + 2] == ". ":
        return Reading(first, numbers_in_text.bound(first))
    named = _NAMED.match(line)
    if named is not None and (expected.kind == "number" or kinds.asks_number(expected.question)):
        rest = line[named.end() :].strip()
        if quantities.read(rest.rstrip(".")) is not None:
            return Reading(phrases.without_quotes(rest), numbers_in_text.bound(rest))
    return None


_WORDS = re.compile(r"[\w'’-]+(?: [\w'’-]+){2,}")
_ASKS_WORDS = re.compile(
    r"\b(?:sort|alphabetical\w*|arrange|in (?:reverse )?order)\b", re.IGNORECASE
)
_GIVEN = re.compile(r"(?:since|because|as|given that|if|when)\b", re.IGNORECASE)
_SO = re.compile(
    r"[,;.]\s*(?:and\s+)?(?:so|hence|thus|therefore)\s+(?:that\s+)?|\s(?:⇒|=>|→)\s", re.IGNORECASE
)
_ONE = re.compile(r"^(?:the )?([a-z]+) one\.?$", re.IGNORECASE)
PREFIXED = re.compile(r"[A-Za-z][^:\n]{2,60}:\s+(?P<value>\S[^\n]*)$")


def is_list(text: str) -> bool:
    """Whether a text is a list of short items."""
    if re.search(r"\.\s", text):
        return False
    items = kinds.items_of(text) or []
    return len(items) > 1 and all(0 < len(item.split()) <= 3 for item in items)


def is_value(text: str, expected: Expectation) -> bool:
    """Whether a text is a quantity, a date, an expression, or a list of such."""
    if quantities.read(text) is not None or dates.read(text, expected.order) is not None:
        return True
    if mathematics.looks_mathematical(text) and not phrases.PROSE.search(
        re.sub(r"\\[a-z]+", "", text)
    ):
        return True
    items = kinds.items_of(text) or []
    return len(items) > 1 and all(quantities.read(item) is not None for item in items)


def _only_further(text: str, first: str) -> bool:
    """Whether the lines after the first begin something else: an explanation after a blank line."""
    return text[len(first) :].startswith("\n\n") and quantities.read(latex.plain(first)) is not None


def _is_prose_number(text: str) -> bool:
    return bool(re.match(r"\d+\s+(?:is|are|was|were)\b", text))
