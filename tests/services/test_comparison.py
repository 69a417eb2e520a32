"""Comparisons of arms on real databases: every figure recomputed here by SciPy or statsmodels."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import cochrans_q, mcnemar
from statsmodels.stats.multitest import multipletests

from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.accuracy import AccuracyService
from ml_agents_results.services.pairs import PairResult
from ml_agents_results.services.settings import Settings
from tests.services.building import of_table, run, runs, save


def near(expected: Any) -> Any:
    return None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-12)


def only_pair(processor: ResultsProcessor, **choices: Any) -> PairResult:
    (pair,) = processor.compare(["exp"], settings=Settings(**choices)).pairs
    return pair


def coin(seed: int, count: int, chance: float) -> list[int]:
    generator = random.Random(seed)
    return [int(generator.random() < chance) for _ in range(count)]


# --- Figures recomputed by other libraries --------------------------------------------------


def test_generated_arms_by_task(store: ResultsProcessor) -> None:
    """Three tasks, two arms: McNemar, unpaired z, phi and corrections by task."""
    grades = {
        (task, arm): coin(100 * place + seed, 40 + 10 * place, chance)
        for place, task in enumerate(("a", "b", "c"))
        for seed, (arm, chance) in enumerate((("None", 0.5), ("Reflection", 0.7)))
    }
    save(store, *(runs("exp", arm, given, task=task) for (task, arm), given in grades.items()))
    comparison = store.compare(["exp"], by_task=True)
    p_values, values = [], []
    for task in comparison.tasks:
        (pair,) = task.pairs
        one = np.array(grades[task.task, "Reflection"])
        two = np.array(grades[task.task, "None"])
        cells = [[int(((one == t) & (two == b)).sum()) for b in (1, 0)] for t in (1, 0)]
        assert [
            [pair.both_correct, pair.only_treatment_correct],
            [pair.only_baseline_correct, pair.neither_correct],
        ] == cells
        assert pair.difference == near((one - two).mean())
        assert pair.difference_se == near(stats.sem(one - two))
        assert pair.p_value_exact == near(mcnemar(cells, exact=True).pvalue)
        fewer, discordant = min(cells[0][1], cells[1][0]), cells[0][1] + cells[1][0]
        mid = 2 * stats.binom.cdf(fewer, discordant, 0.5) - stats.binom.pmf(fewer, discordant, 0.5)
        assert pair.p_value == near(mid)
        assert pair.phi == near(np.corrcoef(one, two)[0, 1])
        assert pair.treatment_accuracy == near(one.mean())
        assert pair.baseline_accuracy == near(two.mean())
        p_values.append(mid)
        values.append(one - two)
    means = [value.mean() for value in values]
    random_tasks, fixed_tasks = comparison.macro
    expected = stats.ttest_1samp(means, 0)
    assert random_tasks.difference.estimate == near(np.mean(means))
    assert random_tasks.difference.se == near(stats.sem(means))
    assert random_tasks.difference.p_value == near(expected.pvalue)
    fixed_se = np.sqrt(sum(stats.sem(value) ** 2 for value in values)) / 3
    assert fixed_tasks.difference.se == near(fixed_se)
    assert fixed_tasks.difference.p_value == near(2 * stats.norm.sf(np.mean(means) / fixed_se))
    assert [fixed_tasks.tasks, comparison.micro[0].tasks] == [3, 3]
    adjusted = multipletests(p_values, method="holm")[1]
    assert [task.pairs[0].p_value_adjusted for task in comparison.tasks] == near(list(adjusted))
    assert all(task.pairs[0].family_size == 3 for task in comparison.tasks)


def test_three_arms_differ_by_cochrans_q(store: ResultsProcessor) -> None:
    grades = {arm: coin(place, 60, 0.4 + place / 5) for place, arm in enumerate("ABC")}
    save(store, *(runs("exp", arm, given) for arm, given in grades.items()))
    found = store.compare(["exp"]).cochrans_q
    expected = cochrans_q(np.array(list(grades.values())).T)
    assert found is not None
    assert (found.statistic, found.p_value) == (near(expected.statistic), near(expected.pvalue))
    assert (found.dof, found.n_samples) == (2, 60)


def test_cochrans_q_leaves_out_samples_that_an_arm_lacks(store: ResultsProcessor) -> None:
    grades = {arm: coin(place, 30, 0.5) for place, arm in enumerate("ABC")}
    save(store, *(runs("exp", arm, given) for arm, given in grades.items()))
    save(store, [run("exp", "A", 30, 1), run("exp", "B", 30, "failed"), run("exp", "C", 30, 0)])
    found = store.compare(["exp"]).cochrans_q
    expected = cochrans_q(np.array(list(grades.values())).T)
    assert found is not None
    assert found.statistic == near(expected.statistic)
    assert found.n_samples == 30


def test_clusters_by_another_column(store: ResultsProcessor) -> None:
    """Errors clustered by the data set's own sample id, as statsmodels has CR1."""
    import statsmodels.api as sm

    one, two = coin(1, 60, 0.7), coin(2, 60, 0.5)
    ids = [f"document {place // 4}" for place in range(60)]
    save(
        store,
        *(
            [
                run("exp", arm, place, grade, sample_id=ids[place])
                for place, grade in enumerate(given)
            ]
            for arm, given in (("CoT1", one), ("None", two))
        ),
    )
    pair = only_pair(store, cluster="sample_id")
    difference = np.array(one) - np.array(two)
    groups = np.unique(ids, return_inverse=True)[1]
    # statsmodels multiplies by G/(G-1) * (N-1)/(N-K) with K = 1: that is CR1.
    fit = sm.OLS(difference, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert pair.method == "clustered by sample_id (CR2)"
    assert pair.n_clusters == 15
    assert pair.difference_se_cr1 == near(float(fit.bse[0]))
    # Balanced clusters: CR2 is CR1, on G - 1 degrees of freedom.
    assert pair.difference_se == near(float(fit.bse[0]))
    assert pair.dof == near(14)
    assert pair.probability_of_superiority is None


# --- The edge contract, a row a test --------------------------------------------------------


def test_edge_nothing_graded(store: ResultsProcessor) -> None:
    save(store, runs("exp", "CoT1", [None] * 3), runs("exp", "None", ["failed"] * 3))
    comparison = store.compare(["exp"])
    (pair,) = comparison.pairs
    assert (pair.pairs, pair.difference, pair.p_value, pair.difference_ci_low) == (
        0,
        None,
        None,
        None,
    )
    assert pair.null_reason == "no_shared_samples"
    assert pair.verdict == "inconclusive"
    for arm in comparison.arms:
        assert (arm.accuracy, arm.accuracy_ci_low, arm.accuracy_se) == (None, None, None)
        assert arm.null_reason == "no_graded_runs"
        assert arm.runs == arm.failed + arm.unparsed + arm.ungraded == 3


def test_edge_one_sample(store: ResultsProcessor) -> None:
    save(store, of_table((0, 1, 0, 0)))
    comparison = store.compare(["exp"])
    (pair,) = comparison.pairs
    right = next(arm for arm in comparison.arms if arm.correct)
    assert [right.accuracy_ci_low, right.accuracy_ci_high] == pytest.approx([0.2065, 1], abs=5e-5)
    assert right.accuracy_se is None
    assert (pair.difference, pair.difference_se) == (1.0, None)
    assert pair.p_value == near(0.5)


def test_edge_no_discordant_pair(store: ResultsProcessor) -> None:
    save(store, of_table((50, 0, 0, 0)))
    pair = only_pair(store)
    assert (pair.difference, pair.p_value, pair.p_value_exact) == (0.0, 1.0, 1.0)
    assert pair.difference_ci_high == pytest.approx(0.0533, abs=5e-5)
    assert pair.difference_ci_low == pytest.approx(-0.0533, abs=5e-5)
    assert "no_discordant" in pair.warnings
    assert pair.verdict == "inconclusive"
    tango = only_pair(store, difference_interval="tango")
    assert tango.difference_ci_high == pytest.approx(0.0713, abs=5e-5)


def test_edge_all_against_none(store: ResultsProcessor) -> None:
    save(store, of_table((0, 50, 0, 0)))
    pair = only_pair(store)
    assert pair.difference == 1.0
    assert pair.p_value_exact == pytest.approx(1.78e-15, rel=5e-3)
    assert pair.p_value == pytest.approx(8.9e-16, rel=5e-3)
    assert [pair.difference_ci_low, pair.difference_ci_high] == pytest.approx([0.8869, 1], abs=5e-5)
    assert pair.difference_se is None
    assert pair.verdict == "treatment_better"


def test_edge_one_cluster(store: ResultsProcessor) -> None:
    """The error of independent samples is not put in its place."""
    save(store, of_table((5, 12, 3, 5), task="only"))
    comparison = store.compare(["exp"], settings=Settings(cluster="task"))
    (pair,) = comparison.pairs
    assert pair.difference == near(9 / 25)
    assert (pair.difference_se, pair.difference_ci_low, pair.p_value) == (None, None, None)
    assert pair.null_reason == "one_cluster"
    for arm in comparison.arms:
        assert (arm.accuracy_se, arm.accuracy_ci_low) == (None, None)
        assert arm.null_reason == "one_cluster"
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
        AccuracyService(connection, settings=Settings(cluster="sample_id")).report()


def test_edge_pair_missing_on_a_side(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "CoT1", [1, 1, 0, 1, "failed"]),
        runs("exp", "None", [0, 1, 1, 0, 0, 1], first=2),
    )
    comparison = store.compare(["exp"])
    (pair,) = comparison.pairs
    assert pair.pairs == 2  # samples 2 and 3
    assert (pair.denominators["only_in_treatment"], pair.denominators["only_in_baseline"]) == (2, 4)
    assert (pair.treatment_accuracy, pair.baseline_accuracy) == (0.5, 0.5)
    assert {arm.arm.approach_name: arm.accuracy for arm in comparison.arms} == {
        "CoT1": 0.75,
        "None": 0.5,
    }
    assert {"partial_overlap", "coverage"} <= set(pair.warnings)
    # Samples 0 to 7 were asked; 2 are paired and cancel out, 6 could speak either way.
    assert pair.difference_bounds == near((-6 / 8, 6 / 8))


