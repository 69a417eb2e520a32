"""Clusters and repeats beside accuracy: costs, calibration, and content that occurs twice."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from statsmodels.regression.linear_model import OLS

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.cost import CostService, VariantCost
from ml_agents_results.services.failures import FailureService
from ml_agents_results.services.parsing import ParsingService, VariantParsing
from ml_agents_results.services.summary import SummaryService
from ml_agents_results.statistics.cluster_robust import clustered_mean
from ml_agents_results.statistics.cost_ratios import (
    clustered_cost_per_correct,
    cost_per_correct,
)
from tests.services.building import coin, near, run, runs, save

Array = npt.NDArray[Any]
TASKS = {"a": 12, "b": 20, "c": 7, "d": 15}
FAMILIES = {"a": "x", "b": "x"}


@pytest.fixture
def tasks(store: ResultsProcessor) -> ResultsProcessor:
    """Tasks that differ in cost and confidence."""
    return save(
        store,
        [
            run(
                "exp",
                "None",
                place,
                grade,
                task=task,
                cost_estimate=0.01 * (number + 1) + 0.001 * (place % 3),
                parsing_confidence=0.5 + 0.1 * number,
            )
            for number, (task, samples) in enumerate(TASKS.items())
            for place, grade in enumerate(coin(number, samples, 0.6))
        ],
    )


def cost(store: ResultsProcessor, **choices: Any) -> VariantCost:
    with store.database.read() as connection:
        (variant,) = CostService(connection, options=AnalysisOptions(**choices)).report().variants
    return variant


def parsing(store: ResultsProcessor, **choices: Any) -> VariantParsing:
    with store.database.read() as connection:
        (variant,) = (
            ParsingService(connection, options=AnalysisOptions(**choices)).report().variants
        )
    return variant


def recorded(store: ResultsProcessor) -> tuple[Array, ...]:
    rows = store.get_runs_paginated("exp")["runs"]
    names = ("cost_estimate", "is_correct", "parsing_confidence")
    columns = [np.array([float(row[name]) for row in rows]) for name in names]
    return (*columns, np.array([row["task"] for row in rows]))


def by(groups: Array, *values: Array) -> list[list[float]]:
    return [
        [float(np.sum(groups == g)), *(float(v[groups == g].sum()) for v in values)]
        for g in np.unique(groups)
    ]


def test_costs_are_clustered_by_task(tasks: ResultsProcessor) -> None:
    costs, correct, _, task = recorded(tasks)
    variant = cost(tasks)
    n, sums, _ = zip(*by(task, costs, correct), strict=True)
    expected = clustered_mean(n, sums)
    assert (variant.mean_cost_se, variant.dof) == (near(expected.se), near(expected.dof))
    assert (variant.method, variant.n_clusters) == ("clustered by task (CR2)", 4)
    # The ratio is the slope through the origin's residual: the same error from a regression of
    # c - R y on nothing but its mean, clustered (statsmodels' CR1 with N / (N - 1) taken out).
    ratio = costs.sum() / correct.sum()
    fit = OLS(costs - ratio * correct, np.ones(len(costs))).fit(
        cov_type="cluster", cov_kwds={"groups": np.unique(task, return_inverse=True)[1]}
    )
    se = fit.bse[0] * len(costs) / correct.sum()
    assert variant.cost_per_correct == near(ratio)
    assert variant.cost_per_correct_se == near(se)
    assert "few_clusters" in variant.warnings


def test_costs_of_independent_samples(tasks: ResultsProcessor) -> None:
    costs, correct, _, _ = recorded(tasks)
    variant = cost(tasks, cluster="none")
    assert variant.mean_cost_se == near(costs.std(ddof=1) / len(costs) ** 0.5)
    assert (variant.method, variant.n_clusters) == ("independent samples", None)
    ratio = costs.sum() / correct.sum()
    residual = ((costs - ratio * correct) ** 2).sum() * len(costs) / (len(costs) - 1)
    assert variant.cost_per_correct_se == near(residual**0.5 / correct.sum())


def test_families_of_tasks(tasks: ResultsProcessor) -> None:
    costs, correct, confidence, task = recorded(tasks)
    family = np.array([FAMILIES.get(name, name) for name in task])
    n, sums, gaps = zip(*by(family, costs, correct - confidence), strict=True)
    assert cost(tasks, families=FAMILIES).mean_cost_se == near(clustered_mean(n, sums).se)
    large = parsing(tasks, families=FAMILIES).calibration_in_the_large
    assert (large.se, large.n_clusters) == (near(clustered_mean(n, gaps).se), 3)


def test_calibration_in_the_large_is_clustered(tasks: ResultsProcessor) -> None:
    _, correct, confidence, task = recorded(tasks)
    large = parsing(tasks).calibration_in_the_large
    n, gaps = zip(*by(task, correct - confidence), strict=True)
    expected = clustered_mean(n, gaps).as_difference()
    assert large.estimate == near((correct - confidence).mean())
    assert (large.se, large.dof, large.ci_low) == (
        near(expected.se), near(expected.dof), near(expected.ci_low),
    )  # fmt: skip
    alone = parsing(tasks, cluster="none").calibration_in_the_large
    assert alone.se == near((correct - confidence).std(ddof=1) / len(correct) ** 0.5)


def test_repeats_of_a_sample_are_a_cluster(store: ResultsProcessor) -> None:
    grades = [[1, 1], [0, 0, 0], [1, 0], [1]]
    save(store, runs("exp", "None", grades, cost_estimate=0.02, parsing_confidence=0.7))
    variant = cost(store)
    assert (variant.method, variant.n_clusters) == ("clustered by sample (CR2)", 4)
    sums = [(len(given), 0.02 * len(given), float(sum(given))) for given in grades]
    assert variant.cost_per_correct_se == near(clustered_cost_per_correct(sums).se)
    large = parsing(store).calibration_in_the_large
    expected = clustered_mean([2, 3, 2, 1], [sum(g) - 0.7 * len(g) for g in grades])
    assert large.se == near(expected.se)


def test_a_cluster_a_sample_is_no_cluster() -> None:
    """With one sample a cluster both formulas are one."""
    costs, grades = [0.1, 0.2, 0.4, 0.1], [1, 0, 1, 1]
    one = clustered_cost_per_correct(list(zip([1] * 4, costs, map(float, grades), strict=True)))
    two = cost_per_correct(
        4,
        sum(costs),
        sum(c * c for c in costs),
        sum(grades),
        sum(c * y for c, y in zip(costs, grades, strict=True)),
    )
    assert (one.estimate, one.se, one.ci_high) == (
        near(two.estimate), near(two.se), near(two.ci_high),
    )  # fmt: skip


def test_edges_of_clustered_costs() -> None:
    assert clustered_cost_per_correct([(2, 1.0, 0.0)]).null_reason == "no_correct"
    single = clustered_cost_per_correct([(2, 1.0, 1.0), (0, 0.0, 0.0)])
    assert (single.estimate, single.se, single.null_reason) == (1.0, None, "one_cluster")
    alike = clustered_cost_per_correct([(2, 1.0, 1.0), (4, 2.0, 2.0)])
    assert (alike.se, alike.null_reason) == (None, "zero_between_cluster_variance")


def test_edge_repeats_with_and_without_a_grade(store: ResultsProcessor) -> None:
    save(store, runs("exp", "None", [[1, None], [0, 0], [None, None], [1, 1]]))
    with store.database.read() as connection:
        (row,) = SummaryService(connection).report().repeats
    assert (row.partial_epochs, row.samples) == (1, 3)
    assert row.to_dict()["partial_epochs"] == 1


def test_edge_content_that_occurs_twice(store: ResultsProcessor) -> None:
    """The same text with another target, and the same text and target: all are samples."""
    texts = [("q", "yes"), ("q", "no"), ("r", "1"), ("r", "1"), ("s", "2")]
    save(
        store,
        [
            run("exp", variant, place, 1, input_text=text, expected_answer=answer)
            for variant in ("None", "CoT1")
            for place, (text, answer) in enumerate(texts)
        ],
    )
    with store.database.read() as connection:
        report = FailureService(connection).report()
        unread = FailureService(connection).report(read_texts=False)
    assert (report.conflicting_targets, report.duplicate_content) == (1, 1)
    assert {"conflicting_targets", "duplicate_content"} <= set(report.warnings)
    assert (unread.conflicting_targets, unread.duplicate_content) == (None, 1)
    assert report.to_dict()["conflicting_targets"] == 1
    (pair,) = store.compare(["exp"]).comparisons
    assert pair.samples == 5
