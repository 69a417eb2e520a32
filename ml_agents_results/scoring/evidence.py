"""Evidence: how an answer stands in an output, what is read there, and how sure that is."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Evidence = Literal[
    "structured", "tag", "box", "hashes", "label", "sentence", "pattern", "whole", "bold",
    "last_line", "option_text", "last_value",
]  # fmt: skip
"""How an answer stands in an output, from the plainest to the weakest."""
FINAL = frozenset({"structured", "tag", "box", "hashes", "pattern"})
"""Evidence whose content is the answer, readable or not."""
LONGEST = 1000
"""Characters of an answer."""

CALIBRATION: dict[Evidence, float] = {
    "structured": 0.99,
    "pattern": 0.98,
    "tag": 0.97,
    "hashes": 0.99,
    "box": 0.97,
    "label": 0.97,
    "sentence": 0.97,
    "whole": 0.89,
    "bold": 0.85,
    "last_line": 0.88,
    "option_text": 0.75,
    "last_value": 0.5,
}
"""The probability that an answer that stands so is the one that the model meant; docs/scoring.md
says how it was measured."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One place that states an answer.

    Attributes:
        start, end: Where in the cleaned text.
        evidence: What kind of statement it is.
        text: What is stated.
        negated: Whether the statement is denied ("I do not think the answer is 12").
        closed: Whether anything follows that shows it to be complete.
    """

    start: int
    end: int
    evidence: Evidence
    text: str
    negated: bool = False
    closed: bool = True


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


def confidence(evidence: Evidence, agreeing: float = 1.0, *, loose: bool = False) -> float:
    """The confidence in an answer, 0 to 1.

    Args:
        agreeing: The share of statements of one rank that agree with it, 0 to 1.
        loose: Whether it was picked out of a longer sentence.
    """
    value = CALIBRATION[evidence] * (0.7 + 0.3 * agreeing if agreeing < 1 else 1.0)
    return round(value * 0.95 if loose else value, 4)