def test_edge_no_shared_samples(store: ResultsProcessor) -> None:
    save(store, runs("exp", "CoT1", [1, 0]), runs("exp", "None", [1, 1], first=2))
    pair = only_pair(store)
    assert (pair.pairs, pair.difference, pair.p_value) == (0, None, None)
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
    first, second = store.compare(["exp"]).pairs
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
    (pair,) = store.compare(["one", "two"]).pairs
    assert {"datasets_differ", "graders_differ", "models_differ"} <= set(pair.warnings)
    assert pair.pairing_rule == "content"


def test_models_that_are_compared_are_no_mismatch(store: ResultsProcessor) -> None:
    save(store, runs("exp", "None", [1, 0]), runs("exp", "None", [1, 1], model="other"))
    assert "models_differ" not in only_pair(store).warnings


def test_an_experiment_that_says_anything_of_its_data_set(store: ResultsProcessor) -> None:
    """What others recorded as `dataset` may be a name; it is no fingerprint."""
    save(store, runs("one", "None", [1, 0]), runs("two", "CoT1", [1, 1]))
    for name in ("one", "two"):
        store.save_experiment(name, {"extra": "none"}, environment={"dataset": "gsm8k"})
    (pair,) = store.compare(["one", "two"]).pairs
    assert (pair.pairs, pair.pairing_rule) == (2, "content")


