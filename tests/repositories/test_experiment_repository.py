"""Experiments: saved, found by what people call them, listed."""

from datetime import UTC, datetime, timedelta

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import InvalidRecordError, NotFoundError
from ml_agents_results.records import ExperimentRecord, MetricRecord, RunRecord
from ml_agents_results.repositories.experiment_repository import (
    ExperimentCounts,
    ExperimentRepository,
)
from ml_agents_results.repositories.run_repository import RunRepository

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
FULL = ExperimentRecord(
    "exp_20261123_101500_ab12",
    name="Ein Versuch \x00\ud800",
    description="in\nlines",
    status="completed",
    created_at=START,
    config_json={"seed": 1, "nested": {"a": [1, 2.5, None, "\x00"]}},
    environment_json={"python": "3.11"},
)


def save(database: Database, *experiments: ExperimentRecord) -> None:
    with database.write() as connection:
        for experiment in experiments:
            ExperimentRepository(connection).save(experiment)


def get(database: Database, name: str) -> ExperimentRecord:
    with database.read() as connection:
        return ExperimentRepository(connection).get(name)


def resolve(database: Database, reference: str) -> str:
    with database.read() as connection:
        return ExperimentRepository(connection).resolve(reference)


def test_every_field_comes_back(database: Database) -> None:
    before = datetime.now(UTC)
    save(database, FULL)
    found = get(database, FULL.id)
    assert found.updated_at is not None
    assert before <= found.updated_at <= datetime.now(UTC)
    assert found.updated_at.utcoffset() == timedelta(0)
    found.updated_at = None
    assert found == FULL


def test_saving_again_updates_but_for_the_beginning(database: Database) -> None:
    save(database, FULL)
    save(
        database,
        ExperimentRecord(
            FULL.id, name="other", status="failed", created_at=START.replace(year=1999)
        ),
    )
    found = get(database, FULL.id)
    assert (found.name, found.status, found.created_at) == ("other", "failed", START)


def test_a_status_is_set(database: Database) -> None:
    save(database, FULL)
    with database.write() as connection:
        ExperimentRepository(connection).set_status(FULL.id, "failed")
    assert get(database, FULL.id).status == "failed"


def test_but_not_of_what_is_not_there_nor_to_what_is_none(database: Database) -> None:
    save(database, FULL)
    with database.write() as connection:
        repository = ExperimentRepository(connection)
        with pytest.raises(NotFoundError, match="no experiment 'exp_x'"):
            repository.set_status("exp_x", "failed")
        with pytest.raises(InvalidRecordError, match="`status` is 'done'"):
            repository.set_status(FULL.id, "done")  # type: ignore[arg-type]
    assert get(database, FULL.id).status == "completed"


class TestResolving:
    @pytest.fixture
    def named(self, database: Database) -> Database:
        save(
            database,
            ExperimentRecord("exp_a1", name="first", created_at=START),
            ExperimentRecord("exp_a2", name="second", created_at=START + timedelta(hours=2)),
            ExperimentRecord("exp_b%", name="50% off", created_at=START + timedelta(hours=1)),
            ExperimentRecord("exp_bx", name="exp_a1", created_at=START),
            ExperimentRecord("Größe", name="same", created_at=START),
            ExperimentRecord("exp", name="same", created_at=START),
        )
        return database

    def test_finds_what_is_meant(self, named: Database) -> None:
        for reference, meant in (
            ("exp_a1", "exp_a1"),
            ("exp", "exp"),
            ("second", "exp_a2"),
            ("50% off", "exp_b%"),
            ("exp_b%", "exp_b%"),
            ("Gr", "Größe"),
            ("latest", "exp_a2"),
        ):
            assert resolve(named, reference) == meant

    def test_names_those_that_fit(self, named: Database) -> None:
        for reference, candidates in (
            ("exp_", "exp_a1, exp_a2, exp_b%, exp_bx"),
            ("same", "Größe, exp"),
        ):
            with pytest.raises(NotFoundError, match="several experiments fit") as caught:
                resolve(named, reference)
            assert str(caught.value).endswith(candidates)

    def test_takes_nothing_for_a_pattern(self, named: Database) -> None:
        for reference in ("%", "_", "exp_%", "e_p", "EXP_A1", "EXP_B", "", "\x00"):
            with pytest.raises(NotFoundError, match="no experiment"):
                resolve(named, reference)

    def test_suggests_what_is_near(self, named: Database) -> None:
        for reference, hint in (
            ("exp_a_1", "Did you mean exp_a1 or exp_a2 or exp_bx?"),
            ("secnd", "Did you mean exp_a2?"),
            ("zzzzzzzzz", "See: ml-agents list"),
        ):
            with pytest.raises(NotFoundError) as caught:
                resolve(named, reference)
            assert caught.value.exit_code == 3
            assert caught.value.hint == hint

    def test_in_an_empty_database(self, database: Database) -> None:
        with pytest.raises(NotFoundError, match="holds no experiments"):
            resolve(database, "latest")
        with pytest.raises(NotFoundError, match="no experiment 'x'"):
            resolve(database, "x")


def test_the_list_counts_and_begins_with_the_newest(database: Database) -> None:
    save(
        database,
        ExperimentRecord("old", created_at=START),
        ExperimentRecord(
            "new",
            name="N",
            created_at=START + timedelta(days=1),
            tags_json=["pilot"],
            environment_json={"plan": {"runs": 12}},
            metrics=[MetricRecord("exact", "binary", is_primary=True), MetricRecord("f1")],
        ),
        ExperimentRecord("old2", created_at=START),
    )
    runs = [
        RunRecord("new", "None", 0, is_correct=True),
        RunRecord("new", "None", 1, is_correct=False),
        RunRecord("new", "CoT", 0, is_correct=True),
        RunRecord("new", "CoT", 1, error="no"),
        RunRecord("new", "CoT", 2, raw_output="?"),
        RunRecord("old", "None", 0),
        RunRecord("old", "None", 1, is_correct=True),
        RunRecord("old", "None", 2, is_correct=False),
    ]
    with database.write() as connection:
        RunRepository(connection).save_many(runs)
    with database.read() as connection:
        repository = ExperimentRepository(connection)
        found = repository.list()
        assert [repository.counts(line.id) for line in found] == found
        with pytest.raises(NotFoundError):
            repository.counts("nobody")
    assert found == [
        ExperimentCounts(
            "new", "N", "running", ["pilot"], START + timedelta(days=1),
            runs=5, planned=12, graded=3, failed=1, variants=2, metric="exact", accuracy=None,
        ),
        ExperimentCounts(
            "old2", None, "running", [], START,
            runs=0, planned=None, graded=0, failed=0, variants=0, metric=None, accuracy=None,
        ),
        ExperimentCounts(
            "old", None, "running", [], START,
            runs=3, planned=None, graded=2, failed=0, variants=1, metric=None, accuracy=0.5,
        ),
    ]  # fmt: skip


def test_deleting_what_is_not_there_does_nothing(database: Database) -> None:
    save(database, FULL)
    with database.write() as connection:
        ExperimentRepository(connection).delete("exp_x")
    assert get(database, FULL.id).id == FULL.id
