"""Published answers of a real model on nine BIG-Bench Hard tasks, ChainOfThought minus None.

The figures were computed with SciPy and statsmodels and checked against R (clubSandwich for CR2,
pROC for DeLong), independently of this code; those of tests/data are compared one by one.
"""

from typing import Any

import pytest

from ml_agents_results.statistics import paired_table as paired
from ml_agents_results.statistics import proportions
from ml_agents_results.statistics.auroc import auroc
from ml_agents_results.statistics.calibration import (
    ConfidenceTable,
    brier_score,
    calibration_in_the_large,
    spiegelhalter,
)
from ml_agents_results.statistics.cluster_robust import ClusteredMean, clustered_mean
from ml_agents_results.statistics.cochrans_q import cochrans_q
from ml_agents_results.statistics.cost_ratios import cost_per_correct
from ml_agents_results.statistics.macro_averages import (
    Stratum,
    macro_difference,
    stratified_se,
)
from ml_agents_results.statistics.multiplicity import adjust
from ml_agents_results.statistics.paired_table import PairedTable
from ml_agents_results.statistics.quantiles import from_histogram
from ml_agents_results.statistics.reliability import calibration_error
from ml_agents_results.statistics.repeats import (
    consistency,
    pass_at_k,
    pass_hat_k,
    repeated_accuracy,
    variance_split,
)
from ml_agents_results.statistics.sample_sizes import (
    minimum_detectable_difference,
    paired_power,
    paired_sample_size,
)
from tests.reference_data import load
from tests.statistics.paired_tables import error_of, interval_of, mcnemar_of

# both, only ChainOfThought, only None, neither: in the order of the task names.
TASKS = {
    "boolean_expressions": PairedTable(212, 20, 9, 9),
    "causal_judgement": PairedTable(73, 28, 46, 40),
}
POOLED = PairedTable(1042, 477, 216, 276)
EXACT = 1e-9


def near(expected: Any) -> Any:
    return pytest.approx(expected, rel=EXACT, abs=1e-15)


def bounds(table: PairedTable, method: str) -> list[float | None]:
    interval = interval_of(table, method)
    return [interval.low, interval.high]


def test_boolean_expressions() -> None:
    table = TASKS["boolean_expressions"]
    assert table.difference == near(0.044)
    assert mcnemar_of(table).p_exact == near(0.06142834573984146)
    assert mcnemar_of(table).p_mid == near(0.04277394525706768)
    assert error_of(table) == near(0.021402998701435617)
    assert bounds(table, "bonett-price") == near([0.0006834321729025303, 0.08661815512868476])
    assert bounds(table, "tango") == near([0.0018930952332458272, 0.08937340337372267])
    assert bounds(table, "newcombe") == near([0.0009701246109591749, 0.08897040929408093])


def test_pooled_table() -> None:
    assert mcnemar_of(POOLED).p_exact == near(1.562760914862472e-23)
    assert mcnemar_of(POOLED).p_mid == near(1.1325643305951262e-23)
    assert paired.phi_correlation(POOLED) == near(0.2193503514304293)


def test_all_27_tasks_pooled_beyond_1024_discordant() -> None:
    table = PairedTable(2835, 1981, 573, 1122)
    assert table.difference == near(0.21624942405160498)
    # 2 P(X <= 573), X ~ Binomial(2554, 1/2), in whole numbers
    assert mcnemar_of(table).p_exact == near(2.436702686918024e-180)
    assert error_of(table) == pytest.approx(0.00728502, rel=1e-6)


def test_epochs() -> None:
    counts = {(3, 3): 1, (3, 2): 1, (3, 0): 1, (2, 1): 1}
    result = repeated_accuracy(counts)
    assert [result.estimate, result.se] == near([0.5416666666666666, 0.20833333333333334])
    assert [result.ci_low, result.ci_high] == near([0.11583059169505217, 0.9142468776914632])
    assert (result.n_samples, result.n_runs) == (4, 11)
    assert variance_split(counts).within == near(0.16666666666666669)
    assert pass_at_k(counts, 2).estimate == near(0.75)
    assert pass_hat_k(counts, 2).estimate == near(0.3333333333333333)
    assert consistency(counts).estimate == near(0.5)


@pytest.fixture(scope="module")
def bbh() -> dict[str, Any]:
    return load("bbh_reference.json")


@pytest.fixture(scope="module")
def fixtures() -> dict[str, Any]:
    return load("statistics_fixtures.json")


