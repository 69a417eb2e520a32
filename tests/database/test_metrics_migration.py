"""Revision 0005: the one grade of each experiment becomes its primary metric; nothing is lost."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import text

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_repository import RunRepository
from tests.databases import row_problems
from tests.lengths import SQLITE_FIRST

TIME = "2026-01-02 03:04:05.000006"
Row = Mapping[str, Any]
BINARY = (0.0, 1.0, True)


def recorded(
    database: Database, rows: Sequence[Row], config: Mapping[str, Any] | None = None
) -> None:
    """An experiment of revision 0004 with these runs."""
    schema.upgrade(database, "0004")
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO experiments (id, created_at, updated_at, status, config_json, "
                "content_digest) VALUES ('e', :time, :time, 'completed', :config, 'x')"
            ),
            {"time": TIME, "config": json.dumps(config or {})},
        )
        for index, row in enumerate(rows):
            outcome = "ungraded"
            if row.get("error"):
                outcome = "failed"
            elif row.get("correct") is not None:
                outcome = "correct" if row["correct"] else "wrong"
            connection.execute(
                text(
                    "INSERT INTO runs (id, experiment_id, approach_name, provider, model, task, "
                    "sample_index, repeat_index, created_at, is_correct, score, error, "
                    "metadata_json, content_digest, outcome) VALUES (:id, 'e', 'None', 'p', 'm', "
                    "'', :index, 0, :time, :correct, :score, :error, :metadata, 'x', :outcome)"
                ),
                {
                    "id": f"r{index}",
                    "index": index,
                    "time": TIME,
                    "correct": row.get("correct"),
                    "score": row.get("score"),
                    "error": row.get("error"),
                    "metadata": json.dumps(row["metadata"]) if "metadata" in row else None,
                    "outcome": outcome,
                },
            )


def dump(database: Database) -> list[Any]:
    with database.read() as connection:
        rows = connection.execute(
            text("SELECT id, is_correct, score, error, metadata_json FROM runs ORDER BY id")
        )
        return [tuple(row) for row in rows]


def migrated(database: Database) -> tuple[list[MetricRecord], list[RunRecord]]:
    schema.upgrade(database)
    assert row_problems(database) == []
    with database.read() as connection:
        return (
            list(MetricRepository(connection, "e").list()),
            list(RunRepository(connection).iterate(["e"])),
        )


def values(runs: list[RunRecord]) -> list[tuple[bool | None, float | None]]:
    return [(run.is_correct, run.score) for run in runs]


@pytest.mark.parametrize(
    ("rows", "config", "metric", "after"),
    [
        (
            [{"correct": True}, {"correct": False}, {}],
            {"grader": "numeric"},
            MetricRecord("numeric", "binary", *BINARY, is_primary=True),
            [(True, None), (False, None), (None, None)],
        ),
        (
            # What importers wrote: values of 0 and 1 also as grades.
            [{"correct": True, "score": 1.0}, {"correct": False, "score": 0.0}],
            {},
            MetricRecord("correct", "binary", *BINARY, is_primary=True),
            [(True, 1.0), (False, 0.0)],
        ),
        (
            [{"correct": True, "score": 1.0}, {"score": 0.25}, {"correct": False, "score": 0.0}],
            {},
            MetricRecord("score", "numeric", is_primary=True),
            [(None, 1.0), (None, 0.25), (None, 0.0)],
        ),
        (
            [{"score": 7.5}, {"score": None}, {"error": "x", "score": 0.5}],
            {},
            MetricRecord("score", "numeric", is_primary=True),
            [(None, 7.5), (None, None), (None, 0.5)],
        ),
    ],
    ids=["grades", "grades with values", "a numeric metric", "values only"],
)
@pytest.mark.parametrize("engine_name", SQLITE_FIRST)
def test_the_one_grade_becomes_the_primary_metric(
    empty_database: Database,
    rows: list[Row],
    config: Mapping[str, Any],
    metric: MetricRecord,
    after: list[Any],
) -> None:
    recorded(empty_database, rows, config)
    before = dump(empty_database)
    metrics, runs = migrated(empty_database)
    assert metrics == [metric]
    assert values(runs) == after
    assert all(run.scores is None for run in runs)
    schema.downgrade(empty_database, "0004", lossy=True)
    assert dump(empty_database) == before
    assert row_problems(empty_database) == []
    assert migrated(empty_database) == (metrics, runs)


def test_runs_without_grades_have_no_metric(empty_database: Database) -> None:
    recorded(empty_database, [{}, {"error": "x"}])
    metrics, _ = migrated(empty_database)
    assert metrics == []


def test_a_grade_and_a_value_that_differs_are_two_metrics(empty_database: Database) -> None:
    rows = [{"correct": True, "score": 0.8}, {"correct": False, "score": 0.3}, {"score": 0.1}]
    recorded(empty_database, rows)
    before = dump(empty_database)
    metrics, runs = migrated(empty_database)
    assert [(one.name, one.kind, one.is_primary) for one in metrics] == [
        ("correct", "binary", True),
        ("score", "numeric", False),
    ]
    assert values(runs) == [(True, None), (False, None), (None, None)]
    assert [run.scores for run in runs] == [
        [ScoreRecord(value, metric="score")] for value in (0.8, 0.3, 0.1)
    ]
    schema.downgrade(empty_database, "0004", lossy=True)
    assert dump(empty_database) == before


def test_scores_that_imports_kept_become_rows(empty_database: Database) -> None:
    inspect_scores = {
        "match": {"value": "C", "answer": "42", "explanation": "as it says"},
        "rubric": {"value": {"style": 7, "facts": 0.5}},
        "note": {"value": "unclear"},
    }
    rows: list[Row] = [
        {"correct": True, "score": 1.0, "metadata": {"scores": inspect_scores}},
        {"correct": False, "score": 0.0, "metadata": {"scores": {"match": {"value": "I"}}}},
        {"error": "x", "metadata": {"metrics": "of another kind"}},
    ]
    recorded(empty_database, rows)
    before = dump(empty_database)
    metrics, runs = migrated(empty_database)
    assert [(one.name, one.kind, one.is_primary) for one in metrics] == [
        ("match", "binary", True),
        ("rubric/facts", "numeric", False),
        ("rubric/style", "numeric", False),
    ]
    assert runs[0].scores == [
        ScoreRecord(1.0, "C", "as it says", {"answer": "42"}, metric="match"),
        ScoreRecord(0.5, metric="rubric/facts"),
        ScoreRecord(7.0, metric="rubric/style"),
    ]
    assert runs[1].scores == [ScoreRecord(0.0, "I", metric="match")]
    assert runs[2].scores is None
    schema.downgrade(empty_database, "0004", lossy=True)
    assert dump(empty_database) == before


@pytest.mark.parametrize(
    ("metadata", "names"),
    [
        ({"metrics": {"exact_match": 1.0, "f1": 0.8, "listed": [1, 2]}}, ["exact_match", "f1"]),
        ({"metrics": {"f1": 0.8, "num_prompt_tokens": 7, "inference_runtime": 2}}, ["f1"]),
        ({"metrics": [{"choice": "A"}, {"score": 0.5}]}, ["score"]),
        ({"named_scores": {"tone": 0.4, "broken": None}}, ["tone"]),
        ({"scores": "not an object", "metrics": 7}, []),
    ],
    ids=["lm-eval", "helm", "openai", "promptfoo", "others"],
)
@pytest.mark.parametrize("engine_name", SQLITE_FIRST)
def test_every_format_that_kept_some(
    empty_database: Database, metadata: Mapping[str, Any], names: list[str]
) -> None:
    recorded(empty_database, [{"correct": True, "metadata": metadata}])
    metrics, runs = migrated(empty_database)
    assert sorted(one.name for one in metrics if one.name != "correct") == names
    assert runs[0].metadata_json == metadata
