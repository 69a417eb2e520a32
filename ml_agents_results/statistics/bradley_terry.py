"""Strengths of variants from paired wins (Bradley and Terry), with errors by sample or cluster.

A variant wins against another on a sample where it is better there. Samples on which both are the
same say nothing (conditional logit): for two variants the strength is log(improved / regressed).
One sample enters many pairs, so that errors that take pairs for independent are too small.

Sources:
    Bradley, Terry 1952, doi:10.1093/biomet/39.3-4.324
    Cameron, Miller 2015, doi:10.3368/jhr.50.2.317 (errors by cluster, CR1)
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ml_agents_results.statistics.distributions import t_quantile
from ml_agents_results.statistics.run_columns import Array

_STEPS = 100
_AT_ONCE = 100_000
"""Samples whose pairs are compared at once: all would take several times what their values take."""

_FEW_LEVELS = 8
"""Distinct values up to which products of matrices are faster than comparisons one by one."""


@dataclass(frozen=True, slots=True)
class Strength:
    """The strength of one variant against the reference.

    Attributes:
        log_strength: 0 for the reference; None where it is not finite (`separated`) or nothing
            connects the variants (`not_connected`).
        wins: P(better | one of the two is better) against the reference.
    """

    log_strength: float | None
    se: float | None
    ci_low: float | None
    ci_high: float | None
    wins: float | None
    null_reason: str | None = None


def bradley_terry(
    values: Array,
    reference: int = 0,
    confidence: float = 0.95,
    clusters: Array | None = None,
    *,
    higher: bool = True,
) -> list[Strength]:
    """The strengths of the variants (columns) from their values on samples (rows).

    Args:
        clusters: The number of each sample's cluster, from 0; each is its own by default.
    """
    variants = values.shape[1]
    of_clusters = np.arange(len(values)) if clusters is None else clusters

    def parts() -> Iterator[tuple[Array, Array]]:
        """The samples that say something, with their clusters."""
        for start in range(0, len(values), _AT_ONCE):
            part = values[start : start + _AT_ONCE]
            decided = part.max(axis=1, initial=-np.inf) > part.min(axis=1, initial=np.inf)
            scores = (part if higher else -part)[decided]
            yield scores, of_clusters[start : start + _AT_ONCE][decided]

    wins = sum((_wins(scores) for scores, _ in parts()), np.zeros((variants, variants)))
    kept, reason = _connected(wins, reference)
    if len(kept) < 2:
        return [_unknown(reason)] * variants
    wins, left = wins[np.ix_(kept, kept)], kept.index(reference)
    strengths = _fit(wins)
    pulls = _pulls_of_units(parts(), kept, _chances(strengths), int(of_clusters.max()) + 1)
    units = len(pulls)
    errors = _errors(pulls, wins + wins.T, strengths, left)
    found = [_unknown("separated")] * variants
    for place, variant in enumerate(kept):
        value = float(strengths[place] - strengths[left])
        se = None if errors is None else float(errors[place])
        half = None if se is None or units < 2 else t_quantile(confidence, units - 1.0) * se
        share = float(1.0 / (1.0 + np.exp(-value)))
        if variant == reference:
            found[variant] = Strength(0.0, None, None, None, None)
        elif half is None:
            found[variant] = Strength(value, None, None, None, share, "one_cluster")
        else:
            found[variant] = Strength(value, se, value - half, value + half, share)
    return found


def _unknown(reason: str) -> Strength:
    return Strength(None, None, None, None, None, reason)


def _connected(wins: Array, reference: int) -> tuple[list[int], str]:
    """The variants whose strengths are finite, and why the others have none.

    A variant that never wins, or never loses, against those that are left is infinitely weak or
    strong. The rest must be connected by wins in both directions.
    """
    from scipy.sparse.csgraph import connected_components

    kept = list(range(len(wins)))
    while True:
        part = wins[np.ix_(kept, kept)]
        finite = (part.sum(axis=0) > 0) & (part.sum(axis=1) > 0)
        if finite.all():
            break
        kept = [variant for variant, ok in zip(kept, finite, strict=True) if ok]
    if reference not in kept:
        return [], "separated"
    number, _ = connected_components(part > 0, directed=True, connection="strong")
    return (kept, "separated") if number == 1 else ([], "not_connected")


def _fit(wins: Array) -> Array:
    """The most likely strengths, with mean 0, by Newton's method."""
    games = wins + wins.T
    strengths = np.zeros(len(wins))
    for _ in range(_STEPS):
        chance = _chances(strengths)
        score = (wins - games * chance).sum(axis=1)
        weights = games * chance * (1.0 - chance)
        information = np.diag(weights.sum(axis=1)) - weights
        step = np.linalg.lstsq(information, score, rcond=None)[0]
        strengths = strengths + np.clip(step, -1.0, 1.0)
        if float(np.abs(step).max()) < 1e-13:
            break
    return strengths


