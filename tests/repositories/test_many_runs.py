"""Many runs at once: the same rules as for one, whichever way the engine takes them in."""

from dataclasses import replace
from typing import Any

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.database.models import RUN_KEY
from ml_agents_results.errors import DuplicateError, InvalidRecordError, NotFoundError
from ml_agents_results.records import ExperimentRecord, ParsingMetrics, RunRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.run_repository import RunRepository

MANY = 120


@pytest.fixture
def prepared(database: Database) -> Database:
    with database.write() as connection:
        ExperimentRepository(connection).save(ExperimentRecord("e"))
    return database


def made(**changes: Any) -> list[RunRecord]:
    text = "tab\t, \\N, nul \x00, lone \udc80, \r\n, emoji 😀"
    runs = [
        RunRecord("e", "None", n, raw_output=text, parsing_metrics=ParsingMetrics(n))
        for n in range(MANY)
    ]
    return [replace(run, **changes) for run in runs]


def saved(database: Database, *batches: list[RunRecord]) -> list[int]:
    with database.bulk() as connection:
        repository = RunRepository(connection)
        return [repository.save_many(batch) for batch in batches]


def stored(database: Database) -> list[RunRecord]:
    with database.read() as connection:
        return list(RunRepository(connection).iterate(["e"]))


def test_new_ones_come_back_as_they_were(prepared: Database) -> None:
    runs = made()
    assert saved(prepared, runs) == [MANY]
    found = stored(prepared)
    assert [run.raw_output for run in found] == [run.raw_output for run in runs]
    assert [run.parsing_metrics for run in found] == [run.parsing_metrics for run in runs]


def test_the_same_again_changes_nothing_and_others_update(prepared: Database) -> None:
    runs = made()
    changed = [replace(run, cost_estimate=1.0) if n % 3 == 0 else run for n, run in enumerate(runs)]
    further = [replace(run, repeat_index=1) for run in runs]
    assert saved(prepared, runs, runs, changed, further) == [MANY, 0, MANY // 3, MANY]
    ids = [run.id for run in stored(prepared)]
    assert saved(prepared, changed + further) == [0]
    found = stored(prepared)
    assert [run.id for run in found] == ids
    assert sum(run.cost_estimate == 1.0 for run in found) == MANY // 3


def test_metrics_are_replaced_where_a_run_brings_some(prepared: Database) -> None:
    runs = made()
    other = [
        replace(run, parsing_metrics=ParsingMetrics(n, error_details="other") if n % 2 else None)
        for n, run in enumerate(runs)
    ]
    saved(prepared, runs, other)
    found = [run.parsing_metrics for run in stored(prepared)]
    assert found == [
        ParsingMetrics(n, error_details="other" if n % 2 else None) for n in range(MANY)
    ]


def test_a_server_without_statistics_finds_a_run_by_all_of_its_key(prepared: Database) -> None:
    if prepared.is_sqlite:
        pytest.skip("SQLite takes the index that fits the most columns")
    with prepared.write() as connection:
        RunRepository(connection).save_many(made())
        key = " AND ".join(f"{name} = $${getattr(made()[0], name)}$$" for name in RUN_KEY)
        plan = connection.exec_driver_sql(f"EXPLAIN SELECT id FROM runs WHERE {key}").scalars()
        assert "Filter" not in "".join(plan)


def test_of_several_with_one_key_the_last_one_stays(prepared: Database) -> None:
    assert saved(prepared, [*made(), *made(raw_output="last")])[0] >= MANY
    assert {run.raw_output for run in stored(prepared)} == {"last"}


def test_ids_that_are_brought_are_taken(prepared: Database) -> None:
    saved(prepared, made())
    named = [replace(run, id=f"run-{n}") for n, run in enumerate(made())]
    assert saved(prepared, named) == [MANY]
    assert [run.id for run in stored(prepared)] == [run.id for run in named]
    elsewhere = [replace(run, repeat_index=7) for run in named]
    with pytest.raises(DuplicateError):
        saved(prepared, elsewhere)
    assert len(stored(prepared)) == MANY


def test_a_bad_one_among_them_undoes_all(prepared: Database) -> None:
    runs = made()
    runs[100] = replace(runs[100], cost_estimate=-1.0)
    with pytest.raises(InvalidRecordError, match="cost_estimate") as caught:
        saved(prepared, made(repeat_index=1), runs)
    assert caught.value.record_number == 100
    assert stored(prepared) == []
    assert saved(prepared, made()) == [MANY]


def test_their_experiment_must_be_there(prepared: Database) -> None:
    with pytest.raises(NotFoundError):
        saved(prepared, made(experiment_id="nowhere"))
