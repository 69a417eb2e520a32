"""Costs of variants, and what a further correct answer costs."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.cost_report import cost_report
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.cost import CostReport, CostService, VariantCost
from tests.services.building import run, runs, save

COSTS = [0.01, 0.012, 0.009, 0.02, 0.011, 0.013, 0.01, 0.015, 0.018, 0.01]
CORRECT = [1, 1, 0, 1, 1, 0, 1, 1, 0, 1]


def near(expected: Any) -> Any:
    return None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-15)


def report(store: ResultsProcessor, baseline: str | None = None, **choices: Any) -> CostReport:
    with store.database.read() as connection:
        return CostService(connection, options=AnalysisOptions(**choices)).report(baseline=baseline)


def only_variant(store: ResultsProcessor, **choices: Any) -> VariantCost:
    (variant,) = report(store, **choices).variants
    return variant


def priced(approach: str, grades: Any, costs: Any, **columns: Any) -> list[Any]:
    return [
        run("exp", approach, place, grade, cost_estimate=cost, **columns)
        for place, (grade, cost) in enumerate(zip(grades, costs, strict=True))
    ]


def test_the_cost_fixture(store: ResultsProcessor) -> None:
    variant = only_variant(save(store, priced("None", CORRECT, COSTS)))
    assert (variant.runs, variant.priced, variant.price_coverage) == (10, 10, 1.0)
    assert variant.total_cost == near(0.128)
    assert variant.mean_cost == near(0.0128)
    assert variant.mean_cost_se == near(stats.sem(COSTS))
    assert variant.cost_per_correct == near(0.018285714285714287)
    assert variant.cost_per_correct_se == near(0.0044829880358790595)
    # Seven right answers are too few for an interval that holds.
    assert (variant.cost_per_correct_ci_low, variant.null_reason) == (None, "few_correct")
    assert "few_correct" in variant.warnings
    assert variant.accuracy == 0.7


def test_the_interval_of_a_cost_per_correct_answer(processor: ResultsProcessor) -> None:
    variant = only_variant(save(processor, priced("None", CORRECT * 2, COSTS * 2)))
    ratio, right, n = sum(COSTS) / sum(CORRECT), 2 * sum(CORRECT), 20
    residuals = [cost - ratio * y for cost, y in zip(COSTS * 2, CORRECT * 2, strict=True)]
    se = np.sqrt(n / (n - 1) * sum(e * e for e in residuals)) / right
    half = stats.t.ppf(0.975, n - 1) * se
    assert variant.cost_per_correct_se == near(se)
    assert [variant.cost_per_correct_ci_low, variant.cost_per_correct_ci_high] == near(
        [ratio - half, ratio + half]
    )


def test_a_missing_cost_is_not_a_cost_of_zero(store: ResultsProcessor) -> None:
    save(store, priced("None", [1, 1, 0, 1], [0.01, None, 0.03, 0.0]))
    variant = only_variant(store)
    assert (variant.priced, variant.price_coverage) == (3, 0.75)
    assert variant.mean_cost == near(0.04 / 3)
    assert variant.cost_per_correct == near(0.04 / 2)
    assert "cost_coverage" in variant.warnings


def test_failed_runs_are_paid_for(store: ResultsProcessor) -> None:
    variant = only_variant(save(store, priced("None", [1, "failed", 0], [0.01, 0.05, 0.03])))
    assert variant.total_cost == near(0.09)
    assert variant.mean_cost == near(0.03)
    assert variant.cost_per_correct == near(0.09)
    assert variant.graded_cost_per_correct == near(0.04)
    assert variant.failed_cost_share == near(5 / 9)
    assert "failed_costs" in variant.warnings


def test_missing_grades_as_incorrect(store: ResultsProcessor) -> None:
    save(store, priced("None", [1, "failed", 0], [0.01, 0.05, 0.03]))
    variant = only_variant(store, missing="incorrect")
    assert (variant.accuracy, variant.mean_cost) == (near(1 / 3), near(0.03))
    assert variant.cost_per_correct == near(0.09)


def test_nothing_correct(store: ResultsProcessor) -> None:
    variant = only_variant(save(store, priced("None", [0, 0], [0.01, 0.02])))
    assert (variant.cost_per_correct, variant.cost_per_correct_se) == (None, None)
    assert variant.null_reason == "no_correct"


def test_no_costs(store: ResultsProcessor) -> None:
    made = report(save(store, runs("exp", "None", [1, 0]), runs("exp", "CoT1", [1, 1])))
    for variant in made.variants:
        assert (variant.total_cost, variant.mean_cost, variant.cost_per_correct) == (
            None,
            None,
            None,
        )
        assert variant.null_reason == "no_costs"
        assert variant.on_pareto_front is None
    notes = cost_report(made).notes
    assert "no run has a cost" in notes
    assert not any("some runs have no cost" in note for note in notes)
    assert made.comparisons == []


def test_the_pareto_front(store: ResultsProcessor) -> None:
    save(
        store,
        priced("cheap", [1, 0, 0, 0], [0.01] * 4),
        priced("dear", [1, 1, 1, 0], [0.05] * 4),
        priced("waste", [1, 1, 0, 0], [0.06] * 4),
        priced("unknown", [1, 1, 1, 1], [None] * 4),
    )
    found = {
        variant.variant.approach_name: variant.on_pareto_front for variant in report(store).variants
    }
    assert found == {"cheap": True, "dear": True, "waste": False, "unknown": None}


def test_unequal_repeats_weigh_samples_alike(store: ResultsProcessor) -> None:
    """The accuracy beside a cost is the one that every other report gives."""
    save(store, runs("exp", "None", [[1, 1, 1, 1], [0]], cost_estimate=0.01))
    variant = only_variant(store)
    assert variant.accuracy == 0.5
    assert (variant.method, variant.n_clusters) == ("clustered by sample (CR2)", 2)


@pytest.mark.parametrize("rule", ["sample_index", "sample_id", "content"])
def test_the_difference_in_cost_is_paired(store: ResultsProcessor, rule: str) -> None:
    generator = np.random.default_rng(3)
    base = generator.uniform(0.001, 0.01, 40)
    extra = base + generator.uniform(0.0, 0.02, 40)
    one, two = [0] * 20 + [1] * 20, [1] * 38 + [0] * 2
    baseline = priced("None", one, base.tolist())
    candidate = priced("CoT1", two, extra.tolist())
    if rule != "sample_index":
        for made in candidate:
            made.experiment_id = "other"
        if rule == "sample_id":
            for made in (*baseline, *candidate):
                made.sample_id = f"s{made.sample_index}"
    # Left out: a side without a cost. What has no grade was paid for.
    baseline[0].cost_estimate = None
    candidate[1].is_correct = None
    (pair,) = report(save(store, baseline, candidate)).comparisons
    difference = (extra - base)[1:]
    expected = stats.ttest_1samp(difference, 0).confidence_interval()
    assert pair.samples == 39
    assert pair.cost_difference == near(difference.mean())
    assert pair.cost_difference_se == near(stats.sem(difference))
    assert [pair.cost_difference_ci_low, pair.cost_difference_ci_high] == near(list(expected))
    # Accuracies are compared on all graded samples: 0 and 2 to 39.
    gained = (sum(two) - two[1] - sum(one) + one[1]) / 39
    assert pair.accuracy_difference == near(gained)
    assert pair.cost_increment == near(difference.mean() / gained)
    assert pair.null_reason is None


def test_no_price_for_a_difference_that_may_be_none(store: ResultsProcessor) -> None:
    save(
        store,
        priced("None", [1, 0, 1, 0], [0.01] * 4),
        priced("CoT1", [1, 1, 1, 0], [0.02, 0.03, 0.02, 0.03]),
    )
    (pair,) = report(store).comparisons
    assert pair.cost_difference == near(0.015)
    assert (pair.cost_increment, pair.null_reason) == (None, "difference_not_resolved")


def test_repeats_are_averaged_before_costs_are_compared(store: ResultsProcessor) -> None:
    one = runs("exp", "None", [[1, 0], [1]], cost_estimate=0.01)
    two = runs("exp", "CoT1", [[1, 0], [1]], cost_estimate=0.02)
    two[0].cost_estimate = 0.04  # sample 0 costs 0.03 on average
    (pair,) = report(save(store, one, two)).comparisons
    assert (pair.samples, pair.cost_difference) == (2, near((0.02 + 0.01) / 2))


def test_another_baseline(store: ResultsProcessor) -> None:
    save(store, priced("A", [1, 0], [0.01, 0.01]), priced("B", [1, 0], [0.03, 0.03]))
    (pair,) = report(store, baseline="B").comparisons
    assert pair.cost_difference == near(-0.02)
    with store.database.read() as connection:
        assert CostService(connection).report(pairs=False).comparisons == []


def test_no_price_over_clusters_that_are_missing(store: ResultsProcessor) -> None:
    save(store, priced("A", [1, 0], [0.01, 0.01]), priced("B", [1, 1], [0.03, 0.03]))
    with pytest.raises(UsageError, match="2 samples have no sample_id to cluster by"):
        report(store, cluster="sample_id")
