"""Agreement of raters: Cohen's and Fleiss' kappa and Krippendorff's alpha, with intervals.

Each coefficient is 1 - Do / De: the disagreement seen over that expected by chance. Its interval is
Wilson's on the disagreement: with the delete-one jackknife error s of the coefficient over units
(or clusters), Do has p(1-p)/s'^2 effective units, p = Do/dmax and s' = s De/dmax. It is not of zero
width at perfect agreement. In simulations of 30 to 300 units it covers .92 or more in 53 of 64
cells, the jackknife with Student's t in 36.

Sources:
    Cohen 1960, doi:10.1177/001316446002000104 (kappa); 1968, doi:10.1037/h0026256 (weights)
    Fleiss 1971, doi:10.1037/h0031619
    Hayes, Krippendorff 2007, doi:10.1080/19312450709336664 (alpha)
    Wilson 1927, doi:10.1080/01621459.1927.10502953
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ml_agents_results.statistics.distributions import check_confidence, t_quantile
from ml_agents_results.statistics.proportions import wilson_bounds

Array = NDArray[Any]

Weights = Literal["none", "linear", "quadratic"]
"""How much a disagreement weighs: all alike, or by the steps (or their square) between."""

RatingScale = Literal["nominal", "ordinal", "interval"]
"""What the categories of Krippendorff's alpha are."""

FEW_DISAGREEMENTS = 10
"""Units that disagree below which an interval may cover less than it says."""

