"""Sample sizes, against exact enumeration, statsmodels and the equations they solve."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.proportion import (
    samplesize_confint_proportion,
    samplesize_proportions_2indep_onetail,
)

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics import sample_sizes as power
from ml_agents_results.statistics.distributions import fair_coin_mid_p
from ml_agents_results.statistics.paired_table import PairedTable

FIXTURES = json.loads(
    Path(__file__).parents[1].joinpath("data", "statistics_fixtures_2.json").read_text()
)["a_corrections"]


def exact_power(n: int, difference: float, psi: float) -> float:
    """The probability that mid-p McNemar falls to .05 or below, over all outcomes of weight."""
    p_b = (psi + difference) / 2 / psi
    total = 0.0
    for m in range(n + 1):
        weight = stats.binom.pmf(m, n, psi)
        if weight < 1e-7:
            continue
        b = np.arange(m + 1)
        hit = [fair_coin_mid_p(int(k), m - int(k)) <= 0.05 for k in b]
        total += weight * float(stats.binom.pmf(b, m, p_b)[np.array(hit)].sum())
    return total


def test_the_sample_size_delivers_its_power() -> None:
    size = power.paired_sample_size(0.1, 0.3)
    assert exact_power(size.samples, 0.1, 0.3) == pytest.approx(0.8065879484941574, abs=2e-5)


@given(
    psi=st.floats(0.02, 1.0),
    share=st.floats(0.02, 1.0),
    target=st.floats(0.3, 0.99),
    alpha=st.floats(0.001, 0.2),
)
def test_size_power_and_difference_are_one_equation(
    psi: float, share: float, target: float, alpha: float
) -> None:
    d = psi * share
    size = power.paired_sample_size(d, psi, alpha, target)
    assert size.samples - 1 < size.exact <= size.samples
    if psi - d * d > 1e-9:
        assert power.paired_power(size.samples, d, psi, alpha) >= target - 1e-9
        if size.samples > 1:
            assert power.paired_power(size.samples - 1, d, psi, alpha) <= target + 1e-9
    found = power.minimum_detectable_difference(size.samples, psi, alpha, target)
    assert found is not None
    assert found <= d + 1e-9


@given(n=st.integers(1, 5000), psi=st.floats(0.01, 1.0), target=st.floats(0.3, 0.95))
def test_minimum_difference_equals_the_root_found_numerically(
    n: int, psi: float, target: float
) -> None:
    z_a, z_b = stats.norm.ppf(0.975), stats.norm.ppf(target)

    def missing(d: float) -> float:
        return float(((z_a * math.sqrt(psi) + z_b * math.sqrt(psi - d * d)) / d) ** 2 - n)

    found = power.minimum_detectable_difference(n, psi, power=target)
    if missing(psi) > 1e-6:
        assert found is None
    elif missing(psi) < -1e-6:
        expected = optimize.brentq(missing, 1e-9, psi, xtol=1e-15, rtol=1e-14)
        assert found == pytest.approx(expected, rel=1e-9)


def test_connors_formula_by_hand() -> None:
    z_a, z_b = 1.959963984540054, 0.8416212335729143
    expected = ((z_a * math.sqrt(0.3) + z_b * math.sqrt(0.3 - 0.0025)) / 0.05) ** 2
    assert power.paired_sample_size(0.05, 0.3).exact == pytest.approx(expected, rel=1e-12)
    assert power.paired_sample_size(-0.05, 0.3) == power.paired_sample_size(0.05, 0.3)


@pytest.mark.parametrize(("n", "psi"), [(0, 0.3), (50, 0.0), (1, 0.5), (50, 0.1)])
def test_too_few_samples_for_any_difference(n: int, psi: float) -> None:
    assert power.minimum_detectable_difference(n, psi) is None


def test_power_when_every_sample_is_discordant() -> None:
    assert power.paired_power(10, 1.0, 1.0) == 1.0
    assert power.paired_power(2, 1.0, 1.0) == 0.0


def test_difference_detected_at_a_standard_error() -> None:
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert power.minimum_detectable_from_se(0.04) == pytest.approx(0.04 * z, rel=1e-9)
    # R: power.t.test(type="one.sample", strict=TRUE), in standard errors.
    for dof, expected in FIXTURES["mde_noncentral_t"]["expected_in_units_of_se"].items():
        assert power.minimum_detectable_from_se(1.0, float(dof)) == pytest.approx(expected)
    shift = power.minimum_detectable_from_se(1.0, 7.7) or 0.0
    critical = stats.t.ppf(0.975, 7.7)
    assert stats.nct.sf(critical, 7.7, shift) == pytest.approx(0.8, abs=1e-6)
    assert power.minimum_detectable_from_se(None) is None
    assert power.minimum_detectable_from_se(0.0) is None


@given(cells=st.tuples(*[st.integers(0, 50)] * 4).filter(lambda c: sum(c) > 0))
def test_discordance_from_margins_and_correlation_is_the_tables_own(
    cells: tuple[int, int, int, int],
) -> None:
    table = PairedTable(*cells)
    rows = list(
        itertools.chain.from_iterable(
            [pair] * n for pair, n in zip([(1, 1), (1, 0), (0, 1), (0, 0)], cells, strict=True)
        )
    )
    candidate, baseline = np.array(rows).T
    constant = candidate.std() == 0 or baseline.std() == 0
    rho = 0.0 if constant else float(np.corrcoef(candidate, baseline)[0, 1])
    psi = power.discordance_from_rates(float(candidate.mean()), float(baseline.mean()), rho)
    assert psi == pytest.approx(table.discordance, abs=1e-9)


def test_infeasible_correlation_is_refused_with_the_range() -> None:
    with pytest.raises(UsageError) as caught:
        power.discordance_from_rates(0.9, 0.2, 0.5)
    assert "correlate 0.5" in caught.value.message
    assert "from -0.667 to 0.167" in (caught.value.hint or "")


def test_repeats_by_hand() -> None:
    size = power.repeated_sample_size(0.05, 0.1, 0.08, 0.06, 4, 2)
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert size.exact == pytest.approx(z**2 * (0.1 + 0.02 + 0.03) / 0.0025, rel=1e-9)
    assert size.samples == math.ceil(size.exact)


def test_cluster_and_family_scaling() -> None:
    plain = power.paired_sample_size(0.05, 0.3)
    assert power.clustered_sample_size(plain, 2.5).samples == math.ceil(plain.exact * 2.5)
    assert power.corrected_alpha(0.05, 10) == pytest.approx(0.005)


@pytest.mark.parametrize(("half", "p"), [(0.03, 0.5), (0.01, 0.9), (0.2, 0.01)])
def test_single_accuracy_equals_statsmodels(half: float, p: float) -> None:
    expected = samplesize_confint_proportion(p, half)
    assert power.proportion_sample_size(half, p).exact == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("p_a", "p_b"), [(0.8, 0.75), (0.5, 0.6), (0.99, 1.0), (0.0, 0.1)])
def test_independent_groups_equal_statsmodels(p_a: float, p_b: float) -> None:
    expected = samplesize_proportions_2indep_onetail(
        p_a - p_b, p_b, 0.8, alpha=0.05, value=0, alternative="two-sided"
    )
    assert power.independent_sample_size(p_a, p_b).exact == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", FIXTURES["samples_per_arm"]["expected"])
def test_independent_groups_equal_r(name: str) -> None:
    p_a, p_b = map(float, name.split("->"))
    expected = FIXTURES["samples_per_arm"]["expected"][name]
    size = power.independent_sample_size(p_b, p_a)
    assert size.exact == pytest.approx(expected["n_raw"], rel=1e-9)
    assert size.samples == expected["n"]


def test_clusters_of_the_size_seen() -> None:
    case = FIXTURES["clusters_needed"]
    half, sd = case["data"]["half_width"], case["data"]["sd_of_cluster_mean"]
    assert power.clusters_for_precision(half, sd) == case["expected"]["clusters"]
    needed = power.clusters_for_difference(0.05, 0.2) or 0
    for clusters, enough in ((needed - 1, False), (needed, True)):
        detected = power.minimum_detectable_from_se(0.2 / math.sqrt(clusters), clusters - 1.0)
        assert ((detected or 1.0) <= 0.05) is enough
    assert power.clusters_for_precision(0.001, 5.0, most=100) is None
    assert power.clusters_for_difference(0.05, 0.0) == 2
    # Halving passes counts so large that SciPy gives no number for what is left of the power.
    spreads = (0.173, 0.174, 0.247, 0.347, 0.357)
    counts = [power.clusters_for_difference(0.061, spread) or 0 for spread in spreads]
    assert counts == sorted(counts)
    assert counts[-1] < 300


def test_impossible_wishes_are_refused() -> None:
    with pytest.raises(UsageError, match="difference <= discordance"):
        power.paired_sample_size(0.4, 0.3)
    with pytest.raises(UsageError, match="difference <= discordance"):
        power.paired_power(10, 0.0, 0.3)
    with pytest.raises(UsageError, match="discordance"):
        power.minimum_detectable_difference(10, 1.2)
    with pytest.raises(UsageError, match="alpha"):
        power.paired_sample_size(0.1, 0.3, alpha=5)
    with pytest.raises(UsageError, match="power"):
        power.paired_sample_size(0.1, 0.3, power=80)
    with pytest.raises(UsageError, match="repeat"):
        power.repeated_sample_size(0.1, 0.1, 0.1, 0.1, 0, 1)
    with pytest.raises(UsageError, match="not 0"):
        power.repeated_sample_size(0.0, 0.1, 0.1, 0.1)
    with pytest.raises(UsageError, match="design effect"):
        power.clustered_sample_size(power.SampleSize(10, 10.0), 0.0)
    with pytest.raises(UsageError, match="number of tests"):
        power.corrected_alpha(0.05, 0)
    with pytest.raises(UsageError, match="half_width"):
        power.proportion_sample_size(3)
    with pytest.raises(UsageError, match="two different"):
        power.independent_sample_size(0.5, 0.5)
    for p_a, p_b in ((1.2, 0.5), (0.5, 1.2), (-0.1, 0.5)):
        with pytest.raises(UsageError, match="two different"):
            power.independent_sample_size(p_a, p_b)
    with pytest.raises(UsageError, match="accuracies"):
        power.discordance_from_rates(75, 0.5, 0.0)
