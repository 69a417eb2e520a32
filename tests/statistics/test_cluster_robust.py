"""Cluster-robust means, against statsmodels OLS, dense matrix algebra and SciPy's t tests."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.cluster_robust import clustered_mean, sample_mean
from tests.statistics.matrices import Groups, dense_cr2, labels

fractions = st.sampled_from([0.0, 1 / 3, 0.5, 2 / 3, 1.0, -1.0, -1 / 3])
grouped = st.lists(st.lists(fractions, min_size=1, max_size=12), min_size=2, max_size=30).filter(
    lambda groups: any(abs(np.mean(g) - np.mean(np.concatenate(groups))) > 1e-6 for g in groups)
)


def sums(groups: Groups) -> tuple[list[float], list[float], list[float]]:
    return (
        [len(g) for g in groups],
        [math.fsum(g) for g in groups],
        [math.fsum(x * x for x in g) for g in groups],
    )


@given(groups=grouped)
def test_cr1_equals_statsmodels(groups: Groups) -> None:
    y = np.concatenate(groups)
    fit = sm.OLS(y, np.ones(len(y))).fit(
        cov_type="cluster",
        cov_kwds={"groups": labels(groups), "df_correction": True},
        use_t=True,
    )
    # statsmodels also multiplies by (n - 1) / (n - k), which is 1 for a mean.
    result = clustered_mean(*sums(groups))
    assert result.mean == pytest.approx(float(fit.params[0]), abs=1e-12)
    assert result.se_cr1 == pytest.approx(float(fit.bse[0]), rel=1e-9)
    groups_count = len(groups)
    assert result.se_cr0 == pytest.approx(
        float(fit.bse[0]) * math.sqrt((groups_count - 1) / groups_count), rel=1e-9
    )


@given(groups=grouped)
def test_cr2_and_its_degrees_of_freedom_equal_the_matrix_form(groups: Groups) -> None:
    se, dof = dense_cr2(groups)
    result = clustered_mean(*sums(groups))
    assert result.se == pytest.approx(se, rel=1e-8)
    assert result.dof == pytest.approx(dof, rel=1e-8)


@given(values=st.lists(st.floats(-5, 5), min_size=2, max_size=60))
def test_without_groups_it_is_the_one_sample_t_test(values: list[float]) -> None:
    if np.std(values) < 1e-3:
        return
    expected = stats.ttest_1samp(values, 0.0)
    total, squares = math.fsum(values), math.fsum(x * x for x in values)
    result = sample_mean(len(values), total, squares)
    assert result.se == pytest.approx(float(stats.sem(values)), rel=1e-7)
    assert result.dof == len(values) - 1
    assert result.p_value() == pytest.approx(float(expected.pvalue), rel=1e-6, abs=1e-12)
    interval = result.interval()
    low, high = expected.confidence_interval(0.95)
    assert interval.low == pytest.approx(float(low), rel=1e-6, abs=1e-7)
    assert interval.high == pytest.approx(float(high), rel=1e-6, abs=1e-7)


@given(groups=grouped)
def test_singleton_clusters_are_independent_samples(groups: Groups) -> None:
    values = [x for g in groups for x in g]
    if max(values) == min(values):
        return
    alone = clustered_mean([1.0] * len(values), values, [x * x for x in values])
    pooled = sample_mean(len(values), math.fsum(values), math.fsum(x * x for x in values))
    assert alone.se == pytest.approx(pooled.se, rel=1e-9)
    assert alone.dof == pytest.approx(pooled.dof, rel=1e-9)
    assert alone.icc is None


@given(groups=grouped)
def test_design_effect_and_icc_equal_the_analysis_of_variance(groups: Groups) -> None:
    result = clustered_mean(*sums(groups))
    y, owner = np.concatenate(groups), labels(groups)
    iid = float(stats.sem(y))
    assert result.deff == pytest.approx(((result.se_cr1 or 0) / iid) ** 2, rel=1e-9)
    count = len(groups)
    if len(y) == count:
        assert result.icc is None
        return
    means = np.array([np.mean(g) for g in groups])
    sizes = np.array([len(g) for g in groups])
    msb = float(np.sum(sizes * (means - y.mean()) ** 2)) / (count - 1)
    msw = float(np.sum((y - means[owner]) ** 2)) / (len(y) - count)
    n0 = (len(y) - float(np.sum(sizes**2)) / len(y)) / (count - 1)
    assert result.icc == pytest.approx((msb - msw) / (msb + (n0 - 1) * msw), rel=1e-6, abs=1e-9)


@given(groups=grouped)
def test_order_of_clusters_and_empty_ones_change_nothing(groups: Groups) -> None:
    n, total, squares = sums(groups)
    here = clustered_mean(n, total, squares)
    there = clustered_mean([0, *n[::-1]], [0.0, *total[::-1]], [0.0, *squares[::-1]])
    assert there.se == pytest.approx(here.se, rel=1e-9)
    assert there.dof == pytest.approx(here.dof, rel=1e-9)
    assert there.n_clusters == here.n_clusters


@given(groups=grouped)
def test_negating_the_differences_negates_the_estimate_and_keeps_p(groups: Groups) -> None:
    here = clustered_mean(*sums(groups)).as_difference()
    there = clustered_mean(*sums([[-x for x in g] for g in groups])).as_difference()
    assert there.estimate == pytest.approx(-(here.estimate or 0.0), abs=1e-12)
    assert there.p_value == pytest.approx(here.p_value, rel=1e-6)
    assert there.ci_low == pytest.approx(-(here.ci_high or 0.0), abs=1e-9)


@pytest.mark.parametrize("clusters", [2, 9, 30])
def test_equal_clusters_that_differ_from_zero_get_the_sign_flip_p(clusters: int) -> None:
    third = clustered_mean([3.0] * clusters, [1.0] * clusters, [1.0] * clusters)
    assert third.se == 0.0
    assert third.p_value() == 2.0 ** (1 - clusters)
    # The same by listing every pattern of signs.
    if clusters < 10:
        patterns = (1 - 2 * ((np.arange(2**clusters)[:, None] >> np.arange(clusters)) & 1)).sum(1)
        assert third.p_value() == np.mean(np.abs(patterns) == clusters)
    estimate = third.as_difference()
    assert estimate.se is None
    assert (estimate.ci_low, estimate.ci_high) == (None, None)
    assert estimate.null_reason == "zero_between_cluster_variance"


def test_equal_clusters_at_zero_have_p_one() -> None:
    flat = clustered_mean([4.0] * 5, [0.0] * 5, [2.0] * 5).as_difference()
    assert flat.p_value == 1.0
    assert flat.null_reason == "zero_between_cluster_variance"


def test_rounding_is_not_taken_for_variance() -> None:
    """Sums of thirds differ in the last digit; that is no spread between clusters."""
    n = [3.0, 6.0, 9.0, 12.0]
    total = [sum([1 / 3] * int(k)) for k in n]
    squares = [sum([1 / 9] * int(k)) for k in n]
    result = clustered_mean(n, total, squares)
    assert result.se == 0.0
    assert sample_mean(30, sum([1 / 3] * 30), sum([1 / 9] * 30)).se == 0.0
    cancelled = sample_mean(6, sum([0.1, 0.2, -0.3, 0.1, 0.2, -0.3]), 0.28)
    assert cancelled.mean == 0.0


def test_tiny_values_are_not_taken_for_rounding() -> None:
    cheap = sample_mean(4, 1e-13 + 2e-13 + 3e-13 + 4e-13, 30e-26)
    assert cheap.mean == pytest.approx(2.5e-13, rel=1e-12)
    assert cheap.se == pytest.approx(float(stats.sem([1e-13, 2e-13, 3e-13, 4e-13])), rel=1e-9)


@pytest.mark.parametrize(("n", "expected"), [(19, ("few_samples",)), (20, ())])
def test_few_samples_warning(n: int, expected: tuple[str, ...]) -> None:
    assert sample_mean(n, n / 2, n / 3).warnings == expected


def test_one_cluster_gives_the_mean_and_nothing_else() -> None:
    result = clustered_mean([50], [20.0], [20.0])
    assert result.mean == 0.4
    assert (result.se, result.dof, result.p_value()) == (None, None, None)
    for estimate in (result.as_difference(), result.as_accuracy()):
        assert estimate.null_reason == "one_cluster"
        assert (estimate.estimate, estimate.ci_low, estimate.se) == (0.4, None, None)


@pytest.mark.parametrize(
    ("n", "p", "expected"),
    [
        (9, 0.6, ("few_clusters",)),
        (27, 0.6, ()),
        (27, 0.95, ("few_clusters",)),
        (200, 0.02, ()),
    ],
)
def test_few_clusters_warning(n: int, p: float, expected: tuple[str, ...]) -> None:
    values = [p + 0.01 * (-1) ** i for i in range(n)]
    result = clustered_mean([10.0] * n, [10 * v for v in values]).as_accuracy()
    assert result.warnings == expected


def test_unbalanced_clusters_warn_by_degrees_of_freedom() -> None:
    lopsided = clustered_mean([2000.0] + [1.0] * 29, [1000.0] + [1.0, 0.0] * 14 + [1.0])
    assert lopsided.dof is not None
    assert lopsided.dof < 10
    assert lopsided.warnings == ("few_clusters",)


def test_accuracy_of_fully_correct_clusters_keeps_a_width() -> None:
    result = clustered_mean([10.0] * 30, [10.0] * 30, [10.0] * 30).as_accuracy(300)
    assert result.ci_high == 1.0
    assert result.ci_low is not None
    assert 0.8 < result.ci_low < 0.9
    assert result.se is None


def test_difference_is_clipped_to_what_is_possible() -> None:
    wide = clustered_mean([1.0, 1.0, 1.0], [1.0, 0.9, 1.0])
    assert wide.as_difference().ci_high == 1.0
    unclipped = wide.as_difference(bounds=None).ci_high
    assert unclipped is not None
    assert unclipped > 1.0


def test_hundred_thousand_clusters_need_no_matrix() -> None:
    rng = np.random.default_rng(3)
    n = rng.integers(1, 9, 100_000).astype(float)
    total = rng.binomial(n.astype(int), 0.3).astype(float)
    result = clustered_mean(n.tolist(), total.tolist(), total.tolist())
    assert result.dof == pytest.approx(100_000, rel=0.3)
    assert result.deff == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("n", "total", "sumsq"),
    [
        ([1.0, 2.0], [1.0], None),
        ([1.0, -2.0], [1.0, 1.0], None),
        ([1.0, 2.0], [1.0, math.nan], None),
        ([1.0, 2.0], [1.0, 1.0], [1.0, math.inf]),
    ],
)
def test_impossible_arrays_are_refused(
    n: list[float], total: list[float], sumsq: list[float] | None
) -> None:
    with pytest.raises(ValueError, match=r"n, total and sumsq|n must"):
        clustered_mean(n, total, sumsq)


def test_impossible_sums_are_refused() -> None:
    with pytest.raises(ValueError, match="sum of squares"):
        sample_mean(10, 10.0, 1.0)
    with pytest.raises(ValueError, match="finite"):
        sample_mean(10, math.nan, 1.0)
    with pytest.raises(ValueError, match="n must"):
        sample_mean(-1, 0.0, 0.0)


def test_confidence_is_checked_even_where_nothing_can_be_computed() -> None:
    for result in (clustered_mean([5], [2.0]), sample_mean(0, 0.0, 0.0)):
        with pytest.raises(UsageError, match="confidence"):
            result.as_accuracy(confidence=95)
        with pytest.raises(UsageError, match="confidence"):
            result.as_difference(confidence=95)
