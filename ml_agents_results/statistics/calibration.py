"""Calibration of confidences: whether 0.8 is right in 8 of 10 cases; scores and regression.

All from counts per distinct confidence. Bins and the expected calibration error live in
`reliability`, how well they separate right from wrong (AUROC) in `auroc`.

Sources:
    Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    Murphy 1973, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2
    Spiegelhalter 1986, doi:10.1002/sim.4780050506
    Cox 1958, doi:10.1093/biomet/45.3-4.562
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_agents_results.statistics.cluster_robust import sample_mean
from ml_agents_results.statistics.distributions import normal_two_sided_p
from ml_agents_results.statistics.estimate import Estimate

FloatArray = npt.NDArray[np.float64]
NO_VALUES = "no_values"
_CLIP = 1e-6
_CONVERGED = 1e-18


@dataclass(frozen=True, slots=True)
class ConfidenceTable:
    """Distinct confidences in ascending order with how many answers were right and wrong."""

    confidence: FloatArray
    correct: FloatArray
    wrong: FloatArray

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[float, int, int]]) -> "ConfidenceTable":
        """From rows (confidence, n_correct, n_wrong), in any order, repeated or not.

        ValueError for a confidence outside 0..1 or a negative count. Rows without counts are left
        out.
        """
        merged: dict[float, tuple[int, int]] = {}
        for confidence, correct, wrong in rows:
            if not 0.0 <= confidence <= 1.0:
                raise ValueError(f"a confidence lies between 0 and 1, got {confidence!r}")
            if correct < 0 or wrong < 0:
                raise ValueError(f"counts must not be negative, got {correct!r} and {wrong!r}")
            if correct or wrong:
                before = merged.get(confidence, (0, 0))
                merged[confidence] = (before[0] + correct, before[1] + wrong)
        ordered = sorted(merged.items())
        return cls(
            np.array([c for c, _ in ordered], dtype=np.float64),
            np.array([k[0] for _, k in ordered], dtype=np.float64),
            np.array([k[1] for _, k in ordered], dtype=np.float64),
        )

    @property
    def counts(self) -> FloatArray:
        """Answers per distinct confidence."""
        return self.correct + self.wrong

    @property
    def n(self) -> int:
        """All answers."""
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True)
class BrierScore:
    """Brier score (0 is perfect) and its parts: brier = reliability - resolution + uncertainty.

    `base` is the score of always saying the overall accuracy, `skill` = 1 - brier / base, `None`
    with `one_class` when all answers are right or all wrong.
    """

    brier: float | None
    base: float | None
    skill: float | None
    reliability: float | None
    resolution: float | None
    uncertainty: float | None
    n: int
    null_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Spiegelhalter:
    """Spiegelhalter's z against perfect calibration, with its two-sided p value."""

    z: float | None
    p_value: float | None
    null_reason: str | None = None


@dataclass(frozen=True, slots=True)
class CalibrationLine:
    """Logistic regression of being right on the log odds of the confidence.

    Perfect calibration is slope 1 and intercept 0; a slope below 1 means confidences too extreme.
    """

    slope: float | None
    slope_se: float | None
    intercept: float | None
    intercept_se: float | None
    n: int
    null_reason: str | None = None


def brier_score(table: ConfidenceTable) -> BrierScore:
    """Mean (c - y)^2 of confidences c and grades y (Brier 1950), with Murphy's parts over distinct
    values (Murphy 1973).

    Args:
        table: Graded runs by confidence, a fraction.

    Returns:
        From 0 to 1, less is better; `None` with `no_values` without graded runs.
    """
    n = table.n
    if n == 0:
        return BrierScore(None, None, None, None, None, None, 0, NO_VALUES)
    c, counts = table.confidence, table.counts
    brier = float(np.sum(table.correct * (1.0 - c) ** 2 + table.wrong * c**2)) / n
    overall = float(table.correct.sum()) / n
    share = table.correct / counts
    base = overall * (1.0 - overall)
    return BrierScore(
        brier=brier,
        base=base,
        skill=1.0 - brier / base if base else None,
        reliability=float(np.sum(counts * (c - share) ** 2)) / n,
        resolution=float(np.sum(counts * (share - overall) ** 2)) / n,
        uncertainty=base,
        n=n,
        null_reason=None if base else "one_class",
    )


