"""Evidence: how an answer stands in an output, and what is stated and read there."""

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
