"""Intervals and margins of differences against the values of R, SciPy and a second code
(tests/data/statistics_fixtures_2.json)."""

import json
import math
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.cluster_robust import clustered_mean, sample_mean
from ml_agents_results.statistics.difference_sums import (
    Design,
    DifferenceSums,
    clustered_design,
    margin_level,
    margin_test,
    matched_tango,
    pseudo_sample_interval,
    stratified_design,
)
from ml_agents_results.statistics.distributions import z_quantile
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.macro_averages import Stratum, stratified_accuracy, stratified_se
from ml_agents_results.statistics.paired_intervals import tango_bounds, tango_statistic
from ml_agents_results.statistics.paired_table import PairedTable
from ml_agents_results.statistics.sign_flip import sign_flip
from ml_agents_results.statistics.two_samples import mover, welch_difference

FIXTURES = json.loads(
    Path(__file__).parents[1].joinpath("data", "statistics_fixtures_2.json").read_text()
)
CASES = FIXTURES["a_corrections"]
PAIR = CASES["repeats_pair"]
GATE = FIXTURES["j_gate"]
STRATA = FIXTURES["h_strata_and_seeds"]["strata"]


def near(value: Any, tolerance: float = 1e-9) -> Any:
    return pytest.approx(value, rel=tolerance, abs=tolerance)


def ends(interval: Interval) -> list[float | None]:
    return [interval.low, interval.high]


def single(improved: int, regressed: int, n: int) -> DifferenceSums:
    return DifferenceSums.of_steps({1: improved, -1: regressed, 0: n - improved - regressed}, 1)


def repeated() -> tuple[Counter[int], int, list[float]]:
    columns = [
        PAIR["data"][f"{kind}_{side}"] for side in ("treatment", "baseline") for kind in "ks"
    ]
    per_unit = math.lcm(*columns[0], *columns[2])
    steps = [
        s * per_unit // k - other * per_unit // asked
        for k, s, asked, other in zip(*columns, strict=True)
    ]
    return Counter(steps), per_unit, [step / per_unit for step in steps]


STEPS, PER_UNIT, DIFFERENCES = repeated()
SUMS = DifferenceSums.of_steps(STEPS, PER_UNIT)


def clusters(column: str, task: str | None = None) -> list[list[float]]:
    groups: dict[str, list[float]] = {}
    rows = zip(PAIR["data"][column], PAIR["data"]["task"], DIFFERENCES, strict=True)
    for group, own, difference in rows:
        if task in (None, own):
            groups.setdefault(group, []).append(difference)
    return list(groups.values())


def test_repeats_without_clusters() -> None:
    expected = PAIR["expected"]["generalised_bonett_price"]
    assert SUMS.mean == near(PAIR["expected"]["difference"])
    assert SUMS.pseudo_sample**2 == near(expected["delta2"])
    assert ends(pseudo_sample_interval(SUMS)) == near(expected["ci95"])
    assert ends(pseudo_sample_interval(SUMS, 0.9)) == near(expected["ci90"])
    flips = sign_flip(STEPS)
    assert flips.p_exact == near(PAIR["expected"]["signflip"]["p_exact"])
    assert flips.p_mid == near(PAIR["expected"]["signflip"]["p_mid"])


def test_repeats_against_a_margin() -> None:
    expected = PAIR["expected"]["matched_tango"]
    scale = SUMS.squares / SUMS.absolute
    assert scale == near(expected["delta"])
    statistic = tango_statistic(expected["b"], expected["c"], 24, -0.05 / scale)
    assert statistic == near(expected["z_at_margin_0.05"], 1e-6)
    assert tango_statistic(expected["b"], expected["c"], 24, -0.2 / scale) == near(
        expected["z_at_margin_0.2"], 1e-6
    )
    test = margin_test(SUMS, 0.05)
    assert test is not None
    assert test.p_non_inferior == near(expected["p_at_margin_0.05"], 1e-6)


@pytest.mark.parametrize(
    ("name", "column", "task"),
    [
        ("cluster_document", "document", None),
        ("cluster_task", "task", None),
        ("by_task_t1_cluster_document", "document", "t1"),
    ],
)
def test_repeats_in_clusters(name: str, column: str, task: str | None) -> None:
    expected = PAIR["expected"][name]
    groups = clusters(column, task)
    mean = clustered_mean([len(group) for group in groups], [math.fsum(g) for g in groups])
    assert (mean.se, mean.dof) == (near(expected["se"]), near(expected["dof"]))
    assert mean.p_value() == near(expected["p"])
    steps = Counter(round(d * PER_UNIT) for group in groups for d in group)
    sums = DifferenceSums.of_steps(steps, PER_UNIT)
    design = clustered_design(sums, mean.se or 0.0, mean.dof or 0.0, len(groups))
    assert design.effect == near(expected["deff"])
    interval = pseudo_sample_interval(sums, design=design)
    assert ends(interval) == near([expected["low"], expected["high"]])
    assert interval.method == "bonett-price-design-adjusted"


@pytest.mark.parametrize("copies", CASES["deterministic_copies"]["data"]["k"])
def test_copied_answers_change_nothing(copies: int) -> None:
    expected = CASES["deterministic_copies"]["expected"]
    steps = {copies: 5, 0: 55}
    sums = DifferenceSums.of_steps(steps, copies)
    assert ends(pseudo_sample_interval(sums)) == near(expected["ci95_for_every_k"], 1e-12)
    assert sign_flip(steps).p_mid == near(expected["p_mid_for_every_k"], 1e-12)
    assert sign_flip(steps).p_exact == near(expected["p_exact_for_every_k"], 1e-12)
    same = pseudo_sample_interval(DifferenceSums(60))
    assert ends(same) == near(expected["identical_arms_ci95"], 1e-12)


