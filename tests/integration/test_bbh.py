"""Published grades of a real model, recorded and analysed, against figures computed elsewhere.

The reference is that of tests/data: nine of the 27 tasks, computed with SciPy and statsmodels and
checked against R, independently of this code.
"""

import re
from collections.abc import Iterator
from statistics import fmean
from typing import Any

import pytest
from scipy import stats

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from tests.reference_data import graded_runs, load

# Pairs of samples of causal_judgement that have the same question and opposite answers.
SAME_QUESTION = {119: 32, 104: 36}


def near(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return load("bbh_reference.json")


@pytest.fixture(scope="module")
def bbh(
    reference: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ResultsProcessor]:
    processor = ResultsProcessor(str(tmp_path_factory.mktemp("bbh") / "results.db"))
    processor.save_experiment("bbh", {"dataset": "bbh"}, status="completed")
    runs = graded_runs("bbh", reference["tasks"])
    assert processor.save_runs(runs) == len(runs) == reference["meta"]["n_runs"]
    yield processor
    processor.close()


def compared(bbh: ResultsProcessor, **choices: Any) -> Comparison:
    return bbh.compare(["bbh"], by_task=True, options=AnalysisOptions(**choices))


def of_tasks(comparison: Comparison) -> dict[str, ComparisonRow]:
    pairs = {}
    for task in comparison.tasks:
        (pairs[task.task],) = task.comparisons
    return pairs


def ci(pair: ComparisonRow) -> list[float | None]:
    return [pair.ci_low, pair.ci_high]


def test_counts_accuracies_and_tables_by_task(
    bbh: ResultsProcessor, reference: dict[str, Any]
) -> None:
    comparison = compared(bbh)
    assert [task.task for task in comparison.tasks] == sorted(reference["tasks"])
    for task in comparison.tasks:
        expected = reference["tasks"][task.task]
        for variant in task.variants:
            figures = expected[
                {"None": "None_"}.get(variant.variant.approach_name, variant.variant.approach_name)
            ]
            assert variant.runs == variant.graded == figures["n"]
            assert variant.correct == figures["k"]
            assert variant.accuracy == near(figures["accuracy"])
        (pair,) = task.comparisons
        paired = expected["paired"]
        assert pair.candidate.approach_name == "ChainOfThought"
        assert pair.baseline.approach_name == "None"
        for name in ("both_correct", "improved", "regressed", "neither_correct"):
            assert getattr(pair, name) == paired[name]
        assert pair.samples == paired["n"]
        for ours, theirs in (
            ("difference", "diff"),
            ("se", "se_paired"),
            ("p_value", "mcnemar_midp"),
            ("p_value_exact", "mcnemar_exact_p"),
            ("odds_ratio", "odds_ratio_conditional"),
            ("phi", "phi_correlation"),
            ("p_value_unpaired", "p_unpaired_z"),
            ("discordance", "discordance"),
        ):
            assert getattr(pair, ours) == near(paired[theirs]), (task.task, ours)


@pytest.mark.parametrize(
    ("interval", "name"),
    [
        ("wilson", "wilson"),
        ("jeffreys", "jeffreys"),
        ("clopper-pearson", "clopper_pearson"),
        ("bayes-uniform", "bayes_uniform"),
    ],
)
def test_intervals_of_an_accuracy(
    bbh: ResultsProcessor, reference: dict[str, Any], interval: str, name: str
) -> None:
    comparison = compared(bbh, interval=interval, cluster="none")
    expected = reference["tasks"]
    for task in comparison.tasks:
        for variant in task.variants:
            key = {"None": "None_"}.get(
                variant.variant.approach_name, variant.variant.approach_name
            )
            low, high = expected[task.task][key][name]
            assert (variant.ci_low, variant.ci_high) == (near(low), near(high))
            assert variant.interval_method == interval
    for variant in comparison.variants:
        key = {"None": "None_"}.get(variant.variant.approach_name, variant.variant.approach_name)
        low, high = reference["pooled"]["micro"][key][name]
        assert (variant.ci_low, variant.ci_high) == (near(low), near(high))


@pytest.mark.parametrize(
    ("method", "name"),
    [("bonett-price", "ci_bonett_price"), ("tango", "ci_tango"), ("newcombe", "ci_newcombe10")],
)
def test_intervals_of_a_difference(
    bbh: ResultsProcessor, reference: dict[str, Any], method: str, name: str
) -> None:
    comparison = compared(bbh, difference_interval=method, cluster="none")
    for task, pair in of_tasks(comparison).items():
        assert ci(pair) == near(reference["tasks"][task]["paired"][name])
        assert pair.interval_method == method
    (pooled,) = comparison.comparisons
    assert ci(pooled) == near(reference["pooled"]["paired_pooled_iid"][name])


@pytest.mark.parametrize("correction", ["holm", "fdr_bh", "bonferroni"])
@pytest.mark.parametrize(("test", "name"), [("mid-p", "midp"), ("exact", "exact_p")])
def test_corrections_over_the_tasks(
    bbh: ResultsProcessor, reference: dict[str, Any], test: str, name: str, correction: str
) -> None:
    comparison = compared(bbh, cluster="none", test=test, correction=correction)
    for task, pair in of_tasks(comparison).items():
        expected = reference["tasks"][task]["paired"]
        assert pair.p_value == near(expected[f"mcnemar_{name}"])
        assert pair.p_value_adjusted == near(expected[f"mcnemar_{name}_{correction}"])
        assert pair.family_size == 9


def test_pooled_over_all_tasks_as_independent_samples(
    bbh: ResultsProcessor, reference: dict[str, Any]
) -> None:
    (pair,) = compared(bbh, cluster="none").comparisons
    expected = reference["pooled"]["paired_pooled_iid"]
    assert pair.method == "independent samples"
    assert pair.difference == near(expected["diff"])
    assert pair.se == near(expected["se_paired"])
    assert pair.p_value == near(expected["mcnemar_midp"])
    assert pair.p_value_exact == near(expected["mcnemar_exact_p"])
    assert pair.phi == near(expected["phi_correlation"])
    assert pair.odds_ratio == near(expected["odds_ratio_conditional"])
    assert pair.p_value_unpaired == near(expected["p_unpaired_z"])
    assert pair.n_clusters is None


def design_adjusted(pair: ComparisonRow) -> list[float]:
    """The interval over tasks written out: two pseudo-samples among the samples that the design
    leaves."""
    n, dof = pair.samples, pair.dof
    assert (pair.improved, pair.regressed, pair.se, dof) != (None,) * 4
    discordant, net = pair.improved + pair.regressed, pair.improved - pair.regressed  # type: ignore[operator]
    effect = pair.se**2 / ((discordant / n - (net / n) ** 2) / n)  # type: ignore[operator]
    worth = n / effect + 2
    centre = net / effect / worth
    variance = (discordant / effect + 2) / worth - centre**2
    half = stats.t.ppf(0.975, dof) * (variance / worth) ** 0.5
    return [centre - half, centre + half]


def test_pooled_over_all_tasks_clustered_by_task(
    bbh: ResultsProcessor, reference: dict[str, Any]
) -> None:
    comparison = compared(bbh)
    (pair,) = comparison.comparisons
    expected = reference["pooled"]["diff_cluster_task"]
    assert pair.method == "clustered by task (CR2)"
    assert pair.n_clusters == expected["n_clusters"] == 9
    assert pair.difference == near(expected["estimate"])
    assert pair.se == near(expected["se_cr2"])
    assert pair.se_cr1 == near(expected["se_cr1"])
    assert pair.dof == near(expected["dof_bell_mccaffrey"])
    assert ci(pair) == near(design_adjusted(pair))
    assert pair.interval_method == "bonett-price-design-adjusted"
    assert pair.p_value == near(expected["p_cr2_bm"])
    assert pair.design_effect == near(expected["design_effect_cr1"])
    assert pair.intraclass_correlation == near(expected["icc_anova"])
    assert "few_clusters" in pair.warnings
    row, these = comparison.micro
    assert (row.population, these.population) == ("tasks like these", "these tasks")
    assert (these.estimand, these.difference.estimate) == (
        "micro-stratified",
        row.difference.estimate,
    )
    assert row.difference.se == pair.se
    for variant in comparison.variants:
        expected = reference["pooled"][f"acc_{variant.variant.approach_name}_cluster_task"]
        assert variant.accuracy == near(expected["estimate"])
        assert variant.se == near(expected["se_cr2"])
        assert variant.dof == near(expected["dof_bell_mccaffrey"])
        assert variant.n_clusters == 9


def test_macro_average_over_tasks(bbh: ResultsProcessor, reference: dict[str, Any]) -> None:
    expected = reference["pooled"]["macro_tasks"]
    random, fixed = compared(bbh).macro
    for row in (random, fixed):
        assert row.tasks == expected["groups"]
        assert row.candidate_mean.estimate == near(expected["acc_ChainOfThought"])
        assert row.baseline_mean.estimate == near(expected["acc_None"])
        assert row.difference.estimate == near(expected["diff"])
    assert random.estimand == "macro-random"
    assert random.difference.se == near(expected["se_random_tasks"])
    assert [random.difference.ci_low, random.difference.ci_high] == near(
        expected["ci_random_tasks"]
    )
    assert random.difference.p_value == near(expected["p_random_t"])
    assert fixed.estimand == "macro-fixed"
    assert fixed.difference.se == near(expected["se_fixed_tasks"])
    # Two pseudo-samples move the interval by hundredths of a point.
    assert [fixed.difference.ci_low, fixed.difference.ci_high] == pytest.approx(
        expected["ci_fixed_tasks"], abs=3e-4
    )


def test_the_text_of_a_question_is_not_its_identity(
    bbh: ResultsProcessor, reference: dict[str, Any]
) -> None:
    """Copied without the dataset's fingerprint, samples pair by content: texts that occur with two
    opposite expected answers stay two samples."""
    runs = graded_runs("bbh", reference["tasks"])
    for run in runs:
        index = run.sample_index
        if run.task == "causal_judgement":
            index = SAME_QUESTION.get(index, index)
        run.input_text = f"{run.task}: statement {index}?"
        run.expected_answer = "Yes" if index == run.sample_index else "No"
    for name, approach in (("one", "None"), ("two", "ChainOfThought")):
        bbh.save_experiment(name, {})
        own = [run for run in runs if run.approach_name == approach]
        for run in own:
            run.experiment_id = name
            if name == "two":  # Another order: across experiments a sample's index says nothing.
                run.sample_index = 999 - run.sample_index
        bbh.save_runs(own)
    (pair,) = bbh.compare(["one", "two"]).comparisons
    assert pair.pairing_rule == "content"
    assert pair.denominators["mismatched"] == 0
    (same,) = bbh.compare(["bbh"]).comparisons
    assert pair.samples == reference["meta"]["n_samples"]
    assert pair.difference == near(same.difference)
    assert pair.improved == same.improved
    assert pair.regressed == same.regressed


def test_the_whole_benchmark(processor: ResultsProcessor) -> None:
    """All 27 files, and the averages of the paper, which counts logical_deduction and
    tracking_shuffled_objects as one task each."""
    processor.save_experiment("bbh", {}, status="completed")
    processor.save_runs(graded_runs("bbh"))
    comparison = processor.compare(["bbh"], by_task=True)
    (pair,) = comparison.comparisons
    assert pair.samples == 6511
    assert pair.n_clusters == 27
    assert pair.difference == pytest.approx(0.2162494, abs=5e-8)
    assert pair.se == pytest.approx(0.0439103, abs=5e-8)
    assert ci(pair) == near(design_adjusted(pair))
    assert pair.p_value == pytest.approx(4.2e-5, abs=5e-7)
    accuracies: dict[str, dict[str, list[float]]] = {"None": {}, "ChainOfThought": {}}
    for task in comparison.tasks:
        name = re.sub("_(three|five|seven)_objects$", "", task.task)
        for variant in task.variants:
            assert variant.accuracy is not None
            of_approach = accuracies[variant.variant.approach_name]
            of_approach.setdefault(name, []).append(variant.accuracy)
    averages = {
        approach: fmean(map(fmean, tasks.values())) for approach, tasks in accuracies.items()
    }
    assert {len(tasks) for tasks in accuracies.values()} == {23}
    assert averages == {
        "None": pytest.approx(0.566, abs=5e-4),
        "ChainOfThought": pytest.approx(0.739, abs=5e-4),
    }
