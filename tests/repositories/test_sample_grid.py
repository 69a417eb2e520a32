"""Grid of samples: pages in both directions and patterns, counted again in Python."""

from collections import defaultdict
from typing import Any

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord, Variant
from ml_agents_results.repositories.sample_grid import (
    GridFilters,
    GridRow,
    SampleGridRepository,
    SampleKey,
)
from tests.generated import make_runs

BASE = Variant("exp", "None", "generated", "m")
COT = BASE._replace(approach_name="ChainOfThought")


def walked(
    grid: SampleGridRepository, filters: GridFilters, *, backwards: bool = False, limit: int = 4
) -> list[GridRow]:
    rows: list[GridRow] = []
    after: SampleKey | None = None
    while True:
        page = grid.page(filters, after, backwards=backwards, limit=limit)
        rows = [*page.rows, *rows] if backwards else [*rows, *page.rows]
        if not page.more:
            return rows
        after = page.rows[0 if backwards else -1].key


def test_samples_are_classified_as_a_recount_does(database: Database) -> None:
    runs = make_runs(samples=14)
    # Odd names sort as databases store them; one variant lacks a sample.
    for run in runs:
        run.task = {"sums": "\ud800 sums", "words": ""}.get(run.task, run.task)
    runs = [r for r in runs if (r.approach_name, r.sample_index) != ("ChainOfThought", 3)]
    runs += [RunRecord("exp", "None", 5, "generated", "m", repeat_index=1, is_correct=False)]
    with ResultsProcessor(database) as processor:
        processor.save_experiment("exp", {})
        processor.save_runs(runs)
    answers: dict[Any, dict[str, list[bool | None]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        answers[run.task, run.sample_index][run.approach_name].append(run.is_correct)

    def recounted(sample: dict[str, list[bool | None]]) -> set[str]:
        means = []
        for approach in ("None", "ChainOfThought"):
            graded = [one for one in sample.get(approach, []) if one is not None]
            means.append(sum(graded) / len(graded) if graded else None)
        every = [one for runs in sample.values() for one in runs]
        base, cot = means
        found = {"no-value"} if None in means else set()
        if not any(every):
            found.add("none-right")
        else:
            found.add("all-right" if all(every) and None not in means else "differ")
        if base is not None and cot is not None and base != cot:
            found.add("improved" if cot > base else "regressed")
        return found

    with database.read() as connection:
        grid = SampleGridRepository(connection, ("exp",))
        every = walked(grid, GridFilters((BASE, COT)))
        assert {row.key for row in every} == set(answers)
        assert len(every) == len(answers)
        assert walked(grid, GridFilters((BASE, COT)), backwards=True) == every
        counts = grid.patterns(GridFilters((BASE, COT)), seconds=60)
        assert counts is not None
        for pattern in ("all-right", "none-right", "differ", "improved", "regressed", "no-value"):
            filters = GridFilters((BASE, COT), pattern=pattern)
            expected = [row.key for row in every if pattern in recounted(answers[row.key])]
            assert [row.key for row in walked(grid, filters)] == expected
            assert [row.key for row in walked(grid, filters, backwards=True)] == expected
            assert counts.get(pattern, 0) == len(expected)
        one = walked(grid, GridFilters((COT, BASE), ("",)))
        assert [row.key for row in one] == [row.key for row in every if row.key[0] == ""]


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_numbers_improve_in_the_direction_of_their_metric(
    database: Database, higher_is_better: bool
) -> None:
    metric = MetricRecord("loss", "numeric", is_primary=True, higher_is_better=higher_is_better)
    with ResultsProcessor(database) as processor:
        people = MetricRecord("human", "binary", 0, 1)
        processor.save_experiment("exp", {}, metrics=[metric, people])
        for variant, score in ((BASE, 1.0), (COT, 2.0)):
            said = [(score > 1, "ada"), (True, "bob")]
            scores = [ScoreRecord(float(v), metric="human", author=who) for v, who in said]
            run = RunRecord("exp", variant[1], 0, *variant[2:], score=score, scores=scores)
            processor.save_run(run)
    with database.read() as connection:
        grid = SampleGridRepository(connection, ("exp",))
        counts = grid.patterns(GridFilters((BASE, COT)), seconds=60)
        other = SampleGridRepository(connection, ("exp",), "human")
        assert other.patterns(GridFilters((BASE, COT)), seconds=60) == {"differ": 1, "no-value": 1}
    assert counts == {"differ": 1, "improved" if higher_is_better else "regressed": 1}
