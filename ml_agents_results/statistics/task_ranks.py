"""Ranks over tasks: Friedman's test, tests of pairs, and Nemenyi's critical difference.

Sources:
    Demsar 2006, Journal of Machine Learning Research 7:1
    Iman, Davenport 1980, doi:10.1080/03610928008827904
    Benavoli, Corani, Mangili 2016, Journal of Machine Learning Research 17(5):1 (why Wilcoxon's
    test: Nemenyi's answer for two variants depends on the others)
    Nemenyi 1963 (thesis), by the studentized range
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from ml_agents_results.statistics.distributions import normal_two_sided_p
from ml_agents_results.statistics.multiplicity import holm
from ml_agents_results.statistics.run_columns import Array

FEWEST_TASKS = 5
FEWEST_VARIANTS = 3
MOST_EXACT = 50
"""Tasks up to which Wilcoxon's test is exact."""


@dataclass(frozen=True, slots=True)
class TaskRanks:
    """How variants rank over tasks; rank 1 is the best.

    Attributes:
        average_ranks: Of each variant, ties averaged.
        chi_square, p_friedman: Friedman's test that all variants are alike.
        f_statistic, p_iman_davenport: The same with Iman and Davenport's less cautious statistic;
            None where every task ranks the variants alike.
        p_wilcoxon: Of all pairs, Wilcoxon's signed ranks of the task means, corrected by Holm.
        critical_difference: Nemenyi's: average ranks that differ by more differ clearly.
        p_nemenyi: Of all pairs.
        dropped: Of all pairs, tasks with equal means, which Wilcoxon's test leaves out.
    """

    average_ranks: Sequence[float]
    tasks: int
    chi_square: float
    p_friedman: float
    f_statistic: float | None
    p_iman_davenport: float | None
    p_wilcoxon: Sequence[float]
    critical_difference: float
    p_nemenyi: Sequence[float]
    dropped: Sequence[int]


def task_ranks(means: Array, *, higher: bool = True, confidence: float = 0.95) -> TaskRanks | None:
    """The ranks of the variants (columns) over tasks (rows).

    None for fewer than `FEWEST_TASKS` tasks or `FEWEST_VARIANTS` variants.
    """
    tasks, variants = means.shape
    if tasks < FEWEST_TASKS or variants < FEWEST_VARIANTS:
        return None
    from scipy import special, stats

    ranks = stats.rankdata(np.round(-means if higher else means, 12), axis=1)
    average = ranks.mean(axis=0)
    ties = sum(
        float((counts**3 - counts).sum())
        for counts in (np.unique(row, return_counts=True)[1] for row in ranks)
    )
    scale = tasks * variants * (variants + 1) / 12.0 - ties / 12.0 / (variants - 1)
    spread = tasks**2 * float(((average - (variants + 1) / 2.0) ** 2).sum())
    chi = spread / scale if scale > 1e-12 else 0.0
    left = tasks * (variants - 1) - chi
    f = (tasks - 1) * chi / left if left > 1e-9 else None
    pairs = list(combinations(range(variants), 2))
    tests = [_wilcoxon(means[:, one] - means[:, two]) for one, two in pairs]
    error = np.sqrt(variants * (variants + 1) / (6.0 * tasks))
    apart = np.array([abs(average[one] - average[two]) for one, two in pairs])
    nemenyi = stats.studentized_range.sf(apart / error * np.sqrt(2.0), variants, np.inf)
    quantile = stats.studentized_range.ppf(confidence, variants, np.inf)
    return TaskRanks(
        average_ranks=average.tolist(),
        tasks=tasks,
        chi_square=chi,
        p_friedman=float(special.chdtrc(variants - 1, chi)),
        f_statistic=f,
        p_iman_davenport=None
        if f is None
        else float(special.fdtrc(variants - 1, (variants - 1) * (tasks - 1), f)),
        p_wilcoxon=holm([p for p, _ in tests]),
        critical_difference=float(quantile / np.sqrt(2.0) * error),
        p_nemenyi=np.clip(nemenyi, 0.0, 1.0).tolist(),
        dropped=[zeros for _, zeros in tests],
    )


def _wilcoxon(d: Array) -> tuple[float, int]:
    """The p value of the signed ranks, ties averaged, and how many d are 0 (left out): exact up to
    `MOST_EXACT` d, by the normal distribution beyond."""
    zeros = int(np.count_nonzero(np.abs(d) <= 1e-12))
    d = d[np.abs(d) > 1e-12]
    if not len(d):
        return 1.0, zeros
    _, which, counts = np.unique(np.round(np.abs(d), 12), return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(counts) - counts + 1)[which.ravel()]
    total = int(doubled.sum())
    reach = abs(int(doubled[d > 0].sum()) * 2 - total)
    if len(d) > MOST_EXACT:
        return normal_two_sided_p(reach / math.sqrt(float((doubled**2.0).sum()))), zeros
    tail = _tails(tuple(sorted(doubled.tolist())))
    return min(1.0, 2.0 * float(tail[(total + reach) // 2])) if reach else 1.0, zeros


@lru_cache(maxsize=64)
def _tails(ranks: tuple[int, ...]) -> Array:
    """P(T >= t), T the sum of the ranks whose signs are positive by chance."""
    law = np.ones(1)
    for rank in ranks:
        longer = np.zeros(len(law) + rank)
        longer[: len(law)] += law / 2.0
        longer[rank:] += law / 2.0
        law = longer
    return np.cumsum(law[::-1])[::-1]
