"""Tabulation of runs: counts, costs, times and parsing methods of each variant."""

import numpy as np

from ml_agents_results.statistics.additive_sums import Counts, Sums
from ml_agents_results.statistics.choices import Missing
from ml_agents_results.statistics.run_columns import (
    FAILED,
    NONE,
    OUTCOMES,
    Array,
    Cluster,
    Columns,
    Key,
    Measure,
    Runs,
)
from ml_agents_results.statistics.sample_table import grouped_sums, tabulated
from ml_agents_results.statistics.sorted_arrays import firsts


def variant_counts(runs: Runs) -> Sums:
    """By (variant, task): runs, runs of each outcome, timed runs and their time in ms, then the
    fields of Totals."""
    rows: Sums = []
    for variant, of_variant in runs.columns.items():
        for task, columns in of_variant.items():
            times = columns.time_ms[_timed(columns)]
            t = columns.totals
            rows.append(
                (
                    (variant, task),
                    len(columns.outcome),
                    *np.bincount(columns.outcome, minlength=len(OUTCOMES)).tolist(),
                    len(times),
                    int(times.sum()),
                    *(t.repeated, t.priced, t.priced_correct, t.total_cost, t.graded_cost),
                    *(t.rated, t.total_confidence),
                )
            )
    return rows


def time_histogram(runs: Runs, variant: Key) -> tuple[Array, Array]:
    """The distinct times of the variant's runs that did not fail, in ms, ascending, and how often
    each occurs."""
    timed = (columns.time_ms[_timed(columns)] for columns in runs.of(variant).values())
    times = np.concatenate([np.array([], np.int32), *timed])
    times.sort()
    starts = firsts(times)
    return times[starts], np.diff(starts, append=len(times))


def _timed(columns: Columns) -> Array:
    timed: Array = (columns.outcome != FAILED) & (columns.time_ms >= 0)
    return timed


def run_sums(
    runs: Runs, variant: Key, missing: Missing, cluster: Cluster, measure: Measure
) -> Sums:
    """By task and cluster, of the runs that count and have the measure: how many there are, how
    many are correct, the sum, the sum of squares, and the sum over the correct ones."""
    rows: Sums = []
    for task, columns in runs.of(variant).items():
        values = columns.measured(measure, missing)
        known = ~np.isnan(values)
        x, right = values[known], columns.correct[known]
        sums = (np.ones(len(x)), right * 1.0, x, x * x, np.where(right, x, 0.0))
        if cluster == "task":
            grouped = None
        elif cluster == "sample":
            grouped = np.zeros(len(x), np.int64)
        else:
            grouped = columns.clusters(cluster)[known]
        index = columns.sample_index[known] if grouped is not None else NONE
        rows += grouped_sums(runs, cluster, task, grouped, index, sums, whole=2)
    return rows


def method_counts(runs: Runs) -> Counts:
    """Runs by variant, parsing method (None where unknown) and outcome."""
    names = (*runs.names.get("method", ()), None)
    counts: Counts = {}
    for variant, of_variant in runs.columns.items():
        for columns in of_variant.values():
            for method, outcome, count in tabulated(columns.method + 1, columns.outcome):
                labels = (variant, names[method - 1], OUTCOMES[outcome])
                counts[labels] = counts.get(labels, 0) + count
    return counts


def confidence_counts(runs: Runs) -> Counts:
    """Runs by variant, parsing method, parsing confidence (each None where unknown), outcome."""
    names = (*runs.names.get("method", ()), None)
    counts: Counts = {}
    for variant, of_variant in runs.columns.items():
        for columns in of_variant.values():
            values, codes = np.unique(columns.confidence, return_inverse=True)
            levels = [None if level != level else level for level in values.tolist()]
            rows = tabulated(columns.method + 1, codes, columns.outcome)
            for method, level, outcome, count in rows:
                labels = (variant, names[method - 1], levels[level], OUTCOMES[outcome])
                counts[labels] = counts.get(labels, 0) + count
    return counts
