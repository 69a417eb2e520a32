"""AUROC: whether right answers are given with more confidence than wrong ones.

Sources:
    DeLong, DeLong, Clarke-Pearson 1988, doi:10.2307/2531595
"""

import math
from dataclasses import dataclass

import numpy as np

from ml_agents_results.statistics.calibration import NO_VALUES, ConfidenceTable
from ml_agents_results.statistics.distributions import z_quantile


@dataclass(frozen=True, slots=True)
class Auroc:
    """Probability that a right answer had the higher confidence (ties count half).

    `se` by DeLong; the interval is formed on the log odds, so it stays inside 0..1. Both are
    `None` when the area is 0 or 1 (`perfect_ranking`) or a class has one member (`n_lt_2`).
    """

    value: float | None
    se: float | None
    ci_low: float | None
    ci_high: float | None
    n_correct: int
    n_wrong: int
    level: float
    null_reason: str | None = None


def auroc(table: ConfidenceTable, confidence: float = 0.95) -> Auroc:
    """Mann-Whitney U / (n1 n0) with the error of DeLong, DeLong, Clarke-Pearson (1988).

    Undefined with `no_values`, `one_class` or `one_distinct_confidence`.
    """
    z = z_quantile(confidence)
    right, wrong = table.correct, table.wrong
    n1, n0 = int(right.sum()), int(wrong.sum())

    def undefined(reason: str) -> Auroc:
        return Auroc(None, None, None, None, n1, n0, confidence, reason)

    if n1 + n0 == 0:
        return undefined(NO_VALUES)
    if n1 == 0 or n0 == 0:
        return undefined("one_class")
    if len(table.confidence) == 1:
        return undefined("one_distinct_confidence")
    wrong_below = (np.cumsum(wrong) - wrong / 2.0) / n0
    right_above = (n1 - np.cumsum(right) + right / 2.0) / n1
    area = float(right @ wrong_below) / n1
    if min(n1, n0) < 2:
        return Auroc(area, None, None, None, n1, n0, confidence, "n_lt_2")
    spread1 = float(right @ (wrong_below - area) ** 2) / (n1 - 1)
    spread0 = float(wrong @ (right_above - area) ** 2) / (n0 - 1)
    se = math.sqrt(spread1 / n1 + spread0 / n0)
    if area in (0.0, 1.0):
        return Auroc(area, None, None, None, n1, n0, confidence, "perfect_ranking")
    centre, half = math.log(area / (1.0 - area)), z * se / (area * (1.0 - area))
    return Auroc(
        area,
        se,
        1.0 / (1.0 + math.exp(half - centre)),
        1.0 / (1.0 + math.exp(-half - centre)),
        n1,
        n0,
        confidence,
    )
