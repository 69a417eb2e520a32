"""Rankings against R (multcompView, BradleyTerry2, friedman.test, wilcox.test), scipy, choix and
scikit-posthocs; the fixtures name which."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_agents_results.statistics import bradley_terry as strengths
from ml_agents_results.statistics.bradley_terry import bradley_terry
from ml_agents_results.statistics.multiplicity import holm
from ml_agents_results.statistics.rank_groups import (
    chances_of_best,
    groups_of,
    rank_intervals,
    shaffer,
    symmetric,
    true_null_counts,
)
from ml_agents_results.statistics.task_ranks import task_ranks

CASES = json.loads(
    Path(__file__).parents[1].joinpath("data", "statistics_fixtures_2.json").read_text()
)["f_ranking"]
BINARY = CASES["arms_binary"]
NAMES = BINARY["data"]["arms"]
RIGHT = np.array(BINARY["data"]["correct"], float)


def near(value: Any) -> Any:
    return pytest.approx(value, abs=1e-9)


def groups(order: list[str], p_values: Any) -> list[list[str]]:
    places = [NAMES.index(name) for name in order]
    differ = symmetric(p_values, len(NAMES)) <= 0.05
    return [[order[one] for one in group] for group in groups_of(differ[np.ix_(places, places)])]


def test_how_many_pairs_can_be_equal() -> None:
    for variants, counts in CASES["shaffer_true_null_counts"].items():
        assert sorted(true_null_counts(int(variants))) == counts


def test_corrected_pairs_groups_and_ranks() -> None:
    expected = BINARY["expected"]
    adjusted = shaffer(np.array(expected["mid_p"]), 5)
    assert adjusted.tolist() == near(expected["shaffer"])
    assert np.all(adjusted <= np.array(holm(expected["mid_p"])) + 1e-15)
    for name in ("holm", "shaffer"):
        assert groups(expected["order"], expected[name]) == expected[f"groups_{name}"]
        means = RIGHT.mean(axis=0)
        better = (symmetric(expected[name], 5) <= 0.05) & (means[:, None] > means[None, :])
        found = dict(zip(NAMES, map(list, rank_intervals(better)), strict=True))
        assert found == expected[f"rank_interval_{name}"]
    letters = CASES["letters_only"]
    order = letters["data"]["arms_in_order"]
    assert groups(order, letters["data"]["p_adjusted"]) == letters["expected"]["groups"]


def test_the_chance_of_being_best() -> None:
    expected = list(BINARY["expected"]["p_best_bootstrap"].values())
    ones = np.ones(len(RIGHT))
    found = chances_of_best(RIGHT, ones)
    assert found.tolist() == pytest.approx(expected, abs=0.01)
    # Beyond a thousand units the means are drawn from the normal distribution.
    many = np.tile(RIGHT, (30, 1))
    few_units = np.repeat(30.0, len(RIGHT))
    assert chances_of_best(many, np.ones(len(many)))[NAMES.index("TreeOfThought")] > 0.99
    assert chances_of_best(30.0 * RIGHT, few_units).tolist() == pytest.approx(expected, abs=0.01)
    assert chances_of_best(1.0 - RIGHT, ones, higher=False).tolist() == found.tolist()
    # Two that are the same share it.
    assert chances_of_best(RIGHT[:, [4, 4]], ones).tolist() == [0.5, 0.5]


def test_ranks_over_tasks() -> None:
    scores = np.array(CASES["tasks_by_arm"]["data"]["scores"])
    expected = CASES["tasks_by_arm"]["expected"]
    found = task_ranks(scores)
    assert found is not None
    assert list(found.average_ranks) == near(list(expected["average_ranks"].values()))
    assert (found.chi_square, found.p_friedman) == (
        near(expected["friedman_chi2"]),
        near(expected["p"]),
    )
    assert found.f_statistic == near(expected["iman_davenport_F"])
    assert found.p_iman_davenport == near(expected["iman_davenport_p"])
    assert list(found.p_wilcoxon) == near(expected["wilcoxon_holm"])
    assert list(found.p_nemenyi) == pytest.approx(expected["nemenyi_p"], abs=1e-6)
    assert found.critical_difference == pytest.approx(
        expected["critical_difference_0.05"], abs=1e-6
    )
    turned = task_ranks(-scores, higher=False)
    assert turned == found
    assert task_ranks(scores[:4]) is None
    assert task_ranks(scores[:, :2]) is None


def test_wilcoxon_with_ties_is_a_sum_over_all_signs() -> None:
    d = np.array([0.1, 0.1, -0.2, 0.0, 0.3, 0.2, -0.1])
    means = np.stack([d, np.zeros(7), np.full(7, -9.0)], axis=1)
    found = task_ranks(means)
    assert found is not None
    assert found.dropped[0] == 1
    ranks = np.array([2.0, 2.0, 4.5, 6.0, 4.5, 2.0])
    sums = [np.dot(signs, ranks) for signs in itertools.product((-1, 1), repeat=6)]
    p_value = np.mean(np.abs(sums) >= abs(2 + 2 - 4.5 + 6 + 4.5 - 2))
    assert found.p_wilcoxon[0] == pytest.approx(min(1.0, p_value))


@pytest.mark.parametrize("levels", [8, 0])
def test_bradley_and_terry(levels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strengths, "_FEW_LEVELS", levels)
    expected = BINARY["expected"]["bradley_terry_discordant"]
    found = dict(zip(NAMES, bradley_terry(RIGHT), strict=True))
    for name, value in expected["log_strength"].items():
        assert found[name].log_strength == near(value)
        assert found[name].se == pytest.approx(expected["se_by_sample_cr1"][name], abs=1e-6)
    assert (found["None"].log_strength, found["None"].se) == (0.0, None)


def test_strengths_that_are_not_finite() -> None:
    always = np.column_stack([RIGHT[:, :3], np.full(len(RIGHT), 2.0)])
    *others, best = bradley_terry(always)
    assert [one.log_strength is None for one in others] == [False] * 3
    assert (best.log_strength, best.null_reason) == (None, "separated")
    # Two that beat each other, and two that do: one pair never beats the other.
    x = np.array([[3.0, 4.0, 1.0, 2.0], [4.0, 3.0, 2.0, 1.0]])
    assert {one.null_reason for one in bradley_terry(x)} == {"not_connected"}
    two = bradley_terry(np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]]), reference=1)
    assert two[0].log_strength == near(np.log(3.0))
