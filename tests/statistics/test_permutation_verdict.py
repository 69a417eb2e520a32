"""The sign-flip test against SciPy, and the words of a verdict."""

import dataclasses
import json
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.estimate import Estimate, Interval
from ml_agents_results.statistics.sign_flip import sign_flip_test
from ml_agents_results.statistics.verdict import Finding, decide

Array = npt.NDArray[np.float64]


@given(
    data=st.lists(st.sampled_from([-1.0, -2 / 3, -1 / 3, 0.0, 0.5, 1.0]), min_size=2, max_size=9)
)
def test_exact_sign_flips_equal_scipy(data: list[float]) -> None:
    def total(x: Array, axis: int = -1) -> Array:
        # Thirds in another order add up to another last digit: compare what was meant.
        return np.asarray(np.round(np.sum(x, axis=axis), 9))

    expected = stats.permutation_test(
        (data,), total, permutation_type="samples", vectorized=True, n_resamples=9999
    )
    result = sign_flip_test(data)
    assert result.exact
    assert result.p_value == pytest.approx(float(expected.pvalue), rel=1e-12)


def test_random_sign_flips_approach_the_exact_answer() -> None:
    data = [0.5, 1 / 3, -1 / 3, 1.0, 0.0, 0.5, 2 / 3, -0.5, 1.0, 1 / 3, 0.0, 0.5]
    exact = sign_flip_test(data, resamples=2**12)
    drawn = sign_flip_test(data, seed=4, resamples=4000)
    assert exact.exact
    assert not drawn.exact
    assert exact.p_value is not None
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.01)
    assert drawn == sign_flip_test(data, seed=4, resamples=4000)
    assert drawn.seed == 4
    assert drawn.p_value != sign_flip_test(data, seed=5, resamples=4000).p_value


def test_random_p_is_never_zero() -> None:
    assert sign_flip_test([1.0] * 100, resamples=99).p_value == 0.01


def test_sign_flip_edges() -> None:
    assert sign_flip_test([]).null_reason == "no_shared_samples"
    assert sign_flip_test([0.0, 0.0, 0.0]).p_value == 1.0
    # More draws than fit one block, every one of them a hit.
    many = sign_flip_test([0.0] * 100, resamples=1500)
    assert (many.p_value, many.resamples, many.seed) == (1.0, 1500, 0)
    assert sign_flip_test([1.0, 1.0, 1.0], resamples=1).resamples == 1
    with pytest.raises(ValueError, match="finite"):
        sign_flip_test([math.nan])
    with pytest.raises(UsageError, match="resamples"):
        sign_flip_test([1.0], resamples=0)


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
            change(difference=0.001, interval=Interval(-0.01, 0.012, "t"), margin=0.02),
            "equivalent",
        ),
        (
            change(difference=0.01, interval=Interval(0.001, 0.019, "t"), margin=0.02),
            "equivalent",
        ),
        (
            change(
                difference=0.01,
                p_adjusted=0.1,
                interval=Interval(-0.001, 0.021, "t"),
                margin=0.02,
                equivalence_interval=Interval(0.0, 0.019, "t", 0.9),
            ),
            "equivalent",
        ),
        (change(margin=0.02), "candidate_better"),
        (
            change(interval=Interval(None, None, "t"), p_adjusted=1.0, margin=0.02),
            "inconclusive",
        ),
        (
            change(difference=None, interval=Interval(None, None, "t"), p_adjusted=None),
            "inconclusive",
        ),
    ],
)
def test_verdicts(finding: Finding, verdict: str) -> None:
    assert decide(finding) == verdict


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.0])
def test_impossible_margin(margin: float) -> None:
    with pytest.raises(UsageError, match="margin"):
        decide(change(margin=margin))


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
