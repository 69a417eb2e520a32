"""Paired tests and intervals, against statsmodels, exact integers and score equations."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics import distributions
from ml_agents_results.statistics import paired_table as paired
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.paired_table import PairedTable
from ml_agents_results.statistics.proportions import accuracy
from ml_agents_results.statistics.two_samples import mover
from tests.statistics.paired_tables import METHODS, error_of, interval_of, mcnemar_of

counts = st.integers(0, 400)
tables = st.builds(PairedTable, counts, counts, counts, counts).filter(lambda t: t.pairs > 0)
methods = st.sampled_from(METHODS)


def bounds(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


def exact_lower_tail(k: int, m: int) -> Fraction:
    """P(X <= k) for a fair coin tossed m times, in whole numbers."""
    total, ways = 0, 1
    for j in range(k + 1):
        total += ways
        ways = ways * (m - j) // (j + 1)
    return Fraction(total, 2**m)


@given(table=tables)
def test_exact_p_equals_statsmodels(table: PairedTable) -> None:
    b, c = table.improved, table.regressed
    expected = mcnemar([[table.both_correct, b], [c, table.neither_correct]], exact=True).pvalue
    assert mcnemar_of(table).p_exact == pytest.approx(expected, rel=1e-9)


@given(table=tables.filter(lambda t: t.discordant > 0))
def test_mid_p_equals_its_definition(table: PairedTable) -> None:
    b, c = table.improved, table.regressed
    pmf = stats.binom.pmf(min(b, c), b + c, 0.5)
    expected = 1 - pmf / 2 if b == c else 2 * stats.binom.cdf(min(b, c), b + c, 0.5) - pmf
    assert mcnemar_of(table).p_mid == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("b", "c"), [(0, 1000), (573, 1981), (512, 512), (1023, 1), (1700, 3300), (8700, 11300)]
)
def test_mcnemar_in_exact_integers(b: int, c: int) -> None:
    table = PairedTable(5, b, c, 7)
    k, m = min(b, c), b + c
    tail = exact_lower_tail(k, m)
    pmf = tail - (exact_lower_tail(k - 1, m) if k else 0)
    mid = 1 - pmf / 2 if b == c else 2 * tail - pmf
    assert mcnemar_of(table).p_exact == pytest.approx(min(1.0, float(2 * tail)), rel=1e-11)
    assert mcnemar_of(table).p_mid == pytest.approx(float(mid), rel=1e-11)


@pytest.mark.parametrize(("b", "c"), [(1060, 0), (1070, 0), (3785, 1215), (3800, 1200)])
def test_p_below_1e_300_is_not_zero_while_a_float_can_hold_it(b: int, c: int) -> None:
    expected = float(2 * exact_lower_tail(min(b, c), b + c))
    assert 0 < expected < 1e-300
    # A number that small has lost digits itself: the spacing there is 5e-324.
    p = mcnemar_of(PairedTable(0, b, c, 0)).p_exact
    assert p == pytest.approx(expected, rel=1e-9, abs=5e-324)


def test_lower_tail_of_a_fair_coin_at_its_ends() -> None:
    ends = [distributions.fair_coin_lower_tail(k, 3) for k in (-1, 0, 3, 4)]
    assert ends == [0.0, 0.125, 1.0, 1.0]


def test_mcnemar_on_ten_million_samples() -> None:
    table = PairedTable(4_000_000, 1_502_000, 1_500_000, 2_998_000)
    z = abs(2_000) / math.sqrt(3_002_000)
    # With this many tosses the continuity-corrected normal is good to about 1e-6.
    expected = 2 * stats.norm.sf((2_000 - 1) / math.sqrt(3_002_000))
    assert mcnemar_of(table).p_exact == pytest.approx(expected, rel=1e-5)
    assert mcnemar_of(table).p_mid == pytest.approx(2 * stats.norm.sf(z), rel=1e-5)


@given(table=tables, method=methods)
def test_swapping_variants_negates_the_difference_and_keeps_p(
    table: PairedTable, method: str
) -> None:
    swapped = replace(table, improved=table.regressed, regressed=table.improved)
    here, there = (interval_of(t, method) for t in (table, swapped))
    assert swapped.difference == -(table.difference or 0.0)
    assert mcnemar_of(swapped).p_mid == mcnemar_of(table).p_mid
    assert there.low == pytest.approx(-(here.high or 0.0), abs=1e-13)
    assert there.high == pytest.approx(-(here.low or 0.0), abs=1e-13)


@given(table=tables, method=methods)
def test_every_interval_holds_the_estimate_inside_the_possible_range(
    table: PairedTable, method: str
) -> None:
    low, high = bounds(interval_of(table, method))
    assert -1 <= low < high <= 1
    # Bonett-Price is centred elsewhere and may not reach a difference of exactly 1.
    if method != "bonett-price":
        assert low - 1e-12 <= (table.difference or 0.0) <= high + 1e-12


@given(table=tables.filter(lambda t: t.discordant > 0 and abs(t.difference or 0) < 1))
def test_tango_bounds_solve_the_score_equation(table: PairedTable) -> None:
    """At a bound the score statistic, its nuisance parameter found numerically, is z."""
    b, c, n = table.improved, table.regressed, table.pairs
    z = stats.norm.ppf(0.975)
    for delta in bounds(interval_of(table, "tango")):
        if abs(abs(delta) - 1) < 1e-9:
            continue
        # Likelihood equation for q = P(only baseline): b/(q+d) + c/q = 2 (n-b-c)/(1-2q-d).
        quadratic = [2 * n, -b - c + (2 * n - b + c) * delta, -c * delta * (1 - delta)]
        discriminant = quadratic[1] ** 2 - 4 * quadratic[0] * quadratic[2]
        q = (-quadratic[1] + math.sqrt(max(0.0, discriminant))) / (2 * quadratic[0])
        if q > 1e-6 and q + delta > 1e-6 and 1 - 2 * q - delta > 1e-6:
            slope = b / (q + delta) + c / q - 2 * (n - b - c) / (1 - 2 * q - delta)
            assert abs(slope) <= 1e-6 * n / min(q, q + delta, 1 - 2 * q - delta)
        variance = n * (2 * q + delta * (1 - delta))
        assert abs(b - c - n * delta) == pytest.approx(z * math.sqrt(variance), rel=1e-6)


def test_published_examples() -> None:
    """Newcombe 1998 tables II and R's contingencytables; Fagerland 2013 airway example."""
    assert bounds(interval_of(PairedTable(36, 12, 2, 0), "newcombe")) == pytest.approx(
        (0.0569, 0.3404), abs=5e-5
    )
    assert bounds(interval_of(PairedTable(59, 6, 16, 80), "newcombe")) == pytest.approx(
        (-0.1186, -0.0046), abs=5e-5
    )
    airway = PairedTable(1, 1, 7, 12)
    assert mcnemar_of(airway).p_exact == pytest.approx(0.0703125, rel=1e-12)
    assert mcnemar_of(airway).p_mid == pytest.approx(0.0390625, rel=1e-12)