def test_edge_1024_discordant_pairs_and_more(processor: ResultsProcessor) -> None:
    save(processor, of_table((0, 1981, 573, 0)))
    pair = only_pair(processor)
    assert pair.p_value_exact is not None
    assert pair.p_value_exact == near(stats.binomtest(573, 2554).pvalue)
    assert 1e-190 < pair.p_value_exact < 1e-170


# --- Repeats --------------------------------------------------------------------------------

ASKED = {
    "CoT1": [[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 0]],
    "None": [[0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 1]],
}


def test_repeats_are_averaged_by_sample(store: ResultsProcessor) -> None:
    save(store, *(runs("exp", arm, given) for arm, given in ASKED.items()))
    pair = only_pair(store)
    differences = [1 - 2 / 3, 2 / 3 - 1 / 3, 0.0, 0.5 - 1]
    expected = stats.ttest_1samp(differences, 0)
    assert pair.method == "repeats averaged by sample"
    assert pair.pairs == 4
    assert pair.difference == near(np.mean(differences))
    assert pair.difference_se == near(stats.sem(differences))
    assert pair.p_value == near(expected.pvalue)
    assert [pair.difference_ci_low, pair.difference_ci_high] == near(
        list(expected.confidence_interval())
    )
    flips = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert pair.p_value_permutation == near(flips.pvalue)
    assert (pair.both_correct, pair.p_value_exact, pair.difference_bounds) == (None, None, None)
    assert "unequal_epochs" in pair.warnings


