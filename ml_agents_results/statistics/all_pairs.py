"""Tests of all pairs of variants on the samples that all of them share.

The figures are those of `compare` for each pair; that the samples are the same allows to compute
them at once.
"""

import math
from itertools import combinations

import numpy as np

from ml_agents_results.statistics.cluster_robust import clustered_mean
from ml_agents_results.statistics.difference_sums import DifferenceSums
from ml_agents_results.statistics.numeric_difference import difference_test
from ml_agents_results.statistics.run_columns import Array
from ml_agents_results.statistics.sign_flip import sign_flip
from ml_agents_results.statistics.student_t import t_two_sided_p
from ml_agents_results.statistics.value_tabulation import difference_steps

_ZERO = 1e-13


def clustered_p_values(totals: Array, sizes: Array) -> Array | None:
    """Of all pairs, p of the mean difference with CR2 errors by cluster.

    None for fewer than two clusters.

    Args:
        totals: One row per cluster, with the sum of each variant's values.
        sizes: How many samples each cluster has.
    """
    clusters, n = len(sizes), float(sizes.sum())
    dof = clustered_mean(sizes.tolist(), totals[:, 0].tolist()).dof if clusters > 1 else None
    if dof is None:
        return None
    means = totals.sum(axis=0) / n
    errors = (totals - sizes[:, None] * means) / np.sqrt(1.0 - sizes / n)[:, None] / n
    covariance = errors.T @ errors
    found = []
    for one, two in combinations(range(totals.shape[1]), 2):
        both = covariance[one, one] + covariance[two, two]
        variance = both - 2.0 * covariance[one, two]
        difference = means[one] - means[two]
        if abs(difference) <= _ZERO * (abs(means[one]) + abs(means[two])):
            found.append(1.0)
        elif variance <= _ZERO * both:
            found.append(math.ldexp(1.0, 1 - clusters))
        else:
            found.append(t_two_sided_p(difference / math.sqrt(variance), dof))
    return np.array(found)


def binary_p_values(values: Array, graded: Array) -> Array:
    """Of all pairs of right and wrong answers, mid-p of the sign-flip test (McNemar's where samples
    have one answer)."""
    pairs = list(combinations(range(values.shape[1]), 2))
    per_unit = math.lcm(*map(int, np.unique(graded)))
    if per_unit == 1:
        both = values.T @ values
        right = np.diag(both)
        tables = [(right[i] - both[i, j], right[j] - both[i, j]) for i, j in pairs]
        return np.array([sign_flip({1: round(up), -1: round(down)}).p_mid for up, down in tables])
    steps = np.rint(values * per_unit).astype(np.int64)
    found = []
    for one, two in pairs:
        sizes, counts = np.unique(steps[:, one] - steps[:, two], return_counts=True)
        found.append(sign_flip(dict(zip(sizes.tolist(), counts.tolist(), strict=True))).p_mid)
    return np.array(found)


def numeric_p_values(values: Array, graded: Array) -> Array:
    """Of all pairs of a numeric metric, p of the mean difference of independent samples."""
    found = []
    for one, two in combinations(range(values.shape[1]), 2):
        d = values[:, one] - values[:, two]
        d[np.abs(d) <= 1e-12 * np.maximum(np.abs(values[:, one]), np.abs(values[:, two]))] = 0.0
        steps = difference_steps(d, np.unique(graded[:, [one, two]]))
        sums = DifferenceSums.of_array(d)
        p_value = difference_test(sums, steps.counts, steps.kept).p_value
        found.append(1.0 if p_value is None else p_value)
    return np.array(found)
