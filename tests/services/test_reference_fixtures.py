"""What services say of the reference cases, through import, pairing and clusters, to 1e-9.

The values are from R (coin, clubSandwich, survey, lme4), SciPy, statsmodels and by hand; see
tests/data/README.md."""

from typing import Any

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.summary import SummaryReport, SummaryService
from tests.reference_data import load
from tests.services.building import clear, near, only_pair, run, runs, save

CASES = load("statistics_fixtures_2.json")
CORRECTIONS = CASES["a_corrections"]
PAIR, EXPECTED = (CORRECTIONS["repeats_pair"][name] for name in ("data", "expected"))
BY_DOCUMENT: dict[str, Any] = {"cluster": "metadata:document"}


def repeats_pair() -> list[RunRecord]:
    """24 samples in 3 tasks and 9 documents, asked 3 times by the candidate and twice by None."""
    indexes: dict[str, int] = {}
    made = []
    for row, task in enumerate(PAIR["task"]):
        index = indexes[task] = indexes.get(task, -1) + 1
        for approach, side in (("CoT1", "treatment"), ("None", "baseline")):
            for repeat in range(PAIR[f"k_{side}"][row]):
                right = repeat < PAIR[f"s_{side}"][row]
                one = run("exp", approach, index, right, repeat, task=task)
                one.metadata_json = {"document": PAIR["document"][row]}
                made.append(one)
    return made


def report(processor: ResultsProcessor, **options: Any) -> SummaryReport:
    with processor.engine.connect() as connection:
        return SummaryService(connection, options=AnalysisOptions(**options)).report(by_task=True)


def test_a_pair_with_repeats(processor: ResultsProcessor) -> None:
    save(processor, repeats_pair())
    alone = only_pair(processor, cluster="none")
    assert alone.difference == near(EXPECTED["difference"])
    interval = EXPECTED["generalised_bonett_price"]
    assert [alone.ci_low, alone.ci_high] == [near(bound) for bound in interval["ci95"]]
    wider = only_pair(processor, cluster="none", confidence=0.9)
    assert [wider.ci_low, wider.ci_high] == [near(bound) for bound in interval["ci90"]]
    flip = EXPECTED["signflip"]
    assert (alone.p_value, alone.p_value_exact) == (near(flip["p_mid"]), near(flip["p_exact"]))
    tango = EXPECTED["matched_tango"]["p_at_margin_0.05"]
    held = only_pair(processor, cluster="none", margin=0.05)
    assert held.p_non_inferior == pytest.approx(tango, abs=1e-6)
    unpaired = only_pair(processor, cluster="none", unpaired=True)
    assert [unpaired.ci_low, unpaired.ci_high] == [
        near(bound) for bound in EXPECTED["unpaired_mover"]["ci95"]
    ]


@pytest.mark.parametrize(
    ("name", "options"), [("cluster_document", BY_DOCUMENT), ("cluster_task", {})]
)
def test_the_pair_in_clusters(
    processor: ResultsProcessor, name: str, options: dict[str, Any]
) -> None:
    save(processor, repeats_pair())
    expected = EXPECTED[name]
    pair = only_pair(processor, **options)
    found = (pair.se, pair.dof, pair.p_value, pair.ci_low, pair.ci_high)
    names = ("se", "dof", "p", "low", "high")
    assert found == tuple(near(expected[key]) for key in names)
    if "cr1" in expected:
        assert pair.se_cr1 == near(expected["cr1"])


def test_a_task_of_the_pair_by_document(processor: ResultsProcessor) -> None:
    save(processor, repeats_pair())
    compared = processor.compare(["exp"], by_task=True, options=AnalysisOptions(**BY_DOCUMENT))
    pair, expected = compared.tasks[0].comparisons[0], EXPECTED["by_task_t1_cluster_document"]
    found = (pair.difference, pair.se, pair.dof, pair.p_value, pair.ci_low, pair.ci_high)
    names = ("mu", "se", "dof", "p", "low", "high")
    assert found == tuple(near(expected[key]) for key in names)


def test_accuracy_and_passes_by_document(processor: ResultsProcessor) -> None:
    save(processor, repeats_pair())
    found = report(processor, **BY_DOCUMENT)
    accuracy, second = (
        EXPECTED[f"{name}_treatment_cluster_document"] for name in ("accuracy", "pass_at_2")
    )
    row, passes = found.variants[0], found.repeats[0].passes
    assert (row.accuracy, row.se, row.dof) == tuple(
        near(accuracy[name]) for name in ("estimate", "se", "dof")
    )
    bounds = [near(bound) for bound in accuracy["ci95"]]
    assert [row.ci_low, row.ci_high] == bounds
    # pass@1 is the accuracy, estimate and interval.
    assert [passes[0].pass_at_k_ci_low, passes[0].pass_at_k_ci_high] == bounds
    assert passes[1].pass_at_k == near(second["estimate"])
    assert [passes[1].pass_at_k_ci_low, passes[1].pass_at_k_ci_high] == [
        near(bound) for bound in second["ci95"]
    ]


