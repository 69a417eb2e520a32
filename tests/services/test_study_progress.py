"""Progress of a study: the time left is a range, and unknown where nothing tells it."""

from datetime import UTC, datetime, timedelta

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.services.study_progress import StudyProgress, progress_of

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def progress(processor: ResultsProcessor, runs: int, planned: int | None) -> StudyProgress:
    processor.save_experiment("e", {})
    processor.save_runs(
        RunRecord(
            "e",
            "None",
            index,
            cost_estimate=0.01 + 0.002 * (index % 2),
            created_at=NOW - timedelta(seconds=2 * (runs - index)),
        )
        for index in range(runs)
    )
    with processor.database.read() as connection:
        return progress_of(connection, "e", runs, planned, NOW)


def test_the_range_holds_the_time_at_the_same_rate(processor: ResultsProcessor) -> None:
    found = progress(processor, 100, 400)
    assert found.share == 0.25
    assert found.last_at == NOW - timedelta(seconds=2)
    assert found.left is not None
    low, high = found.left
    assert low < timedelta(seconds=600) < high < timedelta(seconds=900)
    assert found.cost_left is not None
    low_cost, high_cost = found.cost_left
    assert 3.2 < low_cost < 300 * 0.011 < high_cost < 3.4


def test_few_runs_tell_no_rate(processor: ResultsProcessor) -> None:
    assert progress(processor, 10, 400).left is None


def test_without_a_plan_nothing_is_left(processor: ResultsProcessor) -> None:
    found = progress(processor, 100, None)
    assert found.left is None
    assert found.share is None
