"""Real answers of a real model, recorded and analysed, against figures computed elsewhere.

`reference.json` was made with SciPy and statsmodels and checked against R, independently of this
code; both files lie in the project's shared folder and are not part of this repository.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_service import Comparison
from ml_agents_results.services.comparison.paired import ComparisonRow

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "bbh"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"needs the data in {FOLDER}")


def near(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "reference.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def bbh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResultsProcessor]:
    processor = ResultsProcessor(str(tmp_path_factory.mktemp("bbh") / "results.db"))
    processor.save_experiment("bbh", {"dataset": "bbh"}, status="completed")
    with gzip.open(FOLDER / "runs.jsonl.gz", "rt", encoding="utf-8") as lines:
        runs = [RunRecord(experiment_id="bbh", **json.loads(line)) for line in lines]
    assert processor.save_runs(runs) == len(runs)
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
            assert (variant.runs, variant.graded, variant.correct) == (
                figures["n"],
                figures["n"],
                figures["k"],
            )
            assert variant.accuracy == near(figures["accuracy"])
        (pair,) = task.comparisons
        paired = expected["paired"]
        assert (pair.candidate.approach_name, pair.baseline.approach_name) == (
            "ChainOfThought",
            "None",
        )
        for name in (
            "both_correct",
            "improved",
            "regressed",
            "neither_correct",
        ):
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
    comparison = compared(bbh, test=test, correction=correction)
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
    assert ci(pair) == near(expected["ci_cr2_bm"])
    assert pair.p_value == near(expected["p_cr2_bm"])
    assert pair.design_effect == near(expected["design_effect_cr1"])
    assert pair.intraclass_correlation == near(expected["icc_anova"])
    assert "few_clusters" in pair.warnings
    (row,) = comparison.micro
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
    assert [fixed.difference.ci_low, fixed.difference.ci_high] == near(expected["ci_fixed_tasks"])


def test_the_text_of_a_question_is_not_its_identity(bbh: ResultsProcessor) -> None:
    """Copied without the data set's fingerprint, samples pair by content: texts that occur with
    two opposite targets stay two samples."""
    runs = bbh.get_runs_paginated("bbh", page_size=5000)["runs"]
    for name, approach in (("one", "None"), ("two", "ChainOfThought")):
        bbh.save_experiment(name, {})
        bbh.save_runs(
            [
                RunRecord(
                    experiment_id=name,
                    approach_name=approach,
                    provider=run["provider"],
                    model=run["model"],
                    task=run["task"],
                    # Another order: the place of a sample says nothing across experiments.
                    sample_index=run["sample_index"]
                    if name == "one"
                    else 999 - run["sample_index"],
                    input_text=run["input_text"],
                    expected_answer=run["expected_answer"],
                    is_correct=run["is_correct"],
                )
                for run in runs
                if run["approach_name"] == approach
            ]
        )
    (pair,) = bbh.compare(["one", "two"]).comparisons
    assert pair.pairing_rule == "content"
    assert pair.denominators["mismatched"] == 0
    (same,) = bbh.compare(["bbh"]).comparisons
    assert pair.samples == 2011
    assert pair.difference == near(same.difference)
    assert (pair.improved, pair.regressed) == (
        same.improved,
        same.regressed,
    )