def test_copies_of_answers_change_nothing(processor: ResultsProcessor) -> None:
    case = CORRECTIONS["deterministic_copies"]
    n, b, expected = case["data"]["n"], case["data"]["b"], case["expected"]
    for k in case["data"]["k"]:
        clear(processor)
        save(
            processor,
            runs("exp", "CoT1", [[1] * k] * b + [[0] * k] * (n - b)),
            runs("exp", "None", [[0] * k] * n),
        )
        pair = only_pair(processor)
        assert [pair.ci_low, pair.ci_high] == [near(x) for x in expected["ci95_for_every_k"]]
        assert pair.p_value == near(expected["p_mid_for_every_k"])
        assert pair.p_value_exact == near(expected["p_exact_for_every_k"])


def test_unpaired_copies_that_are_all_right_and_all_wrong(processor: ResultsProcessor) -> None:
    case = CORRECTIONS["unpaired_repeats_constant_arms"]
    n, k, expected = case["data"]["n"], case["data"]["k"], case["expected"]
    save(processor, runs("exp", "CoT1", [[1] * k] * n), runs("exp", "None", [[0] * k] * n))
    pair = only_pair(processor, unpaired=True)
    assert (pair.difference, pair.p_value) == (1.0, near(expected["p"]))
    assert [pair.ci_low, pair.ci_high] == [
        near(bound) for bound in expected["mover_with_t_quantile_k3"]
    ]
    assert pair.test == "Fisher's exact test"


def test_bounds_of_accuracies_with_unequal_repeats(processor: ResultsProcessor) -> None:
    case = CORRECTIONS["accuracy_bounds_repeats"]
    for data, expected in (
        (case["data"], case["expected"]),
        (case["with_missing"]["data"], case["with_missing"]["expected"]),
    ):
        clear(processor)
        grades = [
            [1] * s + [0] * (graded - s) + [None] * (asked - graded)
            for s, graded, asked in zip(*data.values(), strict=True)
        ]
        save(processor, runs("exp", "None", grades))
        (row,) = report(processor).variants
        assert row.accuracy == near(expected["accuracy"])
        assert row.accuracy_bounds == tuple(near(bound) for bound in expected["bounds"])


def test_averages_over_the_tasks_that_both_have(processor: ResultsProcessor) -> None:
    case = CORRECTIONS["macro_shared_tasks"]
    for approach, tasks in case["data"].items():
        for task, (right, asked) in tasks.items():
            save(processor, runs("exp", approach, [1] * right + [0] * (asked - right), task=task))
    compared, expected = processor.compare(["exp"], by_task=True), case["expected"]
    for row in (*compared.micro, *compared.macro):
        assert row.tasks == expected["tasks"]
        assert row.baseline_mean.estimate == near(expected["baseline_accuracy"])
        assert row.candidate_mean.estimate == near(expected["treatment_accuracy"])
        assert row.difference.estimate == near(expected["difference"])


def test_strata(processor: ResultsProcessor) -> None:
    case = CASES["h_strata_and_seeds"]["strata"]
    data, expected = case["data"], case["expected"]
    for approach, side in (("CoT1", "treatment"), ("None", "baseline")):
        tasks: dict[str, list[int]] = {}
        for task, grade in zip(data["task"], data[side], strict=True):
            tasks.setdefault(task, []).append(grade)
        save(processor, *(runs("exp", approach, grades, task=t) for t, grades in tasks.items()))
    row = next(r for r in processor.compare(["exp"]).micro if r.estimand == "micro-stratified")
    assert row.difference.estimate == near(expected["difference"])
    assert row.difference.se == near(expected["se_stratified"])
    assert [row.difference.ci_low, row.difference.ci_high] == [
        near(bound) for bound in expected["difference_ci95"]
    ]
    assert row.candidate_mean.estimate == near(expected["accuracy_treatment"])
    assert row.candidate_mean.se == near(expected["accuracy_se"])
    assert [row.candidate_mean.ci_low, row.candidate_mean.ci_high] == [
        near(bound) for bound in expected["accuracy_ci95"]
    ]
    alone = only_pair(processor, cluster="none")
    assert [alone.ci_low, alone.ci_high] == [
        near(bound) for bound in expected["independent_bonett_price_ci95"]
    ]


@pytest.mark.parametrize("family", ["accuracy", "f1", "judge"])
def test_holm_of_each_metric_is_its_own(family: str) -> None:
    from ml_agents_results.statistics.multiplicity import adjust

    case = CASES["c_several_metrics"]["family_per_metric"]
    adjusted = adjust(case["data"][family], "holm")
    assert adjusted == [near(value) for value in case["expected"][family]]
