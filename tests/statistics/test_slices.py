"""Slices and Fisher's exact test, against SciPy and statsmodels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ml_agents_results.statistics.proportions import wilson
from ml_agents_results.statistics.slices import fisher_exact_p, scan_slices


@given(
    cells=st.one_of(
        st.tuples(*[st.integers(0, 15)] * 4),
        st.tuples(*[st.integers(0, 900)] * 4),
    ).filter(lambda c: c[0] + c[1] > 0 and c[2] + c[3] > 0)
)
def test_fisher_equals_scipy(cells: tuple[int, int, int, int]) -> None:
    a, b, c, d = cells
    expected = float(stats.fisher_exact([[a, b], [c, d]]).pvalue)
    assert fisher_exact_p(a, a + b, c, c + d) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_fishers_tea() -> None:
    """Fisher (1935): eight cups, three of four guessed right; p = 34/70."""
    assert fisher_exact_p(3, 4, 1, 4) == pytest.approx(34 / 70, rel=1e-14)


def test_fisher_far_out() -> None:
    expected = stats.hypergeom.logpmf(0, 2400, 1200, 1200)
    p = fisher_exact_p(0, 1200, 1200, 1200)
    assert 0.0 <= p < 1e-300
    assert expected < -1600
    # Two tables are this extreme, both of the probability 1 / C(500, 250).
    import math

    assert fisher_exact_p(0, 250, 250, 250) == pytest.approx(2 / math.comb(500, 250), rel=1e-11)


def test_a_slice_is_compared_with_the_rest() -> None:
    slices = [(5, 40), (30, 50), (1, 9), (60, 120)]
    found = scan_slices(slices, 60, 120)
    rest = [(5, 40, 55, 80), (30, 50, 30, 70)]
    raw = [float(stats.fisher_exact([[x, n - x], [y, m - y]]).pvalue) for x, n, y, m in rest]
    assert [r.p_value for r in found[:2]] == pytest.approx(raw, rel=1e-9)
    adjusted = list(multipletests(raw, method="fdr_bh")[1])
    assert [r.p_adjusted for r in found[:2]] == pytest.approx(adjusted, rel=1e-9)
    assert [r.family_size for r in found] == [2] * 4
    assert found[0].rest_accuracy == 55 / 80
    assert found[0].difference == pytest.approx(5 / 40 - 55 / 80)
    interval = wilson(5, 40)
    assert (found[0].ci_low, found[0].ci_high) == (interval.low, interval.high)
    for small in found[2:]:
        assert (small.p_value, small.p_adjusted, small.null_reason) == (None, None, "n_lt_min")
    assert found[3].rest_accuracy is None


def test_minimum_size_is_an_option() -> None:
    [found] = scan_slices([(1, 9)], 60, 120, min_n=5)
    assert found.p_value is not None
    assert scan_slices([(0, 0)], 60, 120, min_n=0)[0].p_value is None
    assert scan_slices([(1, 1)], 60, 120, min_n=0)[0].p_value == 1.0


def test_impossible_slices_are_refused() -> None:
    with pytest.raises(ValueError, match="total"):
        scan_slices([], 5, 4)
    with pytest.raises(ValueError, match="outside"):
        scan_slices([(5, 40)], 4, 120)
    with pytest.raises(ValueError, match="outside"):
        scan_slices([(5, 40)], 100, 120)
