"""Agreement against statsmodels, krippendorff, evalica, psych and vcd (the fixtures name which), a
delete-one loop, and simulated coverage."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_agents_results.statistics.kappa import (
    cohens_kappa,
    fleiss_kappa,
    krippendorff_alpha,
)

CASES = json.loads(
    Path(__file__).parents[1].joinpath("data", "statistics_fixtures_2.json").read_text()
)["d_agreement"]


def near(value: float | None) -> Any:
    return pytest.approx(value, abs=1e-9)


def codes_of(matrix: list[list[int]]) -> Any:
    return np.array(
        [(i, j) for i, row in enumerate(matrix) for j, n in enumerate(row) for _ in range(n)]
    )


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_of_five_categories(weights: Any) -> None:
    data = CASES["cohen_5_categories"]["data"]
    expected = CASES["cohen_5_categories"]["expected"][weights]
    codes = np.array([data["judge"], data["human"]]).T - 1
    found = cohens_kappa(codes, 5, weights)
    assert (found.value, found.se) == (near(expected["kappa"]), near(expected["se_jackknife"]))
    assert (found.observed, found.expected) == (near(expected["Do"]), near(expected["De"]))
    assert (found.ci_low, found.ci_high) == (near(expected["low"]), near(expected["high"]))
    clusters = np.unique(data["cluster"], return_inverse=True)[1]
    grouped, of_groups = cohens_kappa(codes, 5, weights, clusters=clusters), expected["clustered"]
    assert (grouped.value, grouped.n_clusters) == (near(expected["kappa"]), of_groups["G"])
    assert grouped.se == near(of_groups["se_jackknife"])
    assert (grouped.ci_low, grouped.ci_high) == (near(of_groups["low"]), near(of_groups["high"]))


def test_fleiss_and_krippendorff() -> None:
    case = CASES["fleiss_4_raters"]
    ratings = np.array(case["data"]["ratings"]) - 1
    found, expected = fleiss_kappa(ratings, ratings.max() + 1), case["expected"]
    assert (found.value, found.se) == (near(expected["kappa"]), near(expected["se_jackknife"]))
    assert (found.ci_low, found.ci_high) == (near(expected["low"]), near(expected["high"]))
    case = CASES["krippendorff_missing"]
    rows = [[-1 if one is None else one - 1 for one in row] for row in case["data"]["ratings"]]
    codes = np.array(rows)
    for scale in ("nominal", "ordinal", "interval"):
        alpha = krippendorff_alpha(codes, np.arange(1, codes.max() + 2), scale)
        expected = case["expected"][scale]
        assert (alpha.value, alpha.se) == (near(expected["alpha"]), near(expected["se_jackknife"]))
        assert (alpha.ci_low, alpha.ci_high) == (near(expected["low"]), near(expected["high"]))
        assert alpha.units == len(codes) - 1
    with pytest.raises(ValueError, match="every rater"):
        fleiss_kappa(codes, 4)


def test_edges() -> None:
    perfect = cohens_kappa(codes_of(CASES["perfect_agreement"]["data"]["matrix"]), 3)
    expected = CASES["perfect_agreement"]["expected"]
    assert (perfect.value, perfect.se, perfect.ci_high) == (1.0, None, 1.0)
    assert perfect.ci_low == near(expected["low"])
    assert perfect.warnings == ("few_disagreements",)
    one = cohens_kappa(codes_of(CASES["one_category"]["data"]["matrix"]), 2)
    assert (one.value, one.ci_low, one.null_reason) == (None, None, "one_category")
    # Without the only unit of the second category there is no disagreement to expect.
    alone = cohens_kappa(codes_of([[20, 0], [0, 1]]), 2)
    assert (alone.value, alone.ci_low, alone.null_reason) == (1.0, None, "one_unit_decides")
    nobody = krippendorff_alpha(np.array([[0, -1], [-1, 1]]), np.arange(2.0))
    assert (nobody.value, nobody.null_reason, nobody.units) == (None, "no_double_ratings", 0)
    same = cohens_kappa(codes_of([[9, 2], [1, 8]]), 2, clusters=np.zeros(20, int))
    assert (same.value is not None, same.ci_low, same.null_reason) == (True, None, "one_cluster")


@pytest.mark.slow
def test_intervals_cover_kappa() -> None:
    """Two categories, 60:40, kappa .6, 60 units: statistics that have no closed form."""
    share, kappa, hits, runs = 0.6, 0.6, 0, 1500
    apart = (1.0 - kappa) * share * (1.0 - share)
    cells = [share - apart, apart, apart, 1.0 - share - apart]
    rng = np.random.default_rng(20261128)
    for counts in rng.multinomial(60, cells, size=runs):
        found = cohens_kappa(codes_of([counts[:2].tolist(), counts[2:].tolist()]), 2)
        hits += found.ci_low is not None and found.ci_low <= kappa <= (found.ci_high or 1.0)
    assert 0.93 <= hits / runs <= 0.985
