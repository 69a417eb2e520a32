"""Tabulation: the results of parts add up to those of the whole, however the runs are split."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from ml_agents_results.database.digests import input_fingerprint
from ml_agents_results.records import RunRecord
from ml_agents_results.statistics.additive_sums import add_counts, add_histograms, add_sums
from ml_agents_results.statistics.hard_samples import hard_samples, hardest_first
from ml_agents_results.statistics.pair_tabulation import pair_counts, paired_sums
from ml_agents_results.statistics.run_columns import NO_FINGERPRINT, OUTCOMES, Runs, assembled
from ml_agents_results.statistics.run_tabulation import (
    confidence_counts,
    method_counts,
    run_sums,
    time_histogram,
    variant_counts,
)
from ml_agents_results.statistics.sample_tabulation import (
    duplicate_contents,
    partial_repeats,
    patterns,
    sample_counts,
)
from tests.repositories.recount import generate, outcome

ONE, TWO = ("a", "ChainOfThought", "p", "m"), ("b", "own", "p", "m")
SAME = (("a", "None", "p", "m"), ("a", "ChainOfThought", "p", "m"))


def fingerprint(run: RunRecord) -> int:
    known = input_fingerprint(run.input_text, run.expected_answer)
    return NO_FINGERPRINT if known is None else int(known, 16)


def columns_of(runs: Sequence[RunRecord]) -> Runs:
    """What a store reads of these runs, in no order."""
    groups: dict[Any, list[RunRecord]] = defaultdict(list)
    for run in runs:
        groups[tuple(run.variant), run.task].append(run)

    def numbers(rows: Sequence[RunRecord], name: str) -> Any:
        return np.array([getattr(run, name) for run in rows], float)

    def fields(rows: Sequence[RunRecord]) -> dict[str, Any]:
        times = [-1 if run.execution_time_ms is None else run.execution_time_ms for run in rows]
        return {
            "outcome": np.array([OUTCOMES.index(outcome(run)) for run in rows], np.uint8),
            "time_ms": np.array(times),
            "cost": numbers(rows, "cost_estimate"),
            "value": numbers(rows, "score"),
            "confidence": numbers(rows, "parsing_confidence"),
            "method": [run.parsing_method for run in rows],
            "sample_index": np.array([run.sample_index for run in rows]),
            "sample_id": [run.sample_id for run in rows],
            "fingerprint": np.array([fingerprint(run) for run in rows], np.uint64),
        }

    return assembled(
        (variant, task, fields(rows), {"repeated": sum(run.repeat_index > 0 for run in rows)})
        for (variant, task), rows in groups.items()
    )


def split(runs: Sequence[RunRecord], by: str) -> list[Runs]:
    """The runs in five parts, those with the same key together."""
    contents: dict[Any, int] = {}
    for run in runs:
        key = (run.variant, run.task, run.sample_index)
        contents[key] = min(contents.get(key, NO_FINGERPRINT), fingerprint(run))
    keys: dict[str, Callable[[int, RunRecord], Any]] = {
        "run": lambda place, _: place,
        "sample_index": lambda _, run: (run.task, run.sample_index),
        "sample_id": lambda _, run: (run.task, run.sample_id),
        "content": lambda _, run: contents[run.variant, run.task, run.sample_index],
        "fingerprint": lambda _, run: fingerprint(run),
    }
    parts: list[list[RunRecord]] = [[] for _ in range(5)]
    for place, run in enumerate(runs):
        parts[crc32(repr(keys[by](place, run)).encode()) % 5].append(run)
    assert sum(map(bool, parts)) > 2
    return [columns_of(part) for part in parts]


def near(found: Any, expected: Any) -> None:
    """Equal, but for the rounding of sums; rows of samples that stand alone in any order."""
    if isinstance(expected, dict):
        assert found == expected
        return
    assert len(found) == len(expected)
    for one, other in zip(in_order(found), in_order(expected), strict=True):
        assert one[0] == other[0]
        assert one[1:] == pytest.approx(other[1:], rel=1e-12, abs=1e-12)


def in_order(rows: Iterable[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: (row[0] is not None, row[0] or (), row[1:]))


COUNTS: list[tuple[str, Any]] = [
    ("run", method_counts),
    ("run", confidence_counts),
    ("sample_index", partial_repeats),
    *(
        ("sample_index", partial(sample_counts, missing=missing, cluster=cluster))
        for missing in ("exclude", "incorrect")
        for cluster in ("task", "sample_id", "input_fingerprint")
    ),
    ("sample_index", partial(patterns, variants=SAME, missing="exclude")),
]
SUMS: list[tuple[str, Any]] = [
    ("run", variant_counts),
    *(
        (
            "sample_index",
            partial(run_sums, variant=TWO, missing="exclude", cluster=cluster, measure="cost"),
        )
        for cluster in ("task", "sample", "sample_id", "input_fingerprint")
    ),
    *(
        (
            rule,
            partial(
                paired_sums,
                candidate=ONE,
                baseline=TWO,
                missing="exclude",
                rule=rule,
                cluster=cluster,
                measure=measure,
            ),
        )
        for rule in ("sample_index", "sample_id", "content")
        for cluster in ("task", "sample_id", "input_fingerprint")
        for measure in ("time_ms", "cost", "value")
    ),
]


@pytest.mark.parametrize(("by", "function"), COUNTS)
def test_counts_of_parts_add_up(by: str, function: Any) -> None:
    runs = generate(1)
    whole = add_counts([function(columns_of(runs))])
    assert whole
    assert add_counts(map(function, split(runs, by))) == whole


@pytest.mark.parametrize(("by", "function"), SUMS)
def test_sums_of_parts_add_up(by: str, function: Any) -> None:
    runs = generate(1)
    whole = add_sums([function(columns_of(runs))])
    assert whole
    near(add_sums(map(function, split(runs, by))), whole)


@pytest.mark.parametrize("rule", ["sample_index", "sample_id", "content"])
@pytest.mark.parametrize("cluster", ["task", "sample_id", "input_fingerprint"])
def test_pairs_of_parts_add_up(rule: Any, cluster: Any) -> None:
    runs = generate(1)
    count = partial(
        pair_counts,
        candidate=ONE,
        baseline=TWO,
        missing="exclude",
        rule=rule,
        cluster=cluster,
    )
    counts, mismatched = count(columns_of(runs))
    parts = [count(part) for part in split(runs, rule)]
    assert add_counts(part[0] for part in parts) == add_counts([counts])
    assert sum(part[1] for part in parts) == mismatched


def test_times_hard_samples_and_duplicates_of_parts_add_up() -> None:
    runs = generate(1)
    whole = columns_of(runs)
    times = partial(time_histogram, variant=TWO)
    assert add_histograms(list(map(times, split(runs, "run")))) == add_histograms([times(whole)])
    hard = partial(hard_samples, limit=7)
    of_one = [run for run in runs if run.experiment_id == "a"]
    rows = [row for part in split(of_one, "sample_index") for row in hard(part)]
    assert hardest_first(rows, 7) == hard(columns_of(of_one))
    duplicates = map(duplicate_contents, split(runs, "fingerprint"))
    assert sum(duplicates) == duplicate_contents(whole) > 5


def test_the_order_in_which_runs_are_read_does_not_matter() -> None:
    runs = generate(3)
    for function in (function for _, function in COUNTS):
        assert add_counts([function(columns_of(runs))]) == add_counts(
            [function(columns_of(runs[::-1]))]
        )
    for function in (function for _, function in SUMS):
        backwards = add_sums([function(columns_of(runs[::-1]))])
        near(backwards, add_sums([function(columns_of(runs))]))


def test_no_runs_give_nothing() -> None:
    nothing = columns_of([])
    for _, function in (*COUNTS, *SUMS):
        assert not function(nothing)
    assert add_histograms([]) == ([], [])
    assert hard_samples(nothing, 5) == []
    assert duplicate_contents(nothing) == 0