@given(
    cells=st.tuples(*[st.integers(0, 60)] * 4).filter(any),
    confidence=st.sampled_from([0.8, 0.9, 0.95]),
)
def test_single_answers_are_the_published_intervals(
    cells: tuple[int, int, int, int], confidence: float
) -> None:
    table = PairedTable(*cells)
    sums = single(table.improved, table.regressed, table.pairs)
    b, c, n = table.improved, table.regressed, table.pairs
    up, down, z = (b + 1) / (n + 2), (c + 1) / (n + 2), z_quantile(confidence)
    half = z * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    bonett_price = [max(-1.0, up - down - half), min(1.0, up - down + half)]
    assert ends(pseudo_sample_interval(sums, confidence)) == near(bonett_price, 1e-12)
    tango = [*tango_bounds(b, c, n, z)]
    assert ends(matched_tango(sums, confidence)) == near(tango, 1e-9)


@pytest.mark.parametrize("row", GATE["tables"])
def test_margins_of_single_answers(row: dict[str, Any]) -> None:
    sums = single(row["b"], row["c"], row["n"])
    test = margin_test(sums, row["margin"])
    assert test is not None
    assert test.p_non_inferior == near(row["p_non_inferior"])
    assert ends(test.interval) == near(row["tango_ci90"], 1e-8)
    assert (test.p_equivalent <= 0.05) is row["equivalent"]


def test_strata() -> None:
    data, expected = STRATA["data"], STRATA["expected"]
    steps = Counter(one - two for one, two in zip(data["treatment"], data["baseline"], strict=True))
    sums = DifferenceSums.of_steps(steps, 1)
    design = stratified_design(sums, expected["se_stratified"])
    assert design.effect == near(expected["deff_strata"])
    assert ends(pseudo_sample_interval(sums, design=design)) == near(expected["difference_ci95"])
    assert ends(pseudo_sample_interval(sums)) == near(expected["independent_bonett_price_ci95"])


def test_the_error_of_strata() -> None:
    data, expected = STRATA["data"], STRATA["expected"]
    for side, se in ((None, "se_stratified"), ("treatment", "accuracy_se")):
        tasks: dict[str, list[int]] = {}
        rows = zip(data["task"], data["treatment"], data["baseline"], strict=True)
        for task, one, two in rows:
            tasks.setdefault(task, []).append(one if side else one - two)
        strata = [
            Stratum(len(values), statistics.mean(values), error_of(values))
            for values in tasks.values()
        ]
        weights = [stratum.n / len(data["task"]) for stratum in strata]
        assert stratified_se(strata, weights) == near(expected[se])
    interval = stratified_accuracy(expected["accuracy_treatment"], expected["accuracy_se"], 59)
    assert ends(interval) == near(expected["accuracy_ci95"])
    assert ends(stratified_accuracy(1.0, 0.0, 50))[1] == 1.0


def error_of(values: list[int]) -> float | None:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def test_clusters_that_agree_have_an_interval() -> None:
    sums = single(40, 0, 160)
    design = clustered_design(sums, 0.0, 7.0, 8)
    assert design == Design(20.0, 7.0)
    low, high = ends(pseudo_sample_interval(sums, design=design))
    assert low is not None
    assert high is not None
    assert -1 < low < 0.25 < high < 1
    none = clustered_design(DifferenceSums(160), 0.0, 7.0, 8)
    assert ends(pseudo_sample_interval(DifferenceSums(160), design=none))[0] is not None


def test_no_samples_and_impossible_margins() -> None:
    nothing = DifferenceSums(0)
    assert pseudo_sample_interval(nothing).null_reason == "no_shared_samples"
    assert matched_tango(nothing).null_reason == "no_shared_samples"
    assert margin_test(nothing, 0.1) is None
    for margin in (0.0, -0.1, 1.0, 5.0):
        with pytest.raises(UsageError, match="margin"):
            margin_test(SUMS, margin)
    with pytest.raises(UsageError, match=r"above 0\.5"):
        margin_level(0.5)
    assert margin_level(0.95) == 0.9


def test_constant_repeats_of_two_sets_of_samples() -> None:
    case = CASES["unpaired_repeats_constant_arms"]["expected"]
    right, wrong = sample_mean(40, 40.0, 40.0), sample_mean(40, 0.0, 0.0)
    one, two = right.as_accuracy(120), wrong.as_accuracy(120)
    assert ends(mover(one, two)) == near(case["mover_with_t_quantile_k3"])
    assert welch_difference(right, wrong).p_value == near(case["p"], 1e-30)


def test_two_sets_of_samples_with_repeats() -> None:
    case = PAIR["expected"]["unpaired_mover"]
    means = [
        [s / k for k, s in zip(PAIR["data"][f"k_{side}"], PAIR["data"][f"s_{side}"], strict=True)]
        for side in ("treatment", "baseline")
    ]
    one, two = (
        sample_mean(24, math.fsum(m), math.fsum(x * x for x in m)).as_accuracy(
            sum(PAIR["data"][f"k_{side}"])
        )
        for m, side in zip(means, ("treatment", "baseline"), strict=True)
    )
    assert [one.ci_low, one.ci_high] == near(case["arm_treatment_ci"])
    assert [two.ci_low, two.ci_high] == near(case["arm_baseline_ci"])
    assert ends(mover(one, two)) == near(case["ci95"])
    undefined = Estimate(None, "wilson", null_reason="no_graded_runs")
    assert mover(one, undefined).null_reason == "no_graded_runs"
