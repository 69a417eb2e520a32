"""Times and costs from sums, against SciPy on the rows and a bootstrap."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.cluster_robust import sample_mean
from ml_agents_results.statistics.cost_ratios import (
    CostIncrement,
    ParetoPoint,
    cost_increment,
    cost_per_correct,
    pareto_front,
)
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.time_ratios import (
    LatencySummary,
    latency_summary,
    paired_ratio,
    sign_test_p,
)


def summary(times: Sequence[float], missing: int = 0) -> LatencySummary:
    counts = sorted(Counter(times).items())
    return latency_summary([t for t, _ in counts], [n for _, n in counts], missing)


@given(times=st.lists(st.integers(0, 60_000), min_size=2, max_size=60))
def test_moments_equal_those_of_the_rows(times: list[int]) -> None:
    result = summary(times, missing=3)
    assert result.mean == pytest.approx(np.mean(times))
    assert result.sd == pytest.approx(np.std(times, ddof=1), rel=1e-6, abs=1e-3)
    assert (result.minimum, result.maximum) == (min(times), max(times))
    assert (result.n_timed, result.n_missing) == (len(times), 3)
    positive = [t for t in times if t > 0]
    assert result.n_zero == len(times) - len(positive)
    if positive:
        assert result.geometric_mean == pytest.approx(stats.gmean(positive), rel=1e-9)
    else:
        assert result.geometric_mean is None


def test_long_times_keep_the_digits_of_a_small_spread() -> None:
    assert summary([1e9, 1e9 + 1, 1e9 + 2]).sd == pytest.approx(1.0, rel=1e-12)


def test_latency_edges() -> None:
    assert summary([], missing=5) == LatencySummary(0, 5, null_reason="no_values")
    one = summary([120.0])
    assert (one.mean, one.sd) == (120.0, None)
    with pytest.raises(ValueError, match="negative"):
        summary([-1.0, 2.0])


@given(
    data=st.lists(
        st.tuples(st.floats(1, 1000), st.floats(1, 1000)), min_size=2, max_size=40
    ).filter(lambda rows: np.std([math.log(a / b) for a, b in rows]) > 1e-2)
)
def test_ratio_is_the_paired_t_test_on_logarithms(data: list[tuple[float, float]]) -> None:
    logs = [math.log(a / b) for a, b in data]
    expected = stats.ttest_rel(*np.log(np.array(data)).T)
    result = paired_ratio(sample_mean(len(data), math.fsum(logs), math.fsum(x * x for x in logs)))
    low, high = expected.confidence_interval(0.95)
    geometric = stats.gmean([a for a, _ in data]) / stats.gmean([b for _, b in data])
    assert result.estimate == pytest.approx(geometric, rel=1e-9)
    assert result.p_value == pytest.approx(float(expected.pvalue), rel=1e-6)
    assert result.ci_low == pytest.approx(math.exp(low), rel=1e-6)
    assert result.ci_high == pytest.approx(math.exp(high), rel=1e-6)
    assert result.se == pytest.approx(geometric * float(stats.sem(logs)), rel=1e-6)
    assert (result.n_samples, result.n_runs) == (len(data), 2 * len(data))


def test_ratio_edges() -> None:
    assert paired_ratio(sample_mean(0, 0.0, 0.0)).null_reason == "no_shared_samples"
    one = paired_ratio(sample_mean(1, math.log(2), math.log(2) ** 2))
    assert one.estimate == pytest.approx(2.0)
    assert (one.ci_low, one.null_reason) == (None, "n_lt_2")
    same = paired_ratio(sample_mean(4, 4 * math.log(2), 4 * math.log(2) ** 2))
    assert same.p_value == 2.0**-3
    assert same.ci_low is None
    with pytest.raises(UsageError, match="confidence"):
        paired_ratio(sample_mean(0, 0.0, 0.0), 95)


@given(slower=st.integers(0, 200), faster=st.integers(0, 200))
def test_sign_test_equals_scipy(slower: int, faster: int) -> None:
    if slower + faster == 0:
        assert sign_test_p(slower, faster) is None
        return
    expected = stats.binomtest(slower, slower + faster).pvalue
    assert sign_test_p(slower, faster) == pytest.approx(expected, rel=1e-9)


def cost_of(rows: list[tuple[float, float]], confidence: float = 0.95) -> Estimate:
    cost, correct = np.array(rows).reshape(-1, 2).T
    return cost_per_correct(
        len(rows),
        float(cost.sum()),
        float(cost @ cost),
        float(correct.sum()),
        float(cost @ correct),
        float(correct @ correct),
        confidence,
    )


@given(
    rows=st.lists(
        st.tuples(st.floats(0.001, 0.1), st.sampled_from([0.0, 0.5, 1.0])), min_size=2, max_size=40
    ).filter(lambda r: sum(y for _, y in r) > 0)
)
def test_cost_per_correct_equals_the_rows(rows: list[tuple[float, float]]) -> None:
    result = cost_of(rows)
    cost, correct = np.array(rows).T
    ratio = cost.sum() / correct.sum()
    assert result.estimate == pytest.approx(ratio, rel=1e-12)
    residual = cost - ratio * correct
    if residual.std() > 1e-6:
        # Linearisation: the ratio varies as the mean of the residuals over the mean of y.
        expected = stats.sem(residual) / correct.mean()
        assert result.se == pytest.approx(expected, rel=1e-6)
        half = stats.t.ppf(0.975, len(rows) - 1) * expected
        assert result.ci_low == pytest.approx(max(0.0, ratio - half), rel=1e-6)
        assert result.ci_high == pytest.approx(ratio + half, rel=1e-6)
        assert result.dof == len(rows) - 1


def test_cost_error_agrees_with_a_bootstrap() -> None:
    rng = np.random.default_rng(5)
    rows = list(zip(rng.gamma(4, 0.003, 400), rng.integers(0, 2, 400).astype(float), strict=True))
    data = np.array(rows)
    draws = data[rng.integers(0, 400, (4000, 400))].sum(axis=1)
    assert cost_of(rows).se == pytest.approx(float((draws[:, 0] / draws[:, 1]).std()), rel=0.06)


def test_cost_edges() -> None:
    wrong = cost_of([(0.1, 0.0), (0.2, 0.0)])
    assert (wrong.estimate, wrong.null_reason) == (None, "no_correct")
    one = cost_of([(0.1, 1.0)])
    assert (one.estimate, one.se, one.null_reason) == (0.1, None, "n_lt_2")
    flat = cost_of([(0.1, 1.0)] * 5)
    assert flat.estimate == pytest.approx(0.1)
    assert (flat.se, flat.null_reason) == (None, "zero_variance")
    with pytest.raises(ValueError, match="finite"):
        cost_per_correct(2, math.nan, 1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match=">= 0"):
        cost_per_correct(2, -1.0, 1.0, 1.0, 1.0)
    with pytest.raises(UsageError, match="confidence"):
        cost_of([(0.1, 1.0)], 95)


def test_increment_needs_a_resolved_difference() -> None:
    resolved, unclear = Interval(0.05, 0.15, "tango"), Interval(-0.01, 0.15, "tango")
    assert cost_increment(0.02, 0.1, resolved).value == pytest.approx(0.2)
    assert cost_increment(-0.02, -0.1, Interval(-0.2, -0.1, "t")).value == pytest.approx(0.2)
    nothing = CostIncrement(None, "difference_not_resolved")
    assert cost_increment(0.02, 0.1, unclear) == nothing
    assert cost_increment(0.02, 0.0, resolved) == nothing
    assert cost_increment(0.02, 0.1, Interval(None, None, "t")) == nothing


def test_pareto_front_keeps_ties_and_drops_the_beaten() -> None:
    points = [
        ParetoPoint(0.8, 1.0),
        ParetoPoint(0.8, 1.0),
        ParetoPoint(0.8, 2.0),
        ParetoPoint(0.9, 5.0),
        ParetoPoint(0.7, 0.5),
        ParetoPoint(0.6, 0.5),
    ]
    assert pareto_front(points) == [True, True, False, True, True, False]


def test_pareto_front_with_missing_measures() -> None:
    points = [ParetoPoint(0.8, 1.0, 10.0), ParetoPoint(0.7, 2.0, 5.0), ParetoPoint(0.9, 1.0, None)]
    assert pareto_front(points) == [True, True, None]
    assert pareto_front([ParetoPoint(None, None, None)]) == [None]
    assert pareto_front([ParetoPoint(0.8), ParetoPoint(0.9)]) == [False, True]
    assert pareto_front([]) == []


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12
    )
)
def test_every_beaten_variant_is_beaten_by_one_on_the_front(
    rows: list[tuple[int, int, int]],
) -> None:
    front = pareto_front([ParetoPoint(*map(float, row)) for row in rows])
    best = [row for row, on_it in zip(rows, front, strict=True) if on_it]
    assert best
    for row, on_it in zip(rows, front, strict=True):
        beaten = any(
            b[0] >= row[0] and b[1] <= row[1] and b[2] <= row[2] and b != row for b in best
        )
        assert beaten is not on_it
