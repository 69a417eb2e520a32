"""Comparisons on real databases: every figure recomputed here by SciPy or statsmodels."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import cochrans_q, mcnemar
from statsmodels.stats.multitest import multipletests

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.comparison_report import comparison_report
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.statistics.paired_table import PairedTable
from tests.services.building import coin, near, of_table, only_pair, run, runs, save
from tests.statistics.paired_tables import interval_of


def test_generated_variants_by_task(store: ResultsProcessor) -> None:
    """Three tasks, two variants: McNemar, unpaired z, phi and corrections by task."""
    grades = {
        (task, variant): coin(100 * place + seed, 40 + 10 * place, chance)
        for place, task in enumerate(("a", "b", "c"))
        for seed, (variant, chance) in enumerate((("None", 0.5), ("Reflection", 0.7)))
    }
    save(
        store,
        *(runs("exp", variant, given, task=task) for (task, variant), given in grades.items()),
    )
    comparison = store.compare(["exp"], by_task=True)
    p_values, values = [], []
    for task in comparison.tasks:
        (pair,) = task.comparisons
        one = np.array(grades[task.task, "Reflection"])
        two = np.array(grades[task.task, "None"])
        cells = [[int(((one == t) & (two == b)).sum()) for b in (1, 0)] for t in (1, 0)]
        assert [
            [pair.both_correct, pair.improved],
            [pair.regressed, pair.neither_correct],
        ] == cells
        assert pair.difference == near((one - two).mean())
        assert pair.se == near(stats.sem(one - two))
        assert pair.p_value_exact == near(mcnemar(cells, exact=True).pvalue)
        fewer, discordant = min(cells[0][1], cells[1][0]), cells[0][1] + cells[1][0]
        mid = 2 * stats.binom.cdf(fewer, discordant, 0.5) - stats.binom.pmf(fewer, discordant, 0.5)
        assert pair.p_value == near(mid)
        assert pair.phi == near(np.corrcoef(one, two)[0, 1])
        assert pair.candidate_mean == near(one.mean())
        assert pair.baseline_mean == near(two.mean())
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
    assert [task.comparisons[0].p_value_adjusted for task in comparison.tasks] == near(
        list(adjusted)
    )
    assert all(task.comparisons[0].family_size == 3 for task in comparison.tasks)


def test_three_variants_differ_by_cochrans_q(store: ResultsProcessor) -> None:
    grades = {variant: coin(place, 60, 0.4 + place / 5) for place, variant in enumerate("ABC")}
    save(store, *(runs("exp", variant, given) for variant, given in grades.items()))
    found = store.compare(["exp"]).cochrans_q
    expected = cochrans_q(np.array(list(grades.values())).T)
    assert found is not None
    assert (found.statistic, found.p_value) == (near(expected.statistic), near(expected.pvalue))
    assert (found.dof, found.n_samples) == (2, 60)


def test_where_cochrans_q_is_no_test_the_reason_is_given(processor: ResultsProcessor) -> None:
    save(processor, *(runs("exp", variant, [1, 0]) for variant in "ABC"))
    save(processor, runs("two", "A", [[1, 0], [0, 0]]))
    for ids, reason in ((["exp", "two"], "several_experiments"), (["two"], "repeats")):
        save(processor, *(runs("two", variant, [1, 0]) for variant in "BC"))
        found = processor.compare(ids).cochrans_q
        assert found is not None
        assert (found.statistic, found.null_reason) == (None, reason)


def test_cochrans_q_leaves_out_samples_that_an_variant_lacks(store: ResultsProcessor) -> None:
    grades = {variant: coin(place, 30, 0.5) for place, variant in enumerate("ABC")}
    save(store, *(runs("exp", variant, given) for variant, given in grades.items()))
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
                run("exp", variant, place, grade, sample_id=ids[place])
                for place, grade in enumerate(given)
            ]
            for variant, given in (("CoT1", one), ("None", two))
        ),
    )
    pair = only_pair(store, cluster="sample_id")
    difference = np.array(one) - np.array(two)
    groups = np.unique(ids, return_inverse=True)[1]
    # statsmodels multiplies by G/(G-1) * (N-1)/(N-K) with K = 1: that is CR1.
    fit = sm.OLS(difference, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert pair.method == "clustered by sample_id (CR2)"
    assert pair.n_clusters == 15
    assert pair.se_cr1 == near(float(fit.bse[0]))
    # Balanced clusters: CR2 is CR1, on G - 1 degrees of freedom.
    assert pair.se == near(float(fit.bse[0]))
    assert pair.dof == near(14)
    assert pair.probability_of_superiority is None


ASKED = {
    "CoT1": [[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 0]],
    "None": [[0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 1]],
}


def test_repeats_are_averaged_by_sample(store: ResultsProcessor) -> None:
    save(store, *(runs("exp", variant, given) for variant, given in ASKED.items()))
    pair = only_pair(store)
    differences = [1 - 2 / 3, 2 / 3 - 1 / 3, 0.0, 0.5 - 1]
    assert pair.method == "repeats averaged by sample"
    assert pair.samples == 4
    assert pair.difference == near(np.mean(differences))
    assert pair.se == near(stats.sem(differences))
    # Two pseudo-samples at +-delta, delta^2 = (S2 + 1) / (nz + 1).
    squares = sum(d * d for d in differences)
    delta = np.sqrt((squares + 1) / 4)
    seen = [*differences, delta, -delta]
    half = stats.norm.ppf(0.975) * np.std(seen) / np.sqrt(6)
    assert [pair.ci_low, pair.ci_high] == near([np.mean(seen) - half, np.mean(seen) + half])
    flips = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert pair.p_value_exact == near(flips.pvalue)
    assert pair.test == "sign-flip (exact, mid-p)"
    assert pair.both_correct is None
    # Every answer is graded: nothing is open.
    assert pair.difference_bounds == near((np.mean(differences), np.mean(differences)))
    assert "unequal_epochs" in pair.warnings


def test_repeats_within_tasks_are_clustered(store: ResultsProcessor) -> None:
    save(
        store,
        *(
            runs("exp", variant, given, task=task)
            for variant, given in ASKED.items()
            for task in ("a", "b", "c")
        ),
    )
    (pair,) = store.compare(["exp"]).comparisons
    for variant in store.compare(["exp"]).variants:
        assert variant.method == pair.method
        assert "unequal_epochs" in variant.warnings
    assert pair.method == "clustered by task (CR2)"
    # Every task holds the same: their means agree, and four flips of sign of three remain.
    assert pair.se is None
    assert pair.null_reason is None
    assert (pair.p_value, pair.test) == (2 ** (1 - 3), "cluster sign-flip")
    assert pair.ci_low is not None
    assert pair.ci_high is not None
    assert pair.ci_low < (pair.difference or 0) < pair.ci_high
    assert "unequal_epochs" in pair.warnings


@pytest.mark.parametrize("copies", [2, 5])
def test_copies_of_answers_change_no_figure(processor: ResultsProcessor, copies: int) -> None:
    once = [1] * 30 + [0] * 30
    other = [1] * 25 + [0] * 35
    save(processor, runs("once", "A", once), runs("once", "None", other))
    save(
        processor,
        runs("again", "A", [[grade] * copies for grade in once]),
        runs("again", "None", [[grade] * copies for grade in other]),
    )
    compared = [
        processor.compare([name], options=AnalysisOptions(margin=0.1)) for name in ("once", "again")
    ]
    assert any("Tango's score test" in line for line in comparison_report(compared[0]).methods)
    (one,), (again,) = (comparison.comparisons for comparison in compared)
    for name in (
        *("difference", "ci_low", "ci_high", "p_value", "p_value_exact", "p_non_inferior"),
        *("p_equivalent", "margin_ci_low", "margin_ci_high"),
    ):
        assert getattr(again, name) == near(getattr(one, name)), name
    assert (again.verdict, again.test) == (one.verdict, one.test)


def test_one_more_answer_to_one_sample_turns_no_verdict(processor: ResultsProcessor) -> None:
    candidate, other = [1] * 4 + [0] * 96, [0] * 100
    save(processor, runs("once", "A", candidate), runs("once", "None", other))
    save(processor, runs("stray", "A", [*candidate[:-1], [0, 0]]), runs("stray", "None", other))
    (one,), (stray,) = (processor.compare([name]).comparisons for name in ("once", "stray"))
    assert stray.p_value == near(one.p_value) == near(0.0625)
    assert (stray.ci_low, stray.ci_high) == (near(one.ci_low), near(one.ci_high))
    assert stray.verdict == one.verdict == "inconclusive"


def test_identical_variants_over_tasks_have_an_interval(processor: ResultsProcessor) -> None:
    for task in "abcdefgh":
        save(processor, *(runs("exp", name, [1, 0] * 20, task=task) for name in ("A", "None")))
    pair = only_pair(processor, margin=0.5)
    assert (pair.difference, pair.p_value, pair.null_reason) == (0, 1, None)
    assert pair.ci_high == near(-(pair.ci_low or 0))
    assert pair.verdict == "equivalent"


def test_a_repeated_variant_beside_one_asked_once(store: ResultsProcessor) -> None:
    save(store, runs("exp", "CoT1", [[1, 1], [0, 1]]), runs("exp", "None", [0, 1]))
    pair = only_pair(store)
    assert (pair.samples, pair.difference) == (2, 0.25)
    assert pair.candidate_mean == 0.75


@pytest.mark.parametrize(
    ("cells", "margin", "equivalent", "non_inferior", "verdict"),
    [
        ((480, 5, 5, 510), 0.02, True, True, "equivalent"),
        ((480, 5, 5, 510), 0.001, False, False, "inconclusive"),
        ((400, 150, 20, 430), 0.02, False, True, "candidate_better"),
        ((400, 20, 150, 430), 0.02, False, False, "baseline_better"),
        # Inside at twice the alpha, outside at the plain level: the verdict and the answer agree.
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
    expected = interval_of(PairedTable(*cells), "tango", 0.9)
    assert (pair.margin_ci_low, pair.margin_ci_high) == (near(expected.low), near(expected.high))
    assert pair.margin_test == "tango score"


def test_without_a_margin_nothing_is_equivalent(processor: ResultsProcessor) -> None:
    save(processor, of_table((500, 0, 0, 500)))
    pair = only_pair(processor)
    assert (pair.equivalent, pair.non_inferior, pair.margin_ci_low) == (None, None, None)
    assert pair.verdict == "inconclusive"


def test_the_frame_says_all_that_the_document_says(store: ResultsProcessor) -> None:
    save(store, of_table((12, 5, 1, 2)), runs("exp", "None", [1, None], first=20))
    comparison = store.compare(["exp"])
    (pair,) = comparison.to_dict()["comparisons"]
    (row,) = comparison.to_frame().to_dict("records")
    nested = ("baseline", "candidate", "denominators", "difference_bounds", "warnings")
    assert {name for name in pair if name not in nested} <= row.keys()
    for side in ("baseline", "candidate"):
        assert {name: row[f"{side}_{name}"] for name in pair[side]} == pair[side]
    assert {name: row[name] for name in pair["denominators"]} == pair["denominators"]
    assert row["only_in_baseline"] == 1
    bounds = (row["difference_bounds_low"], row["difference_bounds_high"])
    assert bounds == tuple(pair["difference_bounds"])
