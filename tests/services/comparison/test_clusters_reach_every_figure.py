"""What errors are clustered by reaches every figure, or the option is refused."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.summary import SummaryService
from tests.services.building import clear, coin, near, only_pair, runs, save

VARIANTS = (("CoT1", 0.7), ("None", 0.5))


def passages(tasks: tuple[str, ...] = ("t1", "t2")) -> list[list[RunRecord]]:
    """Four questions on each of ten passages in every task; passages have the same names."""
    parts = []
    for name, chance in VARIANTS:
        for seed, task in enumerate(tasks):
            part = runs("exp", name, coin(seed, 40, chance), task=task)
            for run in part:
                run.sample_id = f"passage {run.sample_index // 4}"
            parts.append(part)
    return parts


def test_rows_of_tasks_are_clustered_within_the_task(store: ResultsProcessor) -> None:
    save(store, *passages())
    options = AnalysisOptions(cluster="sample_id")
    comparison = store.compare(["exp"], by_task=True, options=options)
    whole, within = comparison.comparisons[0], comparison.tasks[0]
    row = within.comparisons[0]
    assert row.method == whole.method == "clustered by sample_id (CR2)"
    assert (row.n_clusters, row.largest_cluster) == (10, near(0.1))
    # The same name in another task is another passage.
    assert whole.n_clusters == 20
    assert all(variant.n_clusters == 10 for variant in within.variants)
    with store.engine.connect() as connection:
        report = SummaryService(connection, options=options).report(by_task=True)
        assert report.tasks[-1][1][0].method == "clustered by sample_id (CR2)"


def of_metadata(values: Mapping[str, Callable[[int], Any]]) -> list[list[RunRecord]]:
    """The same questions, each with members of metadata made of its index; only the candidate's
    runs have them."""
    parts = passages()
    for part in parts:
        for run in part:
            run.sample_id = None
            if run.approach_name != "None":
                run.metadata_json = {name: of(run.sample_index) for name, of in values.items()}
    return parts


def test_a_column_of_ones_own(store: ResultsProcessor) -> None:
    save(store, *passages())
    options = AnalysisOptions(cluster="sample_id")
    expected = store.compare(["exp"], by_task=True, options=options).to_dict()
    clear(store)
    # Where only one side of a pair says it, that is the cluster of both.
    save(store, *of_metadata({"my passage": lambda i: f"ä{i // 4}", "log": lambda i: "\0"}))
    options = AnalysisOptions(cluster="metadata:my passage", null_cluster="singleton")
    comparison = store.compare(["exp"], by_task=True, options=options).to_dict()
    for found, wanted in (
        (comparison["comparisons"][0], expected["comparisons"][0]),
        (comparison["tasks"][1]["comparisons"][0], expected["tasks"][1]["comparisons"][0]),
    ):
        assert found["method"] == "clustered by metadata:my passage (CR2)"
        names = ("n_clusters", "se", "ci_low", "ci_high", "p_value", "mde")
        assert [found[name] for name in names] == [near(wanted[name]) for name in names]


@pytest.mark.parametrize(
    ("value", "clusters"),
    [(lambda i: i % 7, 14), (lambda i: i % 2 == 0, 4), (lambda i: {"of": [i // 10]}, 8)],
    ids=["numbers", "truths", "objects"],
)
def test_values_of_metadata_that_are_no_texts(
    store: ResultsProcessor, value: Callable[[int], Any], clusters: int
) -> None:
    save(store, *of_metadata({"x": value}))
    assert only_pair(store, cluster="metadata:x", null_cluster="singleton").n_clusters == clusters


def test_a_missing_member_of_metadata(processor: ResultsProcessor) -> None:
    save(processor, *passages())
    with pytest.raises(UsageError, match="80 samples have no metadata:passage"):
        only_pair(processor, cluster="metadata:passage")
    pair = only_pair(processor, cluster="metadata:passage", null_cluster="singleton")
    assert (pair.n_clusters, pair.denominators["null_clusters"]) == (80, 80)
    for name in ("metadata:", "metadata:it's", "model"):
        with pytest.raises(UsageError, match=r"cluster cannot be|no path to a member"):
            AnalysisOptions(cluster=name)


def test_parallel_tasks_share_their_clusters(processor: ResultsProcessor) -> None:
    save(processor, *passages())
    pair = only_pair(processor, cluster="sample_id", across_tasks=True)
    assert pair.n_clusters == 10


def test_a_cluster_that_is_constant_in_a_task_leaves_it_independent(
    processor: ResultsProcessor,
) -> None:
    parts = passages()
    for part in parts:
        for run in part:
            run.sample_id = run.task
    save(processor, *parts)
    options = AnalysisOptions(cluster="sample_id")
    comparison = processor.compare(["exp"], by_task=True, options=options)
    assert comparison.comparisons[0].n_clusters == 2
    assert comparison.tasks[0].comparisons[0].method == "independent samples"


def test_one_family_left_is_one_cluster(store: ResultsProcessor) -> None:
    save(store, *passages())
    for cluster in (None, "task"):
        pair = only_pair(store, families={"t1": "all", "t2": "all"}, cluster=cluster)
        assert (pair.se, pair.p_value, pair.ci_low) == (None, None, None)
        assert (pair.null_reason, pair.verdict) == ("one_cluster", "inconclusive")


def test_repeats_are_clustered_as_accuracies_are(store: ResultsProcessor) -> None:
    asked = [[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]] * 3
    save(store, *(runs("exp", "CoT1", asked[i:], task=f"t{i}") for i in range(5)))
    with store.engine.connect() as connection:
        report = SummaryService(connection).report()
    (variant,), (repeats,) = report.variants, report.repeats
    first = repeats.passes[0]
    assert variant.n_clusters == repeats.consistency.n_clusters == 5
    assert first.pass_at_k == near(variant.accuracy)
    for name in ("pass_at_k", "pass_hat_k"):
        assert getattr(first, f"{name}_ci_low") == near(variant.ci_low)
        assert getattr(first, f"{name}_ci_high") == near(variant.ci_high)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"test": "exact"}, "--test exact"),
        ({"difference_interval": "newcombe"}, "--difference-interval newcombe"),
        ({"interval": "clopper-pearson"}, "clopper-pearson"),
        ({"interval": "jeffreys"}, "jeffreys"),
    ],
)
def test_what_cannot_apply_to_clusters_is_refused(
    processor: ResultsProcessor, choices: dict[str, Any], said: str
) -> None:
    save(processor, *passages())
    with pytest.raises(UsageError, match=said):
        only_pair(processor, **choices)
    only_pair(processor, cluster="none", **choices)


def test_what_needs_single_answers_is_refused_with_repeats(processor: ResultsProcessor) -> None:
    save(processor, *(runs("exp", name, [[1, 0], [1, 1], [0, 1]]) for name, _ in VARIANTS))
    for choices in ({"interval": "bayes-uniform"}, {"difference_interval": "newcombe"}):
        with pytest.raises(UsageError):
            only_pair(processor, **choices)
    exact = only_pair(processor, test="exact", difference_interval="tango")
    assert (exact.p_value, exact.test) == (exact.p_value_exact, "sign-flip (exact)")
    assert exact.interval_method == "tango"


def test_tango_serves_clusters(processor: ResultsProcessor) -> None:
    save(processor, *passages())
    pair = only_pair(processor, difference_interval="tango")
    other = only_pair(processor)
    assert pair.interval_method == "tango-design-adjusted"
    assert (pair.ci_low, pair.ci_high) != (other.ci_low, other.ci_high)
