"""Numbers of outputs that state no answer: the one that the last sentence comes to."""

import re

from ml_agents_results.scoring import (
    latex,
    mathematics,
    number_words,
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
_COMES_TO = re.compile(r"=|≈|→")
_CLAUSES = re.compile(r",\s|;\s|\s(?:and|while|but|whereas)\s")
_COUNTED = re.compile(
    r"\bhow (?:many|much)\s+((?:more |total |other )*[a-z]+)|\bin ([a-z/%]+)\s*\?", re.IGNORECASE
)
_ASKS = re.compile(r",\s+(?=(?:how|what|which|who)\b)", re.IGNORECASE)
_UNDECIDED = re.compile(
    r"\b(?:or|between|either|about|roughly|approximately|around|at least|at most|over|under|not|no"
    r"|(?:more|less|fewer|greater) than|n't|wrong|incorrect|might|may|maybe|perhaps|possibly)\b"
    r"|[<>]",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:has|have|had|is|are|was|were|be|makes?|made|gets?|got|needs?|takes?|took|costs?|pays?"
    r"|paid|earns?|earned|saves?|saved|spends?|spent|sells?|sold|uses?|used|equals?|receives?"
    r"|reads?|walks?|runs?|drives?|travels?|weighs?|measures?|contains?)\s+"
    r"(?:a total of |now |then |still |only |exactly |just )*$",
    re.IGNORECASE,
)
_OUT_OF = re.compile(r"(?<![\d.,/])(\d+) (?:out of|in) (\d+)(?![\d.,/]\d)")
_OPPOSITES = [
    (re.compile(rf"\b(?:{one})\b", re.IGNORECASE), re.compile(rf"\b(?:{other})\b", re.IGNORECASE))
    for one, other in (
        ("larger|bigger|greater|higher|largest|biggest|greatest|highest|maximum",
         "smaller|lesser|lower|smallest|least|lowest|minimum"),
        ("older|oldest", "younger|youngest"),
        ("longer|longest|taller|tallest", "shorter|shortest"),
        ("first", "second|last"),
    )
]  # fmt: skip
"""Words that ask for one of two, and those that say that a sentence is about the other."""
_ASKS_PART = re.compile(r"\b(?:fraction|portion|part|share|probability)\b", re.IGNORECASE)
_RESULT_OF = re.compile(
    r"\bthe (?:sum|total|difference|product|quotient|average|mean|result)\b[^=]{1,80}?"
    r"\b(?:is|equals)\s+(?P<value>[^=,;]{1,40}?)[.!]?$",
    re.IGNORECASE,
)
_ASKING = frozenset(
    ("what", "which", "many", "much", "does", "have", "will", "there", "they", "that", "with",
     "from", "were", "been", "each", "more", "total", "altogether")
)  # fmt: skip


def read(text: str, last: str, expected: Expectation) -> tuple[Evidence, Reading] | None:
    """The number that the last sentence with a quantity comes to.

    Args:
        last: The last sentence of the text.
    """
    found = _of_sentence(last, expected)
    if found is None and not _has_quantity(last):
        earlier = sentence_splitting.previous(text, last)
        if earlier is not None and not phrases.ABSTAINS.search(earlier):
            found = _of_sentence(earlier, expected)
    return found


def _has_quantity(sentence: str) -> bool:
    plain = _IN_OTHER_WORDS.split(latex.plain(sentence))[0]
    parts = (plain, plain.split(": ")[0])
    return any(numbers_in_text.single_quantity(part, label=False) for part in parts)


def _of_sentence(sentence: str, expected: Expectation) -> tuple[Evidence, Reading] | None:
    plain = _IN_OTHER_WORDS.split(latex.plain(sentence))[0]
    conclusion = phrases.CONCLUDES.split(plain)[-1]
    if _COMES_TO.search(plain) and not _COMES_TO.search(conclusion) and _has_quantity(conclusion):
        plain = conclusion  # `x = 32, so Tom has 96`
    if _COMES_TO.search(plain) and (side := _of_side(plain, expected)) is not None:
        return side
    if _ASKS_PART.search(expected.question):
        parts = list(number_words.PART.finditer(plain))
        if len(parts) == 1:
            return "last_line", Reading(parts[0][0])
        if len(odds := _OUT_OF.findall(plain)) == 1:  # `3 out of 20`
            return "last_line", Reading("/".join(odds[0]))
    found = numbers_in_text.single_quantity(plain, label=False)
    if found is None and ": " in plain:  # `You have four instruments: a flute, ...`
        found = numbers_in_text.single_quantity(plain.split(": ")[0], label=False)
    if found is None:
        return None
    if found.status != "multiple" and _about_another(plain, expected.question):
        return "last_value", Reading(plain.strip())
    if found.status == "multiple":
        return _one_of(plain, conclusion, expected.question)
    return ("last_value", found) if found.status else ("last_line", Reading(found.text))


def _of_side(plain: str, expected: Expectation) -> tuple[Evidence, Reading] | None:
    """What stands right of the last sign."""
    if (value := numbers_in_text.of_last_side(plain)) is not None:
        return "last_line", value
    side = phrases.trimmed(_COMES_TO.split(plain)[-1])
    if (head := numbers_in_text.quantity_at_head(side)) is not None:
        return "last_line", Reading(head)
    if expected.kind in ("math", "any") and mathematics.looks_mathematical(side):
        return "last_line", Reading(side)
    return None


def _one_of(plain: str, conclusion: str, question: str) -> tuple[Evidence, Reading] | None:
    """The quantity of several that is meant: the conclusion, a new one, that of the asked unit."""
    if conclusion != plain:
        concluded = numbers_in_text.single_quantity(conclusion, label=False)
        if concluded is not None and not concluded.status:
            return "last_line", Reading(concluded.text)
    if (counted := _RESULT_OF.search(plain)) is not None and quantities.read(counted["value"]):
        return "last_line", Reading(counted["value"])
    if (named := _named_clause(plain, question, among_all=True)) is not None:
        return "last_value", Reading(named)
    for part in dict.fromkeys((conclusion, plain)):
        if (fresh := numbers_in_text.not_given(part, question)) is not None:
            return "last_line", Reading(fresh)
    spans = list(quantities.find(plain))
    unit = units.asked(question)
    fitting = [span for span in spans if unit and span.quantity.unit == unit]
    if len({span.quantity.value for span in fitting}) == 1:
        return "last_value", Reading(plain[fitting[-1].start : fitting[-1].end].strip())
    if (named := _named_clause(plain, question)) is not None:
        return "last_value", Reading(named)
    return None


def last_resort(sentence: str, question: str) -> tuple[Evidence, Reading] | None:
    """The new quantity that a verb of the last sentence comes to: `After losing 6 he has 24.`"""
    plain = latex.plain(sentence)
    if _UNDECIDED.search(plain):
        return None
    clauses = re.split(r";\s|,\s(?:and\s)?then\s", plain)
    given = {span.quantity.value for span in quantities.find(latex.plain(question))}
    spans = [
        span
        for span in quantities.find(clauses[-1])
        if span.quantity.value not in given and _VERB.search(clauses[-1][: span.start])
    ]
    if len({span.quantity.value for span in spans}) != 1:
        return None
    return "last_value", Reading(clauses[-1][spans[-1].start : spans[-1].end].strip())


def _about_another(sentence: str, question: str) -> bool:
    """Whether a sentence is about somebody else than the question: `Ann has 96.` where Tom is asked
    about."""
    asked = _ASKS.split(re.split(r"(?<=[.!])\s", question.strip())[-1])[-1]
    wanted, named = (
        set(re.findall(r"(?<!^)\b[A-Z][a-z]+\b", text)) for text in (asked, f" {question}")
    )
    for pair in _OPPOSITES:
        for one, other in (pair, pair[::-1]):
            if one.search(asked) and other.search(sentence) and not one.search(sentence):
                return True
    about = set(re.findall(r"\b[A-Z][a-z]+\b", sentence)) & named
    return bool(wanted and about) and not wanted & about


def _named_clause(sentence: str, question: str, *, among_all: bool = False) -> str | None:
    """The quantity of the clause that the question asks about: `Ann has 12 and Tom has 36.`,
    `6 are absent; the other 34 are present.`

    Args:
        among_all: Only where each clause has a quantity of its own.
    """
    asked = _ASKS.split(re.split(r"(?<=[.!])\s", question.strip())[-1])[-1]
    clauses = _CLAUSES.split(sentence)
    if len(clauses) < 2 or (among_all and not all(map(quantities.holds_one, clauses))):
        return None
    names = set(re.findall(r"(?<!^)\b[A-Z][a-z]+\b", asked))
    about = [clause for clause in clauses if names & set(re.findall(r"\b[A-Z][a-z]+\b", clause))]
    if not about:
        counted = _COUNTED.search(asked)
        words = set(re.findall(r"[a-z]{4,}", asked.lower())) - _ASKING
        words -= set((counted[1] or counted[2]).lower().split()) if counted else set()
        about = [
            clause
            for clause in clauses
            if words & set(re.findall(r"[a-z]{4,}", clause.lower()))
            and (among_all or numbers_in_text.not_given(clause, question))
        ]
    if len(about) != 1:
        return None
    spans = list(quantities.find(about[0]))
    return about[0][spans[0].start : spans[0].end].strip() if len(spans) == 1 else None
