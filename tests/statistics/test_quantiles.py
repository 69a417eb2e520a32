"""Quantiles by rank, against numpy and scipy.stats.quantile_test."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.distributions import binomial_quantile
from ml_agents_results.statistics.quantiles import from_histogram

times = st.lists(st.integers(0, 500), min_size=1, max_size=120)
levels = st.sampled_from([0.01, 0.25, 0.5, 0.9, 0.95, 0.99])


@given(data=times, q=levels, confidence=st.sampled_from([0.8, 0.95, 0.99]))
def test_value_and_interval_equal_the_libraries(
    data: list[int], q: float, confidence: float
) -> None:
    counts = Counter(data)
    [found] = from_histogram(list(counts), list(counts.values()), [q], confidence)
    assert found.value == pytest.approx(float(np.quantile(data, q)), rel=1e-12)
    expected = stats.quantile_test(data, q=0, p=q).confidence_interval(confidence)
    for bound, reference in ((found.ci_low, expected.low), (found.ci_high, expected.high)):
        assert bound == (None if math.isnan(reference) else reference)


@given(
    n=st.integers(1, 10_000_000),
    rate=st.sampled_from([0.01, 0.5, 0.95, 0.99]),
    tail=st.sampled_from([0.005, 0.025, 0.975]),
)
def test_binomial_quantile_equals_scipy(n: int, rate: float, tail: float) -> None:
    assert binomial_quantile(tail, n, rate) == int(stats.binom.ppf(tail, n, rate))


def test_the_95th_percentile_of_20_has_no_upper_bound() -> None:
    [found] = from_histogram(range(1, 21), [1] * 20, [0.95])
    assert (found.ci_low, found.ci_high) == (17, None)


def test_the_median_of_three_has_no_bounds() -> None:
    [found] = from_histogram([1, 2, 3], [1] * 3, [0.5])
    assert (found.ci_low, found.ci_high) == (None, None)


@pytest.mark.parametrize(("q", "value"), [(0.0, 1.0), (1.0, 9.0)])
def test_extremes_have_no_interval(q: float, value: float) -> None:
    [found] = from_histogram([9, 1], [30, 30], [q])
    assert (found.value, found.ci_low, found.ci_high) == (value, None, None)


def test_without_data() -> None:
    [found] = from_histogram([], [], [0.5])
    assert (found.value, found.n, found.null_reason) == (None, 0, "no_values")


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="quantile"):
        from_histogram([1.0], [1], [95])
    with pytest.raises(UsageError, match="confidence"):
        from_histogram([1.0], [1], [0.5], 95)
    with pytest.raises(ValueError, match="one length"):
        from_histogram([1.0], [1, 2], [0.5])
    with pytest.raises(ValueError, match="finite"):
        from_histogram([math.nan], [1], [0.5])
    with pytest.raises(ValueError, match="counts"):
        from_histogram([1.0], [-1], [0.5])
