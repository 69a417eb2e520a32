"""Slices: where an approach fails more than elsewhere, each slice against the rest; exploratory.

Slices are looked at because they look odd, so their p values are corrected over all slices tested
(Benjamini-Hochberg) and the number tested is returned.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml_agents_results.statistics.distributions import check_part
from ml_agents_results.statistics.multiplicity import adjust, count_tests
from ml_agents_results.statistics.proportions import design_effect_interval

# Two tables whose probabilities differ by rounding only are equally likely.
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class SliceResult:
    """A slice with its accuracy (Wilson), the accuracy of the rest, and Fisher's exact test.

    `p_value` is `None` with `n_lt_min` for a slice or a rest below the minimum size; such slices
    are shown and not counted in `family_size`.
    """

    accuracy: float | None
    ci_low: float | None
    ci_high: float | None
    rest_accuracy: float | None
    difference: float | None
    p_value: float | None
    p_adjusted: float | None
    family_size: int
    null_reason: str | None = None


def scan_slices(
    slices: Sequence[tuple[int, int]],
    total_correct: int,
    total_graded: int,
    min_n: int = 10,
    confidence: float = 0.95,
    effect: float = 1.0,
) -> list[SliceResult]:
    """Compares every slice, its correct and its graded runs, with the other graded runs. Slices may
    overlap or leave runs out.

    Where samples were asked several times, `effect` is what that does to the variance of an
    accuracy: counts are divided by it (Rao and Scott 1992, Biometrics 48:577), for Fisher's test to
    the nearest whole numbers. The order is kept. ValueError when a slice holds more than the total.
    """
    check_part("total_correct", total_correct, "total_graded", total_graded)
    p_values = [_slice_p(s, total_correct, total_graded, min_n, effect) for s in slices]
    tested = count_tests(p_values)
    results = []
    for (correct, graded), p, adjusted in zip(
        slices, p_values, adjust(p_values, "fdr_bh"), strict=True
    ):
        interval = design_effect_interval(correct, graded, effect, confidence)
        rest = total_graded - graded
        accuracy = correct / graded if graded else None
        rest_accuracy = (total_correct - correct) / rest if rest else None
        difference = None
        if accuracy is not None and rest_accuracy is not None:
            difference = accuracy - rest_accuracy
        results.append(
            SliceResult(
                accuracy=accuracy,
                ci_low=interval.low,
                ci_high=interval.high,
                rest_accuracy=rest_accuracy,
                difference=difference,
                p_value=p,
                p_adjusted=adjusted,
                family_size=tested,
                null_reason="n_lt_min" if p is None else None,
            )
        )
    return results


def fisher_exact_p(correct_a: int, n_a: int, correct_b: int, n_b: int) -> float:
    """Two-sided Fisher exact test of two independent shares (Fisher 1935; as R and SciPy).

    Sums all tables with the same margins that are at most as likely as the one seen; 1.0 when a
    margin is 0. Costs time and memory in proportion to the smaller margin. ValueError for
    impossible counts.
    """
    check_part("correct_a", correct_a, "n_a", n_a)
    check_part("correct_b", correct_b, "n_b", n_b)
    correct = correct_a + correct_b
    low, high = max(0, correct - n_b), min(correct, n_a)
    # Log weights by the ratio of neighbours: no log-gamma, whose rounding grows with n.
    k = np.arange(low, high, dtype=np.float64)
    ratios = (n_a - k) * (correct - k) / ((k + 1.0) * (n_b - correct + k + 1.0))
    weights = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    weights -= weights.max()
    tail = weights[weights <= weights[correct_a - low] + _TIE]
    top = float(tail.max())
    log_p = top + math.log(float(np.exp(tail - top).sum()) / float(np.exp(weights).sum()))
    return min(1.0, math.exp(log_p))


def _slice_p(
    part: tuple[int, int], total_correct: int, total_graded: int, min_n: int, effect: float
) -> float | None:
    rest_correct, rest = total_correct - part[0], total_graded - part[1]
    check_part("correct outside the slice", rest_correct, "graded outside", rest)
    if min(part[1], rest) / effect < max(1, min_n) - 1e-9:
        return None
    return fisher_exact_p(*(round(count / effect) for count in (*part, rest_correct, rest)))
