"""Looking early against confseq and scipy (the fixtures), and simulated studies that stop."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_agents_results.statistics.anytime import (
    anytime_p,
    confidence_sequence,
    e_value,
    margin_p,
    mixture_bounds,
)
from ml_agents_results.statistics.difference_sums import DifferenceSums

CASE = json.loads(
    Path(__file__).parents[1].joinpath("data", "statistics_fixtures_2.json").read_text()
)["i_anytime"]


def sums_of(d: Any) -> DifferenceSums:
    d = np.asarray(d)
    return DifferenceSums.of_steps({int(v): int((d == v).sum()) for v in (-1, 0, 1)}, 1)


def test_the_reference() -> None:
    d = CASE["data"]["d"]
    largest = 0.0
    looks = iter(sorted(map(int, CASE["expected"])))
    look = next(looks)
    for n in range(1, len(d) + 1):
        up, down = d[:n].count(1), d[:n].count(-1)
        if n < look:
            continue
        largest = max(largest, e_value(up, down))
        expected = CASE["expected"][str(look)]
        assert (up, down) == (expected["b"], expected["c"])
        assert e_value(up, down) == pytest.approx(expected["e_value"], rel=1e-9)
        assert anytime_p(largest) == pytest.approx(expected["p_anytime"], rel=1e-9)
        sums = sums_of(d[:n])
        bounds = mixture_bounds(sums, 0.05, 1.0)
        assert list(bounds) == pytest.approx(expected["confidence_sequence"], abs=1e-6)
        assert confidence_sequence(sums).is_defined == expected["reported"]
        look = next(looks, 10**9)


def test_edges() -> None:
    assert e_value(0, 0) == pytest.approx(1.0)
    assert e_value(2000, 0) > 1e300
    assert anytime_p(0.0) == 1.0
    nothing = confidence_sequence(DifferenceSums(0))
    assert (nothing.low, nothing.null_reason) == (None, "too_early")
    scores = DifferenceSums(100, 20.0, 30.0, 25.0, 15)
    assert confidence_sequence(scores, span=None, pseudo=1.0).null_reason == "too_early"
    assert confidence_sequence(scores, span=5.0, pseudo=1.0).is_defined
    wide, narrow = (
        confidence_sequence(sums_of([1, 0, 0, -1] * 250), planned=planned) for planned in (40, 2000)
    )
    assert (wide.high or 0) > (narrow.high or 0)


def test_a_margin_is_held_by_the_sequence() -> None:
    sums = sums_of([1, 0, 0, 0, 0, 0, 0, -1] * 200)
    p_value = margin_p(sums, 0.06, 1.0)
    assert 0.0 < p_value < 0.05
    assert mixture_bounds(sums, p_value * 1.001, 1.0)[0] > -0.06
    assert mixture_bounds(sums, p_value / 1.001, 1.0)[0] < -0.06
    assert margin_p(sums, 0.001, 1.0) == 1.0
    assert margin_p(sums_of([1] * 5000), 0.5, 1.0) == pytest.approx(1e-12)


@pytest.mark.slow
def test_stopping_when_decided_keeps_the_level() -> None:
    """Equal variants, a look after every sample up to 1,000: e-values and sequences err in at most
    5% of the studies; a fixed interval would in far more."""
    rng = np.random.default_rng(20261128)
    for share in (0.05, 0.2, 0.5):
        stopped = left = studies = 0
        for _ in range(300):
            d = rng.choice([-1, 0, 1], size=1000, p=[share / 2, 1 - share, share / 2])
            up, down = np.cumsum(d == 1), np.cumsum(d == -1)
            studies += 1
            looks = np.unique(np.flatnonzero(d))
            stopped += any(e_value(int(up[n]), int(down[n])) >= 20.0 for n in looks)
            for n in range(20, 1000, 10):
                sums = DifferenceSums(
                    n, float(up[n - 1] - down[n - 1]), float(up[n - 1] + down[n - 1]),
                    float(up[n - 1] + down[n - 1]), int(up[n - 1] + down[n - 1]),
                )  # fmt: skip
                if confidence_sequence(sums, planned=1000).excludes(0.0):
                    left += 1
                    break
        assert stopped / studies <= 0.05 + 2 * 0.0126
        assert left / studies <= 0.05 + 2 * 0.0126