def _chances(strengths: Array) -> Array:
    chances: Array = 1.0 / (1.0 + np.exp(strengths[None, :] - strengths[:, None]))
    return chances


def _wins(scores: Array) -> Array:
    """On how many samples the variant of the row is better than that of the column."""
    levels = np.unique(scores)
    if len(levels) > _FEW_LEVELS:
        columns = np.ascontiguousarray(scores.T)
        return np.stack([(own > columns).sum(axis=1) for own in columns]) * 1.0
    wins = np.zeros((scores.shape[1],) * 2)
    for level in levels:
        wins += (scores == level).astype(float).T @ (scores < level).astype(float)
    return wins


def _pulls(scores: Array, chance: Array) -> Array:
    """Of each sample and variant, how many others it is better than, less how many of those that
    differ were expected."""
    pulls = np.zeros(scores.shape)
    levels = np.unique(scores)
    if len(levels) > _FEW_LEVELS:
        columns = np.ascontiguousarray(scores.T)
        for one, own in enumerate(columns):
            pulls[:, one] = (own > columns).sum(axis=0) - chance[one] @ (own != columns)
        return pulls
    for level in levels:
        own, below = (scores == level).astype(float), (scores < level).sum(axis=1)
        pulls += own * (below[:, None] - (1.0 - own) @ chance.T)
    return pulls


def _pulls_of_units(
    parts: Iterable[tuple[Array, Array]], kept: Sequence[int], chance: Array, clusters: int
) -> Array:
    """The sums of the pulls by cluster, of clusters with a sample that says something."""
    sums, samples = np.zeros((clusters, len(kept))), np.zeros(clusters, int)
    for scores, of_clusters in parts:
        if not len(scores):
            continue
        first = int(of_clusters.min())
        index, rows = of_clusters - first, slice(first, int(of_clusters.max()) + 1)
        samples[rows] += np.bincount(index)
        for place, pulls in enumerate(_pulls(scores[:, kept], chance).T):
            sums[rows, place] += np.bincount(index, pulls)
    return sums[samples > 0]


def _errors(pulls: Array, games: Array, strengths: Array, left: int) -> Array | None:
    """Of the strengths less that of the variant `left`: CR1 by sample or cluster."""
    chance = _chances(strengths)
    units, decided = len(pulls), games.sum() / 2.0
    if units < 2:
        return None
    weights = games * chance * (1.0 - chance)
    information = np.diag(weights.sum(axis=1)) - weights
    others = [place for place in range(len(strengths)) if place != left]
    bread = np.linalg.inv(information[np.ix_(others, others)])
    small = units / (units - 1.0) * (decided - 1.0) / max(decided - len(others), 1.0)
    covariance = bread @ (pulls[:, others].T @ pulls[:, others]) @ bread * small
    errors = np.zeros(len(strengths))
    errors[others] = np.sqrt(np.diag(covariance))
    return errors


def shares_of_ties(values: Array, reference: int) -> Sequence[float]:
    """Of each variant the share of samples on which it is as good as the reference."""
    shares: list[float] = (values == values[:, [reference]]).mean(axis=0).tolist()
    return shares
