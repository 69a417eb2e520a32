"""Regression gate: whether a candidate is at most a margin worse, or worse, or neither is shown.

Non-inferiority by Tango's score test (Tango 1998, Stat Med 17:891, doi:10.1002/(SICI)1097-0258
(19980430)17:8<891::AID-SIM780>3.0.CO;2-B); the verdicts and the number of samples that decides
follow from it.
"""

import math
from statistics import NormalDist
from typing import Literal

from ml_agents_results.statistics.paired_intervals import tango_nuisance

GateVerdict = Literal["pass", "worse", "undecided"]

POWER = 0.8
"""The power of the number of samples that decides."""


def gate_verdict(p_non_inferior: float | None, p_worse: float | None, alpha: float) -> GateVerdict:
    """`pass` where a loss of the margin is excluded, else `worse` where a loss is shown.

    A loss of the margin passes, and no loss is called worse, with probability alpha at most.

    Args:
        p_non_inferior: For a loss of the margin or more; None where it is not known.
        p_worse: One-sided, for no loss; corrected for the number of rules.
    """
    if p_non_inferior is not None and p_non_inferior <= alpha:
        return "pass"
    if p_worse is not None and p_worse <= alpha:
        return "worse"
    return "undecided"


def one_sided(p_value: float, difference: float, higher_is_better: bool = True) -> float:
    """The one-sided p for a loss, from a symmetric two-sided one."""
    loss = difference < 0 if higher_is_better else difference > 0
    return p_value / 2 if loss else 1 - p_value / 2


def binary_samples_needed(discordance: float, margin: float, alpha: float = 0.05) -> int:
    """Shared samples that decide with 80% power where there is no difference.

    n = ((z_a sqrt(2q - M(1 + M)) + z_b sqrt(psi)) / M)^2, q the maximum likelihood share of samples
    that only the baseline has right if the loss is M. The usual (z_a + z_b)^2 psi / M^2 is too few.

    Args:
        discordance: Share psi of the samples that one of the two has right, above 0.
        margin: A fraction.
    """
    half = discordance / 2
    nuisance = tango_nuisance(half, half, 1.0, -margin)
    under_loss = math.sqrt(max(0.0, 2 * nuisance - margin * (1 + margin)))
    root = _quantile(1 - alpha) * under_loss + _quantile(POWER) * math.sqrt(discordance)
    return math.ceil((root / margin) ** 2)


def numeric_samples_needed(deviation: float, margin: float, alpha: float = 0.05) -> int:
    """Shared samples that decide with 80% power where there is no difference.

    Args:
        deviation: Standard deviation of the paired differences, in the unit of the margin.
    """
    factor = _quantile(1 - alpha) + _quantile(POWER)
    return math.ceil((factor * deviation / margin) ** 2)


def _quantile(probability: float) -> float:
    return NormalDist().inv_cdf(probability)
