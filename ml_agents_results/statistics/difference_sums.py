"""Intervals and margins of a paired difference, from five sums over the shared samples.

One rule serves single answers, repeats and clusters. `d` is a sample's share of right answers of
the candidate minus that of the baseline; a design effect shrinks the sums to the independent
samples that they are worth.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.distributions import (
    check_confidence,
    normal_two_sided_p,
    t_quantile,
    z_quantile,
)
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.paired_intervals import (
    NO_SHARED_SAMPLES,
    tango_bounds,
    tango_statistic,
)
from ml_agents_results.statistics.student_t import t_two_sided_p

SMALLEST_STRATIFIED_EFFECT = 0.5
"""Design effect below which strata are not believed to help."""


@dataclass(frozen=True, slots=True)
class DifferenceSums:
    """Over `n` samples: the sums of d, d^2 and |d|, and how many differ at all."""

    n: int
    total: float = 0.0
    squares: float = 0.0
    absolute: float = 0.0
    differing: int = 0

    @classmethod
    def of_steps(cls, steps: Mapping[int, int], per_unit: int) -> "DifferenceSums":
        """From how many samples differ by each number of steps of 1 / `per_unit`."""
        return cls(
            n=sum(steps.values()),
            total=sum(step * count for step, count in steps.items()) / per_unit,
            squares=sum(step * step * count for step, count in steps.items()) / per_unit**2,
            absolute=sum(abs(step) * count for step, count in steps.items()) / per_unit,
            differing=sum(count for step, count in steps.items() if step),
        )

    @classmethod
    def of_table(cls, improved: int, regressed: int, samples: int) -> "DifferenceSums":
        """From a 2x2 table of single answers."""
        return cls.of_steps(
            {1: improved, -1: regressed, 0: samples - improved - regressed}, per_unit=1
        )

    @classmethod
    def of_array(cls, d: Any) -> "DifferenceSums":
        """From an array of differences."""
        total, squares, absolute = (float(part.sum()) for part in (d, d * d, abs(d)))
        return cls(len(d), total, squares, absolute, int((d != 0.0).sum()))

    @property
    def mean(self) -> float | None:
        """The difference D; None without samples."""
        return self.total / self.n if self.n else None

    @property
    def variance(self) -> float:
        """Of D, if samples were independent: (S2 / n - D^2) / n."""
        if not self.n:
            return 0.0
        spread = self.squares / self.n - (self.total / self.n) ** 2
        return spread / self.n if spread > 1e-12 * self.squares / self.n else 0.0

    @property
    def pseudo_sample(self) -> float:
        """The size of the two pseudo-samples: delta^2 = (S2 + 1) / (nz + 1); 1 for single
        answers."""
        return math.sqrt((self.squares + 1.0) / (self.differing + 1.0))


@dataclass(frozen=True, slots=True)
class Design:
    """What the samples are worth: `effect` is the variance of D over that of independent samples,
    `dof` the degrees of freedom of its error (None for a normal quantile)."""

    effect: float = 1.0
    dof: float | None = None

    def quantile(self, confidence: float) -> float:
        """That bounds a two-sided interval."""
        return z_quantile(confidence) if self.dof is None else t_quantile(confidence, self.dof)

    def upper_tail(self, statistic: float) -> float:
        """P(T >= statistic)."""
        two = (
            normal_two_sided_p(statistic)
            if self.dof is None
            else t_two_sided_p(statistic, self.dof)
        )
        return two / 2.0 if statistic >= 0.0 else 1.0 - two / 2.0


INDEPENDENT = Design()


def clustered_design(sums: DifferenceSums, se: float, dof: float, clusters: int) -> Design:
    """Of clusters with the CR2 error `se`: max(1, se^2 / v), and n / G where all clusters agree."""
    if se == 0.0 or sums.variance == 0.0:
        return Design(max(1.0, sums.n / clusters), dof)
    return Design(max(1.0, se**2 / sums.variance), dof)


def stratified_design(sums: DifferenceSums, se: float | None) -> Design:
    """Of strata with the error `se` of D; no effect where it is unknown or 0."""
    if not se or sums.variance == 0.0:
        return INDEPENDENT
    return Design(max(SMALLEST_STRATIFIED_EFFECT, se**2 / sums.variance))


def pseudo_sample_interval(
    sums: DifferenceSums, confidence: float = 0.95, design: Design = INDEPENDENT
) -> Interval:
    """Adjusted Wald interval with two pseudo-samples at +-delta, clipped to -1..1.

    For single answers delta is 1 and this is Bonett and Price's interval (2012, Journal of
    Educational and Behavioral Statistics 37:479); where answers repeat, the two pseudo-samples
    have the size `DifferenceSums.pseudo_sample`. With a design effect n* = n / effect samples
    stand for n, and Student's t for z. Never of zero width; None on both
    sides without samples.
    """
    check_confidence(confidence)
    name = "bonett-price" if design == INDEPENDENT else "bonett-price-design-adjusted"
    if sums.mean is None:
        return Interval(None, None, name, confidence, NO_SHARED_SAMPLES)
    half, centre = _around(
        sums.n / design.effect,
        sums.mean,
        sums.squares / sums.n,
        sums.pseudo_sample,
        design.quantile(confidence),
    )
    return Interval(centre - half, centre + half, name, confidence).clipped(-1.0, 1.0)


def equal_task_interval(
    tasks: Sequence[DifferenceSums], weights: Sequence[float], se: float, confidence: float = 0.95
) -> Interval:
    """The same interval for a mean over tasks, weighted by `weights`, whose error is `se`.

    v / se^2 samples stand for all of them, v = the weighted mean of d^2 minus D^2. Where nothing
    varies within tasks it is their number.
    """
    check_confidence(confidence)
    mean = math.fsum(w * (t.mean or 0.0) for t, w in zip(tasks, weights, strict=True))
    squares = math.fsum(w * t.squares / t.n for t, w in zip(tasks, weights, strict=True))
    n = sum(t.n for t in tasks)
    spread = squares - mean**2
    whole = DifferenceSums(
        n, 0.0, sum(t.squares for t in tasks), 0.0, sum(t.differing for t in tasks)
    )
    worth = spread / se**2 if se > 0.0 and spread > 0.0 else float(n)
    half, centre = _around(worth, mean, squares, whole.pseudo_sample, z_quantile(confidence))
    name = "bonett-price-design-adjusted"
    return Interval(centre - half, centre + half, name, confidence).clipped(-1.0, 1.0)


def _around(
    worth: float, mean: float, mean_square: float, pseudo: float, quantile: float
) -> tuple[float, float]:
    """Half of the interval and its centre, of `worth` samples and two pseudo-samples."""
    n = worth + 2.0
    centre = mean * worth / n
    variance = (mean_square * worth + 2.0 * pseudo**2) / n - centre**2
    return quantile * math.sqrt(max(0.0, variance) / n), centre


def matched_tango(
    sums: DifferenceSums, confidence: float = 0.95, design: Design = INDEPENDENT
) -> Interval:
    """Tango's score interval of the 2x2 table with the same difference and second moment.

    With single answers it is Tango's own (1998, Statistics in Medicine 17:891); the entries of the
    table are fractions otherwise.
    """
    check_confidence(confidence)
    name = "tango" if design.dof is None else "tango-design-adjusted"
    if sums.mean is None:
        return Interval(None, None, name, confidence, NO_SHARED_SAMPLES)
    scale, up, down, n = _matched(sums, design)
    low, high = tango_bounds(up, down, n, design.quantile(confidence))
    return Interval(scale * low, scale * high, name, confidence)


@dataclass(frozen=True, slots=True)
class MarginTest:
    """One-sided tests of a difference against a margin.

    Attributes:
        p_non_inferior: That the candidate is worse by the margin or more.
        p_equivalent: The larger of `p_non_inferior` and its mirror image (two one-sided tests).
        interval: The 1 - 2 alpha interval of the same test: inside the margins where both hold.
    """

    margin: float
    p_non_inferior: float
    p_equivalent: float
    interval: Interval


def check_margin(margin: float | None) -> None:
    """Raises UsageError for a margin that a difference of two shares cannot have."""
    if margin is not None and not 0.0 < margin < 1.0:
        raise UsageError(
            f"the margin of a right or wrong metric must lie between 0 and 1, got {margin:g}",
            "Two percentage points are 0.02; numeric metrics have margins in their own unit.",
        )


def margin_test(
    sums: DifferenceSums, margin: float, confidence: float = 0.95, design: Design = INDEPENDENT
) -> MarginTest | None:
    """Non-inferiority and equivalence by Tango's score test at alpha = 1 - confidence.

    Its largest error over the share of discordant samples is .060 at a nominal .05 (30 pairs n 30
    to 1319, margins .01 to .10), that of the Bonett-Price interval .090 (Tango 1998; Nam 1997;
    Liu et al. 2002). None without samples. UsageError unless 0 < margin < 1 and confidence > 0.5.
    """
    check_margin(margin)
    interval = matched_tango(sums, margin_level(confidence), design)
    if sums.mean is None:
        return None
    scale, up, down, n = _matched(sums, design)
    reach = min(1.0, margin / scale)
    worse = design.upper_tail(tango_statistic(up, down, n, -reach))
    better = design.upper_tail(tango_statistic(down, up, n, -reach))
    return MarginTest(margin, worse, max(worse, better), interval)


def margin_level(confidence: float) -> float:
    """The level 1 - 2 alpha of the interval that is held against a margin: 0.90 for 0.95.

    UsageError for a confidence of 0.5 or less.
    """
    level = round(2.0 * check_confidence(confidence) - 1.0, 12)
    if level <= 0.0:
        raise UsageError(
            f"a margin needs a confidence above 0.5, got {confidence:g}",
            hint="0.95 tests the margin at the 5 percent level",
        )
    return level


def _matched(sums: DifferenceSums, design: Design) -> tuple[float, float, float, float]:
    """The scale of the table with the same D and second moment, and its improved, regressed and
    all samples."""
    n = sums.n / design.effect
    if sums.absolute == 0.0:
        return 1.0, 0.0, 0.0, n
    scale = sums.squares / sums.absolute
    up = (sums.absolute + sums.total) / (2.0 * scale * design.effect)
    down = (sums.absolute - sums.total) / (2.0 * scale * design.effect)
    return scale, max(0.0, up), max(0.0, down), n
