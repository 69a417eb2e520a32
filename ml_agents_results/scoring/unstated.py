"""Outputs that state no answer: the output itself, what is bold, its last line, its last value."""

import re

from ml_agents_results.scoring import (
    cleaning,
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
    unstated_choices,
    unstated_names,
    unstated_numbers,
    whole_outputs,
)
from ml_agents_results.scoring.evidence import Evidence, Reading
from ml_agents_results.scoring.kinds import TRUTH, Expectation
from ml_agents_results.scoring.plain_text import fold


def read(cleaned: cleaning.Cleaned, expected: Expectation) -> tuple[Evidence, Reading] | None:
    """The answer of an output that states none: the output itself, what is bold, its last line."""
    text = phrases.without_check(cleaned.text)
    if (found := whole_outputs.read(text, expected)) is not None:
        return "whole", found
    last = sentence_splitting.last(text)
    if (corrected := phrases.NOT_BUT.match(last.strip())) is not None:
        found = reading.of_statement(corrected["meant"], expected)
        if found is not None:
            return "last_line", found
    ending = options.at_end(text.rstrip().split("\n")[-1], expected.options)
    if ending is not None and not phrases.DENIED.search(last):
        return "last_line", Reading(ending)
    if sentence_splitting.breaks_off(text) or phrases.SORRY.search(text[:200]):
        return None
    if _INTENDS.search(last) and "=" not in last:
        return None
    shown = re.sub(r"^\(?[a-r][).:]\)?\s*", "", fold(last))
    option = bool(expected.options) and shown in map(fold, expected.options.values())
    if len(last) > 12 and fold(last) in fold(expected.question) and not option:
        return None  # an echo of the question
    if phrases.ABSTAINS.search(last) or (
        len(text) < _SHORT
        and phrases.ABSTAINS.search(text)
        and unstated_choices.UNSURE.search(last)
    ):
        return None
    if expected.options and expected.kind in ("any", "choice"):
        return unstated_choices.choice(cleaned, last, expected)
    if (found := _bold(cleaned, expected)) is not None:
        return "bold", found
    if reading.is_closed_set(expected) or expected.kind == "any":
        labels = expected.labels or (tuple(TRUTH) if expected.kind == "boolean" else ())
        if labels:
            return unstated_choices.label(text, last, labels)
    if expected.kind in ("list", "set", "any", "text"):
        block = _closing_list(text)
        if block is not None:
            return "last_line", Reading(block)
    if expected.kind == "math" and (found_math := _mathematics(text, last, expected)) is not None:
        return found_math
    measured = expected.kind == "any" and numbers_in_text.only_measured(last)
    if expected.kind in ("number", "math") or (
        expected.kind == "any" and (measured or kinds.asks_number(expected.question))
    ):
        return (
            unstated_numbers.read(text, last, expected)
            or unstated_names.copula(last, expected)
            or unstated_numbers.last_resort(last, expected.question)
        )
    if expected.kind == "date" or (
        expected.kind == "any"
        and (expected.order is not None or kinds.asks_date(expected.question))
    ):
        found = reading.read_date(last, expected)
        return ("last_line", found) if found is not None else unstated_names.copula(last, expected)
    if (closing := _SYMBOLS_AT_END.search(last.rstrip())) is not None:
        return "last_line", Reading(closing[1].strip())
    if expected.kind in ("any", "text") and kinds.asks_person(expected.question):
        person = unstated_names.person(last, expected.question)
        if person is not None:
            return "option_text", Reading(person)
    return unstated_names.last_line(text, expected) or unstated_names.copula(last, expected)


def _mathematics(text: str, last: str, expected: Expectation) -> tuple[Evidence, Reading] | None:
    """More than a number at the end: an expression, a tuple, a list of roots."""
    for found in (unstated_names.last_line(text, expected), unstated_names.copula(last, expected)):
        if found is not None and (
            mathematics.looks_mathematical(found[1].text)
            or len(kinds.items_of(found[1].text) or ()) > 1
        ):
            return found
    return None


_INTENDS = re.compile(
    r"\b(?:we|I|you)(?:'ll| will)? (?:first )?"
    r"(?:(?:would )?need (?:to|the|an?)|have to|must|should|want to)\b"
    r"|^\s*(?:first,? (?:we|let|I)|let(?:'s| us| me)|to (?:find|solve|answer|get))\b",
    re.IGNORECASE,
)
_SHORT = 300
_SYMBOLS_AT_END = re.compile(r"(?<=[A-Za-z]):([\s(\[{<>}\])]{3,})\.?$")


def _bold(cleaned: cleaning.Cleaned, expected: Expectation) -> Reading | None:
    """The last bold text that is one value of the kind."""
    for bold in reversed(cleaned.bold[-5:]):
        if not bold.strip() or bold.strip().endswith(":"):
            continue
        plain = latex.plain(bold)
        if expected.kind in ("number", "math") or (
            expected.kind == "any" and kinds.asks_number(expected.question)
        ):
            value = equality.last_side(plain) if "=" in plain else plain
            if quantities.read(value.rstrip(".")) is not None:
                last = sentence_splitting.last(cleaned.text)
                if (
                    value not in last
                    and bold not in last
                    and unstated_numbers.read(cleaned.text, last, expected)
                ):
                    return None  # something later is stated plainly
                return Reading(phrases.without_quotes(value), numbers_in_text.bound(value))
        elif reading.is_closed_set(expected):
            word = equality.label_in(plain, expected.labels)
            if word is not None:
                return Reading(phrases.as_written(bold, word))
        elif (
            expected.kind in ("any", "text")
            and bold in sentence_splitting.last(cleaned.text)
            and len(bold) <= 80
            and not phrases.PROSE.search(bold)
        ):
            return Reading(phrases.without_quotes(bold))
    return None


def _closing_list(text: str) -> str | None:
    """The list at the end of an output, below a line that ends with a colon."""
    lines = text.rstrip().split("\n")
    rows: list[str] = []
    while lines and re.match(r"\s*(?:\(?\d{1,3}[.)]|[-*•–])\s+\S", lines[-1]):
        rows.insert(0, lines.pop().strip())
    while lines and not lines[-1].strip():
        lines.pop()
    if len(rows) > 1 and lines and lines[-1].rstrip().endswith(":"):
        return "\n".join(rows)
    return None
