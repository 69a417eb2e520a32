"""Reliability: how far confidences are from reality, bin by bin (diagram, ECE, MCE).

The expected calibration error is above 0 even for perfect confidences, so it always comes with
the value that chance alone would give.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.calibration import NO_VALUES, ConfidenceTable
from ml_agents_results.statistics.distributions import check_confidence
from ml_agents_results.statistics.proportions import wilson

DISTINCT_LIMIT = 20
EQUAL_MASS_BINS = 15
EQUAL_WIDTH_BINS = 10
BINNINGS = ("auto", "distinct", "equal-mass", "equal-width")
_DRAWS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """One bin: confidences from `low` to `high` (as they occur), and how often right."""

    low: float
    high: float
    n: int
    correct: int
    mean_confidence: float
    accuracy: float
    ci_low: float | None
    ci_high: float | None
    gap: float
    """accuracy minus mean confidence: below 0 is over-confident"""


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """Expected and maximum calibration error, the bins, and the error of perfect confidences.

    `ece_if_calibrated` is the mean ECE of `resamples` data sets drawn with these confidences as
    true probabilities, from `seed`.
    """

    ece: float | None
    mce: float | None
    ece_if_calibrated: float | None
    binning: str
    bins: tuple[CalibrationBin, ...]
    n: int
    seed: int
    resamples: int
    null_reason: str | None = None


def calibration_error(
    table: ConfidenceTable,
    binning: str = "auto",
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = 1000,
) -> CalibrationError:
    """ECE (Naeini, Cooper, Hauskrecht 2015), MCE and bins with Wilson intervals.

    `auto`: distinct values are the bins up to 20 of them, else 15 bins of equal mass (a value is
    never split between bins). `equal-width` has 10 bins, the last one closed. UsageError for
    another word.
    """
    check_confidence(confidence)
    if binning not in BINNINGS:
        raise UsageError(f"unknown binning {binning!r}", hint=f"choose one of {BINNINGS}")
    if resamples < 1:
        raise UsageError(f"resamples must be 1 or more, got {resamples}")
    if binning == "auto":
        binning = "distinct" if len(table.confidence) <= DISTINCT_LIMIT else "equal-mass"
    if table.n == 0:
        return CalibrationError(None, None, None, binning, (), 0, seed, resamples, NO_VALUES)
    index = _bin_index(table, binning)
    bins = tuple(_describe(table, index == i, confidence) for i in range(int(index.max()) + 1))
    return CalibrationError(
        ece=sum(b.n * abs(b.gap) for b in bins) / table.n,
        mce=max(abs(b.gap) for b in bins),
        ece_if_calibrated=_ece_if_calibrated(table, index, seed, resamples),
        binning=binning,
        bins=bins,
        n=table.n,
        seed=seed,
        resamples=resamples,
    )


def _bin_index(table: ConfidenceTable, binning: str) -> npt.NDArray[np.intp]:
    """The bin of every distinct value, numbered from 0 without gaps."""
    c, counts = table.confidence, table.counts
    if binning == "distinct":
        raw = np.arange(len(c))
    elif binning == "equal-mass":
        middle = (np.cumsum(counts) - counts / 2.0) / table.n
        raw = np.floor(middle * EQUAL_MASS_BINS)
    else:
        raw = np.minimum(np.floor(c * EQUAL_WIDTH_BINS), EQUAL_WIDTH_BINS - 1)
    return np.unique(raw, return_inverse=True)[1]


def _describe(
    table: ConfidenceTable, inside: npt.NDArray[np.bool_], confidence: float
) -> CalibrationBin:
    values, counts = table.confidence[inside], table.counts[inside]
    n, correct = int(counts.sum()), int(table.correct[inside].sum())
    mean = float(counts @ values) / n
    interval = wilson(correct, n, confidence)
    return CalibrationBin(
        low=float(values[0]),
        high=float(values[-1]),
        n=n,
        correct=correct,
        mean_confidence=mean,
        accuracy=correct / n,
        ci_low=interval.low,
        ci_high=interval.high,
        gap=correct / n - mean,
    )


def _ece_if_calibrated(
    table: ConfidenceTable, index: npt.NDArray[np.intp], seed: int, resamples: int
) -> float:
    """Parametric bootstrap, in blocks so that memory stays with the number of distinct values."""
    rng = np.random.default_rng(seed)
    counts = table.counts.astype(np.int64)
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    expected = np.add.reduceat(table.counts * table.confidence, starts)
    total = 0.0
    for done in range(0, resamples, _DRAWS_AT_ONCE):
        rows = min(_DRAWS_AT_ONCE, resamples - done)
        right = rng.binomial(counts, table.confidence, size=(rows, len(counts)))
        total += float(np.abs(np.add.reduceat(right, starts, axis=1) - expected).sum())
    return total / table.n / resamples
