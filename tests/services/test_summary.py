"""The accuracy of variants on real databases: denominators, policies, repeats, clusters."""

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.accuracy_report import accuracy_report
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.summary import SummaryReport, SummaryService
from ml_agents_results.services.variant_summary import VariantSummary
from tests.reference_data import load
from tests.services.building import clear, of_table, runs, save


def near(expected: Any) -> Any:
    return None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-12)


def report(store: ResultsProcessor, *, by_task: bool = False, **choices: Any) -> SummaryReport:
    with store.database.read() as connection:
        return SummaryService(connection, options=AnalysisOptions(**choices)).report(
            by_task=by_task
        )


def only_variant(store: ResultsProcessor, **choices: Any) -> VariantSummary:
    (variant,) = report(store, **choices).variants
    return variant


def bounds(variant: VariantSummary) -> list[float | None]:
    return [variant.ci_low, variant.ci_high]


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 1, 0.2065, 1.0), (0, 1, 0.0, 0.7935)],
    ids=["none of 10", "all of 10", "one of one", "none of one"],
)
def test_edge_all_or_none_correct(
    store: ResultsProcessor, correct: int, n: int, low: float, high: float
) -> None:
    variant = only_variant(save(store, runs("exp", "None", [1] * correct + [0] * (n - correct))))
    assert bounds(variant) == pytest.approx([low, high], abs=5e-5)
    assert variant.se is None


@pytest.mark.parametrize(
    ("interval", "method"),
    [("wilson", "wilson"), ("jeffreys", "jeffreys"), ("clopper-pearson", "beta")],
)
@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_intervals_as_statsmodels(
    store: ResultsProcessor, interval: str, method: str, confidence: float
) -> None:
    save(store, runs("exp", "None", [1] * 17 + [0] * 6))
    variant = only_variant(store, interval=interval, confidence=confidence)
    assert bounds(variant) == near(list(proportion_confint(17, 23, 1 - confidence, method)))
    assert variant.se == near(np.sqrt(17 / 23 * 6 / 23 / 23))


def test_every_run_is_in_one_class(store: ResultsProcessor) -> None:
    save(store, runs("exp", "None", [1, 1, 0, "failed", "unparsed", "unparsed", None]))
    variant = only_variant(store)
    assert (variant.runs, variant.graded, variant.correct) == (7, 3, 2)
    assert (variant.failed, variant.unparsed, variant.ungraded) == (1, 2, 1)
    assert variant.accuracy == near(2 / 3)
    assert variant.accuracy_bounds == near((2 / 7, 6 / 7))
    assert "coverage" in variant.warnings


def test_missing_grades_as_incorrect(store: ResultsProcessor) -> None:
    save(store, runs("exp", "None", [1, 1, 0, "failed", "unparsed", None]))
    variant = only_variant(store, missing="incorrect")
    assert variant.accuracy == near(2 / 6)
    assert bounds(variant) == near(list(proportion_confint(2, 6, method="wilson")))
    # What was graded stays what it is, and the bounds with it.
    assert (variant.graded, variant.samples) == (3, 6)
    assert variant.accuracy_bounds == near((2 / 6, 5 / 6))


def test_nearly_all_runs_graded_need_no_warning(store: ResultsProcessor) -> None:
    save(store, runs("exp", "None", [1] * 19 + ["failed"]))
    assert only_variant(store).warnings == ()


def test_variants_whose_coverage_differs(store: ResultsProcessor) -> None:
    """Each has over 95%, but one lost 3 points more than the other."""
    save(
        store,
        runs("exp", "CoT1", [1] * 97 + ["failed"] * 3),
        runs("exp", "None", [0] * 100),
    )
    comparison = store.compare(["exp"])
    assert [variant.warnings for variant in comparison.variants] == [(), ()]
    assert "coverage" in comparison.comparisons[0].warnings


