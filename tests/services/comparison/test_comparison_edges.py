"""The edge contract of comparisons: one test a row, on real databases."""

from dataclasses import replace

import pytest
from scipy import stats

from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.summary import SummaryService
from ml_agents_results.statistics.cluster_robust import clustered_mean
from tests.services.building import near, of_table, only_pair, run, runs, save


def test_edge_nothing_graded(store: ResultsProcessor) -> None:
    save(store, runs("exp", "CoT1", [None] * 3), runs("exp", "None", ["failed"] * 3))
    comparison = store.compare(["exp"])
    (pair,) = comparison.comparisons
    assert (pair.samples, pair.difference, pair.p_value, pair.ci_low) == (
        0,
        None,
        None,
        None,
    )
    assert pair.null_reason == "no_shared_samples"
    assert pair.verdict == "inconclusive"
    for variant in comparison.variants:
        assert (variant.accuracy, variant.ci_low, variant.se) == (None, None, None)
        assert variant.null_reason == "no_graded_runs"
        assert variant.runs == variant.failed + variant.unparsed + variant.ungraded == 3


def test_edge_one_sample(store: ResultsProcessor) -> None:
    save(store, of_table((0, 1, 0, 0)))
    comparison = store.compare(["exp"])
    (pair,) = comparison.comparisons
    right = next(variant for variant in comparison.variants if variant.correct)
    assert [right.ci_low, right.ci_high] == pytest.approx([0.2065, 1], abs=5e-5)
    assert right.se is None
    assert (pair.difference, pair.se) == (1.0, None)
    assert pair.p_value == near(0.5)


def test_edge_no_discordant_pair(store: ResultsProcessor) -> None:
    save(store, of_table((50, 0, 0, 0)))
    pair = only_pair(store)
    assert (pair.difference, pair.p_value, pair.p_value_exact) == (0.0, 1.0, 1.0)
    assert pair.ci_high == pytest.approx(0.0533, abs=5e-5)
    assert pair.ci_low == pytest.approx(-0.0533, abs=5e-5)
    assert "no_discordant" in pair.warnings
    assert pair.verdict == "inconclusive"
    tango = only_pair(store, difference_interval="tango")
    assert tango.ci_high == pytest.approx(0.0713, abs=5e-5)


def test_edge_all_against_none(store: ResultsProcessor) -> None:
    save(store, of_table((0, 50, 0, 0)))
    pair = only_pair(store)
    assert pair.difference == 1.0
    assert pair.p_value_exact == pytest.approx(1.78e-15, rel=5e-3)
    assert pair.p_value == pytest.approx(8.9e-16, rel=5e-3)
    assert [pair.ci_low, pair.ci_high] == pytest.approx([0.8869, 1], abs=5e-5)
    assert pair.se is None
    assert pair.verdict == "candidate_better"


def test_edge_one_cluster(store: ResultsProcessor) -> None:
    """The error of independent samples is not put in its place."""
    save(store, of_table((5, 12, 3, 5), task="only"))
    comparison = store.compare(["exp"], options=AnalysisOptions(cluster="task"))
    (pair,) = comparison.comparisons
    assert pair.difference == near(9 / 25)
    assert (pair.se, pair.ci_low, pair.p_value) == (None, None, None)
    assert pair.null_reason == "one_cluster"
    for variant in comparison.variants:
        assert (variant.se, variant.ci_low) == (None, None)
        assert variant.null_reason == "one_cluster"
    # One task without a word about clusters: samples are independent.
    assert only_pair(store).method == "independent samples"


def test_edge_cluster_value_missing(store: ResultsProcessor) -> None:
    save(store, of_table((5, 3, 1, 1)), [run("exp", "CoT1", 0, 1, sample_id="x")])
    with pytest.raises(UsageError, match="10 samples have no sample_id to cluster by"):
        only_pair(store, cluster="sample_id")
    with (
        store.database.read() as connection,
        pytest.raises(UsageError, match="have no sample_id to cluster by"),
    ):
        SummaryService(connection, options=AnalysisOptions(cluster="sample_id")).report()


def test_edge_cluster_value_missing_as_clusters_of_their_own(store: ResultsProcessor) -> None:
    """Two samples share a cluster, eight have none: nine clusters, as where all are named."""
    save(store, of_table((5, 3, 1, 1)))
    for variant, grades in (("ChainOfThought", (1, 1)), ("None", (1, 1))):
        save(
            store,
            [run("exp", variant, at, grade, sample_id="x") for at, grade in enumerate(grades)],
        )
    choices = AnalysisOptions(cluster="sample_id", null_cluster="singleton")
    comparison = store.compare(["exp"], options=choices)
    (pair,) = comparison.comparisons
    assert (pair.n_clusters, pair.denominators["null_clusters"]) == (9, 8)
    assert "null_clusters" in pair.warnings
    differences = [0, 0, 0, 0, 0, 1, 1, 1, -1, 0]
    expected = clustered_mean([2] + [1] * 8, [0, *differences[2:]])
    assert pair.se == near(expected.se)
    assert pair.dof == near(expected.dof)
    for result in comparison.variants:
        assert (result.n_clusters, result.null_clusters) == (9, 8)
        assert "null_clusters" in result.warnings
    unpaired = store.compare(["exp"], options=replace(choices, unpaired=True)).comparisons[0]
    assert (unpaired.n_clusters, unpaired.denominators["null_clusters"]) == (17, 16)


