"""What the samples at hand can show, and how many more it takes."""

import math
from typing import Any

import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import (
    samplesize_confint_proportion,
    samplesize_proportions_2indep_onetail,
)

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ExperimentRecord, MetricRecord, RunRecord
from ml_agents_results.reports.power_report import power_report
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.power import PowerComparison, PowerReport, PowerService
from tests.services.building import of_table, runs, save


def report(store: ResultsProcessor, **choices: Any) -> PowerReport:
    with store.database.read() as connection:
        return PowerService(connection, options=AnalysisOptions(**choices)).report()


def rows(store: ResultsProcessor, **choices: Any) -> list[PowerComparison]:
    return list(report(store, **choices).comparisons)


def connor(difference: float, discordance: float, alpha: float) -> int:
    a, b = stats.norm.ppf(1 - alpha / 2), stats.norm.ppf(0.8)
    root = a * math.sqrt(discordance) + b * math.sqrt(discordance - difference**2)
    return math.ceil(float((root / difference) ** 2))


def test_samples_needed_at_the_discordance_seen(store: ResultsProcessor) -> None:
    (row,) = rows(save(store, of_table((120, 50, 10, 20))))
    alone, compared = power_report(report(store)).methods
    assert "n for ±w: samples" in alone
    assert "n for d: shared samples that show d points, at the discordance" in compared
    assert row.discordance == pytest.approx(0.3)
    assert row.samples_needed == {
        f"{size:g}": connor(size, 0.3, 0.05) for size in (0.01, 0.02, 0.05, 0.1)
    }
    # The smallest difference that 200 samples show is the one that needs 200.
    assert row.mde is not None
    assert connor(row.mde, 0.3, 0.05) in (200, 201)


def test_a_family_of_tests_needs_more(store: ResultsProcessor) -> None:
    save(store, of_table((12, 5, 1, 2)), runs("exp", "A", [1, 0] * 10))
    first, second = rows(store)
    assert first.alpha == second.alpha == pytest.approx(0.025)
    assert first.samples_needed["0.1"] == connor(0.1, first.discordance or 0, 0.025)
    assert rows(store, correction="none")[0].alpha == pytest.approx(0.05)


def test_no_difference_can_be_larger_than_the_discordance(store: ResultsProcessor) -> None:
    (row,) = rows(save(store, of_table((60, 2, 1, 37))))
    assert row.samples_needed["0.05"] is None
    assert row.samples_needed["0.02"] is not None


def test_sizes_are_counted_in_clusters_of_the_size_seen(store: ResultsProcessor) -> None:
    save(
        store,
        *(
            of_table(cells, task=task)
            for task, cells in (("a", (9, 6, 0, 5)), ("b", (4, 0, 6, 10)), ("c", (9, 5, 2, 4)))
        ),
    )
    (row,) = rows(store)
    (free,) = rows(store, cluster="none")
    assert (row.n_clusters, free.n_clusters) == (3, None)
    assert set(row.samples_needed.values()) == set(free.clusters_needed.values()) == {None}
    needed = row.clusters_needed["0.1"]
    assert needed is not None
    # What the clusters at hand detect and how many it takes agree.
    assert row.mde is not None
    assert (needed > 3) is (row.mde > 0.1)


def test_samples_with_repeats_need_what_their_variance_asks_for(store: ResultsProcessor) -> None:
    """The formula of Miller with the variance of the differences that was seen."""
    save(
        store,
        runs("exp", "CoT1", [[1, 1], [1, 0], [0, 0], [1, 1]]),
        runs("exp", "None", [[0, 1], [0, 0], [0, 1], [1, 1]]),
    )
    (row,) = rows(store)
    variance = stats.tvar([0.5, 0.5, -0.5, 0.0])
    quantiles = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert row.method == "Miller, repeats averaged by sample"
    assert row.samples_needed["0.1"] == math.ceil(quantiles**2 * variance / 0.01)


def test_nothing_to_compare_has_no_power(store: ResultsProcessor) -> None:
    save(store, runs("exp", "CoT1", [None]), runs("exp", "None", [1]))
    (row,) = rows(store)
    assert (row.samples, row.mde) == (0, None)
    assert set(row.samples_needed.values()) == {None}


def test_samples_for_one_variant_alone(store: ResultsProcessor) -> None:
    """A pilot of a single variant plans the next study: against the formulas of statsmodels."""
    save(store, runs("exp", "None", [1] * 30 + [0] * 20))
    (variant,) = report(store).variants
    assert report(store).comparisons == []
    assert (variant.samples, variant.accuracy) == (50, 0.6)
    assert variant.design_effect == pytest.approx(1)
    for size in (0.01, 0.02, 0.05, 0.1):
        wanted = samplesize_confint_proportion(0.6, size, alpha=0.05)
        assert variant.samples_for_precision[f"{size:g}"] == math.ceil(wanted)
        each = samplesize_proportions_2indep_onetail(
            size, 0.6, 0.8, alpha=0.05, value=0, alternative="two-sided"
        )
        assert variant.samples_per_variant[f"{size:g}"] == math.ceil(each)


def test_one_variant_in_clusters_needs_more(store: ResultsProcessor) -> None:
    save(store, *(runs("exp", "None", [1] * k + [0] * (20 - k), task=str(k)) for k in (5, 10, 18)))
    (variant,) = report(store).variants
    (free,) = report(store, cluster="none").variants
    assert set(variant.samples_for_precision.values()) == {None}
    assert set(variant.samples_per_variant.values()) == {None}
    assert set(free.clusters_for_precision.values()) == {None}
    needed = variant.clusters_for_precision["0.1"]
    assert needed is not None
    assert needed > 3


def test_an_variant_that_is_always_right_says_nothing_of_more_samples(
    store: ResultsProcessor,
) -> None:
    save(store, runs("exp", "None", [1] * 10), runs("exp", "A", [1] * 19 + [0]))
    right, nearly = sorted(report(store).variants, key=lambda row: row.samples)
    assert set(right.samples_for_precision.values()) == {None}
    assert nearly.samples_per_variant["0.05"] is not None
    assert nearly.samples_per_variant["0.1"] is None


def test_a_numeric_metric_is_planned_for_in_its_own_unit(store: ResultsProcessor) -> None:
    """As `power.t.test(delta=, sd=, type="paired")` of R gives the samples."""
    with store.database.write() as connection:
        rating = MetricRecord("rating", "numeric", 1, 5, True, is_primary=True)
        ExperimentRepository(connection).save(ExperimentRecord("e", metrics=[rating]))
        RunRepository(connection).save_many(
            RunRecord("e", approach, index, score=3.0 + (index % 2 if approach == "CoT" else 0))
            for approach in ("None", "CoT")
            for index in range(40)
        )
    planned = report(store)
    assert planned.numeric
    (row,) = planned.comparisons
    # A twentieth of the range of 4.
    assert list(row.samples_needed) == ["0.04", "0.08", "0.2", "0.4"]
    assert row.mde is not None
    sd = row.mde / TTestPower().solve_power(nobs=40, alpha=0.05, power=0.8)
    needed = TTestPower().solve_power(effect_size=0.4 / sd, alpha=0.05, power=0.8)
    assert row.samples_needed["0.4"] == math.ceil(needed)
    flat, varied = sorted(planned.variants, key=lambda one: one.mean or 0)
    assert (flat.mean, varied.mean, varied.accuracy) == (3.0, 3.5, None)
    assert varied.samples_for_precision["0.2"] is not None
