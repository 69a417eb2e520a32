"""A judge corrected by labels whose draw is recorded."""

from typing import Any

import numpy as np
import pytest

from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.labelling import Labelling, LabelScale, draw_queue
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.reports.corrected_report import corrected_report
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.corrected import CorrectedReport, CorrectedService
from ml_agents_results.statistics.prediction_powered import corrected_mean
from tests.services.building import run

TRUTH: dict[tuple[str, int], float] = {}


@pytest.fixture
def study(store: ResultsProcessor) -> ResultsProcessor:
    """Two variants of 120 samples with a judge who is half a point too kind."""
    rng = np.random.default_rng(3)
    store.save_experiment("exp", {})
    with store.database.write() as connection:
        MetricRepository(connection, "exp").save(
            MetricRecord("judge", "numeric", 1, 10, True, is_primary=True)
        )
    runs: list[RunRecord] = []
    for name, mean in (("None", 5.0), ("Better", 6.5)):
        for index in range(120):
            truth = float(np.clip(np.rint(rng.normal(mean, 1.5)), 1, 9))
            TRUTH[name, index] = truth
            judge = min(10.0, truth + float(rng.choice([0, 0, 1, 1])))
            runs.append(run("exp", name, index, None, score=judge, task=f"t{index % 2}"))
    store.save_runs(runs)
    return store


def label(store: ResultsProcessor, size: int, **drawing: Any) -> Labelling:
    queue = draw_queue(store, "exp", size, seed=1, scale=LabelScale.of("1-10"), **drawing)
    labelling = Labelling(store, "exp", queue, "anna")
    for queued in labelling.open_runs():
        record = labelling.run(queued)
        labelling.save(queued, TRUTH[record.approach_name, record.sample_index])
    return labelling


def corrected(store: ResultsProcessor, *names: str, **filters: Any) -> CorrectedReport:
    with store.database.read() as connection:
        chosen = Filters.of({"experiment_id": "exp", **filters})
        options = AnalysisOptions(cluster="none")
        return CorrectedService(connection, chosen, options).report(names or ("judge", "human"))


def test_means_and_differences_as_people_would_find_them(study: ResultsProcessor) -> None:
    label(study, 200)
    report = corrected(study)
    truth = {name: np.mean([v for (n, _), v in TRUTH.items() if n == name])
             for name in ("None", "Better")}  # fmt: skip
    for row in report.variants:
        mean = row.mean
        assert mean.ci_low is not None
        assert mean.ci_high is not None
        assert mean.ci_low <= truth[row.variant.approach_name] <= mean.ci_high
        assert (mean.judge_mean or 0.0) > mean.ci_high
        assert (mean.effective_labels or 0) > 1.1 * row.labels
        assert row.samples == 120
    (pair,) = report.comparisons
    assert pair.paired
    assert (pair.ci_low or 0.0) > 0.0
    assert [(draw.size, draw.population, draw.matching, draw.seed) for draw in report.draws] == [
        (200, 240, 240, 1)
    ]
    assert report.warnings == ()
    # The figures are those of the arrays.
    with study.database.read() as connection:
        labels: dict[int, float] = dict(connection.exec_driver_sql(
            "SELECT sample_index, value FROM scores JOIN runs ON runs.id = run_id "
            "WHERE approach_name = 'Better'").fetchall())  # fmt: skip
        judge: dict[int, float] = dict(connection.exec_driver_sql(
            "SELECT sample_index, score FROM runs WHERE approach_name = 'Better'"
        ).fetchall())  # fmt: skip
    both = sorted(labels)
    expected = corrected_mean(
        np.array([labels[one] for one in both]),
        np.array([judge[one] for one in both]),
        np.array([judge[one] for one in sorted(judge.keys() - labels.keys())]),
        (1.0, 10.0),
    )
    better = next(row for row in report.variants if row.variant.approach_name == "Better")
    assert better.mean.estimate == pytest.approx(expected.estimate)
    assert better.mean.ci_low == pytest.approx(expected.ci_low)
    said = corrected_report(report).sentences
    assert said[0].startswith("People would give Better ")
    assert said[-1].endswith(": better.")


def test_few_pairs_are_compared_by_their_means(study: ResultsProcessor) -> None:
    label(study, 40)
    report = corrected(study)
    (pair,) = report.comparisons
    assert not pair.paired
    assert pair.pairs < 10
    one, two = (row.mean for row in sorted(report.variants, key=lambda row: row.variant))
    assert pair.difference == pytest.approx((one.estimate or 0.0) - (two.estimate or 0.0))
    assert pair.se == pytest.approx(((one.se or 0.0) ** 2 + (two.se or 0.0) ** 2) ** 0.5)
    assert "few_pairs" in pair.warnings


def test_whole_samples_are_labelled_for_both_variants(study: ResultsProcessor) -> None:
    labelling = label(study, 40, whole_samples=True)
    assert (labelling.queue.size, labelling.queue.population) == (80, 240)
    report = corrected(study)
    (pair,) = report.comparisons
    assert (pair.paired, pair.pairs, pair.one_sided) == (True, 40, 0)
    with_judge, without = pair.needed["0.45"]
    assert with_judge is not None
    assert without is None or with_judge < without
    assert report.warnings == ()


def test_labels_that_are_no_random_part_are_refused(study: ResultsProcessor) -> None:
    label(study, 60, filters=Filters.of({"task": "t0"}))
    with pytest.raises(UsageError, match="drawn where task is t0 only") as told:
        corrected(study)
    assert told.value.hint == "Choose the same runs: --task t0"
    report = corrected(study, task="t0")
    assert [row.samples for row in report.variants] == [60, 60]
    with study.database.read() as connection:
        run_id = connection.exec_driver_sql(
            "SELECT id FROM runs WHERE task = 't1' LIMIT 1"
        ).scalar_one()
    study.save_scores([(run_id, ScoreRecord(5.0, metric="human", author="ben"))])
    with pytest.raises(UsageError, match="1 of 61 labels of human are not of runs") as told:
        corrected(study, task="t0")
    assert "grade --random 50" in str(told.value.hint)
    with pytest.raises(UsageError, match="two metrics are needed"):
        corrected(study, "judge")


def test_what_was_passed_over_and_what_was_added_is_said(study: ResultsProcessor) -> None:
    labelling = label(study, 60)
    assert labelling.open_runs() == []
    with study.database.write() as connection:
        connection.exec_driver_sql(
            "DELETE FROM scores WHERE run_id = (SELECT run_id FROM queue_items WHERE position = 3)"
        )
    study.save_runs([run("exp", "None", 500, None, score=5.0, task="t0")])
    assert corrected(study).warnings == ("population_changed", "labels_skipped")