def test_epochs_of_the_fixture(store: ResultsProcessor) -> None:
    given = [[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 0]]
    save(store, runs("exp", "None", given))
    (variant,) = report(store).variants
    (row,) = report(store).repeats
    shares = [np.mean(one) for one in given]
    assert variant.accuracy == near(np.mean(shares))
    assert variant.se == near(stats.sem(shares))
    assert variant.method == "repeats averaged by sample"
    assert (variant.samples, variant.runs, variant.graded) == (4, 11, 11)
    assert bounds(variant) == near([0.11583059169505217, 0.9142468776914632])
    assert "unequal_epochs" in variant.warnings
    assert row.samples_by_repeats == {2: 1, 3: 3}
    assert (row.samples, row.graded) == (4, 11)
    assert row.consistency.estimate == 0.5
    assert row.variance.within == near(1 / 6)
    assert row.variance.between == near(
        np.var(shares, ddof=1) - 1 / 6 * np.mean([1 / 3, 1 / 3, 1 / 3, 1 / 2])
    )
    first, second, third = row.passes
    assert (first.k, first.pass_at_k, first.pass_hat_k) == (1, near(13 / 24), near(13 / 24))
    assert (second.k, second.pass_at_k, second.pass_hat_k) == (2, 0.75, near(1 / 3))
    assert (second.samples_used, second.samples_excluded) == (4, 0)
    assert (third.k, third.pass_at_k, third.pass_hat_k) == (3, near(2 / 3), near(1 / 3))
    assert (third.samples_used, third.samples_excluded) == (3, 1)


def test_epochs_against_the_reference(processor: ResultsProcessor) -> None:
    fixture = load("statistics_fixtures.json")["epochs_fixture"]
    save(processor, runs("exp", "None", list(fixture["runs"].values())))
    variant = only_variant(processor)
    (row,) = report(processor).repeats
    assert variant.accuracy == near(fixture["accuracy"])
    assert variant.se == near(fixture["se"])
    assert (variant.samples, variant.graded) == (fixture["n_samples"], fixture["n_runs"])
    assert bounds(variant) == near(fixture["wilson_deff_t_df3"])
    assert row.variance.within == near(fixture["within_var"])
    assert row.passes[1].pass_at_k == near(fixture["pass_at_2"])
    assert row.passes[1].pass_hat_k == near(fixture["pass_hat_2"])
    assert row.consistency.estimate == near(fixture["all_consistent_rate"])


def test_variants_asked_once_have_no_row_about_repeats(store: ResultsProcessor) -> None:
    save(store, runs("exp", "None", [1, 0]), runs("exp", "CoT1", [[1, 0], [1, 1]]))
    assert [row.variant.approach_name for row in report(store).repeats] == ["CoT1"]


def test_edge_some_repeats_without_a_grade(store: ResultsProcessor) -> None:
    """The mean is over those that were graded; a sample without any is missing."""
    given = [[1, "failed", 1], [0, 1, None], ["failed", "failed", "failed"]]
    save(store, runs("exp", "None", given))
    variant = only_variant(store)
    (row,) = report(store).repeats
    assert (variant.samples, variant.runs, variant.graded) == (2, 9, 4)
    assert variant.accuracy == 0.75
    assert row.samples_by_repeats == {2: 2}
    counted = only_variant(store, missing="incorrect")
    assert (counted.samples, counted.accuracy) == (3, near((2 / 3 + 1 / 3) / 3))


def test_few_samples_near_the_edge_are_warned_of(processor: ResultsProcessor) -> None:
    """Below min(p, 1 - p) n = 5, of every figure by its own value."""
    save(processor, runs("exp", "None", [[1, 1]] * 46 + [[1, 0]] * 9))
    assert "few_samples" in only_variant(processor).warnings
    (row,) = report(processor).repeats
    assert [share.warnings for share in row.passes] == [("few_samples",), ("few_samples",)]
    clear(processor)
    save(processor, runs("exp", "None", [[1, 1]] * 45 + [[1, 0]] * 10))
    assert only_variant(processor).warnings == ()
    (row,) = report(processor).repeats
    # At 1 of 2 right, every sample is.
    assert [share.warnings for share in row.passes] == [(), ("few_samples",)]
    report_of = accuracy_report(report(processor))
    assert any("few samples" in note for note in report_of.notes)


def test_how_many_samples_a_share_of_repeats_is_about(processor: ResultsProcessor) -> None:
    save(processor, runs("exp", "None", [[1, 0]] * 5 + [1] * 15))
    table = accuracy_report(report(processor)).tables[-1]
    (view,) = table.views
    labels = [column.label for column in view.columns]
    shown = dict(zip(labels, view.cells(view.rows[0]), strict=True))
    assert (shown["n@1"], shown["n@2"]) == ("20", "5")