def table_of(cells: dict[str, Any]) -> PairedTable:
    return PairedTable(
        *(int(cells[name]) for name in ("both_correct", "improved", "regressed", "neither_correct"))
    )


def check_variant(variant: dict[str, Any]) -> None:
    for method in proportions.INTERVAL_METHODS:
        interval = proportions.proportion_interval(variant["k"], variant["n"], method)
        assert [interval.low, interval.high] == near(variant[method.replace("-", "_")])


def check_pair(pair: dict[str, Any]) -> None:
    table = table_of(pair)
    assert table.difference == near(pair["diff"])
    assert error_of(table) == near(pair["se_paired"])
    assert bounds(table, "bonett-price") == near(pair["ci_bonett_price"])
    assert bounds(table, "newcombe") == near(pair["ci_newcombe10"])
    assert bounds(table, "tango") == near(pair["ci_tango"])
    assert mcnemar_of(table).p_exact == near(pair["mcnemar_exact_p"])
    assert mcnemar_of(table).p_mid == near(pair["mcnemar_midp"])
    assert paired.conditional_odds_ratio(table) == near(pair["odds_ratio_conditional"])
    assert paired.phi_correlation(table) == near(pair["phi_correlation"])
    assert table.discordance == near(pair["discordance"])
    unpaired = paired.unpaired_z_p(
        table.candidate_correct, table.pairs, table.baseline_correct, table.pairs
    )
    assert unpaired == near(pair["p_unpaired_z"])


def test_every_task(bbh: dict[str, Any]) -> None:
    assert len(bbh["tasks"]) == 9
    for task in bbh["tasks"].values():
        check_variant(task["None_"])
        check_variant(task["ChainOfThought"])
        check_pair(task["paired"])


def test_whole_benchmark_as_independent_samples(bbh: dict[str, Any]) -> None:
    pooled = bbh["pooled"]
    check_variant(pooled["micro"]["None_"])
    check_variant(pooled["micro"]["ChainOfThought"])
    check_pair(pooled["paired_pooled_iid"])


@pytest.mark.parametrize("method", ["holm", "fdr_bh", "bonferroni"])
@pytest.mark.parametrize(
    ("test", "key"),
    [("p_exact", "mcnemar_exact_p"), ("p_mid", "mcnemar_midp")],
)
def test_corrections_over_the_tasks(bbh: dict[str, Any], method: str, test: str, key: str) -> None:
    pairs = [task["paired"] for task in bbh["tasks"].values()]
    adjusted = adjust([getattr(mcnemar_of(table_of(pair)), test) for pair in pairs], method)
    assert adjusted == near([pair[f"{key}_{method}"] for pair in pairs])


def clusters_of(bbh: dict[str, Any], variant: str) -> ClusteredMean:
    tables = [table_of(task["paired"]) for task in bbh["tasks"].values()]
    n = [float(t.pairs) for t in tables]
    if variant == "difference":
        net = [float(t.improved - t.regressed) for t in tables]
        return clustered_mean(n, net, [float(t.discordant) for t in tables])
    correct = [
        float(t.candidate_correct if variant == "ChainOfThought" else t.baseline_correct)
        for t in tables
    ]
    return clustered_mean(n, correct, correct)


@pytest.mark.parametrize(
    ("variant", "key"),
    [
        ("difference", "diff_cluster_task"),
        ("None", "acc_None_cluster_task"),
        ("ChainOfThought", "acc_ChainOfThought_cluster_task"),
    ],
)
def test_clustered_by_task(bbh: dict[str, Any], variant: str, key: str) -> None:
    expected, result = bbh["pooled"][key], clusters_of(bbh, variant)
    assert result.mean == near(expected["estimate"])
    assert result.se_cr0 == near(expected["se_cr0"])
    assert result.se_cr1 == near(expected["se_cr1"])
    assert result.se == near(expected["se_cr2"])
    assert result.dof == near(expected["dof_bell_mccaffrey"])
    assert result.deff == near(expected["design_effect_cr1"])
    assert result.icc == near(expected["icc_anova"])
    assert result.p_value() == near(expected["p_cr2_bm"])
    interval = result.interval()
    assert [interval.low, interval.high] == near(expected["ci_cr2_bm"])
    assert result.warnings == ("few_clusters",)