def test_bonett_price_by_hand() -> None:
    # (b+1)/(n+2) = 21/252, (c+1)/(n+2) = 10/252
    p12, p21, z = 21 / 252, 10 / 252, 1.959963984540054
    half = z * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / 252)
    assert bounds(interval_of(PairedTable(212, 20, 9, 9), "bonett-price")) == pytest.approx(
        (p12 - p21 - half, p12 - p21 + half), rel=1e-12
    )


@given(table=tables)
def test_standard_error_and_phi_equal_those_of_the_rows(table: PairedTable) -> None:
    rows = (
        [(1, 1)] * table.both_correct
        + [(1, 0)] * table.improved
        + [(0, 1)] * table.regressed
        + [(0, 0)] * table.neither_correct
    )
    differences = [a - b for a, b in rows]
    if len(set(differences)) > 1:
        assert error_of(table) == pytest.approx(float(stats.sem(differences)), rel=1e-9)
    else:
        assert error_of(table) is None
    candidate, baseline = [a for a, _ in rows], [b for _, b in rows]
    if len(set(candidate)) == 2 and len(set(baseline)) == 2:
        expected = stats.pearsonr(candidate, baseline).statistic
        assert paired.phi_correlation(table) == pytest.approx(expected, rel=1e-8, abs=1e-12)
    else:
        assert paired.phi_correlation(table) is None


@given(table=tables)
def test_probability_of_superiority_is_the_beta_tail(table: PairedTable) -> None:
    b, c = table.improved, table.regressed
    expected = stats.beta.sf(0.5, b + 1, c + 1)
    assert paired.probability_of_superiority(table) == pytest.approx(expected, rel=1e-9)


def test_probability_of_superiority_by_simulated_posterior() -> None:
    import numpy as np

    draws = np.random.default_rng(1).dirichlet([73 + 1, 28 + 1, 46 + 1, 40 + 1], 40_000)
    simulated = float((draws[:, 1] > draws[:, 2]).mean())
    exact = paired.probability_of_superiority(PairedTable(73, 28, 46, 40))
    assert exact == pytest.approx(simulated, abs=0.003)


@given(a=st.integers(0, 60), n_a=st.integers(60, 90), b=st.integers(0, 40), n_b=st.integers(40, 70))
def test_unpaired_newcombe_equals_statsmodels(a: int, n_a: int, b: int, n_b: int) -> None:
    expected = confint_proportions_2indep(a, n_a, b, n_b, method="newcomb", compare="diff")
    assert bounds(mover(accuracy(a, n_a), accuracy(b, n_b))) == pytest.approx(
        expected, rel=1e-9, abs=1e-12
    )


def test_unpaired_z_is_unpooled() -> None:
    variance = 0.928 * 0.072 / 250 + 0.884 * 0.116 / 250
    expected = 2 * stats.norm.sf(0.044 / math.sqrt(variance))
    assert paired.unpaired_z_p(232, 250, 221, 250) == pytest.approx(expected, rel=1e-9)
    assert paired.unpaired_z_p(0, 0, 1, 2) is None
    assert paired.unpaired_z_p(5, 5, 0, 5) is None


def test_conditional_odds_ratio() -> None:
    assert paired.conditional_odds_ratio(PairedTable(1, 20, 9, 3)) == pytest.approx(20 / 9)
    assert paired.conditional_odds_ratio(PairedTable(1, 20, 0, 3)) is None


def test_an_impossible_level_is_refused() -> None:
    with pytest.raises(UsageError, match="confidence"):
        interval_of(PairedTable(1, 1, 1, 1), "tango", 95)


def test_negative_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="regressed"):
        PairedTable(1, 1, -1, 1)
