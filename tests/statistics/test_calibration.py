"""Calibration from counts, against the rows: statsmodels GLM, pair counting, bootstrap."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import statsmodels.api as sm
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics import calibration
from ml_agents_results.statistics.auroc import auroc
from ml_agents_results.statistics.calibration import ConfidenceTable
from ml_agents_results.statistics.proportions import wilson
from ml_agents_results.statistics.reliability import calibration_error

rows = st.lists(
    st.tuples(
        st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.6, 0.8, 0.9, 0.95, 1.0]),
        st.integers(0, 12),
        st.integers(0, 12),
    ),
    min_size=1,
    max_size=15,
).filter(lambda data: sum(a + b for _, a, b in data) > 0)
Rows = list[tuple[float, int, int]]
Array = npt.NDArray[np.float64]


def expand(data: Rows) -> tuple[Array, Array]:
    c = np.concatenate([[value] * (right + wrong) for value, right, wrong in data])
    y = np.concatenate([[1.0] * right + [0.0] * wrong for _, right, wrong in data])
    return c, y


@given(data=rows)
def test_brier_and_murphys_identity(data: Rows) -> None:
    c, y = expand(data)
    score = calibration.brier_score(ConfidenceTable.from_rows(data))
    assert score.brier == pytest.approx(float(np.mean((c - y) ** 2)), abs=1e-12)
    assert score.reliability is not None
    assert score.resolution is not None
    assert score.uncertainty is not None
    parts = score.reliability - score.resolution + score.uncertainty
    assert score.brier == pytest.approx(parts, abs=1e-12)
    base = float(y.mean() * (1 - y.mean()))
    if base:
        assert score.skill == pytest.approx(1 - (score.brier or 0.0) / base, rel=1e-9)
    else:
        assert (score.skill, score.null_reason) == (None, "one_class")


@given(data=rows)
def test_calibration_in_the_large_is_a_t_test_of_the_gaps(data: Rows) -> None:
    c, y = expand(data)
    result = calibration.calibration_in_the_large(ConfidenceTable.from_rows(data))
    assert result.estimate == pytest.approx(float(np.mean(y - c)), abs=1e-12)
    if len(y) > 1 and np.std(y - c) > 1e-6:
        test = stats.ttest_1samp(y - c, 0.0)
        assert result.p_value == pytest.approx(float(test.pvalue), rel=1e-7)
        low = float(test.confidence_interval().low)
        assert result.ci_low == pytest.approx(max(-1.0, low), rel=1e-7, abs=1e-9)


@given(data=rows)
def test_spiegelhalter_equals_the_rows(data: Rows) -> None:
    c, y = expand(data)
    result = calibration.spiegelhalter(ConfidenceTable.from_rows(data))
    variance = float(np.sum((1 - 2 * c) ** 2 * c * (1 - c)))
    if variance < 1e-12:
        assert result.null_reason == "no_variance_under_calibration"
        return
    z = float(np.sum((y - c) * (1 - 2 * c))) / math.sqrt(variance)
    assert result.z == pytest.approx(z, rel=1e-9, abs=1e-12)
    assert result.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-8)


# Two distinct confidences fit exactly, which statsmodels remarks upon.
@pytest.mark.filterwarnings("ignore:Perfect separation", "ignore:.*scalar divide")
@given(data=rows)
def test_slope_and_intercept_equal_statsmodels(data: Rows) -> None:
    table = ConfidenceTable.from_rows(data)
    line = calibration.calibration_line(table)
    if line.null_reason is not None:
        return
    c = np.clip(table.confidence, 1e-6, 1 - 1e-6)
    fit = sm.GLM(
        np.column_stack([table.correct, table.wrong]),
        np.column_stack([np.ones_like(c), np.log(c / (1 - c))]),
        family=sm.families.Binomial(),
    ).fit(tol=1e-14, maxiter=200)
    assert line.intercept == pytest.approx(fit.params[0], rel=1e-6, abs=1e-7)
    assert line.slope == pytest.approx(fit.params[1], rel=1e-6, abs=1e-7)
    assert line.intercept_se == pytest.approx(fit.bse[0], rel=1e-5)
    assert line.slope_se == pytest.approx(fit.bse[1], rel=1e-5)


def test_slope_recovers_what_the_data_were_made_with() -> None:
    rng = np.random.default_rng(11)
    c = np.round(rng.uniform(0.05, 0.95, 20_000), 2)
    truth = 1 / (1 + np.exp(-(0.3 + 0.6 * np.log(c / (1 - c)))))
    right = rng.random(20_000) < truth
    data = [(float(v), int(right[c == v].sum()), int((~right[c == v]).sum())) for v in np.unique(c)]
    line = calibration.calibration_line(ConfidenceTable.from_rows(data))
    assert line.slope == pytest.approx(0.6, abs=0.05)
    assert line.intercept == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], "no_values"),
        ([(0.9, 5, 3)], "one_distinct_confidence"),
        ([(1.0, 5, 3), (1 - 1e-9, 1, 1)], "one_distinct_confidence"),
        ([(0.9, 5, 0), (0.2, 0, 3)], "separation"),
        ([(0.9, 5, 1), (0.2, 0, 3)], "separation"),
        ([(0.2, 5, 0), (0.9, 0, 3)], "separation"),
        ([(0.2, 5, 0), (0.9, 3, 0)], "separation"),
    ],
)
def test_no_line_can_be_fitted(data: Rows, reason: str) -> None:
    line = calibration.calibration_line(ConfidenceTable.from_rows(data))
    assert (line.slope, line.slope_se, line.null_reason) == (None, None, reason)


@pytest.mark.parametrize("times", [1, 10, 10**4, 10**8])
def test_extreme_confidences_still_converge(times: int) -> None:
    """Whatever the counts: rounding of their sums grows with them, standard errors shrink."""
    rows = [(0.0, 1, 900), (0.5, 30, 30), (1.0, 90_000, 1)]
    one = calibration.calibration_line(ConfidenceTable.from_rows(rows))
    line = calibration.calibration_line(
        ConfidenceTable.from_rows((c, times * right, times * wrong) for c, right, wrong in rows)
    )
    assert line.null_reason is None
    assert line.slope == pytest.approx(one.slope, rel=1e-9)
    assert 0.3 < (line.slope or 0) < 1.2


@given(data=rows)
def test_auroc_counts_pairs_and_delong_is_its_structural_components(data: Rows) -> None:
    c, y = expand(data)
    right, wrong = c[y == 1], c[y == 0]
    result = auroc(ConfidenceTable.from_rows(data))
    if not len(right) or not len(wrong):
        assert (result.value, result.null_reason) == (None, "one_class")
        return
    assume(len(np.unique(c)) > 1)
    wins = (right[:, None] > wrong) + 0.5 * (right[:, None] == wrong)
    assert result.value == pytest.approx(float(wins.mean()), rel=1e-12)
    u = stats.mannwhitneyu(right, wrong).statistic
    assert result.value == pytest.approx(u / len(right) / len(wrong), rel=1e-12)
    if min(len(right), len(wrong)) < 2:
        assert (result.se, result.null_reason) == (None, "n_lt_2")
        return
    variance = np.var(wins.mean(1), ddof=1) / len(right) + np.var(wins.mean(0), ddof=1) / len(wrong)
    if result.value in (0.0, 1.0) or variance < 1e-20:
        assert (result.se, result.ci_low) == (None, None)
        return
    assert result.se == pytest.approx(math.sqrt(float(variance)), rel=1e-9)
    assert result.ci_low is not None
    assert result.ci_high is not None
    assert 0 < result.ci_low < (result.value or 0) < result.ci_high < 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], "no_values"),
        ([(0.8, 3, 4)], "one_distinct_confidence"),
        ([(0.8, 3, 0), (0.9, 1, 0)], "one_class"),
        ([(0.8, 3, 0), (0.2, 0, 5)], "perfect_ranking"),
        ([(0.8, 1, 0), (0.2, 1, 5)], None),
        ([(0.8, 1, 2), (0.2, 0, 5)], "n_lt_2"),
    ],
)
def test_auroc_edges(data: Rows, reason: str | None) -> None:
    assert auroc(ConfidenceTable.from_rows(data)).null_reason == reason


@given(data=rows)
def test_ece_with_distinct_values_is_the_mean_gap(data: Rows) -> None:
    c, y = expand(data)
    result = calibration_error(ConfidenceTable.from_rows(data), resamples=5)
    gaps = {v: abs(float(np.mean(y[c == v])) - v) for v in np.unique(c)}
    assert result.binning == "distinct"
    assert result.ece == pytest.approx(float(np.mean([gaps[v] for v in c])), abs=1e-12)
    assert result.mce == pytest.approx(max(gaps.values()), abs=1e-12)
    assert sum(b.n for b in result.bins) == len(y)
    for b in result.bins:
        interval = wilson(b.correct, b.n)
        assert (b.ci_low, b.ci_high) == (interval.low, interval.high)


def test_many_distinct_values_go_into_bins_of_equal_mass() -> None:
    data = [(i / 1000, 1, 1) for i in range(1, 901)]
    result = calibration_error(ConfidenceTable.from_rows(data), resamples=5)
    assert result.binning == "equal-mass"
    assert [b.n for b in result.bins] == [120] * 15
    assert [b.low for b in result.bins][:2] == [0.001, 0.061]
    # Sixty values per bin, right half the time: bin i is centred at (60 i + 30.5) / 1000.
    gaps = [abs(0.5 - (60 * i + 30.5) / 1000) for i in range(15)]
    assert result.ece == pytest.approx(sum(gaps) / 15, rel=1e-12)


def test_equal_mass_never_splits_a_value() -> None:
    data = [(0.5, 500, 500), *[(i / 100, 1, 1) for i in range(1, 50)]]
    result = calibration_error(ConfidenceTable.from_rows(data), "equal-mass", resamples=5)
    assert sum(b.low <= 0.5 <= b.high for b in result.bins) == 1


def test_a_value_goes_where_the_middle_of_its_mass_lies() -> None:
    # 150 answers, 10 to a bin: the first value covers ranks 1-18, its middle is in the first bin.
    data = [(0.1, 9, 9), (0.2, 1, 1), (0.3, 65, 65)]
    result = calibration_error(ConfidenceTable.from_rows(data), "equal-mass", resamples=5)
    assert [b.n for b in result.bins] == [18, 2, 130]


def test_equal_width_bins_close_at_one() -> None:
    data = [(0.0, 1, 1), (0.1, 1, 1), (0.19, 1, 1), (0.3, 1, 1), (0.85, 1, 1)]
    data += [(0.95, 1, 1), (1.0, 1, 1)]
    result = calibration_error(ConfidenceTable.from_rows(data), "equal-width", resamples=5)
    assert [(b.low, b.high) for b in result.bins] == [
        (0.0, 0.0),
        (0.1, 0.19),
        (0.3, 0.3),
        (0.85, 0.85),
        (0.95, 1.0),
    ]


def test_expected_error_of_perfect_confidences_by_enumeration() -> None:
    """For one value it is E|X/n - c| with X binomial, which has a finite sum."""
    table = ConfidenceTable.from_rows([(0.7, 30, 10)])
    x = np.arange(41)
    expected = float(np.sum(stats.binom.pmf(x, 40, 0.7) * np.abs(x / 40 - 0.7)))
    result = calibration_error(table, seed=3, resamples=20_000)
    assert result.ece_if_calibrated == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("resamples", [1, 64, 65, 200])
def test_expected_error_where_chance_leaves_no_choice(resamples: int) -> None:
    """Certain confidences cannot miss; one answer at .5 always misses by .5."""
    certain = ConfidenceTable.from_rows([(0.0, 3, 4), (1.0, 5, 1)])
    single = ConfidenceTable.from_rows([(0.5, 1, 0)])
    assert calibration_error(certain, resamples=resamples).ece_if_calibrated == 0.0
    assert calibration_error(single, resamples=resamples).ece_if_calibrated == 0.5


def test_the_seed_decides_and_is_given_back() -> None:
    table = ConfidenceTable.from_rows([(0.7, 30, 10), (0.2, 3, 9)])
    one, same, other = (calibration_error(table, seed=s) for s in (1, 1, 2))
    assert one == same
    assert one.ece_if_calibrated != other.ece_if_calibrated
    assert (one.ece, one.seed, other.seed) == (other.ece, 1, 2)


@given(data=rows, cut=st.integers(0, 12))
def test_splitting_a_row_changes_nothing(data: Rows, cut: int) -> None:
    value, right, wrong = data[0]
    part = min(cut, right)
    split = [*data[1:], (value, part, 0), (value, right - part, wrong)]
    here, there = (ConfidenceTable.from_rows(d) for d in (data, split))
    assert calibration.brier_score(here) == calibration.brier_score(there)
    assert auroc(here) == auroc(there)
    assert calibration_error(here, resamples=3) == calibration_error(there, resamples=3)


def test_nothing_to_calibrate() -> None:
    table = ConfidenceTable.from_rows([(0.5, 0, 0)])
    assert calibration.brier_score(table).null_reason == "no_values"
    assert calibration.spiegelhalter(table).null_reason == "no_values"
    assert calibration.calibration_in_the_large(table).null_reason == "no_graded_runs"
    assert calibration_error(table).null_reason == "no_values"


def test_impossible_rows_and_options_are_refused() -> None:
    for bad in (1.1, -0.1, math.nan):
        with pytest.raises(ValueError, match="confidence lies"):
            ConfidenceTable.from_rows([(bad, 1, 1)])
    with pytest.raises(ValueError, match="counts"):
        ConfidenceTable.from_rows([(0.5, -1, 1)])
    table = ConfidenceTable.from_rows([(0.5, 1, 1)])
    with pytest.raises(UsageError, match="binning"):
        calibration_error(table, "quantile")
    with pytest.raises(UsageError, match="resamples"):
        calibration_error(table, resamples=0)
    with pytest.raises(UsageError, match="confidence"):
        calibration_error(table, confidence=95)
