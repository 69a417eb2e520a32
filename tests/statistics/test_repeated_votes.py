"""Majorities against every subset, and variance components against R's aov and lme4."""

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_agents_results.statistics.bounded_mean import mean_of_values
from ml_agents_results.statistics.cluster_robust import clustered_mean, sample_mean
from ml_agents_results.statistics.majority import asked, majority_share, right, same_answer
from ml_agents_results.statistics.variance_components import components

CASES = json.loads(
    Path(__file__).parents[1].joinpath("data", "statistics_fixtures_2.json").read_text()
)
VOTES = CASES["g_majority"]


def votes_of(answers: list[str | None]) -> Any:
    counts = Counter(answer for answer in answers if answer is not None)
    tallies = [(count, count if answer == "C" else 0) for answer, count in counts.items()]
    return tuple(sorted(tallies, reverse=True)), answers.count(None)


def near(value: Any) -> Any:
    return pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_majorities(k: int) -> None:
    expected = VOTES["expected"][f"maj@{k}"]
    samples = [votes_of(answers) for answers in VOTES["data"]["answers"]]
    found = [majority_share(votes, k) if asked(votes) >= k else None for votes in samples]
    assert found == near(expected["per_sample"])
    known = [value for value in found if value is not None]
    mean = sample_mean(len(known), sum(known), sum(value * value for value in known))
    estimate = mean_of_values(mean, 100, (0.0, 1.0))
    assert (estimate.estimate, estimate.se) == (near(expected["estimate"]), near(expected["se"]))
    assert [estimate.ci_low, estimate.ci_high] == near(expected["ci95"])
    tasks: dict[str, list[float]] = {}
    for task, value in zip(VOTES["data"]["task"], found, strict=True):
        if value is not None:
            tasks.setdefault(task, []).append(value)
    grouped = clustered_mean([len(t) for t in tasks.values()], [sum(t) for t in tasks.values()])
    clustered = mean_of_values(grouped, 100, (0.0, 1.0))
    assert clustered.se == near(expected["cluster_task"]["se"])
    assert [clustered.ci_low, clustered.ci_high] == pytest.approx(
        expected["cluster_task"]["ci95"], abs=1e-9
    )


def test_identities_and_mixed_grades() -> None:
    for answers in VOTES["data"]["answers"]:
        votes = votes_of(answers)
        assert majority_share(votes, 1) == near(right(votes) / asked(votes))
        if None not in answers:
            assert majority_share(votes, 2) == near(majority_share(votes, 1))
    # An answer that was right once out of twice counts half where it wins.
    votes = (((3, 0), (2, 1)), 1)
    drawn = ["x", "x", "x", "C", "C", None]
    subsets = list(itertools.combinations(drawn, 4))
    wins = 0.0
    for subset in subsets:
        counts = Counter(answer for answer in subset if answer is not None)
        best = [answer for answer, n in counts.items() if n == max(counts.values())]
        wins += 0.5 * ("C" in best) / len(best)
    assert majority_share(votes, 4) == near(wins / len(subsets))


@pytest.mark.parametrize(
    ("one", "two"), [(" Paris.", "paris"), ("1,000", "1000.0"), ("$5", "5"), ("a  b", "A B")]
)
def test_answers_that_are_the_same(one: str, two: str) -> None:
    assert same_answer(one) == same_answer(two)
    assert same_answer("Paris") != same_answer("Rome")


def test_variance_components() -> None:
    case = CASES["h_strata_and_seeds"]["seeds"]
    scores, expected = np.array(case["data"]["scores"]), case["expected"]
    within = float(scores.var(axis=2, ddof=1).mean())
    found = components(scores.mean(axis=2), np.full(scores.shape[:2], 2), within)
    assert found is not None
    for name, value in expected["variance_components"].items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9)
    for name, new in (("these_seeds", False), ("new_seeds", True)):
        of_name = expected[name]
        assert found.interval(0.95, new_seeds=new) == pytest.approx(of_name["ci95"], rel=1e-9)
        size = (found.samples, found.seeds, found.repeats)
        if new:
            assert found.dof_new == pytest.approx(of_name["dof"])
            assert found.predicted_se(*size, new_seeds=True) == pytest.approx(of_name["se"])
    assert found.warnings == ("few_seeds",)
    one = components(scores.mean(axis=2)[:, :1], np.full((14, 1), 2), within)
    assert one is not None
    assert (one.seed, one.interval(0.95, new_seeds=True)) == (None, None)
    assert components(np.ones((1, 3)), np.ones((1, 3)), None) is None
