"""Families: of tasks that are variants of one another, and of intervals that hold at once."""

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.statistics.cluster_robust import clustered_mean
from ml_agents_results.statistics.paired_table import PairedTable
from tests.services.building import coin, near, only_pair, runs, save
from tests.statistics.paired_tables import interval_of

TASKS = ("puzzle_3", "puzzle_5", "dates", "sorting")
FAMILIES = {"puzzle_3": "puzzle", "puzzle_5": "puzzle"}


@pytest.fixture
def tasks(store: ResultsProcessor) -> ResultsProcessor:
    return save(
        store,
        *(
            runs("exp", variant, coin(place, 20 + 5 * place, chance), task=task)
            for variant, chance in (("CoT1", 0.8), ("None", 0.5))
            for place, task in enumerate(TASKS)
        ),
    )


def test_variants_of_a_task_are_one_cluster(tasks: ResultsProcessor) -> None:
    comparison = tasks.compare(["exp"], by_task=True, options=AnalysisOptions(families=FAMILIES))
    (pair,) = comparison.comparisons
    own = {task.task: task.comparisons[0] for task in comparison.tasks}
    sums = [(own[task].samples, (own[task].difference or 0) * own[task].samples) for task in TASKS]
    (n3, d3), (n5, d5), dates, sorting = sums
    expected = clustered_mean(*zip((n3 + n5, d3 + d5), dates, sorting, strict=True))
    assert pair.method == "clustered by task family (CR2)"
    assert (pair.n_clusters, pair.se) == (3, near(expected.se))
    assert pair.dof == near(expected.dof)
    random = comparison.macro[0]
    families = [(d3 / n3 + d5 / n5) / 2, dates[1] / dates[0], sorting[1] / sorting[0]]
    assert random.difference.estimate == near(sum(families) / 3)
    assert random.difference.n_clusters == 3
    for variant in comparison.variants:
        assert variant.n_clusters == 3
    assert [task.task for task in comparison.tasks] == sorted(TASKS)


def test_intervals_that_hold_at_once(store: ResultsProcessor) -> None:
    save(store, *(runs("exp", name, coin(seed, 60, 0.6)) for seed, name in enumerate("ABCD")))
    alone = store.compare(["exp"], options=AnalysisOptions()).comparisons
    together = store.compare(["exp"], options=AnalysisOptions(simultaneous=True)).comparisons
    for one, wide in zip(alone, together, strict=True):
        table = PairedTable(
            *(
                getattr(one, name) or 0
                for name in (
                    "both_correct",
                    "improved",
                    "regressed",
                    "neither_correct",
                )
            )
        )
        expected = interval_of(table, "bonett-price", 1 - 0.05 / 3)
        assert [wide.ci_low, wide.ci_high] == near([expected.low, expected.high])
        assert (wide.interval_level, wide.confidence_level) == (near(1 - 0.05 / 3), 0.95)
        assert (wide.p_value, wide.p_value_adjusted) == (one.p_value, one.p_value_adjusted)


def test_one_comparison_has_nothing_to_hold_with(store: ResultsProcessor) -> None:
    save(store, *(runs("exp", name, coin(seed, 60, 0.6)) for seed, name in enumerate("AB")))
    assert only_pair(store, simultaneous=True) == only_pair(store)


def test_averages_are_over_what_both_variants_have(store: ResultsProcessor) -> None:
    save(
        store,
        *(
            runs("exp", variant, [1] * right + [0] * (40 - right), task=task)
            for variant, tasks in (
                ("None", {"t1": 22, "t2": 22}),
                ("CoT1", {"t1": 18, "t2": 17, "t3": 38, "t4": 39}),
            )
            for task, right in tasks.items()
        ),
    )
    comparison = store.compare(["exp"], by_task=True)
    for row in (*comparison.micro, *comparison.macro):
        assert row.tasks == 2
        assert row.baseline_mean.estimate == near(0.55)
        assert row.candidate_mean.estimate == near(0.4375)
        assert row.difference.estimate == near(-0.1125)


def test_a_task_at_its_ceiling_leaves_the_average_an_interval(store: ResultsProcessor) -> None:
    save(
        store,
        *(
            runs("exp", variant, coin(place, 30, chance), task=f"t{place}")
            for variant, chance in (("CoT1", 0.8), ("None", 0.5))
            for place in range(4)
        ),
        *(runs("exp", variant, [1] * 30, task="full") for variant in ("CoT1", "None")),
    )
    comparison = store.compare(["exp"], by_task=True)
    fixed = next(row for row in comparison.macro if row.estimand == "macro-fixed")
    these = next(row for row in comparison.micro if row.estimand == "micro-stratified")
    for row in (fixed, these):
        assert row.difference.null_reason is None
        assert row.difference.ci_low is not None
        assert row.candidate_mean.ci_high is not None
    within = [task.comparisons[0] for task in comparison.tasks]
    assert fixed.difference.se == near(sum((row.se or 0) ** 2 for row in within) ** 0.5 / 5)
    assert these.difference.se == near(fixed.difference.se)


def test_rows_of_an_estimand_are_a_family(processor: ResultsProcessor) -> None:
    save(
        processor,
        *(
            runs("exp", name, coin(seed + place, 30, 0.6), task=f"t{place}")
            for seed, name in enumerate("ABCD")
            for place in range(4)
        ),
    )
    options = AnalysisOptions(simultaneous=True)
    comparison = processor.compare(["exp"], by_task=True, options=options)
    level = 1 - 0.05 / 3
    for row in (*comparison.micro, *comparison.macro):
        assert row.difference.level == near(level)
        assert row.difference.family_size == 3
        assert row.difference.p_adjusted is not None
        assert row.difference.p_adjusted >= (row.difference.p_value or 0)