def test_many_repeats_are_told_for_a_few_k(processor: ResultsProcessor) -> None:
    save(processor, runs("exp", "None", [[1, 0] * 15, [1, 1] * 15]))
    (row,) = report(processor).repeats
    assert [share.k for share in row.passes] == [1, 2, 3, 4, 5, 8, 10, 16, 20, 30]
    assert [share.pass_at_k for share in row.passes] == sorted(
        share.pass_at_k or 0 for share in row.passes
    )


def test_tasks_are_clusters(store: ResultsProcessor) -> None:
    grades = {"a": [1] * 9 + [0], "b": [1] * 3 + [0] * 9, "c": [1, 0] * 4}
    save(store, *(runs("exp", "None", given, task=task) for task, given in grades.items()))
    variant = only_variant(store)
    values = [np.array(given) for given in grades.values()]
    n = sum(map(len, values))
    mean = sum(map(sum, values)) / n
    residuals = [(given - mean).sum() for given in values]
    cr2 = np.sqrt(sum(e**2 / (1 - len(g) / n) for e, g in zip(residuals, values, strict=True))) / n
    assert variant.method == "clustered by task (CR2)"
    assert (variant.accuracy, variant.se, variant.n_clusters) == (near(mean), near(cr2), 3)
    assert "few_clusters" in variant.warnings
    free = only_variant(store, cluster="none")
    assert (free.method, free.accuracy, free.n_clusters) == (
        "independent samples",
        variant.accuracy,
        None,
    )


def test_by_task_each_task_stands_for_itself(store: ResultsProcessor) -> None:
    save(store, runs("exp", "None", [1, 1], task="a"), runs("exp", "None", [0, 1, 1], task="b"))
    tasks = dict(report(store, by_task=True).tasks)
    assert list(tasks) == ["a", "b"]
    (variant,) = tasks["b"]
    assert (variant.accuracy, variant.method) == (near(2 / 3), "independent samples")


def test_questions_asked_twice_can_be_clusters(store: ResultsProcessor) -> None:
    """Duplicates of a question are samples of their own, or one cluster where that is asked."""
    twice = runs("exp", "None", [1, 1, 0, 0, 1, 1])
    for one in twice:
        one.input_text = f"question {one.sample_index // 2}"
        one.expected_answer = "yes"
    save(store, twice)
    assert only_variant(store).samples == 6
    variant = only_variant(store, cluster="input_fingerprint")
    assert (variant.n_clusters, variant.accuracy) == (3, near(4 / 6))


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, float("nan")])
def test_an_impossible_confidence(confidence: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        AnalysisOptions(confidence=confidence)


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        ("interval", "wald"),
        ("difference_interval", "wald"),
        ("test", "chi2"),
        ("correction", "sidak"),
        ("cluster", "color"),
        ("missing", "correct"),
        ("contrasts", "some"),
    ],
)
def test_a_choice_that_is_not_offered(choice: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"cannot be '{value}'") as told:
        AnalysisOptions(**{choice: value})  # type: ignore[arg-type]
    assert "Choose one of" in str(told.value.hint)


@pytest.mark.parametrize("margin", [0, -0.1, float("nan"), float("inf")])
def test_an_impossible_margin(margin: float) -> None:
    with pytest.raises(UsageError, match="margin"):
        AnalysisOptions(margin=margin)


def test_the_level_of_every_figure(store: ResultsProcessor) -> None:
    save(store, of_table((6, 5, 2, 3), task="a"), of_table((2, 4, 3, 3), task="b"))
    comparison = store.compare(["exp"], by_task=True, options=AnalysisOptions(confidence=0.8))
    found = json.loads(json.dumps(comparison.to_dict()))
    levels = {
        value
        for row in (*found["micro"], *found["macro"])
        for part in ("candidate_mean", "baseline_mean", "difference")
        for name, value in row[part].items()
        if name == "level"
    }
    assert levels == {0.8}
    assert {pair["confidence_level"] for pair in found["comparisons"]} == {0.8}
