"""Cost per correct answer, cost of further correct answers, and the Pareto front. Costs in USD.

A missing cost is not a cost of 0: sums here run over samples that have both a cost and a grade.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ml_agents_results.statistics.distributions import check_confidence, check_counts, t_quantile
from ml_agents_results.statistics.estimate import Estimate, Interval


def cost_per_correct(
    n: int,
    sum_cost: float,
    sum_cost_sq: float,
    sum_correct: float,
    sum_cost_correct: float,
    sum_correct_sq: float | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Total cost over total correct, a ratio estimate with its delta-method error (Cochran 1977).

    Args:
        n: Samples.
        sum_cost: Sum of the costs c, in USD; `sum_cost_sq` of their squares.
        sum_correct: Sum of y: 0 or 1, or the share correct over repeats.
        sum_cost_correct: Sum of c y.
        sum_correct_sq: Sum of y^2, needed where y is a share.

    Returns:
        USD for each right answer, with a t interval on n - 1 degrees of freedom, not below 0.
        Undefined with `no_correct` when nothing was right; no error with `n_lt_2`.

    Raises:
        ValueError: A sum is negative or infinite.
    """
    check_counts(n=n)
    check_confidence(confidence)
    squares = sum_correct if sum_correct_sq is None else sum_correct_sq
    for value in (sum_cost, sum_cost_sq, sum_correct, sum_cost_correct, squares):
        if not (math.isfinite(value) and value >= 0.0):
            raise ValueError(f"sums of costs and grades must be finite and >= 0, got {value!r}")
    plain = Estimate(None, "ratio, delta", level=confidence, n_samples=n, n_runs=n)
    if sum_correct == 0.0:
        return replace(plain, null_reason="no_correct")
    ratio = sum_cost / sum_correct
    plain = replace(plain, estimate=ratio)
    if n < 2:
        return replace(plain, null_reason="n_lt_2")
    residual = sum_cost_sq - 2.0 * ratio * sum_cost_correct + ratio**2 * squares
    # Rounding only: every correct answer cost the same and no wrong one cost anything.
    if residual <= 1e-12 * sum_cost_sq:
        return replace(plain, null_reason="zero_variance")
    return _with_error(plain, ratio, residual, sum_correct, n)


def clustered_cost_per_correct(
    clusters: Sequence[Sequence[float]], confidence: float = 0.95
) -> Estimate:
    """The same ratio from (samples, cost, correct) of each cluster (Cochran 1977, clusters).

    se = sqrt(G / (G - 1) sum (C_g - R Y_g)^2) / sum Y, t on G - 1 degrees of freedom; clusters of
    one sample give `cost_per_correct`. `one_cluster` where there is no more.
    """
    check_confidence(confidence)
    used = [(n, cost, correct) for n, cost, correct in clusters if n]
    n, groups = int(sum(row[0] for row in used)), len(used)
    correct = math.fsum(row[2] for row in used)
    plain = Estimate(
        None, "ratio, clustered", level=confidence, n_samples=n, n_runs=n, n_clusters=groups
    )
    if not correct:
        return replace(plain, null_reason="no_correct")
    ratio = math.fsum(row[1] for row in used) / correct
    plain = replace(plain, estimate=ratio)
    if groups < 2:
        return replace(plain, null_reason="one_cluster")
    residual = math.fsum((c - ratio * y) ** 2 for _, c, y in used)
    if residual <= 1e-12 * math.fsum(c * c for _, c, _ in used):
        return replace(plain, null_reason="zero_between_cluster_variance")
    estimate = _with_error(plain, ratio, residual, correct, groups)
    return replace(estimate, warnings=("few_clusters",) if groups < 20 else ())


def _with_error(
    plain: Estimate, ratio: float, residual: float, correct: float, units: int
) -> Estimate:
    """The ratio with its error and t interval, not below 0."""
    se = math.sqrt(units / (units - 1) * residual) / correct
    half = t_quantile(plain.level, units - 1) * se
    low = max(0.0, ratio - half)
    return replace(plain, se=se, ci_low=low, ci_high=ratio + half, dof=float(units - 1))


@dataclass(frozen=True, slots=True)
class CostIncrement:
    """Extra cost per extra correct answer; `None` with a reason where it has no meaning."""

    value: float | None
    null_reason: str | None = None


def cost_increment(
    cost_difference: float, accuracy_difference: float, interval: Interval
) -> CostIncrement:
    """Dollars for each additional right answer: (cost A - cost B) / (accuracy A - accuracy B).

    Args:
        cost_difference: Per sample, in USD.
        accuracy_difference: A fraction.
        interval: That of the difference of accuracies.

    Returns:
        `None` with `difference_not_resolved` when the interval covers 0 or does not exist: the
        ratio could then be anything.
    """
    if accuracy_difference == 0.0 or not interval.excludes(0.0):
        return CostIncrement(None, "difference_not_resolved")
    return CostIncrement(cost_difference / accuracy_difference)


@dataclass(frozen=True, slots=True)
class ParetoPoint:
    """One variant: accuracy (more is better), cost and latency (less is better)."""

    accuracy: float | None
    cost: float | None = None
    latency: float | None = None


def pareto_front(points: Sequence[ParetoPoint]) -> list[bool | None]:
    """Which variants no other variant beats: as good in everything and better in something.

    Ties are both kept. A measure that no variant has is left out; a variant that lacks a measure
    others have cannot be placed and gets `None`.
    """
    rows = [(None if p.accuracy is None else -p.accuracy, p.cost, p.latency) for p in points]
    used = [i for i in range(3) if any(row[i] is not None for row in rows)]
    placed: list[tuple[float, ...] | None] = []
    for row in rows:
        known = tuple(value for i in used if (value := row[i]) is not None)
        placed.append(known if used and len(known) == len(used) else None)
    rivals = [row for row in placed if row is not None]
    return [None if row is None else not any(_beats(r, row) for r in rivals) for row in placed]


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
