"""Names and other texts of outputs that state no answer: what the last sentence is about."""

import re

from ml_agents_results.scoring import (
    dates,
    equality,
    kinds,
    latex,
    mathematics,
    numbers_in_text,
    phrases,
    quantities,
    sentence_splitting,
    whole_outputs,
)
from ml_agents_results.scoring.evidence import Evidence, Reading
from ml_agents_results.scoring.kinds import Expectation

_CONNECTIVE = re.compile(
    r"^(?:so|thus|hence|therefore|then|finally|in total|in conclusion|overall|altogether)\b,?\s*",
    re.IGNORECASE,
)
IS = re.compile(
    r"^(?P<subject>.{1,80}?)\s+(?:is|was|are|were|equals|weighs|costs|measures|becomes|(?:leaves"
    r"|departs) (?:at|on)|starts at|ends at|arrives at|takes place (?:on|at|in)|happened (?:on|in))"
    r"\s+(?P<predicate>[^,;:\s].{0,60}?)[.!]?$"
)
_PRONOUN = re.compile(
    r"(?:I (?:think|believe|guess|say|would say) (?:that )?)?(?:it|this|that|the answer)"
    r"(?:'s| is| was)\s+(?P<name>.{1,60}?)[.!]?$",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\s(?:is|was|are|were|equals|weighs|costs|measures|becomes|yields|(?:we|I|this|that|it|which)"
    r" (?:get|gets|give|gives|have|obtain|find))\s(?:(?:at|in|on|to)\s)?",
    re.IGNORECASE,
)
_MATHEMATICS = re.compile(r"\$([^$\n]{1,200})\$|\\\((.{1,200}?)\\\)")


def _only_mathematics(sentence: str) -> str | None:
    """The only formula in a sentence that ends with it: `It is increasing for $x > 2$.`"""
    found = list(_MATHEMATICS.finditer(sentence))
    if len(found) != 1 or sentence[found[0].end() :].strip(" ."):
        return None
    text = found[0][1] or found[0][2]
    return text if mathematics.looks_mathematical(text) or quantities.read(text) else None


_ASSIGNED = re.compile(r"(?<![\w)])[a-z](?:_?\d)?\s?=")
_ASKS_NAME = re.compile(r"\b(?:who|whose|whom|where|why)\b", re.IGNORECASE)


def _others(text: str, question: str) -> bool:
    """Whether a text holds a quantity that the question does not name."""
    given = {span.quantity.value for span in quantities.find(latex.plain(question))}
    return any(span.quantity.value not in given for span in quantities.find(text))


def copula(sentence: str, expected: Expectation) -> tuple[Evidence, Reading] | None:
    """`The ratio is 3:2.`, `Ada is third.`: the side that the question does not name."""
    original = sentence
    sentence = re.split(r",\s+but\s+(?=\w+ )", sentence)[-1]
    conclusion = phrases.CONCLUDES.split(sentence)[-1]
    if conclusion != sentence and IS.match(conclusion.strip(" ,")):
        sentence = conclusion.strip(" ,")
    sentence = _CONNECTIVE.sub("", phrases.trimmed(_CONNECTIVE.sub("", sentence.strip())))
    if phrases.DENIED.search(sentence):
        return None
    listed = whole_outputs.PREFIXED.match(sentence)
    wanted = not kinds.asks_number(expected.question)
    if wanted and listed is not None and whole_outputs.is_list(listed["value"]):
        return "last_line", Reading(listed["value"].rstrip("."))
    if sentence != original and whole_outputs.is_value(sentence, expected):
        return "last_line", Reading(sentence, numbers_in_text.bound(sentence))
    if (single := _only_mathematics(sentence) or _only_mathematics(conclusion)) is not None:
        return "last_line", Reading(single)
    value = _VERB.split(sentence)[-1]
    for predicate in (value, phrases.trimmed(value)):
        if predicate == sentence:
            break
        subject = sentence.removesuffix(value)
        alone = re.match(r"[$€£(]?\d[^,]*\s(?:is|are|equals|makes)\s*$", subject) is not None or (
            not _others(subject, expected.question)
            and "," not in subject
            and not _ASKS_NAME.search(expected.question)
        )
        if dates.read(predicate, expected.order) is not None or (
            alone and whole_outputs.is_value(predicate, expected)
        ):
            return "last_line", Reading(predicate, numbers_in_text.bound(predicate))
    if expected.kind == "number" or kinds.asks_number(expected.question):
        return None
    if (named := _PRONOUN.match(sentence)) is not None:
        name = re.sub(r"^(?:an?|the)\s+", "", named["name"].strip("\"' "))
        plain = name[:1].isupper() and not phrases.PLACEHOLDER.fullmatch(name)
        return ("option_text", Reading(name)) if plain else None
    found = IS.match(sentence)
    if found is None:
        return None
    subject, predicate = found["subject"], phrases.trimmed(found["predicate"])
    asked = set(re.findall(r"\w{3,}", expected.question.casefold())) - {"the", "what", "which"}
    in_predicate, in_subject = (
        set(re.findall(r"\w{3,}", side.casefold())) - {"the"} for side in (predicate, subject)
    )
    noun = re.search(r"\b(?:what|which)\s+(?:is the\s+)?(\w{3,})", expected.question, re.IGNORECASE)
    if noun is not None and noun[1].casefold() in in_subject and len(predicate) <= 40:
        return "option_text", Reading(predicate)
    if in_predicate and in_predicate <= asked and not in_subject & asked:
        return "option_text", Reading(subject)
    if in_subject and in_subject <= asked and not in_predicate & asked and len(predicate) <= 40:
        return "option_text", Reading(predicate)
    return None


_NAME = (
    r"(?:(?:the |Sir |Dr\.? |St\.? )?[A-Z][\w.'’-]*"
    r"(?:\s(?:[A-Z][\w.'’-]*|of|de|da|del|van|von|der|la|le|bin|al|the(?= [A-Z]))){0,5})"
)
_BY = re.compile(
    rf"\b\w{{1,20}}(?:ed|en|n|t)\s+by\s+(?P<name>{_NAME})"
    r"(?=[.,;!]|\s+(?:in|on|at|during|for|and)\b|\s*$)"
)
_IS_NAME = re.compile(
    rf"\b(?:is|was|were|are)\s+(?P<name>{_NAME})(?=[.,;!(]|\s*$|\s+(?:in|who|and)\b)"
)
_DOES = re.compile(rf"^(?:It (?:is|was) )?(?P<name>{_NAME})\s+(?:who\s+|that\s+)?(?P<rest>.+)$")


def person(sentence: str, question: str) -> str | None:
    """Who a sentence says it is: `Frankenstein was written by Mary Shelley.`, `Mary Shelley wrote
    Frankenstein.`, `The author is Mary Shelley.`"""
    sentence = re.split(r",?\s+but\s+", _CONNECTIVE.sub("", sentence.strip()))[-1]
    if phrases.DENIED.search(sentence):
        return None
    asked = set(re.findall(r"\w{3,}", question.casefold()))
    if (done := _DOES.match(sentence)) is not None:
        words = set(re.findall(r"\w{3,}", done["name"].casefold()))
        verb = re.match(r"(?:is|was|were|are)?\s*(?:the\s+)?(\w{3,})", done["rest"])
        if verb is not None and verb[1].casefold() in asked and not words & asked:
            return done["name"].rstrip(".")
    for pattern in (_BY, _IS_NAME):
        for found in pattern.finditer(sentence):
            words = set(re.findall(r"\w{3,}", found["name"].casefold()))
            if not words & asked and not phrases.PLACEHOLDER.fullmatch(found["name"]):
                return found["name"].rstrip(".")
    return None


def last_line(text: str, expected: Expectation) -> tuple[Evidence, Reading] | None:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        return None
    last = lines[-1].strip("*_# ")
    plain = latex.plain(last)
    if "=" in plain:
        sentence = sentence_splitting.last(text)
        conclusion = phrases.CONCLUDES.split(sentence)[-1]
        if conclusion != sentence and "=" not in conclusion:
            value = phrases.trimmed(latex.plain(conclusion)).rstrip(".")
            return ("last_line", Reading(value)) if quantities.read(value) else None
        if len(_ASSIGNED.findall(conclusion)) > 1 and not phrases.PROSE.search(conclusion):
            return "last_line", Reading(phrases.trimmed(conclusion))
        side = phrases.trimmed(equality.last_side(sentence))
        if quantities.read(side) is not None or mathematics.looks_mathematical(side):
            return "last_line", Reading(side)
        word = equality.label_in(side)
        if word is not None:
            return "last_line", Reading(phrases.as_written(side, word))
    if (
        len(lines) > 1
        and len(last) <= 60
        and not phrases.PROSE.search(last)
        and not last.endswith((":", ","))
        and (quantities.read(plain.rstrip(".")) is not None or len(last.split()) <= 5)
    ):
        return "last_line", Reading(phrases.without_quotes(last))
    return None
