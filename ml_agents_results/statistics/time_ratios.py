"""Times of answers: their moments, and ratios of two approaches.

Times are in milliseconds and of finished runs only: failed and timed-out runs would pull the
quantiles either way and are counted apart. Percentiles live in `quantiles`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ml_agents_results.statistics.cluster_robust import ClusteredMean, sample_mean
from ml_agents_results.statistics.distributions import check_counts, fair_coin_exact_p
from ml_agents_results.statistics.estimate import Estimate


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Moments of the times of a variant, in ms; `None` with `no_values` where there are none.

    `sd` needs two times. `geometric_mean` is over the times above 0; `n_zero` counts the others.
    """

    n_timed: int
    n_missing: int
    mean: float | None = None
    sd: float | None = None
    geometric_mean: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    n_zero: int = 0
    null_reason: str | None = None


def latency_summary(
    values: Sequence[float], counts: Sequence[int], n_missing: int
) -> LatencySummary:
    """Mean, standard deviation, geometric mean and extremes of times.

    Args:
        values: The distinct times in ms, ascending; `counts` is how often each occurs.
        n_missing: Runs without a time.

    ValueError for a negative time or count.
    """
    check_counts(n_missing=n_missing, counts=min(counts, default=0))
    n = sum(counts)
    if not n:
        return LatencySummary(0, n_missing, null_reason="no_values")
    least = values[0]
    if least < 0.0:
        raise ValueError(f"times must not be negative, got {least!r}")
    rows = list(zip(values, counts, strict=True))
    # Squares of raw milliseconds lose the digits of the deviation.
    above = sum((value - least) * count for value, count in rows)
    shifted = sample_mean(n, above, sum((value - least) ** 2 * count for value, count in rows))
    positive = sum(count for value, count in rows if value)
    logs = math.fsum(math.log(value) * count for value, count in rows if value)
    return LatencySummary(
        n_timed=n,
        n_missing=n_missing,
        mean=sum(value * count for value, count in rows) / n,
        sd=None if shifted.se is None else shifted.se * math.sqrt(n),
        geometric_mean=math.exp(logs / positive) if positive else None,
        minimum=float(least),
        maximum=float(values[-1]),
        n_zero=n - positive,
    )


def paired_ratio(logs: ClusteredMean, confidence: float = 0.95) -> Estimate:
    """Ratio of geometric mean times, candidate over baseline, on shared samples.

    From the mean of d = ln(candidate / baseline) per sample (both above 0). Above 1 the candidate
    is slower. Interval and p value by the t test on d, carried through exp; `se` is on the log
    scale's tangent (ratio times se of d). No sample: `no_shared_samples`; one: the ratio alone,
    `n_lt_2`; all ratios equal: no interval, and the sign-flip p value.
    """
    if logs.mean is None:
        logs = replace(logs, null_reason="no_shared_samples")
    result = logs.as_difference(confidence, bounds=None)
    method = f"paired-log-ratio, {result.method}"
    if result.estimate is None:
        return replace(result, method=method)
    ratio = math.exp(result.estimate)
    return replace(
        result,
        method=method,
        estimate=ratio,
        se=None if result.se is None else ratio * result.se,
        ci_low=None if result.ci_low is None else math.exp(result.ci_low),
        ci_high=None if result.ci_high is None else math.exp(result.ci_high),
        n_runs=2 * logs.n_samples,
    )


def sign_test_p(n_slower: int, n_faster: int) -> float | None:
    """Exact two-sided sign test: on how many shared samples was the candidate slower or faster?

    Ties are left out (Dixon, Mood 1946); `None` when nothing but ties remains.
    """
    return fair_coin_exact_p(n_slower, n_faster) if n_slower + n_faster else None
