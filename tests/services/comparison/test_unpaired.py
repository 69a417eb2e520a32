"""Variants on all that each was asked: only when asked for, and never passed off as paired."""

from typing import Any

import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.statistics.two_samples import clustered_difference
from tests.services.building import near, only_pair, runs, save

ONE = [1] * 56 + [0] * 14
TWO = [1] * 48 + [0] * 32


def unpaired(store: ResultsProcessor, **choices: Any) -> ComparisonRow:
    return only_pair(store, unpaired=True, **choices)


def test_different_sample_sets(store: ResultsProcessor) -> None:
    save(store, runs("exp", "CoT1", ONE), runs("exp", "None", TWO, first=100))
    assert only_pair(store).null_reason == "no_shared_samples"
    pair = unpaired(store, margin=0.05)
    assert (pair.samples, pair.candidate_samples, pair.baseline_samples) == (0, 70, 80)
    assert (pair.candidate_mean, pair.baseline_mean) == (near(0.8), near(0.6))
    low, high = confint_proportions_2indep(56, 70, 48, 80, method="newcomb")
    assert [pair.ci_low, pair.ci_high] == near([low, high])
    assert pair.p_value == near(
        stats.chi2_contingency([[56, 14], [48, 32]], correction=False).pvalue
    )
    assert (pair.test, pair.pairing_rule) == ("score z", "unpaired")
    assert pair.interval_method == "newcombe-unpaired"
    assert pair.verdict == "candidate_better"
    low, high = confint_proportions_2indep(56, 70, 48, 80, method="newcomb", alpha=0.1)
    assert [pair.margin_ci_low, pair.margin_ci_high] == near([low, high])
    assert pair.both_correct is pair.discordance is pair.p_value_exact is None
    assert "shared_samples_unpaired" not in pair.warnings


def test_samples_that_are_shared_are_pointed_out(store: ResultsProcessor) -> None:
    save(store, runs("exp", "CoT1", ONE), runs("exp", "None", TWO))
    pair = unpaired(store)
    assert "shared_samples_unpaired" in pair.warnings
    assert (pair.denominators["only_in_candidate"], pair.denominators["only_in_baseline"]) == (
        0,
        10,
    )


def test_several_tasks_are_clusters_of_both_variants(store: ResultsProcessor) -> None:
    save(
        store,
        *(
            runs("exp", variant, [1] * right + [0] * wrong, first=first, task=task)
            for variant, first, tasks in (
                ("CoT1", 0, {"a": (9, 1), "b": (5, 5), "c": (7, 4)}),
                ("None", 50, {"a": (6, 4), "b": (2, 6), "d": (3, 3)}),
            )
            for task, (right, wrong) in tasks.items()
        ),
    )
    comparison = store.compare(["exp"], by_task=True, options=AnalysisOptions(unpaired=True))
    (pair,) = comparison.comparisons
    expected, cr1 = clustered_difference(
        [((10, 9), (10, 6)), ((10, 5), (8, 2)), ((11, 7), (0, 0)), ((0, 0), (6, 3))]
    )
    assert pair.method == "clustered by task (CR2)"
    assert (pair.difference, pair.se) == (near(expected.estimate), near(expected.se))
    assert (pair.dof, pair.se_cr1) == (near(expected.dof), near(cr1))
    assert pair.n_clusters == 4
    by_task = {task.task: task.comparisons[0] for task in comparison.tasks}
    assert by_task["a"].difference == near(0.3)
    assert (by_task["c"].difference, by_task["c"].null_reason) == (None, "no_graded_runs")
    assert comparison.micro[0].tasks == 2
    assert comparison.macro[0].difference.estimate == near((0.3 + 0.25) / 2)
    independent = unpaired(store, cluster="none")
    low, high = confint_proportions_2indep(21, 31, 11, 24, method="newcomb")
    assert [independent.ci_low, independent.ci_high] == near([low, high])


def test_repeats_are_averaged_first(store: ResultsProcessor) -> None:
    one, two = [[1, 0], [1, 1], [1, 1], [0, 1]], [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0]]
    save(store, runs("exp", "CoT1", one), runs("exp", "None", two, first=9))
    pair = unpaired(store)
    expected = stats.ttest_ind([0.5, 1, 1, 0.5], [0, 0.5, 0.5, 0, 0], equal_var=False)
    assert (pair.p_value, pair.dof) == (near(expected.pvalue), near(expected.df))
    assert pair.test == "Welch's t"


def test_other_data_sets_are_no_hindrance(store: ResultsProcessor) -> None:
    save(store, runs("one", "None", [1, 0]), runs("two", "CoT1", [1, 1]))
    for name in ("one", "two"):
        store.save_experiment(name, {}, environment={"dataset": {"fingerprint": name}})
    with pytest.raises(UsageError, match="ran on different data sets"):
        store.compare(["one", "two"])
    (pair,) = store.compare(["one", "two"], options=AnalysisOptions(unpaired=True)).comparisons
    assert "datasets_differ" in pair.warnings


@pytest.mark.parametrize("choice", [{"difference_interval": "tango"}, {"test": "exact"}])
def test_paired_methods_are_not_for_it(choice: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="unpaired"):
        AnalysisOptions(unpaired=True, **choice)