def test_repeats_within_tasks_are_clustered(store: ResultsProcessor) -> None:
    save(
        store,
        *(
            runs("exp", arm, given, task=task)
            for arm, given in ASKED.items()
            for task in ("a", "b", "c")
        ),
    )
    (pair,) = store.compare(["exp"]).pairs
    for arm in store.compare(["exp"]).arms:
        assert arm.method == pair.method
        assert "unequal_epochs" in arm.warnings
    assert pair.method == "clustered by task (CR2)"
    # Every task holds the same: their means agree, and four flips of sign of three remain.
    assert pair.difference_se is None
    assert pair.null_reason == "zero_between_cluster_variance"
    assert pair.p_value == 2 ** (1 - 3)
    assert pair.p_value_permutation is None
    assert "unequal_epochs" in pair.warnings


def test_two_hundred_samples_need_no_permutation(processor: ResultsProcessor) -> None:
    save(
        processor,
        runs("exp", "CoT1", [[1, 0]] * 150 + [[1, 1]] * 50),
        runs("exp", "None", [[0, 0]] * 150 + [[1, 0]] * 50),
    )
    assert only_pair(processor).p_value_permutation is None


def test_a_repeated_arm_beside_one_asked_once(store: ResultsProcessor) -> None:
    save(store, runs("exp", "CoT1", [[1, 1], [0, 1]]), runs("exp", "None", [0, 1]))
    pair = only_pair(store)
    assert (pair.pairs, pair.difference) == (2, 0.25)
    assert pair.treatment_accuracy == 0.75


# --- Runs without a grade -------------------------------------------------------------------


def test_missing_grades_as_incorrect(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "CoT1", [1, 1, "failed", "unparsed", 1, 0]),
        runs("exp", "None", [0, 1, 1, 0, None, 0]),
    )
    excluded, counted = only_pair(store), only_pair(store, missing="incorrect")
    assert (excluded.pairs, excluded.only_treatment_correct) == (3, 1)
    assert counted.pairs == 6
    assert (
        counted.both_correct,
        counted.only_treatment_correct,
        counted.only_baseline_correct,
        counted.neither_correct,
    ) == (1, 2, 1, 2)
    # The bounds do not depend on the policy: 1 of 3 graded pairs, 3 that could be anything.
    assert excluded.difference_bounds == near((-2 / 6, 4 / 6))
    assert counted.difference_bounds == excluded.difference_bounds


def test_bounds_where_both_arms_lack_something(store: ResultsProcessor) -> None:
    """Asked 0-3 and 2-5: four of six samples have no pair, and another one no grade."""
    save(
        store,
        runs("exp", "CoT1", [1, 1, 1, "failed"]),
        runs("exp", "None", [0, 1, 1, 1], first=2),
    )
    pair = only_pair(store)
    assert (pair.pairs, pair.difference) == (1, 1.0)
    assert pair.difference_bounds == near((-4 / 6, 6 / 6))


