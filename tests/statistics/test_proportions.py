"""Intervals for one accuracy, against statsmodels and against the Beta distribution."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics import proportions
from ml_agents_results.statistics.denominators import (
    Denominators,
    coverage_warnings,
    missing_bounds,
    missing_pair_bounds,
)
from ml_agents_results.statistics.estimate import Interval

STATSMODELS_NAME = {"wilson": "wilson", "jeffreys": "jeffreys", "clopper-pearson": "beta"}


@st.composite
def shares(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 20_000))
    return draw(st.integers(0, n)), n


def bounds(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


@pytest.mark.parametrize("method", sorted(STATSMODELS_NAME))
@given(share=shares(), confidence=st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_interval_equals_statsmodels(
    method: str, share: tuple[int, int], confidence: float
) -> None:
    k, n = share
    expected = proportion_confint(k, n, 1 - confidence, method=STATSMODELS_NAME[method])
    low, high = bounds(proportions.proportion_interval(k, n, method, confidence))
    assert low == pytest.approx(expected[0], rel=1e-9, abs=1e-15)
    assert high == pytest.approx(expected[1], rel=1e-9)
    # A true share can lie anywhere, but the share seen lies inside, but for Jeffreys' corners.
    assert 0.0 <= low < high <= 1.0


@given(share=shares())
def test_bayes_uniform_is_the_beta_posterior(share: tuple[int, int]) -> None:
    k, n = share
    low, high = bounds(proportions.bayes_uniform(k, n))
    assert low == pytest.approx(stats.beta.ppf(0.025, k + 1, n - k + 1), rel=1e-9)
    assert high == pytest.approx(stats.beta.ppf(0.975, k + 1, n - k + 1), rel=1e-9)


@given(share=shares(), method=st.sampled_from(sorted(proportions.INTERVAL_METHODS)))
def test_counting_errors_instead_mirrors_the_interval(share: tuple[int, int], method: str) -> None:
    k, n = share
    low, high = bounds(proportions.proportion_interval(k, n, method))
    mirrored_low, mirrored_high = bounds(proportions.proportion_interval(n - k, n, method))
    assert mirrored_low == pytest.approx(1 - high, abs=1e-12)
    assert mirrored_high == pytest.approx(1 - low, abs=1e-12)


def test_ten_million_samples() -> None:
    expected = proportion_confint(9_999_999, 10_000_000, method="wilson")
    assert bounds(proportions.wilson(9_999_999, 10_000_000)) == pytest.approx(expected, rel=1e-12)


def test_design_adjusted_wilson_is_plain_wilson_for_independent_samples_and_many_of_them() -> None:
    """With n_eff = n and endless degrees of freedom nothing is left of the adjustment."""
    p, n = 0.3, 1000
    se = math.sqrt(p * (1 - p) / n)
    adjusted = proportions.design_adjusted_wilson(p, se, n, 1e9, n)
    assert bounds(adjusted) == pytest.approx(bounds(proportions.wilson(300, n)), rel=1e-8)


def test_design_adjusted_wilson_by_hand() -> None:
    p, se, dof = 0.75, 0.07, 7.7
    n, t = p * (1 - p) / se**2, stats.t.ppf(0.975, dof)
    # The bounds of a score interval solve |p - x| = t sqrt(x (1 - x) / n).
    for bound in bounds(proportions.design_adjusted_wilson(p, se, 2011, dof, 9)):
        assert abs(p - bound) == pytest.approx(t * math.sqrt(bound * (1 - bound) / n), rel=1e-9)


def test_design_adjusted_wilson_never_counts_more_than_the_runs() -> None:
    lucky = proportions.design_adjusted_wilson(0.5, 1e-9, 40, 9.0, 10)
    honest = proportions.design_adjusted_wilson(0.5, math.sqrt(0.25 / 40), 40, 9.0, 10)
    assert bounds(lucky) == pytest.approx(bounds(honest), rel=1e-9)


@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_design_adjusted_wilson_counts_clusters_when_they_all_agree(p: float) -> None:
    low, high = bounds(proportions.design_adjusted_wilson(p, 0.0, 1000, 9.0, 10))
    t = stats.t.ppf(0.975, 9)
    assert (low, high) == pytest.approx(proportions.wilson_bounds(p, 10, t))
    assert high - low > 0.2


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95, -0.1, math.nan])
@pytest.mark.parametrize("method", sorted(proportions.INTERVAL_METHODS))
def test_impossible_confidence_is_refused(method: str, confidence: float) -> None:
    with pytest.raises(UsageError, match="not between 0 and 1"):
        proportions.proportion_interval(3, 10, method, confidence)


def test_the_message_for_a_percentage_names_it() -> None:
    with pytest.raises(UsageError) as caught:
        proportions.wilson(3, 10, 95)
    assert caught.value.message == "the confidence level is 95, not between 0 and 1"


@pytest.mark.parametrize(("k", "n"), [(-1, 10), (11, 10), (0, -1), (2.5, 10)])
@pytest.mark.parametrize("method", sorted(proportions.INTERVAL_METHODS))
def test_impossible_counts_are_refused(method: str, k: int, n: int) -> None:
    with pytest.raises(ValueError, match=r"correct|n "):
        proportions.proportion_interval(k, n, method)


def test_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        proportions.proportion_interval(1, 2, "wald")
    assert "wilson" in (caught.value.hint or "")


def test_accuracy_carries_its_denominators() -> None:
    result = proportions.accuracy(232, 250)
    assert result.estimate == 0.928
    assert result.se == pytest.approx(math.sqrt(0.928 * 0.072 / 250), rel=1e-12)
    assert result.denominators == {"correct": 232, "graded": 250}
    assert (result.n_samples, result.n_runs, result.method) == (250, 250, "wilson")


def test_missing_grades_bound_the_accuracy() -> None:
    assert missing_bounds(30, 80, 100) == (0.3, 0.5)
    assert missing_bounds(30, 80, 80) == (0.375, 0.375)
    assert missing_bounds(0, 0, 0) is None
    with pytest.raises(ValueError, match="graded"):
        missing_bounds(3, 80, 79)


def test_missing_pairs_bound_the_difference() -> None:
    assert missing_pair_bounds(20, 10, 90, 10) == (0.0, 0.2)
    assert missing_pair_bounds(20, 10, 92, 8) == (0.02, 0.18)
    assert missing_pair_bounds(0, 0, 0, 0) is None
    with pytest.raises(ValueError, match="discordant"):
        missing_pair_bounds(20, 10, 29, 0)


def test_denominators_add_up() -> None:
    variant = Denominators(correct=30, graded=80, failed=10, unparsed=7, ungraded=3)
    assert variant.total == 100
    assert variant.coverage == 0.8


@pytest.mark.parametrize(
    ("graded", "expected"),
    [((100, 100), ()), ((100, 94), ("coverage",)), ((99, 96), ("coverage",)), ((97, 96), ())],
)
def test_coverage_warning(graded: tuple[int, int], expected: tuple[str, ...]) -> None:
    variants = [Denominators(correct=0, graded=g, failed=100 - g) for g in graded]
    assert coverage_warnings(*variants) == expected


def test_coverage_warning_without_runs() -> None:
    assert coverage_warnings(Denominators(0, 0)) == ()
    assert Denominators(0, 0).coverage is None
