"""Paired difference of a numeric metric: interval, test and effect size, in the metric's own unit.

`d` is a sample's value of the candidate less that of the baseline, repeats averaged first. The
interval is Student's t with two pseudo-samples at +-delta, delta^2 the mean square of the d other
than 0: with rare losses and 20 to 300 samples it covers .955 to .984, where the plain t covers .659
to .953 (docs/metrics.md). The test flips signs exactly where the values lie on a lattice.

Sources:
    Bonett, Price 2012, doi:10.3102/1076998611411915 (pseudo-samples, for right and wrong)
    Hedges 1981, doi:10.3102/10769986006002107 (the correction of the effect size)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.difference_sums import (
    Design,
    DifferenceSums,
    MarginTest,
    margin_test,
)
from ml_agents_results.statistics.distributions import check_confidence
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.sign_flip import NORMAL, sign_flip
from ml_agents_results.statistics.student_t import t_two_sided_p

PAIRED_T = "paired t"
_FINE = 2.0**40


def pseudo_sample_t(
    sums: DifferenceSums, design: Design, span: float | None = None, confidence: float = 0.95
) -> Interval:
    """Interval of the mean of d, cut to the width of the metric's range where that is known.

    Both bounds None with `no_shared_samples`, with `n_lt_2`, and where nothing differs and the
    range is not known (`no_differences`).

    Args:
        design: What the samples are worth, with the degrees of freedom.
        span: The width of the range.
    """
    method = "pseudo-sample-t"
    check_confidence(confidence)
    reason = None
    if sums.n < 2:
        reason = "n_lt_2" if sums.n else "no_shared_samples"
    elif not sums.differing and span is None:
        reason = "no_differences"
    if reason is not None:
        return Interval(None, None, method, confidence, reason)
    added = 2.0 * (sums.squares / sums.differing if sums.differing else (span or 0.0) ** 2)
    worth = sums.n / design.effect + 2.0
    centre = sums.total / design.effect / worth
    variance = max(0.0, (sums.squares / design.effect + added) / worth - centre * centre)
    half = design.quantile(confidence) * math.sqrt(variance / worth)
    interval = Interval(centre - half, centre + half, method, confidence)
    return interval if span is None else interval.clipped(-span, span)


@dataclass(frozen=True, slots=True)
class DifferenceTest:
    """The two-sided p value, that of the exact test where there is one, and the test's name."""

    p_value: float | None
    p_exact: float | None
    test: str


def difference_test(
    sums: DifferenceSums,
    counts: Mapping[int, int] | None,
    kept: tuple[float, ...] | None = None,
    test: str = "mid-p",
) -> DifferenceTest:
    """Whether the mean of d is chance, samples being independent.

    Signs are flipped exactly where d lies on a lattice of few enough steps (`counts`: how many
    samples differ by each number of them), at random where few d are not 0 (`kept`); else
    Student's t.

    Args:
        test: "mid-p" or "exact", where the sign flip is exact.
    """
    if counts is None and kept is not None:
        counts = _on_fine_lattice(kept)
    if counts is not None:
        flips = sign_flip(counts)
        if flips.test != NORMAL:
            p_value, name = flips.chosen(test)
            exact = flips.p_exact if flips.exact else None
            return (
                DifferenceTest(p_value, exact, name) if sums.n else DifferenceTest(None, None, name)
            )
    if sums.n < 2:
        return DifferenceTest(None, None, PAIRED_T)
    error = math.sqrt(sums.variance * sums.n / (sums.n - 1))
    if not error:
        return DifferenceTest(None if sums.total else 1.0, None, PAIRED_T)
    statistic = sums.total / sums.n / error
    return DifferenceTest(t_two_sided_p(statistic, sums.n - 1.0), None, PAIRED_T)


def _on_fine_lattice(differences: tuple[float, ...]) -> dict[int, int]:
    """The d other than 0 in steps so fine that none is lost."""
    largest = max(map(abs, differences), default=0.0)
    counts: dict[int, int] = {}
    for value in differences:
        step = round(value / largest * _FINE)
        counts[step] = counts.get(step, 0) + 1
    return counts


def effect_size(sums: DifferenceSums) -> float | None:
    """Mean of d over its standard deviation, times Hedges' correction; None where all d are the
    same or there are fewer than three."""
    if sums.n < 3 or not sums.variance:
        return None
    deviation = math.sqrt(sums.variance * sums.n * sums.n / (sums.n - 1))
    return sums.total / sums.n / deviation * (1.0 - 3.0 / (4.0 * (sums.n - 1) - 1.0))


def value_margin_test(
    sums: DifferenceSums,
    design: Design,
    margin: float,
    span: float | None,
    confidence: float = 0.95,
    *,
    higher_is_better: bool = True,
) -> MarginTest | None:
    """`margin_test` in the metric's own unit: by the direction, the candidate is inferior where its
    mean is lower or higher by the margin.

    Its largest error at the margin is .056 with losses of six kinds and 50 to 1000 samples, where
    that of the t interval is .119. UsageError for a margin that the range cannot exceed.
    """
    if span is not None and margin >= span:
        raise UsageError(
            f"a margin of {margin:g} is as wide as the metric's range of {span:g}",
            "Give the largest difference that does not matter.",
        )
    unit = 2.0 * margin if span is None else span
    sign = 1.0 if higher_is_better else -1.0
    scaled = replace(
        sums,
        total=sign * sums.total / unit,
        squares=sums.squares / unit**2,
        absolute=sums.absolute / unit,
    )
    test = margin_test(scaled, margin / unit, confidence, design)
    if test is None:
        return None
    ends = sorted(
        sign * unit * end for end in (test.interval.low, test.interval.high) if end is not None
    )
    low, high = ends if len(ends) == 2 else (None, None)
    interval = Interval(low, high, test.interval.method, test.interval.level)
    return replace(test, margin=margin, interval=interval)
