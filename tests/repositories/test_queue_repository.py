"""Queues: drawn at random, the same on both engines, gone with what they belong to."""

from datetime import UTC, datetime

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.errors import DuplicateError, NotFoundError, UsageError
from ml_agents_results.records import ExperimentRecord, MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.queue_repository import QueueRepository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.score_repository import ScoreRepository
from tests.databases import row_problems


@pytest.fixture
def prepared(database: Database) -> Database:
    runs = [
        RunRecord("e", approach, index, id=f"{approach}{index}", raw_output="x")
        for approach in ("a", "b")
        for index in range(20)
    ]
    runs[3].error = "Timeout: no answer"
    with database.write() as connection:
        metrics = [MetricRecord("human", "binary", 0, 1, True)]
        ExperimentRepository(connection).save(ExperimentRecord("e", metrics=metrics))
        RunRepository(connection).save_many(runs)
    return database


def test_a_seed_draws_the_same_runs_everywhere(prepared: Database) -> None:
    moment = Filters.of({"created_from": datetime(2020, 1, 1, tzinfo=UTC), "approach_name": "a"})
    with prepared.write() as connection:
        queues = QueueRepository(connection, "e")
        drawn = queues.draw("q", "human", 4, seed=7, filters=moment, blind=True, author="ada")
        # random.Random(7).sample of a0 to a19 in the order of their keys, without a3.
        assert [run.run_id for run in queues.runs("q")] == ["a11", "a5", "a13", "a1"]
    assert (drawn.size, drawn.population, drawn.seed, drawn.blind) == (4, 19, 7, True)
    assert drawn.filters["approach_name"] == ["a"]
    assert row_problems(prepared) == []


def test_runs_are_open_until_this_author_has_labelled_them(prepared: Database) -> None:
    with prepared.write() as connection:
        queues = QueueRepository(connection, "e")
        queues.draw("q", "human", 3, seed=1)
        first, *rest = queues.runs("q")
        score = ScoreRecord(1, metric="human", author="ada")
        ScoreRepository(connection).save(first.run_id, score)
        assert queues.open_runs("q", "ada") == rest
        assert queues.open_runs("q", "bob") == [first, *rest]
        assert queues.delete("q")
        assert not queues.delete("q")
        assert ScoreRepository(connection).get(first.run_id, "human", "ada").value == 1


def test_what_cannot_be_drawn_is_refused(prepared: Database) -> None:
    with prepared.write() as connection:
        queues = QueueRepository(connection, "e")
        with pytest.raises(UsageError, match="40 runs cannot be drawn from 39"):
            queues.draw("q", "human", 40, seed=1)
        with pytest.raises(NotFoundError, match="has no metric 'f1'"):
            queues.draw("q", "f1", 4, seed=1)
        queues.draw("q", "human", 4, seed=1)
        with pytest.raises(DuplicateError, match="has a queue 'q' already"):
            queues.draw("q", "human", 4, seed=1)
        with pytest.raises(NotFoundError, match="has no queue 'r'"):
            queues.get("r")


def test_a_queue_goes_with_its_experiment(prepared: Database) -> None:
    with prepared.write() as connection:
        QueueRepository(connection, "e").draw("q", "human", 4, seed=1)
        ExperimentRepository(connection).delete("e")
    report = check(prepared)
    assert report.problems == []
    assert (report.tables["queues"], report.tables["queue_items"]) == (0, 0)
