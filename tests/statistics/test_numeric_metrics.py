"""Means and differences of numeric metrics, against R, SciPy and exact enumeration."""

from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.bounded_mean import is_skewed, mean_of_values, skewness
from ml_agents_results.statistics.cluster_robust import ClusteredMean, clustered_mean, sample_mean
from ml_agents_results.statistics.difference_sums import Design, DifferenceSums, clustered_design
from ml_agents_results.statistics.numeric_difference import (
    difference_test,
    effect_size,
    pseudo_sample_t,
    value_margin_test,
)
from ml_agents_results.statistics.two_samples import difference_of_means
from ml_agents_results.statistics.value_tabulation import DifferenceSteps, add_steps
from tests.reference_data import load

CASES = load("statistics_fixtures_2.json")["b_any_metric"]
Values = NDArray[np.float64]


def mean_of(values: Values) -> ClusteredMean:
    return sample_mean(len(values), float(values.sum()), float((values**2).sum()))


def by_passage(values: Values) -> ClusteredMean:
    passage = np.array(CASES["f1"]["data"]["passage"])
    parts = [values[passage == name] for name in sorted(set(passage))]
    return clustered_mean(
        list(map(len, parts)), [part.sum() for part in parts], [(part**2).sum() for part in parts]
    )


def sums_of(d: Values) -> DifferenceSums:
    return DifferenceSums(len(d), d.sum(), (d**2).sum(), np.abs(d).sum(), int(np.count_nonzero(d)))


def independent(d: Values) -> Design:
    return Design(dof=len(d) - 1.0)


def steps(d: Values, per_unit: int = 10_000) -> dict[int, int]:
    return dict(Counter(map(int, np.rint(d * per_unit))))


def two(name: str) -> tuple[Values, Values, dict[str, Any]]:
    case = CASES[name]
    sides = (np.array(case["data"][side], float) for side in ("treatment", "baseline"))
    return *sides, case["expected"]


def difference(one: Values, other: Values) -> Values:
    d: Values = np.round(one - other, 10)
    return d


def near(expected: Any) -> Any:
    return pytest.approx(expected, abs=1e-9)


def test_a_bounded_mean() -> None:
    one, _, expected = two("f1")
    found = mean_of_values(mean_of(one), 30, (0.0, 1.0))
    assert found.estimate == near(expected["mean"])
    assert [found.ci_low, found.ci_high] == near(expected["ci95_design_adjusted_wilson"])
    clustered = mean_of_values(by_passage(one), 30, (0.0, 1.0))
    passage = expected["mean_cluster_passage"]
    assert [clustered.ci_low, clustered.ci_high] == near(passage["ci95"])
    assert (clustered.se, clustered.dof) == near((passage["se"], passage["dof"]))


def test_a_rating_from_1_to_5() -> None:
    one, other, expected = two("likert")
    found = mean_of_values(mean_of(one), 40, (1.0, 5.0))
    assert found.estimate == near(expected["mean"])
    assert [found.ci_low, found.ci_high] == near(expected["ci95_design_adjusted_wilson"])
    d = difference(one, other)
    interval = pseudo_sample_t(sums_of(d), independent(d), 4.0)
    assert [interval.low, interval.high] == near(expected["difference_ci95_pseudo_rms_t"])
    assert difference_test(sums_of(d), steps(d)).p_value == near(expected["p_signflip_mid"])
    exact = difference_test(sums_of(d), steps(d), test="exact")
    assert exact.p_value == near(expected["p_signflip_exact"])


def test_a_difference_of_f1() -> None:
    one, other, expected = two("f1")
    d = difference(one, other)
    sums = sums_of(d)
    interval = pseudo_sample_t(sums, independent(d), 1.0)
    assert [interval.low, interval.high] == near(expected["difference_ci95_pseudo_rms_t"])
    p_value = difference_test(sums, steps(d)).p_value
    assert p_value == near(expected["p_signflip_mid_on_lattice_1e-4"])
    assert effect_size(sums) == near(expected["d_z_hedges"])
    mean, clustered = by_passage(one - other), expected["difference_cluster_passage"]
    assert mean.se is not None
    assert mean.dof is not None
    design = clustered_design(sums, mean.se, mean.dof, 6)
    interval = pseudo_sample_t(sums, design, 1.0)
    assert [interval.low, interval.high] == near([clustered["low"], clustered["high"]])
    assert mean.p_value() == near(clustered["p"])


def test_a_metric_without_bounds() -> None:
    case = CASES["lower_is_better_unbounded"]
    values = np.array(case["data"]["values"])
    found = mean_of_values(mean_of(values), 25)
    assert [found.ci_low, found.ci_high] == near(case["expected"]["t_ci95"])
    centred = values - values.mean()
    g1 = skewness(25, float((centred**2).sum()), float((centred**3).sum()))
    assert g1 == near(case["expected"]["skewness_g1"])
    assert g1 == near(stats.skew(values))
    assert is_skewed(25, g1)
    assert not is_skewed(2500, g1)


