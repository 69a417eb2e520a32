"""Options and labels of outputs that state no answer: what the last sentences say of them."""

import re

from ml_agents_results.scoring import (
    cleaning,
    equality,
    options,
    phrases,
    reading,
    sentence_splitting,
)
from ml_agents_results.scoring.evidence import Evidence, Reading
from ml_agents_results.scoring.kinds import TRUTH, Expectation

_MARKED = re.compile(
    r"\(([A-R])\)|(?<![\w'°])(?<!\d\s)([B-HJ-R])(?=[.,;!?)]|\s*$|\s+(?:is|are|fits|matches)\s)"
)
_CHECKED = re.compile(
    r"\(?\b([A-R])[).:]\)?(?:(?!\b[A-R][).:])[^\n()]){0,120}?[-–—:,(\s]\s*"
    r"(?:yes|correct|right|true|✓|✔|✅)\b",
    re.IGNORECASE,
)
_ITEM = re.compile(r"\(?[A-R][).]")
_A_AND = re.compile(r"(?<![\w'])A(?=\s+(?:and|or)\b)")
UNSURE = re.compile(
    r"\b(?:or|between|might|may|maybe|perhaps|possibly|could|torn|either|anything|except"
    r"|other than|unless)\b",
    re.IGNORECASE,
)


def choice(
    cleaned: cleaning.Cleaned, last: str, expected: Expectation
) -> tuple[Evidence, Reading] | None:
    """The options that an output comes to: in bold, checked off, or named in its last sentence."""
    for bold in reversed(cleaned.bold[-3:]):
        chosen = options.read(bold, expected.options, statement=False)
        if chosen is not None and not chosen.status and len(chosen.labels) == 1:
            return "bold", Reading(next(iter(chosen.labels)))
    checked = {found[1] for found in _CHECKED.finditer(cleaned.text)} & set(expected.options)
    if len(checked) == 1:
        return "last_line", Reading(checked.pop())
    lines = [line.strip() for line in cleaned.text.split("\n") if line.strip()]
    if len(lines) > 1 and _ITEM.fullmatch(lines[-1]) and any(map(_ITEM.match, lines[:-1])):
        return None  # cut off in a list of the options
    chosen = options.read(lines[-1], expected.options, statement=False) if lines else None
    if chosen is not None:
        if chosen.status:
            return "last_line", Reading(phrases.in_one_line(lines[-1]), chosen.status)
        return "last_line", Reading(", ".join(sorted(chosen.labels)))
    return _in_sentence(last, expected)


def _in_sentence(last: str, expected: Expectation) -> tuple[Evidence, Reading] | None:
    """The one label, or the one option's text, that a sentence asserts."""
    denied = phrases.DENIED.search(last) is not None
    if options.MULTIPLE.search(expected.question) and not denied:
        several = options.all_named(last, expected.options)
        if len(several) > 1:
            return "last_line", Reading(", ".join(sorted(several)))
    labels = [one or other for one, other in _MARKED.findall(last)]
    labels = [name for name in labels if name in expected.options]
    if not labels:
        by_text = options.asserted(last, expected.options)
        return ("option_text", Reading(next(iter(by_text.labels)))) if by_text else None
    unsure = UNSURE.search(last) or _A_AND.search(last)
    if len(set(labels)) == 1 and not denied and not unsure:
        return "last_value", Reading(labels[-1])
    return None


def label(text: str, last: str, labels: tuple[str, ...]) -> tuple[Evidence, Reading] | None:
    """The label of a closed set that one of the last sentences, or the first one, asserts."""
    closed = tuple({*labels, *(TRUTH if set(labels) & set(TRUTH) else ())})
    side = equality.last_side(last) if "=" in last else ""
    if side and (word := equality.label_in(side, closed)):
        return "last_line", Reading(phrases.as_written(side, word))
    sentences = [
        s for line in text.split("\n") for s in sentence_splitting.split(line) if s.strip(" .")
    ]
    for sentence in reversed(sentences[-_OUTER_SENTENCES:]):
        ends = re.search(r"(?:\bis|=|evaluates to|becomes|gives)\s+(\w+)\W*$", sentence)
        logic = re.fullmatch(_LOGIC_WORDS, sentence.strip(" .!"), re.IGNORECASE)
        if ends is not None and logic is not None and ends[1].casefold() in closed:
            return "last_line", Reading(ends[1])
        clause = re.split(r"\bbut\b|\bso\b|\btherefore\b|;", sentence)[-1].strip(" ,")
        for part in (sentence.strip(), clause):
            if (word := equality.label_in(part, closed)) and not phrases.IDIOMS.match(part):
                return "last_line", Reading(phrases.as_written(part, word))
            if (single := reading.only_label(part, closed)) is not None:
                return "last_line", Reading(single)
        if _mentions(sentence, closed):
            return None
    if (
        sentences
        and (word := equality.label_in(sentences[0], closed))
        and not phrases.IDIOMS.match(sentences[0].strip())
    ):
        return "last_value", Reading(phrases.as_written(sentences[0], word))
    return None


_OUTER_SENTENCES = 3
_LOGIC_WORDS = r"[\s()]*(?:(?:so|not|and|or|true|false|is|gives|becomes|=)[\s(),]*)+"


def _mentions(sentence: str, labels: tuple[str, ...]) -> bool:
    return any(
        re.search(rf"(?<![\w-]){re.escape(label)}(?![\w-])", sentence, re.IGNORECASE)
        for label in labels
    )