GRADES = st.lists(st.sampled_from([0, 1, None, "failed", "unparsed"]), max_size=8)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    one=GRADES,
    two=GRADES,
    first=st.integers(0, 3),
    rule=st.sampled_from(["sample_index", "content"]),
    missing=st.sampled_from(["exclude", "incorrect"]),
)
def test_bounds_hold_whatever_is_missing(
    processor: ResultsProcessor, one: Any, two: Any, first: int, rule: str, missing: str
) -> None:
    """Counted here sample by sample."""
    _clear(processor)
    home = "exp" if rule == "sample_index" else "other"
    asked = dict(enumerate(one)), dict(enumerate(two, start=first))
    save(processor, runs("exp", "None", one), runs(home, "A", two, first=first))
    if not one or not two:
        return
    (pair,) = processor.compare(
        list(dict.fromkeys(("exp", home))),
        settings=Settings(missing=missing),  # type: ignore[arg-type]
    ).pairs
    everything = asked[0].keys() | asked[1].keys()
    both = [
        (asked[1][place], asked[0][place])
        for place in asked[0].keys() & asked[1].keys()
        if asked[0][place] in (0, 1) and asked[1][place] in (0, 1)
    ]
    net, unknown = sum(a - b for a, b in both), len(everything) - len(both)
    assert pair.pairing_rule == rule
    assert pair.difference_bounds == near(
        ((net - unknown) / len(everything), (net + unknown) / len(everything))
    )


def test_bounds_by_task(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "CoT1", [1, "failed"], task="a"),
        runs("exp", "None", [0, "failed"], task="a"),
        runs("exp", "CoT1", [0, 1], task="b"),
        runs("exp", "None", [0, 1], task="b"),
    )
    a, b = store.compare(["exp"], by_task=True).tasks
    assert a.pairs[0].difference_bounds == near((0, 1))
    assert b.pairs[0].difference_bounds == (0.0, 0.0)


# --- Which arms, which baseline -------------------------------------------------------------


@pytest.fixture
def study(store: ResultsProcessor) -> ResultsProcessor:
    return save(
        store,
        runs("first", "None", [1, 0, 1]),
        runs("first", "ChainOfThought", [1, 1, 1]),
        runs("second", "ChainOfThought", [1, 1, 0], model="large"),
        runs("third", "Reflection", [0, 0, 0]),
    )


@pytest.mark.parametrize(
    ("ids", "baseline", "expected"),
    [
        (["first", "third"], None, "first/None/p/m"),
        (["third", "second"], None, "third/Reflection/p/m"),
        (["second", "third"], None, "second/ChainOfThought/p/large"),
        (["third", "first"], "CoT", "first/ChainOfThought/p/m"),
        (["first", "second"], "large", "second/ChainOfThought/p/large"),
        (["first", "second"], "cot/first", "first/ChainOfThought/p/m"),
        (["first", "third"], "third", "third/Reflection/p/m"),
    ],
)
def test_the_baseline(
    study: ResultsProcessor, ids: list[str], baseline: str | None, expected: str
) -> None:
    pairs = study.compare(ids, baseline=baseline).pairs
    assert {str(pair.baseline) for pair in pairs} == {expected}
    assert expected not in {str(pair.treatment) for pair in pairs}


def test_a_baseline_that_nobody_is_called(study: ResultsProcessor) -> None:
    with pytest.raises(UsageError, match="no arm is called 'ToT'") as told:
        study.compare(["first", "third"], baseline="ToT")
    assert "first/None/p/m" in str(told.value.hint)
    with pytest.raises(UsageError, match="several arms are called 'CoT'"):
        study.compare(["first", "second"], baseline="CoT")


def test_all_pairs_are_one_family(study: ResultsProcessor) -> None:
    pairs = study.compare(
        ["first", "second", "third"], settings=Settings(contrasts="all-pairs")
    ).pairs
    assert len(pairs) == 6
    assert len({frozenset((pair.treatment, pair.baseline)) for pair in pairs}) == 6
    assert {pair.family_size for pair in pairs} == {6}
    assert len(study.compare(["first", "second", "third"]).pairs) == 3


