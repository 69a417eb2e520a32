"""Numbers of outputs that state no answer: the one that the last sentence comes to."""

import re

from ml_agents_results.scoring import (
    latex,
    mathematics,
    numbers_in_text,
    phrases,
    quantities,
    sentence_splitting,
    units,
)
from ml_agents_results.scoring.evidence import Evidence, Reading
from ml_agents_results.scoring.kinds import Expectation

_IN_OTHER_WORDS = re.compile(
    r",?\s*(?:\bi\.e\.|\bthat is,|\bin other words|\bor equivalently|\bor about\b)", re.IGNORECASE
)


def read(text: str, last: str, expected: Expectation) -> tuple[Evidence, Reading] | None:
    plain = _IN_OTHER_WORDS.split(latex.plain(last))[0]
    given = {span.quantity.value for span in quantities.find(latex.plain(expected.question))}
    sides = re.split(r"=|≈", plain)
    if len(sides) > 1:
        spans = list(quantities.find(sides[-1].strip()))
        side = phrases.trimmed(sides[-1])
        if quantities.read(side) is not None:
            return "last_line", Reading(side, numbers_in_text.bound(side))
        if (
            spans
            and spans[0].start == 0
            and (head := numbers_in_text.quantity_at_head(side)) is not None
        ):
            return "last_line", Reading(head)
        if expected.kind in ("math", "any") and mathematics.looks_mathematical(side):
            return "last_line", Reading(side)
    found = numbers_in_text.single_quantity(plain, label=False)
    if found is None:
        if (earlier := sentence_splitting.previous(text, last)) is None:
            return None
        if phrases.ABSTAINS.search(earlier):
            return None
        plain = latex.plain(earlier)
        sides = re.split(r"=|≈", plain)
        side = phrases.trimmed(sides[-1])
        if len(sides) > 1 and quantities.read(side) is not None:
            return "last_line", Reading(side, numbers_in_text.bound(side))
        found = numbers_in_text.single_quantity(plain, label=False)
        if found is None:
            return None
    if found.status == "multiple":
        conclusion = phrases.CONCLUDES.split(plain)[-1]
        if conclusion != plain:
            concluded = numbers_in_text.single_quantity(conclusion, label=False)
            if concluded is not None and not concluded.status:
                return "last_line", Reading(concluded.text)
        spans = list(quantities.find(plain))
        fresh = [span for span in spans if span.quantity.value not in given]
        if len({span.quantity.value for span in fresh}) == 1:
            span = fresh[-1]
            return "last_line", Reading(plain[span.start : span.end].strip())
        unit = _unit_asked(expected.question)
        fitting = [span for span in spans if unit and span.quantity.unit == unit]
        if len({span.quantity.value for span in fitting}) == 1:
            span = fitting[-1]
            return "last_value", Reading(plain[span.start : span.end].strip())
        if (named := _named_clause(plain, expected.question)) is not None:
            return "last_value", Reading(named)
        if len({span.quantity.unit for span in spans}) == len(spans):
            return "last_value", Reading(plain[spans[-1].start : spans[-1].end].strip())
        return None
    if found.status:
        return "last_value", found
    return "last_line", Reading(found.text)


def _named_clause(sentence: str, question: str) -> str | None:
    """The quantity of the clause about whom the question asks: `Ann has 12 and Tom has 36.`"""
    asked = re.split(r"(?<=[.!])\s", question.strip())[-1]
    names = set(re.findall(r"(?<!^)\b[A-Z][a-z]+\b", asked))
    if not names:
        return None
    clauses = re.split(r",\s|;\s|\s(?:and|while|but|whereas)\s", sentence)
    about = [clause for clause in clauses if names & set(re.findall(r"\b[A-Z][a-z]+\b", clause))]
    if len(about) != 1 or len(clauses) < 2:
        return None
    spans = list(quantities.find(about[0]))
    return about[0][spans[0].start : spans[0].end].strip() if len(spans) == 1 else None


def _unit_asked(question: str) -> str | None:
    found = re.search(
        r"\bhow (?:many|much)\s+(?:more |total |in )?([a-z]+)|\bin ([a-z/%]+)\s*\?",
        question,
        re.IGNORECASE,
    )
    return units.canonical(found[1] or found[2]) if found else None
