"""Tabulation of samples: how often each was answered and correctly, its bounds and identity."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from ml_agents_results.statistics.additive_sums import Counts, Sums
from ml_agents_results.statistics.choices import Missing
from ml_agents_results.statistics.run_columns import (
    NO_FINGERPRINT,
    OUTCOMES,
    Array,
    Cluster,
    Columns,
    Key,
    Runs,
)
from ml_agents_results.statistics.sample_table import SampleTable, labelled_counts, sample_table
from ml_agents_results.statistics.sorted_arrays import firsts, matched


def sample_counts(runs: Runs, missing: Missing, cluster: Cluster) -> Counts:
    """Samples by variant, task, cluster, how many of its runs count and how many of these are
    correct; those of which none counts are left out."""
    counts: Counts = {}
    for variant, of_variant in runs.columns.items():
        for task, columns in of_variant.items():
            table = sample_table(columns, missing, cluster=cluster)
            table = table.take(np.flatnonzero(table.graded > 0))
            rows = labelled_counts(runs, cluster, task, table, table.graded, table.correct)
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


def patterns(runs: Runs, variants: Sequence[Key], missing: Missing) -> Counts:
    """Samples by which of the variants answered them correctly: "101" are the first and the third.

    Only samples of which exactly one run of each variant counts.
    """
    counts: Counts = {}
    of_variants = [runs.of(variant) for variant in variants]
    for task in sorted(set.intersection(*map(set, of_variants))):
        tables = [sample_table(of_variant[task], missing) for of_variant in of_variants]
        tables = [table.take(np.flatnonzero(table.graded == 1)) for table in tables]
        shared = reduce(lambda one, two: one[matched(one, two)[0]], (t.key for t in tables))
        correct = [table.correct[matched(table.key, shared)[0]] for table in tables]
        digits = (np.stack(correct, axis=1) + ord("0")).astype(np.uint8)
        found = np.unique(digits.view(f"S{len(variants)}"), return_counts=True)
        for pattern, count in zip(*(column.tolist() for column in found), strict=True):
            name = pattern.decode()
            counts[name,] = counts.get((name,), 0) + count
    return counts


def sample_bounds(runs: Runs) -> Sums:
    """By variant and task: how many samples were asked, and the sums of their shares of right
    answers if every run without a grade were wrong, and if every one were right."""
    rows: Sums = []
    for variant, of_variant in runs.columns.items():
        for task, columns in of_variant.items():
            low, high = share_bounds(
                sample_table(columns, "exclude"), sample_table(columns, "incorrect")
            )
            rows.append(((variant, task), len(low), float(low.sum()), float(high.sum())))
    return rows


def share_bounds(graded: SampleTable, asked: SampleTable) -> tuple[Array, Array]:
    """Of each sample the share of right answers, without and with the runs that have no grade."""
    missing = asked.graded - graded.graded
    return graded.correct / asked.graded, (graded.correct + missing) / asked.graded


def first_ids(runs: Runs, variant: Key, number: int) -> list[str]:
    """The first ids of a variant's samples, after the name of their task where they have one."""
    names = runs.names["sample_id"]
    found: dict[str, None] = {}
    for task, columns in sorted(runs.of(variant).items()):
        for index in columns.sample_id[np.argsort(columns.sample_index, kind="stable")]:
            if len(found) < number and index >= 0:
                found[f"{task}/{names[index]}" if task else names[index]] = None
    return list(found)


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
        counts = np.diff(firsts(ordered), append=len(ordered))
        several += int(np.count_nonzero(counts > 1))
    return several


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
