"""Ranks of many variants: corrected tests of all pairs, groups within which no difference is shown,
intervals of ranks, and the chance of being best.

Sources:
    Shaffer 1986, doi:10.1080/01621459.1986.10478341 (correction of all pairs)
    Piepho 2004, doi:10.1198/1061860043515 (letters by insert-and-absorb)
    Mogstad, Romano, Shaikh, Wilhelm 2024, doi:10.1093/restud/rdad006 (intervals of ranks)
"""

from collections.abc import Sequence
from functools import cache
from itertools import combinations

import numpy as np

from ml_agents_results.statistics.run_columns import Array

DRAWS = 10_000
_MOST_UNITS = 1_024


@cache
def true_null_counts(variants: int) -> frozenset[int]:
    """How many of all pairs can be equal at once: the pairs within the parts of every partition."""
    if variants < 2:
        return frozenset({0})
    return frozenset(
        part * (part - 1) // 2 + rest
        for part in range(1, variants + 1)
        for rest in true_null_counts(variants - part)
    )


def shaffer(p_values: Array, variants: int) -> Array:
    """Adjusted p values of all pairs (Shaffer's S1): Holm's steps, each times the largest number
    of pairs that can still be equal.

    Args:
        p_values: Of the pairs, as `itertools.combinations` orders them.
    """
    pairs = len(p_values)
    possible = np.array(sorted(true_null_counts(variants)))
    left = pairs - np.arange(pairs)
    multipliers = possible[np.searchsorted(possible, left, "right") - 1]
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(pairs)
    adjusted[order] = np.minimum(np.maximum.accumulate(multipliers * p_values[order]), 1.0)
    return adjusted


def groups_of(differ: Array) -> list[list[int]]:
    """The largest groups in which no difference is shown, in the order of variants.

    Args:
        differ: Whether two variants differ, both ways, in the order of their means.
    """
    size = len(differ)
    groups = [frozenset(range(size))]
    for one, two in combinations(range(size), 2):
        if not differ[one, two]:
            continue
        split = []
        for group in groups:
            split += [group - {one}, group - {two}] if {one, two} <= group else [group]
        distinct = sorted(set(split), key=lambda group: (-len(group), sorted(group)))
        groups = []
        for group in distinct:
            if not any(group <= other for other in groups):
                groups.append(group)
    return sorted(sorted(group) for group in groups)


def rank_intervals(better: Array) -> list[tuple[int, int]]:
    """The lowest and highest rank of every variant that the tests leave open, all at once.

    Args:
        better: Whether the variant of the row is shown to be better than that of the column.
    """
    shown_worse, shown_better = better.sum(axis=1), better.sum(axis=0)
    return [
        (1 + int(above), len(better) - int(below))
        for above, below in zip(shown_better, shown_worse, strict=True)
    ]


def chances_of_best(totals: Array, sizes: Array, *, higher: bool = True, seed: int = 0) -> Array:
    """In how many bootstrap draws of the units each variant has the best mean; ties are shared.

    Units are samples or their clusters. Of more than `_MOST_UNITS` units the means are drawn from
    the normal distribution that the bootstrap has then.

    Args:
        totals: One row per unit, with the sum of each variant's values.
        sizes: How many samples each unit has.
    """
    rng = np.random.default_rng(seed)
    units, n = len(totals), float(sizes.sum())
    signed = totals if higher else -totals
    if units > _MOST_UNITS:
        means = signed.sum(axis=0) / n
        errors = signed - sizes[:, None] * means
        spread = errors.T @ errors / n**2
        draws = rng.multivariate_normal(means, spread, size=DRAWS, method="eigh")
    else:
        weights = rng.multinomial(units, np.full(units, 1.0 / units), size=DRAWS)
        draws = (weights @ signed) / (weights @ sizes)[:, None]
    # Sums in another order differ in their last digits.
    best = draws >= draws.max(axis=1, keepdims=True) - 1e-9 * np.abs(draws).max()
    shares: Array = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


def symmetric(values: Sequence[float] | Array, variants: int) -> Array:
    """The values of all pairs as a matrix, those of a variant and itself 1."""
    matrix = np.ones((variants, variants))
    rows, columns = np.triu_indices(variants, 1)
    matrix[rows, columns] = matrix[columns, rows] = values
    return matrix
