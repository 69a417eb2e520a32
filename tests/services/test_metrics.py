"""Analysis of any metric: the primary one and others, numeric and binary, both directions."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.records import ExperimentRecord, MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.score_repository import ScoreRepository
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.ranking import RankingService
from ml_agents_results.services.summary import SummaryReport, SummaryService

RATING = MetricRecord("rating", "numeric", 1, 5, True, "judge", is_primary=True)
EXACT = MetricRecord("exact", "binary", 0, 1, True, is_primary=True)
WER = MetricRecord("wer", "numeric", 0, None, False)
A = [5, 4, 4, 3, 5, 5, 4, 2, 5, 4, 5, 3]
B = [3, 4, 2, 3, 4, 5, 3, 2, 4, 4, 2, 3]


def save(
    database: Database,
    metrics: Sequence[MetricRecord],
    experiment: str = "e",
    **values: Sequence[Any],
) -> None:
    """An experiment with a variant for each keyword; a value is one score, or several repeats."""
    numeric = metrics[0].kind == "numeric" if metrics else True
    with database.write() as connection:
        ExperimentRepository(connection).save(ExperimentRecord(experiment, metrics=list(metrics)))
        runs = []
        for approach, of_samples in values.items():
            for index, value in enumerate(of_samples):
                for repeat, one in enumerate(value if isinstance(value, list) else [value]):
                    run = RunRecord(experiment, approach, index, repeat_index=repeat)
                    run.id = f"{experiment}-{approach}-{index}-{repeat}"
                    run.input_text, run.expected_answer = f"question {index}", "answer"
                    if one == "failed":
                        run.error = "TimeoutError"
                    elif one == "truncated":
                        run.raw_output, run.finish_reason = "Hm", "length"
                    elif numeric:
                        run.score = one
                    elif one is not None:
                        run.is_correct = bool(one)
                    runs.append(run)
        RunRepository(connection).save_many(runs)


def score(
    database: Database, metric: str, experiment: str = "e", author: str = "", **values: Any
) -> None:
    with database.write() as connection:
        ScoreRepository(connection).save_many(
            (f"{experiment}-{approach}-{index}-0", ScoreRecord(value, metric=metric, author=author))
            for approach, of_samples in values.items()
            for index, value in enumerate(of_samples)
        )


def compared(database: Database, *experiments: str, **options: Any) -> Comparison:
    by_task = options.pop("by_task", False)
    with database.read() as connection:
        service = ComparisonService(connection, Filters(), AnalysisOptions(**options))
        return service.compare(experiments or ["e"], by_task=by_task)


def summary(database: Database, **options: Any) -> SummaryReport:
    with database.read() as connection:
        return SummaryService(connection, Filters(), AnalysisOptions(**options)).report(
            by_task=True
        )


def test_a_numeric_primary_metric(database: Database) -> None:
    save(database, [RATING], A=A, B=B)
    comparison = compared(database)
    (pair,) = comparison.comparisons
    one, other = comparison.variants
    assert (comparison.metric, pair.metric, one.metric) == ("rating",) * 3
    assert [one.mean, other.mean] == pytest.approx([np.mean(A), np.mean(B)])
    assert one.sd == pytest.approx(np.std(A, ddof=1), rel=1e-12)
    assert (one.accuracy, one.correct, one.graded, one.scored) == (None, None, 12, 12)
    assert one.interval_method == "wilson-on-range"
    assert one.ci_high is not None
    assert one.ci_high < 5
    # B is the candidate: the first variant is the baseline.
    d = np.array(B) - np.array(A)
    assert pair.difference == pytest.approx(d.mean(), abs=1e-12)
    assert pair.se == pytest.approx(stats.sem(d), rel=1e-12)
    t = stats.ttest_rel(B, A)
    assert pair.p_value_t == pytest.approx(t.pvalue, rel=1e-9)
    low, high = t.confidence_interval()
    assert (pair.t_ci_low, pair.t_ci_high) == pytest.approx((low, high), rel=1e-9)
    exact = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=math.inf)
    assert pair.p_value_exact == pytest.approx(exact.pvalue, abs=1e-12)
    assert pair.test == "sign-flip (exact, mid-p)"
    assert (pair.better, pair.equal, pair.worse) == (0, 6, 6)
    assert pair.verdict == "baseline_better"
    document = comparison.to_dict()
    assert (document["metric"], document["metric_kind"]) == ("rating", "numeric")


def test_lower_is_better(database: Database) -> None:
    save(database, [MetricRecord("wer", "numeric", 0, None, False, is_primary=True)], A=A, B=B)
    (pair,) = compared(database, margin=5.0).comparisons
    assert pair.difference == pytest.approx(np.mean(B) - np.mean(A))
    (plain,) = compared(database).comparisons
    assert plain.verdict == "candidate_better"
    assert (plain.better, plain.worse) == (6, 0)
    assert pair.non_inferior
    assert summary(database).variants[0].interval_method == "t"


def test_another_numeric_metric(database: Database) -> None:
    save(database, [EXACT, WER], A=[1, 0, 1, 1], B=[1, 0, 0, 1])
    score(database, "wer", A=[0.1, 0.2, None, 0.4], B=[0.3, 0.3, 0.5, 0.5])
    comparison = compared(database, metric="wer")
    assert [row.mean for row in comparison.variants] == pytest.approx([0.7 / 3, 0.4])
    assert [row.graded for row in comparison.variants] == [3, 4]
    assert [row.ungraded for row in comparison.variants] == [1, 0]
    (pair,) = comparison.comparisons
    assert [pair.samples, pair.difference] == pytest.approx([3, 0.4 / 3])
    (by_accuracy,) = compared(database).comparisons
    assert (by_accuracy.metric, by_accuracy.difference) == ("exact", -0.25)
    assert [row.accuracy for row in summary(database).variants] == [0.75, 0.5]
    assert [row.mean for row in summary(database).variants] == [0.75, 0.5]


def test_another_binary_metric_of_several_authors(database: Database) -> None:
    human = MetricRecord("human", "binary", 0, 1, True)
    save(database, [RATING, human], A=[5, 4, 3, 2], B=[1, 2, 3, 4])
    for author, values in (
        ("ann", {"A": [1, 1, 0, 1], "B": [0, 0, 1, 0]}),
        ("bob", {"A": [1, 1, 0, 0], "B": [0, 1, 0, 0]}),
        ("eve", {"A": [0, 1, 0, None], "B": [0, 1, 0, 0]}),
    ):
        score(database, "human", author=author, **values)
    comparison = compared(database, metric="human")
    # The majority; two against one another are no grade.
    assert [(row.correct, row.graded) for row in comparison.variants] == [(2, 3), (1, 4)]
    (pair,) = comparison.comparisons
    assert (pair.samples, pair.improved, pair.regressed) == (3, 0, 1)


def test_the_mean_of_several_authors(database: Database) -> None:
    save(database, [EXACT, MetricRecord("help", "numeric", 1, 5, True)], A=[1, 1], B=[0, 1])
    score(database, "help", author="x", A=[1, 2], B=[3, 4])
    score(database, "help", author="y", A=[2, 5], B=[3, 5])
    assert [row.mean for row in summary(database, metric="help").variants] == [2.5, 3.75]


def test_a_failed_run_has_no_value(database: Database) -> None:
    save(database, [RATING], A=[5, "failed", "truncated", 3], B=[1, 2, 3, None])
    one, other = summary(database).variants
    assert (one.graded, one.failed, one.truncated, one.ungraded) == (2, 1, 1, 0)
    assert (other.graded, other.ungraded) == (3, 1)
    assert one.mean == 4
    worst = summary(database, missing="incorrect").variants
    assert [row.mean for row in worst] == [2.5, 1.75]
    (pair,) = compared(database, missing="incorrect").comparisons
    assert (pair.samples, pair.difference) == (4, -0.75)


def test_no_worst_value(database: Database) -> None:
    save(database, [MetricRecord("ms", "numeric", is_primary=True)], A=[1.5], B=[2.5])
    with pytest.raises(UsageError, match="bound"):
        summary(database, missing="incorrect")


def test_repeats_are_averaged(database: Database) -> None:
    one, other = [[1, 2], [4, 5], [3, 3], [2, 5]], [[2, 2, 2], [3, 4, 5], [1, 3, 3], [2, 3, 5]]
    save(database, [RATING], A=one, B=other)
    means = [[np.mean(sample) for sample in side] for side in (one, other)]
    comparison = compared(database)
    assert [row.mean for row in comparison.variants] == pytest.approx(list(map(np.mean, means)))
    (pair,) = comparison.comparisons
    d = np.array(means[1]) - np.array(means[0])
    exact = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=math.inf)
    assert pair.p_value_exact == pytest.approx(exact.pvalue, abs=1e-12)
    assert pair.method == "repeats averaged by sample"
    assert "unequal_epochs" in pair.warnings


def test_inferred_right_and_wrong_against_numbers(database: Database) -> None:
    save(database, [MetricRecord("f1", "binary", 0, 1, True, is_primary=True)], "one", A=[1, 0, 1])
    f1 = MetricRecord("f1", "numeric", 0, 1, True, is_primary=True)
    save(database, [f1], "two", A=[0.5, 0.25, 1])
    comparison = compared(database, "one", "two")
    assert [row.mean for row in comparison.variants] == pytest.approx([2 / 3, 1.75 / 3])
    (pair,) = comparison.comparisons
    assert (pair.samples, pair.metric_kind) == (3, "numeric")


def test_different_metrics_are_refused(database: Database) -> None:
    save(database, [RATING], "one", A=[5, 4, 3])
    save(database, [MetricRecord("f1", "numeric", 0, 1, True, is_primary=True)], "two", A=[1, 0, 1])
    with pytest.raises(UsageError, match="different metrics") as refused:
        compared(database, "one", "two")
    assert "--allow metric" in str(refused.value.hint)
    comparison = compared(database, "one", "two", allow=("metric",))
    assert comparison.metric == "rating / f1"
    assert "metrics_differ" in comparison.comparisons[0].warnings


def test_one_side_without_grades_is_named(database: Database) -> None:
    save(database, [RATING], "one", A=[5, 4, 3])
    save(database, [], "two", A=[None, None, None])
    with pytest.raises(UsageError, match="two/A// has no grades: not one of its runs") as refused:
        compared(database, "one", "two")
    for name in ("one", "two"):
        assert f"score --experiment-id {name} --grader exact" in str(refused.value.hint)
    with database.read() as connection, pytest.raises(UsageError, match="two/A// has no grades"):
        RankingService(connection, Filters(), AnalysisOptions()).report()


def test_other_definitions_are_refused(database: Database) -> None:
    for name, judge in (("one", "x"), ("two", "y")):
        metric = MetricRecord("help", "numeric", 1, 5, True, "judge", {"judge": judge}, True)
        save(database, [metric], name, A=[5, 4, 3])
    with pytest.raises(UsageError, match="other definitions"):
        compared(database, "one", "two")
    (pair,) = compared(database, "one", "two", allow=("metric",)).comparisons
    assert (pair.difference, "definitions_differ" in pair.warnings) == (0, True)


def test_a_metric_that_is_not_there(database: Database) -> None:
    save(database, [RATING], A=A, B=B)
    with pytest.raises(NotFoundError, match="no metric 'bleu'") as error:
        summary(database, metric="bleu")
    assert "rating" in str(error.value.hint)


def test_numbers_without_a_metric(database: Database) -> None:
    save(database, [], A=[0.5, 1.5], B=[2.5, 3.5])
    assert [(row.metric, row.mean) for row in summary(database).variants] == [
        ("score", 1.0),
        ("score", 3.0),
    ]


def test_means_beyond_the_declared_bounds(database: Database) -> None:
    save(database, [MetricRecord("f1", "numeric", 0, 1, True, is_primary=True)], A=[50, 75])
    (row,) = summary(database).variants
    assert (row.mean, row.interval_method) == (62.5, "t")
    assert "values_outside_bounds" in row.warnings


def test_unpaired_numbers(database: Database) -> None:
    save(database, [RATING], A=A, B=B)
    (pair,) = compared(database, unpaired=True).comparisons
    welch = stats.ttest_ind(B, A, equal_var=False)
    assert pair.p_value == pytest.approx(welch.pvalue, rel=1e-9)
    assert (pair.interval_method, pair.samples) == ("mover", 0)


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_values_far_from_zero(database: Database, offset: float) -> None:
    values = [offset + x / 8 for x in A]
    save(database, [MetricRecord("clock", "numeric", is_primary=True)], A=values)
    (row,) = summary(database).variants
    assert row.sd == pytest.approx(np.std(A, ddof=1) / 8, rel=1e-12)


@pytest.mark.filterwarnings("error")
def test_values_too_large_to_compute_with_count_as_none(database: Database) -> None:
    save(database, [WER], A=[1e90, 3e90, 1e307, -1e307], B=[2e90, 3e90, 1.0, 1.0])
    one, _ = summary(database).variants
    assert (one.mean, one.graded, one.ungraded) == (2e90, 2, 2)
    (pair,) = compared(database).comparisons
    assert (pair.samples, pair.difference) == (2, 5e89)


def test_numbers_over_these_very_tasks(database: Database) -> None:
    """The difference of all samples, with the errors within tasks (n - 1)."""
    with database.write() as connection:
        ExperimentRepository(connection).save(ExperimentRecord("e", metrics=[RATING]))
        runs = [
            RunRecord("e", approach, index, task=task, score=value)
            for task, rows in {"a": (A, B), "b": ([5, 1, 4], [2, 2, 3])}.items()
            for approach, values in zip(("A", "None"), rows, strict=True)
            for index, value in enumerate(values)
        ]
        RunRepository(connection).save_many(runs)
    comparison = compared(database, by_task=True)
    like, these = comparison.micro
    assert (like.population, these.population) == ("tasks like these", "these tasks")
    by_task = [np.subtract(A, B), np.subtract([5, 1, 4], [2, 2, 3])]
    d = np.concatenate(by_task)
    assert like.difference.estimate == these.difference.estimate == pytest.approx(d.mean())
    se = np.sqrt(sum(len(x) * np.var(x, ddof=1) for x in by_task)) / len(d)
    assert these.difference.se == pytest.approx(se, rel=1e-12)
    assert these.difference.p_value == pytest.approx(2 * stats.norm.sf(d.mean() / se), rel=1e-9)
    random, fixed = (row.difference for row in comparison.macro)
    means = [x.mean() for x in by_task]
    assert random.estimate == fixed.estimate == pytest.approx(np.mean(means))
    assert random.se == pytest.approx(stats.sem(means))
    assert (random.n_samples, random.n_clusters, fixed.n_samples) == (15, 2, 15)
    assert fixed.warnings == ("small_tasks",)