def test_an_experiment_named_twice_counts_once(study: ResultsProcessor) -> None:
    once, twice = study.compare(["first"]), study.compare(["first", "first"])
    assert once.to_dict() == twice.to_dict()
    assert twice.experiment_ids == ["first"]


@pytest.mark.parametrize("ids", [["third"], ["third", "third"]])
def test_one_arm_cannot_be_compared(study: ResultsProcessor, ids: list[str]) -> None:
    with pytest.raises(UsageError, match="nothing to compare: 1 arm"):
        study.compare(ids)


def test_an_unknown_experiment(study: ResultsProcessor) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        study.compare(["first", "nowhere"])


def test_an_experiment_without_runs_is_pointed_out(study: ResultsProcessor) -> None:
    study.save_experiment("empty", {})
    comparison = study.compare(["first", "empty"])
    assert "experiment_without_runs" in comparison.warnings
    assert study.compare(["first", "third"]).warnings == []


def test_other_experiments_do_not_matter(store: ResultsProcessor) -> None:
    """Not even ones with repeats, which are counted in another way."""
    save(store, of_table((5, 4, 2, 3)))
    before = store.compare(["exp"], by_task=True).to_dict()
    save(store, runs("other", "None", [[1, 0, 1]] * 5, task="t"))
    assert store.compare(["exp"], by_task=True).to_dict() == before
    with_filter = store.compare(["exp"], filters={"experiment_id": ["exp", "other"]})
    assert with_filter.pairs == store.compare(["exp"]).pairs
    with pytest.raises(UsageError, match="0 arm"):
        store.compare(["exp"], filters={"experiment_id": "other"})


def test_two_hundred_arms_at_once(processor: ResultsProcessor) -> None:
    save(
        processor,
        *(runs("exp", f"approach {arm:03}", coin(arm, 20, 0.5)) for arm in range(200)),
    )
    comparison = processor.compare(["exp"], by_task=True)
    assert len(comparison.pairs) == 199
    assert {pair.family_size for pair in comparison.pairs} == {199}
    assert comparison.cochrans_q is not None
    grades = np.array([coin(arm, 20, 0.5) for arm in range(200)]).T
    assert comparison.cochrans_q.statistic == near(cochrans_q(grades).statistic)


# --- Equivalence ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "margin", "equivalent", "non_inferior", "verdict"),
    [
        ((480, 5, 5, 510), 0.02, True, True, "equivalent"),
        ((480, 5, 5, 510), 0.001, False, False, "inconclusive"),
        ((400, 150, 20, 430), 0.02, False, True, "treatment_better"),
        ((400, 20, 150, 430), 0.02, False, False, "baseline_better"),
        # Inside at twice the alpha, outside at the plain level: the verdict and its sentence agree.
        ((450, 29, 30, 491), 0.015, True, True, "equivalent"),
    ],
)
def test_equivalence_within_a_margin(
    processor: ResultsProcessor,
    cells: tuple[int, int, int, int],
    margin: float,
    equivalent: bool,
    non_inferior: bool,
    verdict: str,
) -> None:
    save(processor, of_table(cells))
    pair = only_pair(processor, margin=margin)
    assert (pair.equivalent, pair.non_inferior, pair.verdict) == (equivalent, non_inferior, verdict)
    assert pair.equivalence_ci_low is not None
    assert pair.equivalence_ci_high is not None
    n = sum(cells) + 2
    p, q = (cells[1] + 1) / n, (cells[2] + 1) / n
    half = stats.norm.ppf(0.95) * np.sqrt((p + q - (p - q) ** 2) / n)
    assert [pair.equivalence_ci_low, pair.equivalence_ci_high] == near([p - q - half, p - q + half])
    told = {
        "equivalent": "equivalent within",
        "inconclusive": "inconclusive",
        "treatment_better": "ChainOfThought is better",
        "baseline_better": "None is better",
    }
    assert told[verdict] in pair.sentence


