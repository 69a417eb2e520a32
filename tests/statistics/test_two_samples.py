"""Variants on different samples, against SciPy, statsmodels and the definition in matrices."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.linalg
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import confint_proportions_2indep

from ml_agents_results.statistics.cluster_robust import sample_mean
from ml_agents_results.statistics.proportions import accuracy
from ml_agents_results.statistics.two_samples import (
    clustered_difference,
    mover,
    unpaired_difference,
    welch_difference,
)

Array = npt.NDArray[np.float64]

counts = st.tuples(st.integers(1, 60), st.integers(1, 60)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


@given(counts)
def test_as_scipy_and_statsmodels(table: tuple[int, int, int, int]) -> None:
    k_a, n_a, k_b, n_b = table
    result = unpaired_difference(*table)
    low, high = confint_proportions_2indep(k_a, n_a, k_b, n_b, method="newcomb")
    interval = mover(accuracy(k_a, n_a), accuracy(k_b, n_b))
    assert [interval.low, interval.high] == pytest.approx([low, high], rel=1e-9, abs=1e-12)
    assert result.estimate == pytest.approx(k_a / n_a - k_b / n_b)
    if 0 < k_a + k_b < n_a + n_b:
        cells = [[k_a, n_a - k_a], [k_b, n_b - k_b]]
        expected = stats.chi2_contingency(cells, correction=False).pvalue
        assert result.p_value == pytest.approx(expected, rel=1e-9)
    else:
        assert result.p_value == 1.0


def test_an_empty_variant() -> None:
    result = unpaired_difference(0, 0, 1, 2)
    assert (result.estimate, result.se, result.p_value) == (None, None, None)
    assert result.null_reason == "no_graded_runs"
    with pytest.raises(ValueError, match="must not exceed"):
        unpaired_difference(3, 2, 0, 1)


shares = st.lists(st.sampled_from([0.0, 1 / 3, 0.5, 1.0]), min_size=2, max_size=20)


@given(shares, shares)
def test_welch_as_scipy(one: list[float], two: list[float]) -> None:
    assume(len({*one}) > 1 or len({*two}) > 1)
    a, b = (sample_mean(len(v), sum(v), sum(x * x for x in v)) for v in (one, two))
    result = welch_difference(a, b)
    expected = stats.ttest_ind(one, two, equal_var=False)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert result.dof == pytest.approx(expected.df)


def test_welch_without_error() -> None:
    two = sample_mean(2, 1.0, 1.0)
    assert welch_difference(sample_mean(0, 0, 0), two).null_reason == "no_graded_runs"
    assert welch_difference(sample_mean(1, 1, 1), two).null_reason == "n_lt_2"
    constant = welch_difference(sample_mean(3, 3.0, 3.0), sample_mean(2, 0.0, 0.0))
    # One of the 10 ways to share 3 ones and 2 zeros out is as extreme.
    assert (constant.estimate, constant.se, constant.p_value) == (1.0, None, 0.1)
    assert constant.method == "fisher"


def by_definition(y: Array, variant: Array, cluster: Array) -> tuple[float, float]:
    """CR2 and its Bell-McCaffrey degrees of freedom, written out in matrices."""
    x = np.column_stack([variant == 0, variant == 1]).astype(float)
    bread = np.linalg.inv(x.T @ x)
    hat, contrast = x @ bread @ x.T, bread @ np.array([1.0, -1.0])
    residual, unit = y - hat @ y, np.eye(len(y))
    variance, rows = 0.0, []
    for group in np.unique(cluster):
        i = np.where(cluster == group)[0]
        adjust = np.real(scipy.linalg.sqrtm(np.linalg.inv(np.eye(len(i)) - hat[np.ix_(i, i)])))
        weight = adjust @ x[i] @ contrast
        variance += float(weight @ residual[i]) ** 2
        rows.append((unit - hat)[:, i] @ weight)
    product = np.array(rows) @ np.array(rows).T
    return variance**0.5, np.trace(product) ** 2 / float(np.sum(product**2))


@given(st.integers(0, 10**6), st.integers(2, 8), st.booleans())
def test_clusters_of_one_variant_or_of_both(seed: int, groups: int, apart: bool) -> None:
    generator = np.random.default_rng(seed)
    n = generator.integers(0, 7, (groups, 2))
    if apart:
        n[np.arange(groups), generator.integers(0, 2, groups)] = 0
    assume((n > 0).sum(axis=0).min() > 1)
    places = [(g, a) for g in range(groups) for a in (0, 1) for _ in range(n[g, a])]
    cluster, variant = np.array(places).T
    y = generator.random(len(places))
    sums = [
        tuple((float(n[g, a]), float(y[(cluster == g) & (variant == a)].sum())) for a in (0, 1))
        for g in range(groups)
    ]
    result, cr1 = clustered_difference(sums)  # type: ignore[arg-type]
    se, dof = by_definition(y, variant, cluster)
    assert result.se == pytest.approx(se, rel=1e-9)
    assert result.dof == pytest.approx(dof, rel=1e-9)
    assert result.p_value == pytest.approx(2 * stats.t.sf(abs(result.estimate or 0) / se, dof))
    # statsmodels has CR1 with a further factor (N - 1) / (N - 2).
    design = np.column_stack([np.ones(len(y)), variant == 0]).astype(float)
    fit = OLS(y, design).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    assert cr1 == pytest.approx(fit.bse[1] / ((len(y) - 1) / (len(y) - 2)) ** 0.5, rel=1e-9)
    assert result.estimate == pytest.approx(fit.params[1])


def test_clusters_that_give_no_error() -> None:
    none, one = (0.0, 0.0), (4.0, 2.0)
    empty, _ = clustered_difference([(one, none), (one, none)])
    assert (empty.estimate, empty.null_reason) == (None, "no_graded_runs")
    single, _ = clustered_difference([(one, none), (none, one), (none, one)])
    assert (single.estimate, single.se, single.null_reason) == (0.0, None, "one_cluster")
    alike, _ = clustered_difference([(one, none), (one, none), (none, one), (none, one)])
    assert (alike.se, alike.p_value) == (None, 1.0)
