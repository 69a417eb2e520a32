"""Times of variants, and how many times longer the one takes than the other."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.latency import LatencyReport, LatencyService
from tests.services.building import run, save

MS = [120, 130, 150, 155, 160, 170, 180, 200, 220, 240, 260, 300, 320, 400, 450, 500, 700, 900]
MS += [1500, 6000]


def near(expected: Any) -> Any:
    return None if expected is None else pytest.approx(expected, rel=1e-9)


def report(store: ResultsProcessor, baseline: str | None = None, **choices: Any) -> LatencyReport:
    with store.database.read() as connection:
        return LatencyService(connection, options=AnalysisOptions(**choices)).report(
            baseline=baseline
        )


def timed(approach: str, times: Any, grades: Any = None) -> list[Any]:
    return [
        run("exp", approach, place, grades[place] if grades else 1, execution_time_ms=time)
        for place, time in enumerate(times)
    ]


def test_the_latency_fixture(store: ResultsProcessor) -> None:
    (variant,) = report(save(store, timed("None", MS))).variants
    summary = variant.summary
    assert (summary.n_timed, summary.n_missing, variant.failed) == (20, 0, 0)
    assert summary.mean == near(652.75)
    assert summary.sd == near(np.std(MS, ddof=1))
    assert summary.geometric_mean == near(330.29815790821664)
    assert (summary.minimum, summary.maximum) == (120.0, 6000.0)
    p50, p90, p95, p99 = variant.quantiles
    assert (p50.value, p50.ci_low, p50.ci_high) == (250.0, 170.0, 450.0)
    assert (p90.value, p90.ci_low, p90.ci_high) == (near(960), 450.0, None)
    assert (p95.value, p95.ci_low, p95.ci_high) == (near(1725), 700.0, None)
    assert p99.value == near(np.quantile(MS, 0.99))


def test_failed_and_untimed_runs_are_told_apart(store: ResultsProcessor) -> None:
    save(store, timed("None", [100, 60_000, None, 0], [1, "failed", 1, 0]))
    (variant,) = report(store).variants
    assert (variant.runs, variant.failed) == (4, 1)
    summary = variant.summary
    assert (summary.n_timed, summary.n_missing, summary.n_zero) == (2, 1, 1)
    # A time of 0 is a time, and has no logarithm.
    assert (summary.minimum, summary.maximum) == (0.0, 100.0)
    assert (summary.mean, summary.geometric_mean) == (50.0, near(100))


def test_no_times_at_all(store: ResultsProcessor) -> None:
    made = report(save(store, timed("None", [None, None]), timed("CoT1", [10, None])))
    assert made.comparisons == []
    untimed = next(variant for variant in made.variants if variant.variant.approach_name == "None")
    assert (untimed.summary.mean, untimed.summary.null_reason) == (None, "no_values")
    assert [quantile.value for quantile in untimed.quantiles] == [None] * 4


def test_the_ratio_of_times_is_paired(store: ResultsProcessor) -> None:
    generator = np.random.default_rng(11)
    one = generator.integers(100, 5000, 30)
    two = (one * generator.uniform(0.9, 2.5, 30)).astype(int)
    save(store, timed("None", one.tolist()), timed("CoT1", two.tolist()))
    (pair,) = report(store).comparisons
    logs = np.log(two / one)
    expected = stats.ttest_rel(np.log(two), np.log(one))
    low, high = expected.confidence_interval()
    assert (pair.candidate.approach_name, pair.samples) == ("CoT1", 30)
    assert pair.ratio == near(np.exp(logs.mean()))
    assert [pair.ratio_ci_low, pair.ratio_ci_high] == near([np.exp(low), np.exp(high)])
    assert pair.p_value == near(expected.pvalue)
    assert (pair.slower, pair.faster) == ((logs > 0).sum(), (logs < 0).sum())
    assert pair.sign_test_p_value == near(
        stats.binomtest(pair.slower, pair.slower + pair.faster).pvalue
    )
    (back,) = report(store, baseline="CoT1").comparisons
    assert back.ratio == near(1 / (pair.ratio or 0))
    assert back.p_value == near(pair.p_value)


def test_repeats_are_averaged_before_times_are_compared(store: ResultsProcessor) -> None:
    one = [run("exp", "None", 0, 1, repeat, execution_time_ms=100) for repeat in range(2)]
    two = [
        run("exp", "CoT1", 0, 1, repeat, execution_time_ms=time)
        for repeat, time in enumerate((100, 300))
    ]
    (pair,) = report(save(store, one, two)).comparisons
    assert (pair.samples, pair.ratio, pair.null_reason) == (1, near(2), "n_lt_2")


def test_a_constant_ratio_has_no_interval(store: ResultsProcessor) -> None:
    save(store, timed("None", [100, 200, 400]), timed("CoT1", [200, 400, 800]))
    (pair,) = report(store).comparisons
    assert pair.ratio == near(2)
    assert (pair.ratio_ci_low, pair.p_value) == (None, 0.25)


def test_several_variants_are_one_family(store: ResultsProcessor) -> None:
    times = {"None": [100, 220, 340, 410], "A": [130, 210, 390, 480], "B": [300, 500, 700, 1100]}
    save(store, *(timed(variant, given) for variant, given in times.items()))
    pairs = report(store).comparisons
    assert {pair.family_size for pair in pairs} == {2}
    smaller, larger = sorted(pair.p_value or 0 for pair in pairs)
    assert sorted(pair.p_value_adjusted or 0 for pair in pairs) == near([2 * smaller, larger])
    plain = report(store, correction="none").comparisons
    assert [pair.p_value_adjusted for pair in plain] == [pair.p_value for pair in plain]
    assert {pair.family_size for pair in plain} == {1}


def test_the_summary_says_the_same(store: ResultsProcessor) -> None:
    save(store, timed("None", MS), timed("CoT1", MS))
    variant = store.get_experiment_summary("exp")["summary_statistics"]["variants"][0]
    assert variant["mean_execution_time_ms"] == near(652.75)
    assert variant["median_execution_time_ms"] == 250.0
    assert variant["p95_execution_time_ms"] == near(1725)