def test_without_a_margin_nothing_is_equivalent(processor: ResultsProcessor) -> None:
    save(processor, of_table((500, 0, 0, 500)))
    pair = only_pair(processor)
    assert (pair.equivalent, pair.non_inferior, pair.equivalence_ci_low) == (None, None, None)
    assert pair.verdict == "inconclusive"
    assert "does not mean equal" in pair.sentence


# --- Properties -----------------------------------------------------------------------------

small = st.lists(st.sampled_from([0, 1, None]), min_size=4, max_size=12)
quick = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quick
@given(one=small, two=small)
def test_swapping_the_arms_negates_the_difference(
    processor: ResultsProcessor, one: list[int | None], two: list[int | None]
) -> None:
    _fresh(processor, {"A": one, "B": two})
    (forth,) = processor.compare(["exp"], baseline="B").pairs
    (back,) = processor.compare(["exp"], baseline="A").pairs
    assert (forth.treatment, forth.baseline) == (back.baseline, back.treatment)
    for name in ("p_value", "p_value_exact", "p_value_adjusted", "pairs", "mde", "phi"):
        assert getattr(forth, name) == near(getattr(back, name)), name
    if forth.difference is not None:
        assert forth.difference == near(-(back.difference or 0))
        assert [forth.difference_ci_low, forth.difference_ci_high] == near(
            [-(back.difference_ci_high or 0), -(back.difference_ci_low or 0)]
        )


@quick
@given(one=small, two=small)
def test_an_identical_repeat_changes_no_estimate(
    processor: ResultsProcessor, one: list[int | None], two: list[int | None]
) -> None:
    _fresh(processor, {"A": one, "B": two})
    before = processor.compare(["exp"])
    again = {name: [[grade, grade] for grade in given] for name, given in (("A", one), ("B", two))}
    _fresh(processor, again)
    after = processor.compare(["exp"])
    for arm, same in zip(before.arms, after.arms, strict=True):
        assert same.accuracy == near(arm.accuracy)
        assert same.samples == arm.samples
        assert same.graded == 2 * arm.graded
    assert after.pairs[0].difference == near(before.pairs[0].difference)
    assert after.pairs[0].pairs == before.pairs[0].pairs


@quick
@given(data=st.data())
def test_sums_over_tasks_equal_the_whole(processor: ResultsProcessor, data: st.DataObject) -> None:
    _clear(processor)
    for task in ("a", "b", "c"):
        for arm in ("A", "B"):
            save(processor, runs("exp", arm, data.draw(small), task=task))
    comparison = processor.compare(["exp"], by_task=True)
    (whole,) = comparison.pairs
    parts = [task.pairs[0] for task in comparison.tasks]
    for name in ("pairs", "both_correct", "only_treatment_correct", "only_baseline_correct"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
    for name in ("only_in_treatment", "only_in_baseline"):
        assert sum(part.denominators[name] for part in parts) == whole.denominators[name]
    for place, result in enumerate(comparison.arms):
        for name in ("runs", "graded", "correct", "samples"):
            parts_of = [getattr(task.arms[place], name) for task in comparison.tasks]
            assert sum(parts_of) == getattr(result, name)


@quick
@given(one=small, two=small, seed=st.integers(0, 99))
def test_the_order_of_recording_does_not_matter(
    processor: ResultsProcessor, one: list[int | None], two: list[int | None], seed: int
) -> None:
    _fresh(processor, {"A": one, "B": two})
    before = processor.compare(["exp"]).to_dict()
    _clear(processor)
    shuffled = [*runs("exp", "A", one), *runs("exp", "B", two)]
    random.Random(seed).shuffle(shuffled)
    save(processor, shuffled)
    assert processor.compare(["exp"]).to_dict() == before


def _clear(processor: ResultsProcessor) -> None:
    with processor.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM experiments")


def _fresh(processor: ResultsProcessor, grades: dict[str, Any]) -> None:
    _clear(processor)
    save(processor, *(runs("exp", arm, given) for arm, given in grades.items()))
