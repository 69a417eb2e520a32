"""Corrected means against ppi-python and R's clubSandwich (the fixtures name the versions), and
simulated coverage."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_agents_results.statistics.prediction_powered import corrected_mean, welch_p

CASE = json.loads(
    Path(__file__).parents[1].joinpath("data", "statistics_fixtures_2.json").read_text()
)["e_prediction_powered"]
DATA = CASE["data"]
JUDGE = {side: np.array(DATA[f"judge_{side}"], float) for side in ("treatment", "baseline")}
HUMAN = {side: np.array(DATA[f"human_{side}"], float) for side in ("treatment", "baseline")}
CLUSTER = np.unique(DATA["cluster"], return_inverse=True)[1]
LABELLED = ~np.isnan(HUMAN["treatment"])


def near(value: Any) -> Any:
    return pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("what", ["mean_treatment", "paired_difference"])
def test_the_reference(what: str) -> None:
    expected = CASE["expected"][what]
    y, f, bounds = HUMAN["treatment"], JUDGE["treatment"], (1.0, 5.0)
    if what == "paired_difference":
        y, f, bounds = y - HUMAN["baseline"], f - JUDGE["baseline"], None  # type: ignore[assignment]
    parts = (y[LABELLED], f[LABELLED], f[~LABELLED])
    found = corrected_mean(*parts, bounds)
    names = {"estimate": "estimate", "weight": "lam", "se": "se", "dof": "dof",
             "human_mean": "human_only_mean", "human_se": "human_only_se",
             "judge_mean": "judge_only_mean", "effective_labels": "effective_labels"}  # fmt: skip
    for name, reference in names.items():
        assert getattr(found, name) == near(expected[reference]), name
    low, high = ("low", "high") if bounds else ("t_low", "t_high")
    assert (found.ci_low, found.ci_high) == (near(expected[low]), near(expected[high]))
    clusters = (CLUSTER[LABELLED], CLUSTER[~LABELLED])
    grouped, of_groups = corrected_mean(*parts, bounds, clusters=clusters), expected["clustered"]
    assert (grouped.se, grouped.dof) == (near(of_groups["se_cr2"]), near(of_groups["dof"]))
    assert (grouped.ci_low, grouped.ci_high) == (near(of_groups[low]), near(of_groups[high]))
    assert grouped.n_clusters == of_groups["G"]


def test_edges() -> None:
    y, f = HUMAN["treatment"][LABELLED], JUDGE["treatment"]
    useless = corrected_mean(y, np.full(20, 4.0), np.full(40, 4.0), (1.0, 5.0))
    assert (useless.weight, useless.estimate) == (0.0, near(y.mean()))
    assert "judge_adds_nothing" in useless.warnings
    few = corrected_mean(y[:9], f[LABELLED][:9], f[~LABELLED])
    assert (few.estimate, few.null_reason, few.human_mean) == (
        None,
        "few_labels",
        near(y[:9].mean()),
    )
    every = corrected_mean(y, f[LABELLED], f[:0])
    assert every.null_reason == "all_labelled"
    alone = corrected_mean(
        y, f[LABELLED], f[~LABELLED], clusters=(np.zeros(20, int), CLUSTER[~LABELLED])
    )
    assert alone.null_reason == "one_cluster"
    assert "labels_not_random" in corrected_mean(y, f[LABELLED] + 2.0, f[~LABELLED]).warnings
    assert welch_p(np.ones(3), np.ones(4)) is None


def test_the_labels_that_are_needed() -> None:
    rng = np.random.default_rng(5)
    f = rng.random(2000)
    y = f[:60] + rng.normal(0.0, 0.1, 60)
    found = corrected_mean(y, f[:60], f[60:], half_widths=(0.02, 0.001))
    with_judge, without = found.needed["0.02"]
    assert with_judge is not None
    assert without is not None
    assert with_judge < without / 3
    again = corrected_mean(
        f[:with_judge] + rng.normal(0.0, 0.1, with_judge), f[:with_judge], f[with_judge:]
    )
    assert again.ci_low is not None
    assert again.ci_high is not None
    assert (again.ci_high - again.ci_low) / 2 == pytest.approx(0.02, rel=0.25)
    assert found.needed["0.001"] == (None, None)


@pytest.mark.slow
def test_intervals_cover_the_mean() -> None:
    rng = np.random.default_rng(20261128)
    hits, runs = 0, 3000
    for _ in range(runs):
        truth = (rng.random(600) < 0.7) * 1.0
        judge = np.where(rng.random(600) < 0.85, truth, 1.0 - truth)
        labelled = rng.permutation(600)[:40]
        others = np.setdiff1d(np.arange(600), labelled)
        found = corrected_mean(truth[labelled], judge[labelled], judge[others], (0.0, 1.0))
        hits += (found.ci_low or 0.0) <= 0.7 <= (found.ci_high or 1.0)
    assert 0.935 <= hits / runs <= 0.98
