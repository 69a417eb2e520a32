"""Stored answers scored again, against real SQLite files."""

from typing import Any

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.rescoring import StoredScoring
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.scoring.graders import find_grader


def half(parsed: str, expected: str) -> float:
    return 0.5 if parsed == expected else 0.25


def failing(parsed: str, expected: str) -> bool:
    raise ValueError("not today")


@pytest.fixture
def processor(sqlite_database: Database) -> ResultsProcessor:
    """Four answers, graded by exact: right, wrong by its unit, never read, and failed."""
    processor = ResultsProcessor(sqlite_database)
    exact = find_grader("exact").definition
    primary = MetricRecord(
        "exact", "binary", 0, 1, True, "grader", {"grader": exact}, is_primary=True
    )
    processor.save_experiment("e", {}, metrics=[primary])
    rows: list[dict[str, Any]] = [
        {"raw_output": "The answer is 18.", "parsed_answer": "18", "is_correct": True},
        {"raw_output": "The answer is 18.4.", "parsed_answer": "18.4", "is_correct": False},
        {"raw_output": "So 9 * 2 = 18.\n#### 18"},
        {"error": "down"},
    ]
    processor.save_runs(
        RunRecord("e", "CoT", i, input_text="How many?", expected_answer="18", **row)
        for i, row in enumerate(rows)
    )
    return processor


def runs_of(processor: ResultsProcessor) -> list[RunRecord]:
    return list(processor.iter_runs("e"))


def scores_of(processor: ResultsProcessor, metric: str) -> list[ScoreRecord]:
    return [s for run in runs_of(processor) for s in run.scores or () if s.metric == metric]


def test_a_new_metric_leaves_the_primary_one(processor: ResultsProcessor) -> None:
    before = [(run.is_correct, run.parsed_answer) for run in runs_of(processor)]
    result = StoredScoring(processor, "e", "number,relative=0.1", name="near").run()
    assert (result.read, result.scored, result.changed, result.primary) == (3, 3, 3, False)
    assert [score.value for score in scores_of(processor, "near")] == [1, 1, 1]
    assert [(run.is_correct, run.parsed_answer) for run in runs_of(processor)] == before
    near, exact = sorted(
        processor.get_experiment("e").metrics or [], key=lambda metric: metric.is_primary
    )
    assert near.definition_json["grader"]["settings"]["relative"] == 0.1
    assert (exact.name, near.kind, near.scorer) == ("exact", "binary", "grader")


def test_the_primary_metric_is_replaced_and_what_it_was_is_kept(
    processor: ResultsProcessor,
) -> None:
    result = StoredScoring(
        processor, "e", "number,relative=0.1", name="exact", primary=True, reparse=True, force=True
    ).run()
    assert result.changed == 2
    right, near, read, failed = runs_of(processor)
    assert [run.is_correct for run in (right, near, read, failed)] == [True, True, True, None]
    assert read.parsed_answer == "18"
    assert (read.metadata_json or {})["before_correction"]["parsed_answer"] is None
    (score,) = [score for score in near.scores or () if score.metric == "exact"]
    assert (score.details_json or {})["history"] == [{"value": 0.0}]
    assert processor.get_experiment("e").config_json["extra"]["grader"] == "number,relative=0.1"


def test_another_metric_becomes_the_primary_one(processor: ResultsProcessor) -> None:
    StoredScoring(processor, "e", f"{__name__}:half", name="half", primary=True).run()
    assert [run.score for run in runs_of(processor)] == [0.5, 0.25, 0.5, None]
    assert [score.value for score in scores_of(processor, "exact")] == [1, 0]
    primary = next(m for m in processor.get_experiment("e").metrics or () if m.is_primary)
    assert (primary.name, primary.kind) == ("half", "numeric")


def test_what_a_person_has_read_stays(processor: ResultsProcessor) -> None:
    run = runs_of(processor)[0]
    run.parsed_answer, run.parsing_method, run.is_correct = "17", "manual", False
    processor.save_run(run)
    StoredScoring(processor, "e", "exact", primary=True, reparse=True).run()
    assert (runs_of(processor)[0].parsed_answer, runs_of(processor)[0].is_correct) == ("17", False)


def test_scoring_twice_changes_nothing(processor: ResultsProcessor) -> None:
    for changed in (3, 0):
        result = StoredScoring(processor, "e", "exact", name="again").run()
        assert result.changed == changed
    assert all("history" not in (s.details_json or {}) for s in scores_of(processor, "again"))


def test_a_metric_of_the_same_name_is_not_mixed_with_another(processor: ResultsProcessor) -> None:
    with pytest.raises(UsageError, match="defined otherwise"):
        StoredScoring(processor, "e", "number", name="exact")


def test_a_grader_that_fails_leaves_what_there_is(processor: ResultsProcessor) -> None:
    result = StoredScoring(processor, "e", f"{__name__}:failing", name="broken").run()
    assert (result.errors, result.scored) == (3, 0)
    assert "not today" in str(result.first_error)
    assert scores_of(processor, "broken") == []
