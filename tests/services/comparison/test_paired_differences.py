"""Paired times and costs of samples that come in groups, against the definition in matrices."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.cost import CostComparison, CostService
from ml_agents_results.services.latency import LatencyComparison, LatencyService
from tests.services.building import near, run, save
from tests.statistics.matrices import Groups, dense_cr2

TASKS = {"a": 12, "b": 20, "c": 7, "d": 15}
FAMILIES = {"a": "x", "b": "x"}


@pytest.fixture
def tasks(store: ResultsProcessor) -> ResultsProcessor:
    """The candidate is dearer and slower in some tasks than in others."""
    generator = np.random.default_rng(5)
    made = []
    for factor, (task, samples) in enumerate(TASKS.items(), start=1):
        for place in range(samples):
            costs = generator.uniform(0.001, 0.01, 2) * (1, factor)
            times = generator.integers(100, 1000, 2) * (1, factor)
            for approach, cost, time in zip(("None", "CoT1"), costs, times, strict=True):
                columns: dict[str, Any] = {
                    "cost_estimate": float(cost),
                    "execution_time_ms": int(time),
                }
                right = generator.random() < 0.6
                made.append(run("exp", approach, place, right, task=task, **columns))
    return save(store, made)


def costs(store: ResultsProcessor, **choices: Any) -> CostComparison:
    with store.database.read() as connection:
        (pair,) = CostService(connection, options=AnalysisOptions(**choices)).report().comparisons
    return pair


def times(store: ResultsProcessor, **choices: Any) -> LatencyComparison:
    with store.database.read() as connection:
        (pair,) = (
            LatencyService(connection, options=AnalysisOptions(**choices)).report().comparisons
        )
    return pair


def grouped(
    store: ResultsProcessor, column: str, family: dict[str, str] | None = None
) -> tuple[Groups, Groups]:
    """Differences of the column by task or family, as they are and of logarithms."""
    found: dict[Any, dict[str, float]] = {}
    for row in store.get_runs_paginated("exp")["runs"]:
        found.setdefault((row["task"], row["sample_index"]), {})[row["approach_name"]] = row[column]
    plain: dict[str, list[float]] = {}
    logs: dict[str, list[float]] = {}
    for (task, _), pair in found.items():
        name = (family or {}).get(task, task)
        plain.setdefault(name, []).append(pair["CoT1"] - pair["None"])
        logs.setdefault(name, []).append(math.log(pair["CoT1"] / pair["None"]))
    return list(plain.values()), list(logs.values())


@pytest.mark.parametrize("families", [{}, FAMILIES])
def test_cost_differences_are_clustered_by_task(
    tasks: ResultsProcessor, families: dict[str, str]
) -> None:
    pair = costs(tasks, families=families)
    groups, _ = grouped(tasks, "cost_estimate", families)
    mean, (se, dof) = np.mean(np.concatenate(groups)), dense_cr2(groups)
    half = stats.t.ppf(0.975, dof) * se
    assert (pair.samples, pair.n_clusters) == (54, 4 - len(families) // 2)
    assert (pair.cost_difference, pair.cost_difference_se) == (near(mean), near(se))
    assert [pair.cost_difference_ci_low, pair.cost_difference_ci_high] == near(
        [mean - half, mean + half]
    )
    assert pair.dof == near(dof)
    assert pair.method == f"clustered by task{' family' if families else ''} (CR2)"
    assert "few_clusters" in pair.warnings


@pytest.mark.parametrize("families", [{}, FAMILIES])
def test_ratios_of_times_are_clustered_by_task(
    tasks: ResultsProcessor, families: dict[str, str]
) -> None:
    pair = times(tasks, families=families)
    _, groups = grouped(tasks, "execution_time_ms", families)
    mean, (se, dof) = np.mean(np.concatenate(groups)), dense_cr2(groups)
    half = stats.t.ppf(0.975, dof) * se
    assert pair.ratio == near(math.exp(mean))
    assert [pair.ratio_ci_low, pair.ratio_ci_high] == near(
        [math.exp(mean - half), math.exp(mean + half)]
    )
    assert pair.p_value == near(2 * stats.t.sf(mean / se, dof))
    assert (pair.interval_method, pair.dof) == ("paired-log-ratio, t-cr2", near(dof))


def test_independent_samples_are_offered(tasks: ResultsProcessor) -> None:
    groups, _ = grouped(tasks, "cost_estimate")
    _, logs = grouped(tasks, "execution_time_ms")
    cost, time = costs(tasks, cluster="none"), times(tasks, cluster="none")
    assert cost.cost_difference_se == near(stats.sem(np.concatenate(groups)))
    assert time.p_value == near(stats.ttest_1samp(np.concatenate(logs), 0).pvalue)
    assert {cost.method, time.method} == {"independent samples"}
    assert (cost.n_clusters, time.n_clusters) == (None, None)


def test_one_cluster_has_no_error(store: ResultsProcessor) -> None:
    made = [
        run(
            "exp",
            variant,
            place,
            1,
            cost_estimate=cost * place,
            execution_time_ms=9 + place * factor,
        )
        for variant, cost, factor in (("None", 0.01, 1), ("CoT1", 0.03, 5))
        for place in range(5)
    ]
    save(store, made)
    cost, time = costs(store, cluster="task"), times(store, cluster="task")
    assert (cost.cost_difference, cost.cost_difference_se) == (near(0.04), None)
    assert (time.ratio_ci_low, time.p_value, time.null_reason) == (None, None, "one_cluster")


def test_a_sample_without_a_cluster(tasks: ResultsProcessor) -> None:
    """Refused, or a cluster of its own, as asked."""
    for read in (costs, times):
        with pytest.raises(UsageError, match="54 samples have no sample_id to cluster by"):
            read(tasks, cluster="sample_id")
    alone = times(tasks, cluster="sample_id", null_cluster="singleton")
    independent = times(tasks, cluster="none")
    assert (alone.n_clusters, alone.method) == (54, "clustered by sample_id (CR2)")
    assert alone.p_value == near(independent.p_value)