def test_what_does_not_vary() -> None:
    constant = mean_of_values(sample_mean(40, 200.0, 1000.0), 40, (1.0, 5.0))
    expected = CASES["constant_scores"]["expected"]
    assert [constant.ci_low, constant.ci_high] == near(expected["ci95"])
    assert constant.se is None
    same = DifferenceSums(40)
    interval = pseudo_sample_t(same, Design(dof=39.0), 4.0)
    assert [interval.low, interval.high] == near(CASES["identical_scores"]["expected"]["ci95"])
    assert difference_test(same, {0: 40}).p_value == 1.0
    unbounded = pseudo_sample_t(same, Design(dof=39.0))
    assert (unbounded.low, unbounded.null_reason) == (None, "no_differences")


@pytest.mark.parametrize("n", [6, 9, 12])
def test_the_sign_flip_by_enumeration(n: int) -> None:
    d = np.random.default_rng(n).integers(-30, 31, n) / 10.0
    every = np.array([np.dot(signs, d) for signs in product((1, -1), repeat=n)])
    reach = abs(d.sum())
    beyond = float((np.abs(every) > reach + 1e-9).mean())
    whole = float((np.abs(every) > reach - 1e-9).mean())
    found = difference_test(sums_of(d), steps(d))
    assert (found.p_value, found.p_exact) == near(((beyond + whole) / 2, whole))


def test_values_on_no_lattice() -> None:
    rng = np.random.default_rng(1)
    many = rng.normal(0.2, 1.0, 400)
    found = difference_test(sums_of(many), None)
    assert found.test == "paired t"
    assert found.p_value == near(stats.ttest_1samp(many, 0.0).pvalue)
    few = rng.normal(0.5, 1.0, 30)
    first, again = (difference_test(sums_of(few), None, tuple(few)) for _ in range(2))
    assert first == again
    assert first.test == "sign-flip (Monte Carlo)"
    law = stats.permutation_test(
        (few,), np.mean, permutation_type="samples", n_resamples=99_999, rng=rng
    )
    assert first.p_value == pytest.approx(law.pvalue, abs=0.005)


def test_two_independent_means() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(5.0, 2.0, 40), rng.normal(4.0, 1.0, 60)
    estimates = [mean_of_values(mean_of(side), len(side)) for side in (one, other)]
    found = difference_of_means(estimates[0], estimates[1], bounded=False)
    welch = stats.ttest_ind(one, other, equal_var=False)
    assert found.p_value == near(welch.pvalue)
    assert (found.ci_low, found.ci_high) == near(tuple(welch.confidence_interval()))
    full = mean_of_values(sample_mean(40, 200.0, 1000.0), 40, (1.0, 5.0))
    none = mean_of_values(sample_mean(40, 40.0, 40.0), 40, (1.0, 5.0))
    apart = difference_of_means(full, none, bounded=True)
    assert apart.ci_low is not None
    assert 3.4 < apart.ci_low < 4.0 == apart.ci_high


def test_a_margin_in_the_unit_of_the_metric() -> None:
    d = np.repeat([0.0, -0.5, 0.5], [80, 10, 10])
    sums, design = sums_of(d), independent(d)
    found = value_margin_test(sums, design, 0.2, 4.0)
    assert found is not None
    assert found.p_non_inferior < 0.05
    # The test does not depend on the unit, nor on whether the range is known.
    percent = sums_of(100 * d)
    for again in (
        value_margin_test(percent, design, 20.0, 400.0),
        value_margin_test(sums, design, 0.2, None),
    ):
        assert again is not None
        assert again.p_non_inferior == near(found.p_non_inferior)
    with pytest.raises(UsageError, match="as wide as"):
        value_margin_test(sums, design, 4.0, 4.0)


def test_a_margin_where_lower_is_better() -> None:
    d = np.repeat([0.0, 0.5], [60, 40])
    sums, design = sums_of(d), independent(d)
    worse = value_margin_test(sums, design, 0.1, None, higher_is_better=False)
    better = value_margin_test(sums, design, 0.1, None)
    assert worse is not None
    assert better is not None
    assert worse.p_non_inferior > 0.9
    assert better.p_non_inferior < 0.01
    low, high = worse.interval.low, worse.interval.high
    assert low is not None
    assert high is not None
    assert 0.0 < low < 0.2 < high


def test_parts_with_other_repeats_add_up() -> None:
    whole = add_steps(
        [
            DifferenceSteps(10_000, {1: 2, 0: 1}, (1e-4,)),
            DifferenceSteps(30_000, {1: 1}, (1 / 3e4,)),
        ]
    )
    assert whole.per_unit == 30_000
    assert whole.counts == {0: 1, 1: 1, 3: 2}
    assert add_steps([whole, DifferenceSteps()]).counts is None