_ZERO = 1e-12


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient of agreement with its interval.

    Attributes:
        value: None where only one category was used (`one_category`) or nothing was rated twice.
        se: By the jackknife; None where no unit (or cluster) makes a difference.
        observed, expected: The disagreement seen (Do) and expected by chance (De).
        largest: The largest disagreement of two ratings (dmax).
        n_effective: What the units are worth for the interval.
        units: Those with at least two ratings; `disagreeing` of them have different ones.
    """

    value: float | None
    se: float | None
    ci_low: float | None
    ci_high: float | None
    level: float
    method: str
    observed: float | None
    expected: float | None
    largest: float
    n_effective: float | None
    units: int
    disagreeing: int
    n_clusters: int | None
    warnings: tuple[str, ...] = ()
    null_reason: str | None = None


def cohens_kappa(
    codes: Array,
    categories: int,
    weights: Weights = "none",
    confidence: float = 0.95,
    clusters: Array | None = None,
) -> Agreement:
    """Kappa of two raters.

    Args:
        codes: One row per unit, with the category of each rater, counted from 0.
        categories: How many the scale has, used or not: weights depend on it.
        clusters: The cluster of each unit, counted from 0.
    """
    steps = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories)))
    if weights == "none":
        cost = (steps > 0) * 1.0
    else:
        cost = (steps / max(categories - 1, 1)) ** (1 if weights == "linear" else 2)

    def disagreement(tables: Array) -> tuple[Array, Array]:
        n = tables.sum(axis=(-1, -2))
        rows, columns = tables.sum(-1) / n[..., None], tables.sum(-2) / n[..., None]
        seen = (tables * cost).sum(axis=(-1, -2)) / n
        return seen, np.einsum("...i,ij,...j->...", rows, cost, columns)

    def tables(patterns: Array) -> Array:
        cells = np.zeros((len(patterns), categories, categories))
        cells[np.arange(len(patterns)), patterns[:, 0], patterns[:, 1]] = 1.0
        return cells

    name = "Cohen's kappa" if weights == "none" else f"Cohen's kappa, {weights} weights"
    return _coefficient(codes, tables, disagreement, 1.0, name, confidence, clusters)


def fleiss_kappa(
    codes: Array, categories: int, confidence: float = 0.95, clusters: Array | None = None
) -> Agreement:
    """Kappa of several raters who all rated every unit; ValueError where one did not."""
    if np.any(codes < 0):
        raise ValueError("Fleiss' kappa needs a rating by every rater of every unit")

    def disagreement(coincidences: Array) -> tuple[Array, Array]:
        totals = coincidences.sum(-1)
        n = totals.sum(-1)
        agreeing = np.trace(coincidences, axis1=-2, axis2=-1) / n
        return 1.0 - agreeing, 1.0 - ((totals / n[..., None]) ** 2).sum(-1)

    return _coefficient(
        codes,
        lambda patterns: _coincidences(patterns, categories),
        disagreement,
        1.0,
        "Fleiss' kappa",
        confidence,
        clusters,
    )


def krippendorff_alpha(
    codes: Array,
    values: Array,
    scale: RatingScale = "nominal",
    confidence: float = 0.95,
    clusters: Array | None = None,
) -> Agreement:
    """Alpha of any number of raters; units with fewer than two ratings add nothing to it, but are
    units that the jackknife leaves out.

    Args:
        codes: One row per unit, with the category of each rater; -1 where there is none.
        values: Of the categories, ascending; what matters of them for `interval`.
    """
    categories = len(values)

    def distances(totals: Array) -> Array:
        if scale == "interval":
            return np.subtract.outer(values, values) ** 2.0
        if scale == "nominal":
            return 1.0 - np.eye(categories)
        upto = np.cumsum(totals, axis=-1) - totals / 2.0
        return (upto[..., :, None] - upto[..., None, :]) ** 2

    def disagreement(coincidences: Array) -> tuple[Array, Array]:
        totals = coincidences.sum(-1)
        n = totals.sum(-1)
        apart = distances(totals)
        seen = (coincidences * apart).sum(axis=(-1, -2)) / n
        pairs = totals[..., :, None] * totals[..., None, :]
        return seen, (pairs * apart).sum(axis=(-1, -2)) / (n * (n - 1.0))

    whole = _coincidences(codes, categories).sum(axis=0)
    largest = float(distances(whole.sum(-1)).max()) if len(codes) else 1.0
    return _coefficient(
        codes,
        lambda patterns: _coincidences(patterns, categories),
        disagreement,
        largest,
        f"Krippendorff's alpha, {scale}",
        confidence,
        clusters,
    )


def _coincidences(patterns: Array, categories: int) -> Array:
    """Of each unit the pairs of ratings by category, each weighted by 1 / (ratings - 1)."""
    counts = (patterns[:, :, None] == np.arange(categories)).sum(axis=1) * 1.0
    counts[counts.sum(axis=1) < 2.0] = 0.0
    ratings = np.maximum(counts.sum(axis=1), 2.0)
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs[:, np.arange(categories), np.arange(categories)] -= counts
    result: Array = pairs / (ratings - 1.0)[:, None, None]
    return result


def _coefficient(
    codes: Array,
    contributions: Callable[[Array], Array],
    disagreement: Callable[[Array], tuple[Array, Array]],
    largest: float,
    method: str,
    confidence: float,
    clusters: Array | None,
) -> Agreement:
    """1 - Do / De of a matrix to which every unit contributes, and its interval."""
    check_confidence(confidence)
    units = int(np.count_nonzero((codes >= 0).sum(axis=1) > 1))
    patterns, which, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    which = which.ravel()
    disagreeing = int(counts[_differ(patterns)].sum())
    groups = None if clusters is None else len(np.unique(clusters))
    described = {
        "level": confidence,
        "method": method,
        "largest": largest,
        "units": units,
        "disagreeing": disagreeing,
        "n_clusters": groups,
    }
    if not units:
        return _undefined(described, "no_double_ratings")
    parts = contributions(patterns)
    if clusters is not None:
        grouped, weights = _by_cluster(parts, which, clusters), None
    else:
        grouped, weights = parts, counts
    total = np.tensordot(counts, parts, axes=1)
    seen, chance = (float(value) for value in disagreement(total))
    if chance <= _ZERO * largest:
        return _undefined(described, "one_category", seen)
    left_out = len(grouped) if weights is None else len(codes)
    if left_out < 2:
        return _undefined(described, "one_cluster" if weights is None else "n_lt_2", seen, chance)
    with np.errstate(invalid="ignore", divide="ignore"):
        without_seen, without_chance = disagreement(total - grouped)
        values = 1.0 - without_seen / without_chance
    if not np.all(np.isfinite(values)) or np.any(without_chance <= _ZERO * largest):
        # The scale has one category left without some unit.
        return _undefined(described, "one_unit_decides", seen, chance)
    shares = np.ones(len(values)) if weights is None else weights
    mean = float(np.average(values, weights=shares))
    spread = float((shares * (values - mean) ** 2).sum()) * (left_out - 1) / left_out
    error = math.sqrt(spread) if spread > _ZERO**2 else 0.0
    p, s = min(1.0, seen / largest), error * chance / largest
    n_effective = p * (1.0 - p) / s**2 if s > 0.0 and 0.0 < p < 1.0 else float(left_out)
    low, high = wilson_bounds(p, n_effective, t_quantile(confidence, left_out - 1.0))
    few = disagreeing < FEW_DISAGREEMENTS
    return Agreement(
        value=1.0 - seen / chance,
        se=error or None,
        ci_low=max(-1.0, 1.0 - largest * high / chance),
        ci_high=min(1.0, 1.0 - largest * low / chance),
        observed=seen,
        expected=chance,
        n_effective=n_effective,
        warnings=("few_disagreements",) if few else (),
        **described,  # type: ignore[arg-type]
    )


def _undefined(
    described: dict[str, Any],
    reason: str,
    observed: float | None = None,
    expected: float | None = None,
) -> Agreement:
    value = None if observed is None or not expected else 1.0 - observed / expected
    return Agreement(
        value=value, se=None, ci_low=None, ci_high=None, observed=observed, expected=expected,
        n_effective=None, null_reason=reason, **described,
    )  # fmt: skip


def _differ(patterns: Array) -> Array:
    """Which patterns hold two different ratings."""
    highest = patterns.max(axis=1, initial=-1)
    lowest = np.where(patterns < 0, np.iinfo(patterns.dtype).max, patterns).min(axis=1)
    differ: Array = lowest < highest
    return differ


def _by_cluster(parts: Array, which: Array, clusters: Array) -> Array:
    """The contributions of the units of each cluster."""
    groups, index = np.unique(clusters, return_inverse=True)
    combined = index.ravel() * len(parts) + which
    cells, counts = np.unique(combined, return_counts=True)
    sums = np.zeros((len(groups), *parts.shape[1:]))
    np.add.at(sums, cells // len(parts), parts[cells % len(parts)] * counts[:, None, None])
    return sums


MOST_CATEGORIES = 101
_STEPS = (1.0, 0.5, 0.25, 0.2, 0.1, 0.05, 0.01)


def categories_of(
    values: Array, lower: float | None = None, upper: float | None = None
) -> Array | None:
    """The values of a scale in equal steps: from its declared ends, or else from those seen.

    None where the values lie on no such scale of at most `MOST_CATEGORIES` steps: they are numbers,
    not categories.
    """
    seen = values[~np.isnan(values)]
    if not len(seen):
        return None
    low = float(seen.min()) if lower is None else lower
    high = float(seen.max()) if upper is None else upper
    for step in _STEPS:
        steps = (np.append(seen, high) - low) / step
        if float(np.abs(steps - np.rint(steps)).max()) <= 1e-6:
            count = round((high - low) / step) + 1
            return low + step * np.arange(count) if 1 <= count <= MOST_CATEGORIES else None
    return None


def coded(values: Array, categories: Array) -> Array:
    """The index of each value's category; -1 where there is none."""
    nearest = np.abs(values[..., None] - categories).argmin(axis=-1)
    codes: Array = np.where(np.isnan(values), -1, nearest)
    return codes


def rank_correlation(table: Array) -> float | None:
    """Spearman's correlation of the two raters of a table of counts; None where one is constant."""
    first, second = (_midranks(table.sum(axis=axis)) for axis in (1, 0))
    return correlation(table, first, second)


def correlation(table: Array, first: Array, second: Array) -> float | None:
    """Pearson's correlation of the values of rows and columns, weighted by the counts."""
    n = float(table.sum())
    if not n:
        return None
    x = first - float((table.sum(axis=1) * first).sum()) / n
    y = second - float((table.sum(axis=0) * second).sum()) / n
    spread = float((table.sum(axis=1) * x * x).sum() * (table.sum(axis=0) * y * y).sum())
    return float(x @ table @ y) / math.sqrt(spread) if spread > _ZERO else None


def _midranks(counts: Array) -> Array:
    ranks: Array = np.cumsum(counts) - (counts - 1) / 2.0
    return ranks
