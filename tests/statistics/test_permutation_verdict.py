"""The sign-flip test against SciPy, and the words of a verdict."""

import dataclasses
import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from ml_agents_results.statistics.distributions import fair_coin_exact_p, fair_coin_mid_p
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.sign_flip import sign_flip
from ml_agents_results.statistics.verdict import Finding, decide


@given(data=st.lists(st.sampled_from([-6, -4, -2, 0, 3, 6]), min_size=2, max_size=9))
def test_exact_sign_flips_equal_scipy(data: list[int]) -> None:
    assume(any(data))
    expected = stats.permutation_test(
        (data,), np.sum, permutation_type="samples", vectorized=True, n_resamples=9999
    )
    result = sign_flip(Counter(data))
    assert result.exact
    assert result.p_exact == pytest.approx(float(expected.pvalue), rel=1e-12)
    totals = np.abs(expected.null_distribution)
    reach = abs(sum(data))
    mid = (np.sum(totals > reach) + np.sum(totals == reach) / 2) / len(totals)
    assert result.p_mid == pytest.approx(mid, rel=1e-9)


@given(up=st.integers(0, 300), down=st.integers(0, 300), scale=st.integers(1, 7))
def test_single_answers_make_it_mcnemars_test(up: int, down: int, scale: int) -> None:
    result = sign_flip({scale: up, -scale: down, 0: 10})
    assert result.p_mid == pytest.approx(fair_coin_mid_p(up, down), rel=1e-12)
    assert result.p_exact == pytest.approx(fair_coin_exact_p(up, down), rel=1e-12)
    assert result.chosen("mid-p") == (result.p_mid, "sign-flip (exact, mid-p)")
    assert result.chosen("exact") == (result.p_exact, "sign-flip (exact)")


def test_a_long_lattice_takes_the_normal_distribution() -> None:
    result = sign_flip({1: 400, 100_003: 25, -100_003: 20, -7: 90})
    total = 400 + 5 * 100_003 - 630
    squares = 400 + 45 * 100_003**2 + 49 * 90
    assert (result.exact, result.test) == (False, "sign-flip (normal)")
    assert result.p_mid == pytest.approx(2 * stats.norm.sf(total / math.sqrt(squares)))


def test_few_samples_on_a_long_lattice_are_flipped_at_random() -> None:
    steps = {100_003: 4, -50_021: 1, 70_001: 3, 0: 5}
    result = sign_flip(steps)
    values = [step for step, count in steps.items() for _ in range(count)]
    exact = stats.permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    assert (result.exact, result.test) == (False, "sign-flip (Monte Carlo)")
    assert result.p_mid == pytest.approx(float(exact.pvalue), abs=0.004)
    assert result == sign_flip(steps)
    assert result != sign_flip(steps, seed=1)


def test_sign_flip_edges() -> None:
    assert sign_flip({}).p_mid == sign_flip({0: 9}).p_exact == 1.0
    many = sign_flip({1: 40_000, -1: 39_000, 2: 30_000, -2: 29_500})
    assert many.exact
    z = (1000 + 1000) / math.sqrt(79_000 + 4 * 59_500)
    assert many.p_mid == pytest.approx(2 * stats.norm.sf(z), rel=1e-3)


BETTER = Finding(
    difference=0.12978617603182496,
    interval=Interval(0.10462, 0.15469, "bonett-price"),
    p_adjusted=1.1325643305951262e-23,
)


def change(**fields: object) -> Finding:
    return dataclasses.replace(BETTER, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (change(), "candidate_better"),
        (change(difference=-0.1, interval=Interval(-0.15, -0.05, "tango")), "baseline_better"),
        (change(p_adjusted=0.06), "inconclusive"),
        (change(p_adjusted=None), "inconclusive"),
        (change(p_adjusted=0.0), "candidate_better"),
        (change(p_adjusted=0.04, interval=Interval(-0.001, 0.2, "tango")), "inconclusive"),
        (
            change(interval=Interval(None, None, "t-cr2"), p_adjusted=2.0**-26),
            "candidate_better",
        ),
        (change(p_adjusted=0.02, interval=Interval(0.1, 0.2, "t", 0.99)), "inconclusive"),
        (change(difference=0.0, p_adjusted=1.0), "inconclusive"),
        (
            change(difference=0.001, interval=Interval(-0.01, 0.012, "t"), p_equivalent=0.01),
            "equivalent",
        ),
        # A small difference may be significant and still not matter.
        (change(difference=0.01, p_equivalent=0.04, p_non_inferior=0.001), "equivalent"),
        (change(p_equivalent=0.9, p_non_inferior=0.001), "candidate_better"),
        (change(p_adjusted=0.3, p_equivalent=0.9, p_non_inferior=0.01), "non_inferior"),
        (change(p_adjusted=0.3, p_equivalent=0.9, p_non_inferior=0.06), "inconclusive"),
        (change(p_adjusted=0.3, p_non_inferior=0.06, alpha=0.1), "non_inferior"),
        (
            change(difference=None, interval=Interval(None, None, "t"), p_adjusted=None),
            "inconclusive",
        ),
    ],
)
def test_verdicts(finding: Finding, verdict: str) -> None:
    assert decide(finding) == verdict


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["estimate", "se", "ci_low", "p_value", "dof"])
def test_no_result_holds_a_number_that_is_none(field: str, bad: float) -> None:
    values: dict[str, float | str | None] = {"estimate": 0.5, "method": "t", field: bad}
    with pytest.raises(ValueError, match=field):
        Estimate(**values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="low"):
        Interval(bad, 1.0, "t")


def test_result_object_in_json() -> None:
    estimate = Estimate(0.5, "t", ci_low=0.1, denominators={"b": 2, "a": 1}, warnings=("x",))
    document = estimate.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["ci"] == [0.1, None]
    assert list(document["denominators"]) == ["a", "b"]
    assert list(document) == [
        "estimate",
        "se",
        "ci",
        "level",
        "method",
        "n_samples",
        "n_runs",
        "n_clusters",
        "dof",
        "p",
        "p_adjusted",
        "family_size",
        "denominators",
        "warnings",
        "null_reason",
        "seed",
    ]
    bare = Estimate(None, "t").to_dict()
    assert bare["ci"] is None
    assert (bare["level"], bare["n_samples"], bare["n_runs"]) == (0.95, 0, 0)


def test_interval_helpers() -> None:
    interval = Interval(-1.2, 0.4, "t")
    assert interval.clipped(-1, 1) == Interval(-1, 0.4, "t")
    assert interval.excludes(0.5)
    assert not interval.excludes(0.0)
    assert not interval.excludes(0.4)
    assert not interval.excludes(-1.2)
    assert not Interval(None, 0.4, "t").excludes(0.5)
    assert not Interval(None, 0.4, "t").is_defined