def test_macro_average(bbh: dict[str, Any]) -> None:
    expected = bbh["pooled"]["macro_tasks"]
    tables = [table_of(task["paired"]) for task in bbh["tasks"].values()]
    strata = [Stratum(t.pairs, t.difference or 0.0, error_of(t)) for t in tables]
    random = macro_difference(strata)
    fixed = stratified_se(strata, [1 / len(strata)] * len(strata))
    assert random.estimate == near(expected["diff"])
    assert fixed == near(expected["se_fixed_tasks"])
    assert random.se == near(expected["se_random_tasks"])
    assert [random.ci_low, random.ci_high] == near(expected["ci_random_tasks"])
    assert random.p_value == near(expected["p_random_t"])


def test_small_tables(fixtures: dict[str, Any]) -> None:
    for cells, expected in fixtures["edge_tables_n11_n10_n01_n00"].items():
        table = PairedTable(*map(int, cells.split(",")))
        assert table.difference == near(expected["diff_row_minus_col"])
        for method, key in (
            ("bonett-price", "ci_bonett_price"),
            ("tango", "ci_tango"),
            ("newcombe", "ci_newcombe10"),
        ):
            assert bounds(table, method) == near(expected[key]), (cells, method)
        assert mcnemar_of(table).p_exact == near(expected["exact_p"])
        assert mcnemar_of(table).p_mid == near(expected["midp"])


def test_small_shares(fixtures: dict[str, Any]) -> None:
    for variant in fixtures["edge_single"].values():
        check_variant(variant)


def numbers(key: str) -> list[float]:
    return [float(part.split("=")[1]) for part in key.split(",")]


def test_power(fixtures: dict[str, Any]) -> None:
    for key, expected in fixtures["power_paired_connor"].items():
        psi, difference = numbers(key)
        size = paired_sample_size(difference, psi)
        assert size.exact == near(expected["n_raw"])
        assert size.samples == expected["n"]
        assert paired_power(size.samples, difference, psi) == near(expected["power_normal"])


def test_minimum_detectable_difference(fixtures: dict[str, Any]) -> None:
    for key, expected in fixtures["mde_paired_connor"].items():
        n, psi = numbers(key)
        assert minimum_detectable_difference(int(n), psi) == (
            None if expected is None else near(expected)
        )


def test_calibration(fixtures: dict[str, Any]) -> None:
    expected = fixtures["calibration_fixture"]
    rows = zip(expected["confidence"], expected["correct"], strict=True)
    table = ConfidenceTable.from_rows((c, y, 1 - y) for c, y in rows)
    score, area, z = brier_score(table), auroc(table), spiegelhalter(table)
    assert [score.brier, score.reliability, score.resolution, score.uncertainty] == near(
        [expected[key] for key in ("brier", "reliability", "resolution", "uncertainty")]
    )
    assert score.skill == near(expected["bss"])
    assert [area.value, area.se] == near([expected["auroc"], expected["auroc_delong_se"]])
    assert [area.ci_low, area.ci_high] == near(expected["auroc_logit_ci"])
    assert [z.z, z.p_value] == near([expected["spiegelhalter_z"], expected["spiegelhalter_p"]])
    assert calibration_in_the_large(table).estimate == near(expected["calibration_in_the_large"])
    assert calibration_error(table, "equal-width").ece == near(expected["ece_10_equal_width"])


def test_latency(fixtures: dict[str, Any]) -> None:
    expected = fixtures["latency_fixture"]
    times = expected["ms"]
    for q, found in zip(
        expected["quantiles"].values(),
        from_histogram(times, [1] * len(times), map(float, expected["quantiles"])),
        strict=True,
    ):
        assert found.value == near(q["value"])
        assert [found.ci_low, found.ci_high] == q["ci"]


def test_cost(fixtures: dict[str, Any]) -> None:
    expected = fixtures["cost_fixture"]
    rows = list(zip(expected["cost"], expected["correct"], strict=True))
    result = cost_per_correct(
        len(rows),
        sum(c for c, _ in rows),
        sum(c * c for c, _ in rows),
        sum(y for _, y in rows),
        sum(c * y for c, y in rows),
    )
    assert [result.estimate, result.se] == near(
        [expected["cost_per_correct"], expected["se_delta"]]
    )


def test_cochrans_q(fixtures: dict[str, Any]) -> None:
    expected = fixtures["cochran_q_fixture"]
    patterns: dict[str, int] = {}
    for row in expected["x"]:
        bits = "".join(map(str, row))
        patterns[bits] = patterns.get(bits, 0) + 1
    result = cochrans_q(patterns)
    assert [result.statistic, result.p_value] == near([expected["q"], expected["p"]])
    assert result.dof == expected["df"]
