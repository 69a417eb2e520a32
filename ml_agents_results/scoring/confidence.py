"""Confidence: how often answers that stand so in an output were the ones that the model meant."""

from collections.abc import Sequence

from ml_agents_results.scoring.evidence import Evidence

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

REVIEW = 0.6
"""Below this a person should look at the answer."""


def confidence(
    evidence: Evidence,
    agreeing: float,
    penalties: Sequence[float] = (),
) -> float:
    """The confidence in an answer, 0 to 1.

    Args:
        evidence: How it stands in the output.
        agreeing: The share of statements of one rank that agree with it, 0 to 1.
        penalties: Factors for what makes it less certain.
    """
    value = CALIBRATION[evidence] * (0.7 + 0.3 * agreeing if agreeing < 1 else 1.0)
    for factor in penalties:
        value *= factor
    return round(value, 4)