def calibration_in_the_large(table: ConfidenceTable, confidence: float = 0.95) -> Estimate:
    """mean(y) - mean(c): below 0 is over-confident. t interval over independent answers.

    For clustered answers use `cluster_robust.clustered_mean` on y - c. `no_graded_runs` without
    answers.
    """
    miss, excess = 1.0 - table.confidence, -table.confidence
    total = float(np.sum(table.correct * miss + table.wrong * excess))
    sumsq = float(np.sum(table.correct * miss**2 + table.wrong * excess**2))
    return sample_mean(table.n, total, sumsq).as_difference(confidence)


def spiegelhalter(table: ConfidenceTable) -> Spiegelhalter:
    """sum (y-c)(1-2c) / sqrt(sum (1-2c)^2 c(1-c)), standard normal under calibration (1986).

    `None` with `no_variance_under_calibration` when every confidence is 0, .5 or 1.
    """
    if table.n == 0:
        return Spiegelhalter(None, None, NO_VALUES)
    c = table.confidence
    lean = 1.0 - 2.0 * c
    variance = float(np.sum(table.counts * lean**2 * c * (1.0 - c)))
    if variance == 0.0:
        return Spiegelhalter(None, None, "no_variance_under_calibration")
    surprise = float(np.sum((table.correct * (1.0 - c) - table.wrong * c) * lean))
    z = surprise / math.sqrt(variance)
    return Spiegelhalter(z, normal_two_sided_p(z))


def calibration_line(table: ConfidenceTable) -> CalibrationLine:
    """Slope and intercept by maximum likelihood (Cox 1958), confidences clipped to 1e-6..1-1e-6.

    `None` with `no_values`, `one_distinct_confidence` or `separation` (a threshold tells right
    from wrong without error, so no finite slope exists; this includes a single class).
    """
    n = table.n
    c = np.clip(table.confidence, _CLIP, 1.0 - _CLIP)
    if n == 0:
        return CalibrationLine(None, None, None, None, 0, NO_VALUES)
    if len(np.unique(c)) < 2:
        return CalibrationLine(None, None, None, None, n, "one_distinct_confidence")
    right, wrong = c[table.correct > 0], c[table.wrong > 0]
    if not len(right) or not len(wrong) or _separated(right, wrong):
        return CalibrationLine(None, None, None, None, n, "separation")
    fit = _logistic_fit(np.log(c) - np.log1p(-c), table.correct, table.wrong)
    if fit is None:
        return CalibrationLine(None, None, None, None, n, "not_converged")
    beta, covariance = fit
    return CalibrationLine(
        slope=float(beta[1]),
        slope_se=math.sqrt(float(covariance[1, 1])),
        intercept=float(beta[0]),
        intercept_se=math.sqrt(float(covariance[0, 0])),
        n=n,
    )


def _separated(right: FloatArray, wrong: FloatArray) -> bool:
    return bool(right.min() >= wrong.max() or wrong.min() >= right.max())


def _logistic_fit(
    x: FloatArray, correct: FloatArray, wrong: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Newton's method with halved steps; the log likelihood is concave, so it cannot go astray.

    It ends by the Newton decrement (Boyd, Vandenberghe 2004, section 9.5): a step of less than 1e-9
    standard errors. Right and wrong answers are kept apart, since a difference of large counts
    would lose the digits that decide.
    """
    design = np.column_stack([np.ones_like(x), x])
    beta = np.zeros(2)

    def log_likelihood(b: FloatArray) -> float:
        eta = design @ b
        return -float(correct @ np.logaddexp(0.0, -eta) + wrong @ np.logaddexp(0.0, eta))

    current = log_likelihood(beta)
    for _ in range(100):
        eta = np.clip(design @ beta, -700.0, 700.0)
        p, q = 1.0 / (1.0 + np.exp(-eta)), 1.0 / (1.0 + np.exp(eta))
        information = design.T @ (design * ((correct + wrong) * p * q)[:, None])
        try:
            covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
        except np.linalg.LinAlgError:
            return None
        gradient = design.T @ (correct * q - wrong * p)
        step = covariance @ gradient
        if abs(float(gradient @ step)) <= _CONVERGED:
            return beta + step, covariance
        while (proposed := log_likelihood(beta + step)) < current - 1e-12 * abs(current):
            step = step / 2.0
        beta, current = beta + step, proposed
    return None
