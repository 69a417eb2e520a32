"""Repeats: how reliable answers are when each sample is asked several times.

Everything here works on a table (k, s) -> number of samples, k graded repeats of which s correct.
A sample weighs 1 whatever its k: pooling the runs would let often repeated samples dominate and
make the interval too narrow.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.cluster_robust import sample_mean
from ml_agents_results.statistics.distributions import (
    check_confidence,
    check_counts,
    check_part,
)
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.proportions import accuracy, proportion_interval

RepeatCounts = Mapping[tuple[int, int], int]


@dataclass(frozen=True, slots=True)
class VarianceSplit:
    """Variance of an answer within one sample (chance) and between samples (difficulty).

    `within` is `None` with `no_repeats` when no sample was asked twice, `between` also when there
    are fewer than two samples (`n_lt_2`). `between` is floored at 0.
    """

    within: float | None
    between: float | None
    null_reason: str | None = None


def repeated_accuracy(counts: RepeatCounts, confidence: float = 0.95) -> Estimate:
    """Mean over samples of the share correct, with the design-adjusted Wilson interval.

    Asked once each, it is the plain accuracy with Wilson's interval.

    Args:
        counts: (k, s) to the number of samples with k graded repeats of which s are correct.

    Returns:
        Fractions; warns `unequal_epochs` when samples were asked a different number of times.

    Raises:
        ValueError: s > k, or a count is negative.
    """
    table = _checked(counts)
    samples = sum(table.values())
    runs = sum(k * count for (k, _), count in table.items())
    if runs == samples:
        return accuracy(table.get((1, 1), 0), samples, confidence=confidence)
    result = _mean_over_samples(table, lambda k, s: s / k, confidence)
    if len({k for k, _ in table}) > 1:
        return replace(result, warnings=(*result.warnings, "unequal_epochs"))
    return result


def pass_at_k(counts: RepeatCounts, k: int, confidence: float = 0.95) -> Estimate:
    """Probability that at least one of k answers is right (Chen et al. 2021, unbiased).

    Args:
        counts: (n, s) to the number of samples with n graded repeats of which s are correct.
        k: Answers, 1 or more.

    Returns:
        A mean over samples, a fraction. Samples with fewer than k graded repeats are left out and
        counted in `denominators`; `too_few_repeats` when none is left.

    Raises:
        UsageError: k < 1.
        ValueError: s > n, or a count is negative.
    """
    return _subset_share(counts, k, confidence, some_right(k))


def pass_hat_k(counts: RepeatCounts, k: int, confidence: float = 0.95) -> Estimate:
    """Probability that all of k answers are right, pass^k (Yao et al. 2024).

    Arguments, result and errors as of `pass_at_k`.
    """
    return _subset_share(counts, k, confidence, all_right(k))


def some_right(k: int) -> Callable[[int, int], float]:
    """The chance that at least one of k answers is right, of n of which s are right."""
    return lambda n, s: 1.0 - math.comb(n - s, k) / math.comb(n, k)


def all_right(k: int) -> Callable[[int, int], float]:
    """The chance that all of k answers are right, of n of which s are right."""
    return lambda n, s: math.comb(s, k) / math.comb(n, k)


def always_alike(n: int, s: int) -> float:
    """Whether n answers of which s are right are all right or all wrong."""
    return float(s in (0, n))


def consistency(counts: RepeatCounts, confidence: float = 0.95) -> Estimate:
    """Share of samples that are always right or always wrong, with Wilson's interval (1927).

    Args:
        counts: (k, s) to the number of samples with k graded repeats of which s are correct.

    Returns:
        A fraction of the samples that were asked at least twice; `too_few_repeats` if there are
        none.
    """
    table = _checked(counts)
    asked = {key: count for key, count in table.items() if key[0] >= 2}
    samples = sum(asked.values())
    same = sum(count for (k, s), count in asked.items() if s in (0, k))
    interval = proportion_interval(same, samples, confidence=confidence)
    return Estimate(
        estimate=same / samples if samples else None,
        method="wilson",
        ci_low=interval.low,
        ci_high=interval.high,
        level=confidence,
        n_samples=samples,
        n_runs=sum(k * count for (k, _), count in asked.items()),
        denominators=_denominators(table, samples),
        null_reason=None if samples else "too_few_repeats",
    )


def variance_split(counts: RepeatCounts) -> VarianceSplit:
    """Within- and between-sample variance of a yes-or-no answer (Miller 2024, section 3).

    within = sum s (1 - s/k) / sum (k - 1); between = var(m) - within mean(1/k), not below 0.
    """
    table = _checked(counts)
    samples = sum(table.values())
    spare = sum((k - 1) * count for (k, _), count in table.items())
    if spare == 0:
        return VarianceSplit(None, None, "no_repeats")
    within = sum(s * (1.0 - s / k) * count for (k, s), count in table.items()) / spare
    if samples < 2:
        return VarianceSplit(within, None, "n_lt_2")
    mean = sum(s / k * count for (k, s), count in table.items()) / samples
    total = sum((s / k - mean) ** 2 * count for (k, s), count in table.items()) / (samples - 1)
    chance = within * sum(count / k for (k, _), count in table.items()) / samples
    return VarianceSplit(within, max(0.0, total - chance))


def _subset_share(
    counts: RepeatCounts, k: int, confidence: float, share: Callable[[int, int], float]
) -> Estimate:
    if k < 1:
        raise UsageError(f"k must be 1 or more, got {k}")
    table = _checked(counts)
    enough = {key: count for key, count in table.items() if key[0] >= k}
    if not enough:
        return Estimate(
            None,
            "wilson-design-adjusted",
            level=check_confidence(confidence),
            denominators=_denominators(table, 0),
            null_reason="too_few_repeats",
        )
    result = _mean_over_samples(enough, share, confidence)
    return replace(result, denominators=_denominators(table, result.n_samples))


def _mean_over_samples(
    table: RepeatCounts, value: Callable[[int, int], float], confidence: float
) -> Estimate:
    rows = [(value(k, s), count) for (k, s), count in table.items()]
    total = math.fsum(x * count for x, count in rows)
    sumsq = math.fsum(x * x * count for x, count in rows)
    runs = sum(k * count for (k, _), count in table.items())
    return sample_mean(sum(table.values()), total, sumsq).as_accuracy(runs, confidence)


def _denominators(table: RepeatCounts, used: int) -> dict[str, int]:
    samples = sum(table.values())
    return {"samples": samples, "samples_used": used, "samples_excluded": samples - used}


def _checked(counts: RepeatCounts) -> dict[tuple[int, int], int]:
    for (k, s), count in counts.items():
        check_part("correct", s, "repeats", k)
        check_counts(samples=count)
    return {key: counts[key] for key in sorted(counts) if key[0] > 0 and counts[key] > 0}
