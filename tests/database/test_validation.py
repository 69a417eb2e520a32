"""What may enter: every rule names field, value and rule, and is a constraint of the schema too."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import DatabaseError, InvalidRecordError, ResultsError
from ml_agents_results.records import ExperimentRecord, ParsingMetrics, RunRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.parsing_metrics_repository import ParsingMetricsRepository
from ml_agents_results.repositories.run_repository import RunRepository

GOOD = RunRecord("e", "None", 0, id="r", provider="p", model="m")
INFINITE, NOT_A_NUMBER = float("inf"), float("nan")
HUGE = 10**400


@pytest.fixture
def store(database: Database) -> Database:
    """A database with the experiment `e` and the run `r`."""
    with database.write() as connection:
        ExperimentRepository(connection).save(ExperimentRecord("e"))
        RunRepository(connection).save(GOOD)
    return database


def contents(database: Database) -> list[Any]:
    with database.read() as connection:
        return [
            connection.execute(text(f"SELECT * FROM {table} ORDER BY 1")).all()
            for table in ("experiments", "runs", "parsing_metrics")
        ]


def save(database: Database, run: RunRecord) -> None:
    with database.write() as connection:
        RunRepository(connection).save(run)


RUN_RULES: list[tuple[str, list[Any], str]] = [
    ("id", ["", "x" * 501, 7, "a\nb", "a\x00b", "\ud800"], "printable characters"),
    ("experiment_id", ["", "x" * 501, None, "a\tb"], "printable characters"),
    ("approach_name", ["", None, 3, "x" * 501], "a text of 1 to 500 characters"),
    ("provider", [None, "x" * 501], "a text of 0 to 500 characters"),
    ("model", [None, b"m"], "a text of 0 to 500 characters"),
    ("task", [None, 1, "x" * 501], "a text of 0 to 500 characters"),
    ("sample_index", [-1, None, "1", 1.5, True, 2**31, NOT_A_NUMBER], "a whole number from 0"),
    ("repeat_index", [-1, None, "1", 2**31], "a whole number from 0"),
    ("input_text", [1, b"x", ["x"]], "a text or null"),
    ("expected_answer", [1, True], "a text or null"),
    ("raw_output", [{}, 1.0], "a text or null"),
    ("parsed_answer", [42], "a text or null"),
    ("sample_id", [42], "a text or null"),
    ("error", [ValueError("x")], "a text or null"),
    ("parsing_method", ["guess", "", 1], "one of instructor"),
    ("parsing_confidence", [-0.01, 1.01, NOT_A_NUMBER, INFINITE, "0.5", True, HUGE], "from 0 to 1"),
    ("is_correct", ["maybe", "true", 2, 0.5, NOT_A_NUMBER], "true, false or null"),
    (
        "execution_time_ms",
        [-1, -0.5, NOT_A_NUMBER, INFINITE, 2**31, 2**31 - 0.4, "12", True, HUGE],
        "a number from 0 to 2147483647",
    ),
    ("prompt_tokens", [-1, 2**31], "a number from 0 to 2147483647"),
    ("completion_tokens", [-1, "many"], "a number from 0 to 2147483647"),
    (
        "cost_estimate",
        [-0.01, NOT_A_NUMBER, INFINITE, "1", True, HUGE],
        "a number from 0 to 1,000,000",
    ),
    ("score", [NOT_A_NUMBER, INFINITE, -INFINITE, "high", True, HUGE], "a finite number"),
    (
        "created_at",
        [
            datetime(2026, 1, 1),  # noqa: DTZ001 - that is what is refused
            "2026-01-01",
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
            datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
        ],
        "a time with its time zone",
    ),
    (
        "metadata_json",
        [[1], "x", {"a": NOT_A_NUMBER}, {"a": [INFINITE]}, {1: 1, "a": 2}],
        "JSON",
    ),
]


def test_runs(store: Database) -> None:
    before = contents(store)
    cases = [(field, value, rule) for field, values, rule in RUN_RULES for value in values]
    for field, value, rule in cases:
        with pytest.raises(InvalidRecordError) as caught:
            save(store, replace(GOOD, **{field: value}))
        message = str(caught.value)
        assert message.startswith(f"`{field}` is ")
        assert repr(value)[:40] in message
        assert rule in message
        assert caught.value.exit_code == 1
        assert caught.value.record_number == 0
        assert len(message) < 400
    assert contents(store) == before


def test_a_number_of_more_digits_than_can_be_printed(store: Database) -> None:
    with pytest.raises(InvalidRecordError, match="`score` is a huge int"):
        save(store, replace(GOOD, score=10**5000))


def test_metadata_that_contains_itself(store: Database) -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    with pytest.raises(InvalidRecordError, match="`metadata_json` is"):
        save(store, replace(GOOD, metadata_json=loop))


def test_a_failed_run_is_not_graded(store: Database) -> None:
    with pytest.raises(InvalidRecordError, match="`is_correct` is False; it must be null if the"):
        save(store, replace(GOOD, error="HTTP 500", is_correct=False))


METRIC_RULES = [
    ("parsing_attempts", -1),
    ("parsing_attempts", 2**31),
    ("fallback_used", "yes"),
    ("confidence_score", 1.5),
    ("confidence_score", NOT_A_NUMBER),
    ("extraction_time_ms", -1),
    ("error_details", 5),
]


def test_metrics(store: Database) -> None:
    before = contents(store)
    for field, value in METRIC_RULES:
        metrics = ParsingMetrics(**{field: value})  # type: ignore[arg-type]
        with pytest.raises(InvalidRecordError, match=f"`{field}` is "):
            save(store, replace(GOOD, parsing_metrics=metrics))
        with (
            pytest.raises(InvalidRecordError, match=f"`{field}` is "),
            store.write() as connection,
        ):
            ParsingMetricsRepository(connection).save("r", metrics)
    assert contents(store) == before


EXPERIMENT_RULES: list[tuple[str, Any]] = [
    ("id", ""),
    ("id", "a\nb"),
    ("name", 5),
    ("description", b"x"),
    ("status", "done"),
    ("status", None),
    ("config_json", {"a": NOT_A_NUMBER}),
    ("environment_json", [1]),
    ("created_at", datetime(2026, 1, 1)),  # noqa: DTZ001 - that is what is refused
    ("created_at", "yesterday"),
]


def test_experiments(store: Database) -> None:
    before = contents(store)
    for field, value in EXPERIMENT_RULES:
        with (
            pytest.raises(InvalidRecordError, match=f"`{field}` is "),
            store.write() as connection,
        ):
            ExperimentRepository(connection).save(replace(ExperimentRecord("n"), **{field: value}))
    assert contents(store) == before


SAME: list[tuple[str, Any, Any]] = [
    ("is_correct", 1, True),
    ("is_correct", 0.0, False),
    ("is_correct", np.bool_(True), True),
    ("execution_time_ms", 12.6, 13),
    ("execution_time_ms", np.float64(12.6), 13),
    ("execution_time_ms", np.int64(7), 7),
    ("sample_index", np.int64(7), 7),
    ("parsing_confidence", np.float32(0.5), 0.5),
    ("score", np.int32(-3), -3.0),
    ("cost_estimate", 1, 1.0),
    (
        "created_at",
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(2025, 12, 31, 23, tzinfo=UTC),
    ),
]


def test_values_that_mean_the_same_are_taken(store: Database) -> None:
    """Among them the scalars of numpy, which data frames are full of."""
    for field, given, kept in SAME:
        save(store, replace(GOOD, id="same", task="new", **{field: given}))
        with store.read() as connection:
            found = getattr(RunRepository(connection).get("same"), field)
        with store.write() as connection:
            RunRepository(connection).delete("same")
        assert (found, type(found)) == (kept, type(kept))


def letters(count: int) -> str:
    """Letters of three bytes that do not compress."""
    return "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(count))


def test_names_at_their_limit_fit_into_the_keys_of_every_engine(store: Database) -> None:
    long = letters(660)
    run = replace(
        GOOD,
        id="long",
        task=long[:300],
        model=long[300:],
        provider="p" * 14,
        parsing_method="instructor_multiple",
        parsing_confidence=0.123456789,
        input_text="x",
    )
    save(store, run)
    with store.read() as connection:
        assert RunRepository(connection).get("long").task == run.task
    before = contents(store)
    with pytest.raises(InvalidRecordError, match="2000 bytes at most, together"):
        save(store, replace(run, provider="p" * 16))
    assert contents(store) == before


BREAKING = [
    ("runs", "sample_index = -1"),
    ("runs", "repeat_index = -1"),
    ("runs", "parsing_confidence = 1.5"),
    ("runs", "parsing_confidence = -0.1"),
    ("runs", "execution_time_ms = -1"),
    ("runs", "cost_estimate = -1"),
    ("runs", "cost_estimate = {infinity}"),
    ("runs", "score = {infinity}"),
    ("runs", "score = -{infinity}"),
    ("runs", "prompt_tokens = -1"),
    ("runs", "completion_tokens = -1"),
    ("runs", "error = 'x', is_correct = {true}, outcome = 'failed'"),
    ("runs", "outcome = 'correct'"),
    ("runs", "outcome = 'other'"),
    ("runs", "experiment_id = NULL"),
    ("runs", "experiment_id = 'nowhere'"),
    ("runs", "approach_name = NULL"),
    ("runs", "provider = NULL"),
    ("runs", "model = NULL"),
    ("runs", "task = NULL"),
    ("runs", "created_at = NULL"),
    ("runs", "content_digest = NULL"),
    ("runs", "outcome = NULL"),
    ("experiments", "status = 'done'"),
    ("experiments", "status = NULL"),
    ("experiments", "created_at = NULL"),
    ("experiments", "updated_at = NULL"),
    ("parsing_metrics", "parsing_attempts = -1"),
    ("parsing_metrics", "confidence_score = 2"),
    ("parsing_metrics", "extraction_time_ms = -1"),
    ("parsing_metrics", "run_id = NULL"),
    ("parsing_metrics", "run_id = 'nowhere'"),
]


def test_raw_sql_meets_the_same_rules(store: Database) -> None:
    with store.write() as connection:
        ParsingMetricsRepository(connection).save("r", ParsingMetrics(1, True, 0.5, 1))
    before = contents(store)
    infinity = "9e999" if store.is_sqlite else "'Infinity'::float8"
    passed = []
    for table, change in BREAKING:
        sql = f"UPDATE {table} SET " + change.format(infinity=infinity, true="TRUE")
        try:
            with store.write() as connection:
                connection.execute(text(sql))
            passed.append((table, change))
        except ResultsError as error:
            assert not isinstance(error, DatabaseError)  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
    assert passed == []
    assert contents(store) == before


@pytest.mark.parametrize(
    "change",
    ["is_correct = 2, outcome = 'correct'", "is_correct = 'yes', outcome = 'wrong'"],
)
def test_sqlite_knows_what_a_boolean_is(sqlite_database: Database, change: str) -> None:
    with sqlite_database.write() as connection:
        ExperimentRepository(connection).save(ExperimentRecord("e"))
        RunRepository(connection).save(GOOD)
    with pytest.raises(InvalidRecordError), sqlite_database.write() as connection:
        connection.execute(text(f"UPDATE runs SET {change}"))


def test_the_key_is_unique(store: Database) -> None:
    save(store, replace(GOOD, id="s", sample_index=1))
    with pytest.raises(ResultsError), store.write() as connection:
        connection.execute(text("UPDATE runs SET sample_index = 0"))
