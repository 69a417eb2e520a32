"""Tabulation: counts, sums and pairs of runs, from their columns.

Every analysis begins here. Runs come as columns by variant and task; what comes out is small, and
the results of parts of the runs add up to those of the whole (`add_counts`, `add_sums`). NumPy is
all it needs: Spark's workers run it as it stands.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Literal, TypeVar

import numpy as np

from ml_agents_results.statistics.choices import Missing
from ml_agents_results.statistics.run_columns import (
    FAILED,
    NO_FINGERPRINT,
    NONE,
    OUTCOMES,
    Array,
    Cluster,
    Columns,
    Key,
    Measure,
    Runs,
)

Result = TypeVar("Result")

PairingRule = Literal["sample_index", "sample_id", "content"]
"""What makes two samples the same one: their index in one data set, the data set's own id, or the
question with its expected answer and its occurrence."""

Counts = dict[tuple[Any, ...], int]
"""How often each combination of labels occurs."""

_ROUNDING = 1e-12

Sums = list[tuple[Any, ...]]
"""Rows of a label and numbers that add up; each row whose label is None is of one sample."""

# Adding up


def add_counts(parts: Iterable[Counts]) -> Counts:
    """The counts of all parts, in the order of their labels."""
    total: Counts = {}
    for part in parts:
        for labels, count in part.items():
            total[labels] = total.get(labels, 0) + count
    return dict(sorted(total.items(), key=lambda item: [_none_first(part) for part in item[0]]))


def _none_first(label: Any) -> tuple[Any, ...]:
    return (False,) if label is None else (True, label)


def add_sums(parts: Iterable[Sums]) -> Sums:
    """The sums of all parts by label, in the order of labels; samples without one stay alone."""
    total: dict[Any, tuple[Any, ...]] = {}
    alone: Sums = []
    for part in parts:
        for row in part:
            if row[0] is None:
                alone.append(row)
            elif (known := total.get(row[0])) is not None:
                added = (one + two for one, two in zip(known[1:], row[1:], strict=True))
                total[row[0]] = (row[0], *added)
            else:
                total[row[0]] = row
    return [*alone, *(total[label] for label in sorted(total))]


# One variant


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
    starts = _firsts(times)
    return times[starts], np.diff(starts, append=len(times))


def add_histograms(parts: Sequence[tuple[Array, Array]]) -> tuple[list[int], list[int]]:
    """Values and counts of all parts."""
    if not parts:
        return [], []
    values, inverse = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
    counts = np.zeros(len(values), np.int64)
    np.add.at(counts, inverse, np.concatenate([part[1] for part in parts]))
    return values.tolist(), counts.tolist()


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


# Samples


@dataclass(frozen=True, slots=True)
class SampleTable:
    """One row a sample of a variant.

    Attributes:
        key: What a sample is paired by.
        fingerprint: The smallest of its runs'.
        cluster: The number of its cluster, 0 where it has none; None where all are of one task.
        graded, correct: How many of its runs count, and how many are correct.
        measure: The mean of a measure over the runs that have it, else NaN; empty where none was
            asked for.
        task: The number of its task, from 1; None where all are of one task.
    """

    key: Array
    fingerprint: Array
    cluster: Array | None
    graded: Array
    correct: Array
    measure: Array
    task: Array | None = None

    def take(self, rows: Any) -> "SampleTable":
        if isinstance(rows, slice):
            return self
        return SampleTable(
            self.key[rows],
            self.fingerprint[rows] if len(self.fingerprint) else NONE,
            None if self.cluster is None else self.cluster[rows],
            self.graded[rows],
            self.correct[rows],
            self.measure[rows] if len(self.measure) else NONE,
            None if self.task is None else self.task[rows],
        )


def sample_table(
    columns: Columns,
    missing: Missing,
    rule: PairingRule = "sample_index",
    cluster: Cluster = "task",
    measure: Measure | None = None,
) -> SampleTable:
    """The samples of one variant in one task, in the order of their keys."""
    key = columns.sample_id if rule == "sample_id" else columns.sample_index
    rows: Any = slice(None)
    if rule == "sample_id" and np.any(key < 0):
        rows = np.flatnonzero(key >= 0)
    if np.any(key[rows][1:] < key[rows][:-1]):
        order = np.argsort(key[rows], kind="stable")
        rows = order if isinstance(rows, slice) else rows[order]
    key = key[rows]
    starts = _firsts(key)
    single = len(starts) == len(key)

    def reduced(operation: np.ufunc, values: Array) -> Array:
        ordered: Array = values[rows]
        return ordered if single or not len(starts) else operation.reduceat(ordered, starts)

    def total(values: Array) -> Array:
        return reduced(np.add, values * 1)

    mean = NONE
    if measure is not None:
        values = columns.measured(measure, missing)
        known = ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            mean = total(np.where(known, values, 0.0)) / total(known)
    return SampleTable(
        key=key[starts],
        fingerprint=reduced(np.minimum, columns.fingerprint) if len(columns.fingerprint) else NONE,
        cluster=None if cluster == "task" else reduced(np.maximum, columns.clusters(cluster)),
        graded=total(columns.counted(missing)),
        correct=total(columns.correct),
        measure=mean,
    )


def sample_counts(runs: Runs, missing: Missing, cluster: Cluster) -> Counts:
    """Samples by variant, task, cluster, how many of its runs count and how many of these are
    correct; those of which none counts are left out."""
    counts: Counts = {}
    for variant, of_variant in runs.columns.items():
        for task, columns in of_variant.items():
            table = sample_table(columns, missing, cluster=cluster)
            table = table.take(np.flatnonzero(table.graded > 0))
            rows = _tabulated(runs, cluster, task, table, table.graded, table.correct)
            for *labels, count in rows:
                key = (variant, *labels)
                counts[key] = counts.get(key, 0) + count
    return counts


def partial_repeats(runs: Runs) -> Counts:
    """By variant, how many samples have graded runs and runs without a grade."""
    counts: Counts = {}
    for variant, of_variant in runs.columns.items():
        for columns in of_variant.values():
            graded = sample_table(columns, "exclude").graded
            runs_of_sample = sample_table(columns, "incorrect").graded
            part = int(np.count_nonzero((graded > 0) & (graded < runs_of_sample)))
            if part:
                counts[variant,] = counts.get((variant,), 0) + part
    return counts


def repeated_outcomes(runs: Runs) -> Sums:
    """By variant and outcome, over the samples: how many there are, then the sums of k, k^2, c, c^2
    and ck; k are the runs of a sample and c those with the outcome."""
    rows: Sums = []
    for variant, of_variant in runs.columns.items():
        for columns in of_variant.values():
            _, sample = np.unique(columns.sample_index, return_inverse=True)
            k = np.bincount(sample)
            for number, outcome in enumerate(OUTCOMES):
                c = np.bincount(sample[columns.outcome == number], minlength=len(k))
                sums = (int(column.sum()) for column in (k, k * k, c, c * c, c * k))
                rows.append(((variant, outcome), len(k), *sums))
    return rows


def of_pooled(
    function: Callable[[Runs], Result], experiments: tuple[str, ...], runs: Runs
) -> Result:
    """What the function makes of the runs with those of these experiments joined."""
    return function(runs.pooled(experiments))


def several_contents(runs: Runs) -> int:
    """How many samples of a variant were asked different questions."""
    several = 0
    for of_variant in runs.columns.values():
        for columns in of_variant.values():
            known = columns.fingerprint != NO_FINGERPRINT
            both = np.stack([columns.sample_index[known], columns.fingerprint[known]])
            samples = np.unique(both, axis=1)[0]
            several += len(samples) - len(np.unique(samples))
    return several


HardRow = tuple[str, str, int, int, int]
"""Experiment, task, index, graded runs and correct ones of a sample."""


def hard_samples(runs: Runs, limit: int) -> list[HardRow]:
    """The samples with the smallest share of correct answers over all variants, hardest first.

    Those of several experiments are the same where task, content and its occurrence are; the
    first experiment names them.
    """
    tables: dict[str, dict[str, list[SampleTable]]] = {}
    for variant, of_variant in runs.columns.items():
        for task, columns in of_variant.items():
            of_task = tables.setdefault(task, {})
            of_task.setdefault(variant[0], []).append(sample_table(columns, "exclude"))
    hardest: list[HardRow] = []
    for task, experiments in tables.items():
        names = list(experiments)
        parts = [_of_experiment(samples) for samples in experiments.values()]
        experiment, index, graded, correct = _merged(parts)
        asked = graded > 0
        experiment, index, graded, correct = (
            column[asked] for column in (experiment, index, graded, correct)
        )
        order = np.lexsort((index, experiment, -graded, correct / graded))[:limit]
        columns_of = (c[order].tolist() for c in (experiment, index, graded, correct))
        hardest += [(names[e], task, *row) for e, *row in zip(*columns_of, strict=True)]
    return hardest_first(hardest, limit)


def _of_experiment(samples: Sequence[SampleTable]) -> tuple[Array, Array, Array, Array]:
    """Of every sample of an experiment the index, the fingerprint, the graded and the correct
    runs."""
    index = reduce(_united, (table.key for table in samples))
    graded, correct = np.zeros((2, len(index)), int)
    fingerprint = np.full(len(index), NO_FINGERPRINT, np.uint64)
    for table in samples:
        rows = _matched(index, table.key)[0]
        graded[rows] += table.graded
        correct[rows] += table.correct
        if len(table.fingerprint):
            fingerprint[rows] = np.minimum(fingerprint[rows], table.fingerprint)
    return index, fingerprint, graded, correct


def _merged(
    parts: Sequence[tuple[Array, Array, Array, Array]],
) -> tuple[Array, Array, Array, Array]:
    """The samples of all experiments: the number of the first that has it, its index there, and the
    graded and correct runs in all."""
    experiment = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    index, fingerprint, graded, correct = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    if len(parts) == 1:
        return experiment, index, graded, correct
    occurrence = np.concatenate([_occurrences(part[1]) for part in parts])
    # Where the content is unknown, a sample is of its experiment alone.
    own = np.where(fingerprint == NO_FINGERPRINT, experiment + 1, 0)
    key = (own, occurrence, fingerprint)
    order = np.lexsort((experiment, *key))
    new = np.ones(len(order), bool)
    new[1:] = np.any([np.diff(part[order]) != 0 for part in key], axis=0)
    firsts = np.flatnonzero(new)
    rows = order[firsts]
    graded, correct = (np.add.reduceat(column[order], firsts) for column in (graded, correct))
    return experiment[rows], index[rows], graded, correct


def _occurrences(values: Array) -> Array:
    """How often each value occurred before."""
    order = np.argsort(values, kind="stable")
    starts = _firsts(values[order])
    occurrences = np.empty(len(values), int)
    lengths = np.diff(starts, append=len(values))
    occurrences[order] = np.arange(len(values)) - np.repeat(starts, lengths)
    return occurrences


def hardest_first(samples: Iterable[HardRow], limit: int) -> list[HardRow]:
    """The first rows of `hard_samples`, of several parts."""
    return sorted(samples, key=lambda row: (row[4] / row[3], -row[3], *row[:3]))[:limit]


def sample_bounds(runs: Runs) -> Sums:
    """By variant and task: how many samples were asked, and the sums of their shares of right
    answers if every run without a grade were wrong, and if every one were right."""
    rows: Sums = []
    for variant, of_variant in runs.columns.items():
        for task, columns in of_variant.items():
            low, high = _share_bounds(
                sample_table(columns, "exclude"), sample_table(columns, "incorrect")
            )
            rows.append(((variant, task), len(low), float(low.sum()), float(high.sum())))
    return rows


def pair_bounds(runs: Runs, candidate: Key, baseline: Key, rule: PairingRule) -> Sums:
    """By task, of the samples asked on both sides: how many there are, and the sums of the
    differences if every run without a grade spoke against the candidate, and if it spoke for it."""
    rows: Sums = []
    graded, asked = (
        shared_samples(runs, (candidate, baseline), missing, rule, "task", None)
        for missing in ("exclude", "incorrect")
    )
    for (task, *of_graded), (_, *of_asked) in zip(graded, asked, strict=True):
        one, two = (_share_bounds(*both) for both in zip(of_graded, of_asked, strict=True))
        low, high = one[0] - two[1], one[1] - two[0]
        rows.append((task, len(low), float(low.sum()), float(high.sum())))
    return rows


def _share_bounds(graded: SampleTable, asked: SampleTable) -> tuple[Array, Array]:
    """Of each sample the share of right answers, without and with the runs that have no grade."""
    missing = asked.graded - graded.graded
    return graded.correct / asked.graded, (graded.correct + missing) / asked.graded


def sample_identity(runs: Runs, variants: Sequence[Key]) -> tuple[bool, bool]:
    """Whether each id of a sample belongs to one sample of its task in every variant, and whether
    all variants have the same id at the same index."""
    unique = agree = True
    for task in runs.tasks:
        rows = []
        for variant in variants:
            columns = runs.of(variant).get(task)
            if columns is None or not len(columns.outcome):
                continue
            own = np.unique(np.stack([columns.sample_id, columns.sample_index]), axis=1)
            unique &= len(np.unique(own[0])) == own.shape[1]
            rows.append(own)
        if rows:
            both = np.unique(np.concatenate(rows, axis=1), axis=1)
            agree &= all(len(np.unique(column)) == both.shape[1] for column in both)
    return bool(unique), bool(agree)


def duplicate_contents(runs: Runs) -> int:
    """How many questions with their expected answer several samples of an experiment have."""
    contents: dict[tuple[str, str], list[Columns]] = {}
    for variant, of_variant in runs.columns.items():
        for task, columns in of_variant.items():
            contents.setdefault((variant[0], task), []).append(columns)
    experiments: dict[str, list[Array]] = {}
    for (experiment, _), of_variants in contents.items():
        # Variants that were asked the same share one list.
        parts = {id(columns.fingerprint): columns for columns in of_variants}.values()
        fingerprint = np.concatenate([columns.fingerprint for columns in parts])
        index = np.concatenate([columns.sample_index for columns in parts])
        if np.any(index[1:] <= index[:-1]):
            order = np.lexsort((fingerprint, index))
            fingerprint, index = fingerprint[order], index[order]
            new = (fingerprint[1:] != fingerprint[:-1]) | (index[1:] != index[:-1])
            fingerprint = fingerprint[np.concatenate([[True], new])]
        known = fingerprint[fingerprint != NO_FINGERPRINT]
        experiments.setdefault(experiment, []).append(known)
    several = 0
    for prints in experiments.values():
        ordered = np.sort(np.concatenate(prints))
        counts = np.diff(_firsts(ordered), append=len(ordered))
        several += int(np.count_nonzero(counts > 1))
    return several


def patterns(runs: Runs, variants: Sequence[Key], missing: Missing) -> Counts:
    """Samples by which of the variants answered them correctly: "101" are the first and the third.

    Only samples of which exactly one run of each variant counts.
    """
    counts: Counts = {}
    of_variants = [runs.of(variant) for variant in variants]
    for task in sorted(set.intersection(*map(set, of_variants))):
        tables = [sample_table(of_variant[task], missing) for of_variant in of_variants]
        tables = [table.take(np.flatnonzero(table.graded == 1)) for table in tables]
        shared = reduce(lambda one, two: one[_matched(one, two)[0]], (t.key for t in tables))
        correct = [table.correct[_matched(table.key, shared)[0]] for table in tables]
        digits = (np.stack(correct, axis=1) + ord("0")).astype(np.uint8)
        found = np.unique(digits.view(f"S{len(variants)}"), return_counts=True)
        for pattern, count in zip(*(column.tolist() for column in found), strict=True):
            name = pattern.decode()
            counts[name,] = counts.get((name,), 0) + count
    return counts


# Pairs


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
        for *labels, count in _tabulated(runs, cluster, task, one, *grades):
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
        i, j = _matched(one.key, two.key)
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
        occurrence = _occurrences(own.key)
        times = np.searchsorted(other.key, own.key, "right") - np.searchsorted(other.key, own.key)
        sides.append(own.take(np.flatnonzero(occurrence < times)))
    return sides[0], sides[1]


# Arrays


def tabulated(*numbers: Array) -> list[tuple[int, ...]]:
    """The distinct combinations of small whole numbers, ascending, and how often each occurs."""
    if not len(numbers[0]):
        return []
    sizes = [int(column.max()) + 1 for column in numbers]
    codes = np.ravel_multi_index(tuple(numbers), sizes)
    if np.prod(sizes, dtype=float) <= 4 * len(codes) + 64:
        every = np.bincount(codes)
        codes = np.flatnonzero(every)
        counts = every[codes]
    else:
        codes, counts = np.unique(codes, return_counts=True)
    columns = np.unravel_index(codes, sizes)
    return list(zip(*(column.tolist() for column in (*columns, counts)), strict=True))


def _tabulated(
    runs: Runs, cluster: Cluster, task: str, table: SampleTable, *numbers: Array
) -> Iterator[tuple[Any, ...]]:
    """As `tabulated`, with the task and the name of the cluster before each row."""
    if table.cluster is None:
        yield from ((task, task, *row) for row in tabulated(*numbers))
        return
    values, codes = np.unique(table.cluster, return_inverse=True)
    names = [runs.label(cluster, number) for number in values.tolist()]
    if table.task is None:
        for code, *row in tabulated(codes, *numbers):
            yield task, names[code], *row
        return
    for number, code, *row in tabulated(table.task, codes, *numbers):
        yield runs.tasks[number - 1], names[code], *row


def grouped_sums(
    runs: Runs,
    cluster: Cluster,
    task: str,
    grouped: Array | None,
    sample: Array,
    numbers: Sequence[Array],
    whole: int,
    tasks: Array | None = None,
) -> Sums:
    """The sums of the numbers by task and cluster, the first `whole` of them as whole numbers;
    samples without a cluster one by one."""
    if not len(numbers[0]):
        return []
    if grouped is None:
        return [((task, task), *_typed([float(column.sum()) for column in numbers], whole))]
    alone = grouped == 0
    values, codes = np.unique(grouped[~alone], return_inverse=True)
    named = [(task, runs.label(cluster, number)) for number in values.tolist()]
    if tasks is not None:
        pairs, codes = np.unique(
            np.stack([tasks[~alone], codes.ravel()]), axis=1, return_inverse=True
        )
        named = [
            (runs.tasks[number - 1], named[code][1])
            for number, code in zip(*pairs.tolist(), strict=True)
        ]
    _, samples = np.unique(sample[alone], return_inverse=True)
    rows: Sums = []
    for labels, part, index in (
        ([None] * (int(samples.max(initial=-1)) + 1), alone, samples),
        (named, ~alone, codes.ravel()),
    ):
        sums = [np.bincount(index, column[part]).tolist() for column in numbers]
        rows += [
            (label, *_typed(row, whole))
            for label, row in zip(labels, zip(*sums, strict=True), strict=True)
        ]
    return rows


def _typed(row: Sequence[float], whole: int) -> tuple[float, ...]:
    return (*map(int, row[:whole]), *row[whole:])


def _firsts(ordered: Array) -> Array:
    """The index of the first of each distinct value of an ascending list."""
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return np.flatnonzero(new)


def _matched(one: Array, two: Array) -> tuple[Any, Any]:
    """The indexes, in two ascending lists of distinct values, of those in both."""
    if np.array_equal(one, two):
        return slice(None), slice(None)
    _, i, j = np.intersect1d(one, two, assume_unique=True, return_indices=True)
    return i, j


def _united(one: Array, two: Array) -> Array:
    """The values of two ascending lists."""
    return one if np.array_equal(one, two) else np.union1d(one, two)
