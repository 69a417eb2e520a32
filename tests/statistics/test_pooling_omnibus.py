"""Averages over tasks and Cochran's Q, against SciPy, statsmodels and hand calculation."""

import math
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import cochrans_q as reference_q

from ml_agents_results.statistics.cluster_robust import clustered_mean
from ml_agents_results.statistics.cochrans_q import cochrans_q
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.macro_averages import (
    Stratum,
    macro_accuracy,
    macro_difference,
)
from ml_agents_results.statistics.paired_table import PairedTable
from ml_agents_results.statistics.proportions import design_adjusted_wilson
from tests.statistics.paired_tables import mcnemar_of

values = st.lists(st.integers(-10, 10), min_size=2, max_size=20).map(lambda v: [x / 20 for x in v])


@given(data=values.filter(lambda v: len(set(v)) > 1))
def test_random_tasks_are_a_one_sample_t_test(data: list[float]) -> None:
    expected = stats.ttest_1samp(data, 0.0)
    result = macro_difference([Stratum(1, x) for x in data])
    low, high = expected.confidence_interval(0.95)
    assert result.estimate == pytest.approx(statistics.mean(data), abs=1e-12)
    assert result.se == pytest.approx(float(stats.sem(data)), rel=1e-9)
    assert result.p_value == pytest.approx(float(expected.pvalue), rel=1e-9)
    assert result.ci_low == pytest.approx(max(-1.0, float(low)), rel=1e-9, abs=1e-12)
    assert result.ci_high == pytest.approx(min(1.0, float(high)), rel=1e-9, abs=1e-12)
    assert result.dof == pytest.approx(len(data) - 1)


def test_families_are_averaged_first() -> None:
    tasks = [
        Stratum(9, 0.0, 0.1, "deduction"),
        Stratum(9, 0.2, 0.1, "deduction"),
        Stratum(9, 0.6, 0.1),
        Stratum(9, 0.8, 0.1, "tracking"),
    ]
    random = macro_difference(tasks)
    assert random.estimate == pytest.approx(0.5)
    assert random.se == pytest.approx(float(stats.sem([0.1, 0.6, 0.8])))
    assert random.denominators == {"tasks": 4, "families": 3}


def test_a_family_name_does_not_catch_tasks_without_one() -> None:
    tasks = [Stratum(1, 0.1), Stratum(1, 0.3), Stratum(1, 0.5, family="")]
    assert macro_difference(tasks).n_clusters == 3


def test_macro_accuracy_stays_inside_the_possible_range() -> None:
    shares = [0.99, 1.0, 0.97, 1.0, 0.95]
    result = macro_accuracy([Stratum(100, x) for x in shares])
    interval = design_adjusted_wilson(
        statistics.mean(shares), float(stats.sem(shares)), 500, 4.0, 5
    )
    assert result.ci_low == pytest.approx(interval.low)
    assert result.ci_high == pytest.approx(interval.high)
    assert result.p_value is None


@pytest.mark.parametrize("macro", [macro_accuracy, macro_difference])
def test_edges(macro: Callable[..., Estimate]) -> None:
    assert macro([Stratum(1, 0.5, 0.1)]).null_reason == "one_cluster"
    assert macro([]).null_reason == "no_graded_runs"


@given(
    cells=st.lists(
        st.tuples(*[st.integers(0, 30)] * 4).map(lambda c: PairedTable(*c)), min_size=2, max_size=9
    )
)
def test_the_pool_is_the_sum_over_tasks(cells: list[PairedTable]) -> None:
    """Micro: cluster sums of the tasks' tables give the difference of the pooled table."""
    pool = PairedTable(*(sum(cell) for cell in zip(*map(astuple, cells), strict=True)))
    clustered = clustered_mean(
        [t.pairs for t in cells],
        [t.improved - t.regressed for t in cells],
        [t.discordant for t in cells],
    )
    if pool.pairs == 0:
        assert clustered.mean is pool.difference is None
    else:
        assert clustered.mean == pytest.approx(pool.difference, abs=1e-12)


@given(
    rows=st.integers(2, 4).flatmap(
        lambda k: st.lists(st.tuples(*[st.integers(0, 1)] * k), min_size=1, max_size=40)
    )
)
def test_cochrans_q_equals_statsmodels(rows: list[tuple[int, ...]]) -> None:
    counts = Counter("".join(map(str, row)) for row in rows)
    result = cochrans_q(counts)
    if all(len(set(row)) == 1 for row in rows):
        assert (result.statistic, result.p_value) == (None, None)
        assert result.null_reason == "no_discordant"
        return
    expected = reference_q(rows)
    assert result.statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-12)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert (result.dof, result.n_samples) == (expected.df, len(rows))


def test_cochrans_q_of_two_approaches_is_mcnemars_chi_squared() -> None:
    result = cochrans_q({"11": 2835, "10": 1981, "01": 573, "00": 1122})
    assert result.statistic == pytest.approx((1981 - 573) ** 2 / (1981 + 573), rel=1e-12)
    exact = mcnemar_of(PairedTable(2835, 1981, 573, 1122)).p_mid
    assert result.p_value is not None
    assert math.log(result.p_value) == pytest.approx(math.log(exact), rel=0.1)


@pytest.mark.parametrize(
    "patterns", [{"1": 3}, {"10": 1, "100": 2}, {"1x": 1}, {"10": -1}, {"10": 1.5}]
)
def test_impossible_patterns_are_refused(patterns: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"patterns|count|two or more"):
        cochrans_q(patterns)


@pytest.mark.parametrize(("patterns", "dof"), [({}, 0), ({"101": 0}, 2)])
def test_cochrans_q_without_samples(patterns: dict[str, int], dof: int) -> None:
    result = cochrans_q(patterns)
    assert (result.null_reason, result.dof, result.n_samples) == ("no_shared_samples", dof, 0)
