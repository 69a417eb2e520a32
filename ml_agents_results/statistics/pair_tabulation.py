"""Tabulation of pairs: the samples that two variants share, and their grades, sums and bounds."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ml_agents_results.statistics.additive_sums import Counts, Sums
from ml_agents_results.statistics.choices import Missing, PairingRule
from ml_agents_results.statistics.run_columns import (
    NO_FINGERPRINT,
    NONE,
    Array,
    Cluster,
    Columns,
    Key,
    Measure,
    Runs,
)
from ml_agents_results.statistics.sample_table import (
    SampleTable,
    grouped_sums,
    labelled_counts,
    sample_table,
)
from ml_agents_results.statistics.sample_tabulation import share_bounds
from ml_agents_results.statistics.sorted_arrays import matched, occurrences

_ROUNDING = 1e-12


def pair_counts(
    runs: Runs, candidate: Key, baseline: Key, missing: Missing, rule: PairingRule, cluster: Cluster
) -> tuple[Counts, int]:
    """Samples graded on both sides by task, cluster and by how often they were graded and correct
    on each (candidate first); and how many have another fingerprint on the two sides."""
    counts: Counts = {}
    mismatched = 0
    for task, one, two in shared_samples(runs, (candidate, baseline), missing, rule, cluster, None):
        both = (one.graded > 0) & (two.graded > 0)
        rows: Any = slice(None) if both.all() else np.flatnonzero(both)
        one, two = one.take(rows), two.take(rows)
        grades = (one.graded, one.correct, two.graded, two.correct)
        for *labels, count in labelled_counts(runs, cluster, task, one, *grades):
            key = tuple(labels)
            counts[key] = counts.get(key, 0) + count
        known = np.maximum(one.fingerprint, two.fingerprint) != NO_FINGERPRINT
        mismatched += int(np.count_nonzero(known & (one.fingerprint != two.fingerprint)))
    return counts, mismatched


def paired_sums(
    runs: Runs,
    candidate: Key,
    baseline: Key,
    missing: Missing,
    rule: PairingRule,
    cluster: Cluster,
    measure: Measure,
) -> Sums:
    """By task and cluster, of the samples with the measure on both sides: how many there are, how
    many differ upwards and downwards, and the sums of x, y, x^2, y^2, xy, x - y, (x - y)^2 and
    |x - y|.

    x is the mean over the candidate's runs of the sample, y that over the baseline's; of times the
    natural logarithms of the means, where both are above 0.
    """
    rows: Sums = []
    for task, one, two in shared_samples(
        runs, (candidate, baseline), missing, rule, cluster, measure
    ):
        x, y = one.measure, two.measure
        if measure == "time_ms":
            x, y = (np.log(np.where(side > 0, side, np.nan)) for side in (x, y))
        known = ~np.isnan(x - y)
        x, y = x[known], y[known]
        d = difference(x, y)
        signs = (np.ones(len(d)), (d > 0) * 1.0, (d < 0) * 1.0)
        sums = (*signs, x, y, x * x, y * y, x * y, d, d * d, np.abs(d))
        grouped, tasks = (None if part is None else part[known] for part in (one.cluster, one.task))
        index = np.arange(len(d))
        rows += grouped_sums(runs, cluster, task, grouped, index, sums, whole=3, tasks=tasks)
    return rows


def difference(x: Array, y: Array) -> Array:
    """x - y, without what only rounding leaves of it."""
    d: Array = x - y
    d[np.abs(d) <= _ROUNDING * np.maximum(np.abs(x), np.abs(y))] = 0.0
    return d


def pair_bounds(runs: Runs, candidate: Key, baseline: Key, rule: PairingRule) -> Sums:
    """By task, of the samples asked on both sides: how many there are, and the sums of the
    differences if every run without a grade spoke against the candidate, and if it spoke for it."""
    rows: Sums = []
    graded, asked = (
        shared_samples(runs, (candidate, baseline), missing, rule, "task", None)
        for missing in ("exclude", "incorrect")
    )
    for (task, *of_graded), (_, *of_asked) in zip(graded, asked, strict=True):
        one, two = (share_bounds(*both) for both in zip(of_graded, of_asked, strict=True))
        low, high = one[0] - two[1], one[1] - two[0]
        rows.append((task, len(low), float(low.sum()), float(high.sum())))
    return rows


def shared_samples(
    runs: Runs,
    variants: tuple[Key, Key],
    missing: Missing,
    rule: PairingRule,
    cluster: Cluster,
    measure: Measure | None,
) -> Iterator[tuple[str, SampleTable, SampleTable]]:
    """The samples of two variants that are paired, row by row, with their task; by content, the
    samples of all tasks at once."""
    first, second = (runs.of(variant) for variant in variants)
    if rule == "content":
        one, two = (
            samples_by_content(runs, of_variant, missing, cluster, measure)
            for of_variant in (first, second)
        )
        yield "", *_clustered_alike(*_same_occurrence(one, two))
        return
    for task in sorted(first.keys() & second.keys()):
        one, two = (
            sample_table(of_variant[task], missing, rule, cluster, measure)
            for of_variant in (first, second)
        )
        i, j = matched(one.key, two.key)
        yield task, *_clustered_alike(one.take(i), two.take(j))


def _clustered_alike(one: SampleTable, two: SampleTable) -> tuple[SampleTable, SampleTable]:
    """Paired samples, each in the cluster of the first side, or else in that of the other."""
    if one.cluster is None or two.cluster is None:
        return one, two
    return replace(one, cluster=np.where(one.cluster == 0, two.cluster, one.cluster)), two


def samples_by_content(
    runs: Runs,
    of_variant: Mapping[str, Columns],
    missing: Missing,
    cluster: Cluster,
    measure: Measure | None,
) -> SampleTable:
    """The samples of all tasks in the order of fingerprints, then of tasks and indexes."""
    tables, clusters, tasks = [], [], []
    for task in sorted(of_variant):
        table = sample_table(of_variant[task], missing, "content", cluster, measure)
        number = runs.tasks.index(task) + 1
        tables.append(table)
        tasks.append(np.full(len(table.key), number))
        clusters.append(np.full(len(table.key), number) if table.cluster is None else table.cluster)
    if not tables:
        return SampleTable(NONE, NONE, NONE, NONE, NONE, NONE)
    whole = SampleTable(
        key=np.concatenate([table.fingerprint for table in tables]),
        fingerprint=np.concatenate([table.fingerprint for table in tables]),
        cluster=np.concatenate(clusters),
        graded=np.concatenate([table.graded for table in tables]),
        correct=np.concatenate([table.correct for table in tables]),
        measure=np.concatenate([table.measure for table in tables]),
        task=np.concatenate(tasks),
    )
    order = np.argsort(whole.key, kind="stable")
    return whole.take(order[whole.key[order] != NO_FINGERPRINT])


def _same_occurrence(one: SampleTable, two: SampleTable) -> tuple[SampleTable, SampleTable]:
    """The n-th sample of a content on the one side with the n-th on the other."""
    sides = []
    for own, other in ((one, two), (two, one)):
        occurrence = occurrences(own.key)
        times = np.searchsorted(other.key, own.key, "right") - np.searchsorted(other.key, own.key)
        sides.append(own.take(np.flatnonzero(occurrence < times)))
    return sides[0], sides[1]