def test_edge_pair_missing_on_a_side(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "CoT1", [1, 1, 0, 1, "failed"]),
        runs("exp", "None", [0, 1, 1, 0, 0, 1], first=2),
    )
    comparison = store.compare(["exp"])
    (pair,) = comparison.comparisons
    assert pair.samples == 2  # samples 2 and 3
    assert (pair.denominators["only_in_candidate"], pair.denominators["only_in_baseline"]) == (2, 4)
    assert (pair.candidate_mean, pair.baseline_mean) == (0.5, 0.5)
    assert {variant.variant.approach_name: variant.accuracy for variant in comparison.variants} == {
        "CoT1": 0.75,
        "None": 0.5,
    }
    assert {"partial_overlap", "coverage"} <= set(pair.warnings)
    # Samples 0 to 7 were asked; 2 are paired and cancel out, 6 could speak either way.
    assert pair.difference_bounds == near((-6 / 8, 6 / 8))


def test_edge_no_shared_samples(store: ResultsProcessor) -> None:
    save(store, runs("exp", "CoT1", [1, 0]), runs("exp", "None", [1, 1], first=2))
    pair = only_pair(store)
    assert (pair.samples, pair.difference, pair.p_value) == (0, None, None)
    assert pair.null_reason == "no_shared_samples"
    assert "no_shared_samples" in pair.warnings
    assert pair.p_value_adjusted is None


def test_edge_undefined_p_values_do_not_count_in_the_family(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "None", [1, 0] * 10),
        runs("exp", "A", [1, 1] * 10),
        runs("exp", "B", [1] * 5, first=90),
    )
    first, second = store.compare(["exp"]).comparisons
    assert (first.family_size, first.p_value_adjusted) == (1, first.p_value)
    assert (second.p_value, second.p_value_adjusted) == (None, None)


def test_edge_different_data_set_grader_and_model(store: ResultsProcessor) -> None:
    save(store, runs("one", "None", [1, 0]), runs("two", "CoT1", [1, 1], model="other"))
    store.save_experiment(
        "one", {"extra": {"grader": "exact"}}, environment={"dataset": {"fingerprint": "x"}}
    )
    store.save_experiment(
        "two", {"extra": {"grader": "any_of"}}, environment={"dataset": {"fingerprint": "y"}}
    )
    with pytest.raises(UsageError, match="differ in more than their approach") as told:
        store.compare(["one", "two"])
    assert "--allow dataset,grader." in str(told.value.hint)
    allowed = AnalysisOptions(allow=("dataset", "grader"))
    (pair,) = store.compare(["one", "two"], options=allowed).comparisons
    assert {"datasets_differ", "graders_differ", "models_differ"} <= set(pair.warnings)
    assert pair.pairing_rule == "content"


def test_what_may_not_be_compared_is_named_beside_what_may(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "None", [1, 0]),
        runs("exp", "CoT1", [1, 1]),
        runs("two", "CoT1", [1, 1]),
    )
    for name in ("exp", "two"):
        store.save_experiment(name, {}, environment={"dataset": {"fingerprint": name}})
    comparison = store.compare(["exp", "two"])
    assert [str(pair.candidate) for pair in comparison.comparisons] == ["exp/CoT1/p/m"]
    (refused,) = comparison.to_dict()["refused"]
    assert refused["candidate"]["experiment_id"] == "two"
    assert refused["reasons"] == ("datasets_differ",)
    both = store.compare(["exp", "two"], options=AnalysisOptions(allow=("dataset",)))
    assert (len(both.comparisons), both.refused) == (2, [])


def test_another_model_is_compared_with_a_note(store: ResultsProcessor) -> None:
    save(store, runs("exp", "None", [1, 0]), runs("exp", "CoT1", [1, 1], model="other"))
    pair = only_pair(store)
    assert (pair.difference, pair.samples) == (0.5, 2)
    assert "models_differ" in pair.warnings
    frame = store.compare_approaches(["exp"])
    assert frame["difference"].notna().sum() == 1


def test_models_that_are_compared_are_no_mismatch(store: ResultsProcessor) -> None:
    save(store, runs("exp", "None", [1, 0]), runs("exp", "None", [1, 1], model="other"))
    assert "models_differ" not in only_pair(store).warnings


def test_an_experiment_that_says_anything_of_its_data_set(store: ResultsProcessor) -> None:
    """What others recorded as `dataset` may be a name; it is no fingerprint."""
    save(store, runs("one", "None", [1, 0]), runs("two", "CoT1", [1, 1]))
    for name in ("one", "two"):
        store.save_experiment(name, {"extra": "none"}, environment={"dataset": "gsm8k"})
    (pair,) = store.compare(["one", "two"]).comparisons
    assert (pair.samples, pair.pairing_rule) == (2, "content")


def test_edge_1024_discordant_pairs_and_more(processor: ResultsProcessor) -> None:
    save(processor, of_table((0, 1981, 573, 0)))
    pair = only_pair(processor)
    assert pair.p_value_exact is not None
    assert pair.p_value_exact == near(stats.binomtest(573, 2554).pvalue)
    assert 1e-190 < pair.p_value_exact < 1e-170
