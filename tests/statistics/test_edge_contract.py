"""The edges, one test each: what comes back where a textbook formula divides by zero."""

import json

import pytest

from ml_agents_results.statistics.auroc import auroc
from ml_agents_results.statistics.calibration import ConfidenceTable
from ml_agents_results.statistics.cluster_robust import clustered_mean, sample_mean
from ml_agents_results.statistics.denominators import Denominators
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.multiplicity import adjust, count_tests
from ml_agents_results.statistics.paired_table import PairedTable, probability_of_superiority
from ml_agents_results.statistics.proportions import accuracy
from ml_agents_results.statistics.repeats import repeated_accuracy
from ml_agents_results.statistics.two_samples import mover
from tests.statistics.paired_tables import interval_of, mcnemar_of


def ci(estimate: Estimate) -> tuple[float | None, float | None]:
    json.dumps(estimate.to_dict(), allow_nan=False)
    return estimate.ci_low, estimate.ci_high


@pytest.mark.parametrize("method", ["wilson", "jeffreys", "clopper-pearson", "bayes-uniform"])
def test_edge_no_graded_run(method: str) -> None:
    variant = Denominators(correct=0, graded=0, failed=7)
    result = accuracy(variant.correct, variant.graded, method)
    assert (result.estimate, result.se, result.p_value) == (None, None, None)
    assert ci(result) == (None, None)
    assert result.null_reason == "no_graded_runs"


def test_edge_one_sample() -> None:
    result = accuracy(1, 1)
    assert ci(result) == pytest.approx((0.2065493143772374, 1.0))
    assert result.ci_high == 1.0
    assert result.se is None
    assert sample_mean(1, 1.0, 1.0).as_difference().null_reason == "n_lt_2"


def test_edge_all_correct_and_none_correct() -> None:
    assert ci(accuracy(10, 10)) == pytest.approx((0.7224672001371106, 1.0))
    assert ci(accuracy(0, 10)) == pytest.approx((0.0, 0.27753279986288926))
    assert (accuracy(10, 10).ci_high, accuracy(0, 10).ci_low) == (1.0, 0.0)
    assert (accuracy(10, 10).se, accuracy(0, 10).se) == (None, None)
    assert accuracy(1, 10).se == pytest.approx(0.3 / 10**0.5)


def test_edge_no_discordant_pair() -> None:
    table = PairedTable(25, 0, 0, 25)
    result = interval_of(table, "bonett-price")
    assert (mcnemar_of(table).p_mid, mcnemar_of(table).p_exact) == (1.0, 1.0)
    assert (result.low, result.high) == pytest.approx((-0.0533, 0.0533), abs=5e-5)
    assert interval_of(table, "tango").high == pytest.approx(0.0713, abs=5e-5)
    assert probability_of_superiority(table) == pytest.approx(0.5)


def test_edge_one_right_everywhere_the_other_nowhere() -> None:
    table = PairedTable(0, 50, 0, 0)
    assert table.difference == 1.0
    assert mcnemar_of(table).p_exact == pytest.approx(1.7763568394002505e-15, rel=1e-9)
    assert mcnemar_of(table).p_mid == pytest.approx(8.88178419700125e-16, rel=1e-9)
    interval = interval_of(table, "bonett-price")
    assert (interval.low, interval.high) == pytest.approx((0.88688358883316, 1.0))
    assert interval.high == 1.0
    by_t = sample_mean(50, 50.0, 50.0).as_difference()
    assert ci(by_t) == (None, None)
    assert by_t.p_value == 2.0**-49


def test_edge_one_cluster() -> None:
    result = clustered_mean([50], [20], [20]).as_difference()
    assert (result.estimate, result.se, result.p_value) == (0.4, None, None)
    assert ci(result) == (None, None)
    assert (result.null_reason, result.n_clusters) == ("one_cluster", 1)


def test_edge_no_shared_sample() -> None:
    table = PairedTable(0, 0, 0, 0)
    assert table.difference is None
    assert interval_of(table, "bonett-price").null_reason == "no_shared_samples"
    assert probability_of_superiority(table) is None
    unpaired = mover(accuracy(56, 70), accuracy(48, 80))
    assert (unpaired.low, unpaired.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert mover(accuracy(0, 0), accuracy(1, 2)).null_reason == "no_graded_runs"


def test_edge_unequal_epochs() -> None:
    result = repeated_accuracy({(3, 3): 5, (1, 0): 5, (1, 1): 12, (2, 1): 8})
    assert result.estimate == pytest.approx((5 + 12 + 4) / 30)
    assert "unequal_epochs" in result.warnings


def test_edge_all_epochs_of_a_sample_ungraded() -> None:
    result = repeated_accuracy({(0, 0): 4, (2, 1): 3, (2, 2): 3})
    assert (result.n_samples, result.estimate) == (6, 0.75)


def test_edge_undefined_p_values_leave_the_family() -> None:
    p_values = [None, 0.01, 0.02]
    assert adjust(p_values) == [None, 0.02, 0.02]
    assert count_tests(p_values) == 2
    assert adjust([]) == []


def test_edge_constant_differences_are_not_resampled() -> None:
    """All clusters agree: the closed form 2^(1-G), no interval of width 0."""
    result = clustered_mean([10] * 12, [5] * 12, [5] * 12).as_difference()
    assert (result.p_value, ci(result)) == (2.0**-11, (None, None))
    assert result.null_reason == "zero_between_cluster_variance"


def test_edge_more_than_1024_discordant() -> None:
    p = mcnemar_of(PairedTable(2835, 1981, 573, 1122)).p_exact
    assert p == pytest.approx(2 * 1.218351343459012e-180, rel=1e-9)


def test_edge_confidence_outside_its_range() -> None:
    with pytest.raises(ValueError, match="confidence lies between 0 and 1"):
        ConfidenceTable.from_rows([(1.5, 1, 0)])
    assert auroc(ConfidenceTable.from_rows([(1.0, 1, 0)])).value is None
