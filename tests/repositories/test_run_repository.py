"""Runs: saved once under their key, changed as a whole, found again, exactly as they were."""

import tracemalloc
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import DuplicateError, InvalidRecordError, NotFoundError
from ml_agents_results.records import ExperimentRecord, ParsingMetrics, RunRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.parsing_metrics_repository import ParsingMetricsRepository
from ml_agents_results.repositories.run_repository import RunRepository
from tests.lengths import SQLITE_FIRST

FULL = RunRecord(
    id="run-1",
    experiment_id="e",
    approach_name="ChainOfThought",
    sample_index=3,
    provider="local",
    model="m",
    task="sums",
    repeat_index=2,
    sample_id="s-3",
    input_text="1+1?",
    expected_answer="2",
    raw_output="It is 2.",
    parsed_answer="2",
    parsing_method="regex",
    parsing_confidence=0.9,
    is_correct=True,
    score=-1.5,
    execution_time_ms=1234,
    cost_estimate=0.0012,
    prompt_tokens=10,
    completion_tokens=20,
    created_at=datetime(2026, 11, 23, 10, 15, 0, 123456, tzinfo=UTC),
    metadata_json={"b": [1, None, {"c": True}], "a": "ä"},
    parsing_metrics=ParsingMetrics(2, True, 0.5, 7, "first parser failed"),
)

CHANGES: list[tuple[str, Any]] = [
    ("input_text", "2+2?"),
    ("expected_answer", None),
    ("raw_output", "No."),
    ("parsed_answer", None),
    ("parsing_method", "manual"),
    ("parsing_confidence", 0.0),
    ("is_correct", False),
    ("is_correct", None),
    ("score", None),
    ("execution_time_ms", 0),
    ("cost_estimate", 0.0),
    ("prompt_tokens", None),
    ("completion_tokens", 21),
    ("sample_id", ""),
    ("metadata_json", {"b": [1, None, {"c": True}], "a": "a"}),
    ("metadata_json", None),
]


@pytest.fixture
def store(database: Database) -> Database:
    """A database with the experiments `e` and `f`."""
    with database.write() as connection:
        for name in ("e", "f"):
            ExperimentRepository(connection).save(ExperimentRecord(name))
    return database


def save(database: Database, *runs: RunRecord) -> int:
    with database.write() as connection:
        return RunRepository(connection).save_many(runs)


def every(database: Database, experiment: str = "e", batch_size: int = 1000) -> list[RunRecord]:
    with database.read() as connection:
        return list(RunRepository(connection).iterate([experiment], batch_size=batch_size))


def one(database: Database) -> RunRecord:
    [run] = every(database)
    return run


def test_every_field_comes_back(store: Database) -> None:
    assert save(store, FULL) == 1
    assert one(store) == FULL
    with store.read() as connection:
        assert RunRepository(connection).get("run-1") == FULL
        assert RunRepository(connection).of_sample("e", "sums", 3) == [FULL]


def test_absent_stays_absent(store: Database) -> None:
    save(store, RunRecord("e", "None", 0))
    found = one(store)
    assert found.id is not None
    assert found.created_at is not None
    assert replace(found, id=None, created_at=None) == RunRecord("e", "None", 0)


class TestSavingAgain:
    def test_the_same_run_changes_nothing(self, store: Database) -> None:
        save(store, FULL)
        assert save(store, FULL) == 0
        assert save(store, replace(FULL, id=None)) == 0
        assert one(store) == FULL

    def test_the_first_time_it_was_made_and_its_id_stay(self, store: Database) -> None:
        save(store, replace(FULL, id=None))
        first = one(store)
        later = datetime(2030, 1, 1, tzinfo=UTC)
        assert save(store, replace(FULL, id=None, created_at=later)) == 0
        assert one(store) == first

    def test_changed_content_replaces_the_old(self, store: Database) -> None:
        for field, value in CHANGES:
            save(store, FULL)
            changed = replace(FULL, id=None, **{field: value})
            assert save(store, changed) == 1
            assert replace(one(store), id=None) == changed
            assert save(store, changed) == 0

    def test_a_failed_run_becomes_a_graded_one_and_back(self, store: Database) -> None:
        failed = replace(FULL, is_correct=None, error="HTTP 500")
        for run in (FULL, failed, FULL):
            save(store, run)
            assert one(store) == run

    def test_metrics_are_replaced_or_left(self, store: Database) -> None:
        save(store, FULL)
        save(store, replace(FULL, parsing_metrics=ParsingMetrics(parsing_attempts=9)))
        assert one(store).parsing_metrics == ParsingMetrics(parsing_attempts=9)
        save(store, replace(FULL, parsing_metrics=None, raw_output="else"))
        assert one(store).parsing_metrics == ParsingMetrics(parsing_attempts=9)
        with store.read() as connection:
            assert connection.scalar(text("SELECT COUNT(*) FROM parsing_metrics")) == 1

    def test_the_last_of_several_under_one_key_wins(self, store: Database) -> None:
        """Whether they bring an id or not, and with their own metrics."""
        runs = [
            replace(FULL, raw_output="first", parsing_metrics=ParsingMetrics(1)),
            replace(FULL, id=None, raw_output="second", parsing_metrics=ParsingMetrics(2)),
            replace(FULL, raw_output="third", parsing_metrics=ParsingMetrics(3)),
            replace(FULL, id=None, raw_output="last", parsing_metrics=ParsingMetrics(4)),
        ]
        save(store, *runs)
        assert one(store) == replace(FULL, raw_output="last", parsing_metrics=ParsingMetrics(4))
        save(store, *reversed(runs))
        assert one(store) == runs[0]

    def test_counts_what_changed_among_many(self, store: Database) -> None:
        runs = [RunRecord("e", "None", number) for number in range(10)]
        assert save(store, *runs) == 10
        runs[3].raw_output = "changed"
        assert save(store, *runs, RunRecord("e", "None", 10)) == 2


class TestIds:
    def test_a_given_id_is_taken_over(self, store: Database) -> None:
        save(store, replace(FULL, id=None))
        assert save(store, replace(FULL, id="mine")) == 1
        assert one(store) == replace(FULL, id="mine")
        with store.read() as connection, pytest.raises(NotFoundError, match="no run 'run-1'"):
            RunRepository(connection).get("run-1")

    def test_one_of_another_run_is_refused(self, store: Database) -> None:
        save(store, FULL, RunRecord("e", "None", 0, id="other"))
        before = every(store)
        for taken in (
            replace(FULL, id="other"),
            RunRecord("f", "None", 0, id="run-1"),
            RunRecord("e", "None", 1, id="run-1"),
        ):
            with pytest.raises(DuplicateError):
                save(store, RunRecord("e", "Reflection", 0), taken, RunRecord("e", "None", 5))
            assert every(store) == before
            assert every(store, "f") == []

    def test_new_ids_are_made_in_order(self, store: Database) -> None:
        for number in range(5):
            save(store, RunRecord("e", "None", number))
        ids = [run.id for run in every(store)]
        assert len(set(ids)) == 5
        assert [str(id)[:8] for id in ids] == sorted(str(id)[:8] for id in ids)

    def test_one_that_is_not_there(self, store: Database) -> None:
        save(store, FULL)
        for reference in ("no", "a\x00b", "\udcff", "%", "run-_", ""):
            with store.read() as connection, pytest.raises(NotFoundError):
                RunRepository(connection).get(reference)


class TestAllOrNone:
    def test_a_bad_record_keeps_the_good_ones_out(self, store: Database) -> None:
        runs = [RunRecord("e", "None", number) for number in range(5)]
        runs[3].cost_estimate = -1
        with pytest.raises(InvalidRecordError) as caught:
            save(store, *runs)
        assert caught.value.record_number == 3
        assert every(store) == []

    def test_so_does_one_that_the_database_refuses(self, store: Database) -> None:
        runs = [RunRecord("e", "None", 0), RunRecord("unknown", "None", 0)]
        with pytest.raises(NotFoundError, match="experiment") as caught:
            save(store, *runs)
        assert "Save" in str(caught.value.hint)
        assert every(store) == []

    def test_nothing_saves_nothing(self, store: Database) -> None:
        assert save(store) == 0


class TestDeleting:
    def test_a_run_goes_with_its_metrics(self, store: Database) -> None:
        save(store, FULL, RunRecord("e", "None", 0))
        with store.write() as connection:
            RunRepository(connection).delete("run-1")
            RunRepository(connection).delete("run-1")
        assert [run.approach_name for run in every(store)] == ["None"]
        with store.read() as connection:
            assert connection.scalar(text("SELECT COUNT(*) FROM parsing_metrics")) == 0

    def test_an_experiment_goes_with_everything_and_leaves_the_others(
        self, store: Database
    ) -> None:
        other = replace(FULL, id="run-2", experiment_id="f")
        save(store, FULL, other)
        with store.write() as connection:
            ExperimentRepository(connection).delete("e")
        assert every(store) == []
        assert every(store, "f") == [other]
        with store.read() as connection:
            assert connection.scalar(text("SELECT COUNT(*) FROM parsing_metrics")) == 1

    def test_saving_an_experiment_again_keeps_its_runs(self, store: Database) -> None:
        save(store, FULL)
        with store.write() as connection:
            ExperimentRepository(connection).save(ExperimentRecord("e", name="new name"))
        assert one(store) == FULL


class TestReading:
    def test_iterating_meets_every_run_once(self, store: Database) -> None:
        names = ["None", "a", "B", "ä", "Ω", "a\x00b", "a\ud800", "\ufdd0", "a b", "😀"]
        runs = [
            RunRecord("e", name, index, provider=provider, task=task, repeat_index=repeat)
            for name in names
            for provider in ("", "Z")
            for task in ("", "t\x00", "T")
            for index in (0, 1)
            for repeat in (0, 1)
        ]
        save(store, *reversed(runs))

        def keys(of: list[RunRecord]) -> list[tuple[Any, ...]]:
            return sorted(
                (run.approach_name, run.provider, run.task, run.sample_index, run.repeat_index)
                for run in of
            )

        for batch_size in (1, 7, 1000):
            assert keys(every(store, batch_size=batch_size)) == keys(runs)

    def test_iterating_several_experiments(self, store: Database) -> None:
        save(store, *(RunRecord(e, "None", n) for e in "ef" for n in range(3)))
        with store.read() as connection:
            runs = RunRepository(connection).iterate(["f", "e", "f"], batch_size=2)
            found = [(run.experiment_id, run.sample_index) for run in runs]
        assert found == [(e, n) for e in "ef" for n in range(3)]

    def test_pages_are_the_iteration_cut_up(self, store: Database) -> None:
        save(store, *(RunRecord("e", "None", n, task=str(n % 3)) for n in range(10)))
        runs = every(store)
        with store.read() as connection:
            repository = RunRepository(connection)
            pages = [repository.page("e", number, 4) for number in (1, 2, 3, 4)]
            assert [len(page) for page in pages] == [4, 4, 2, 0]
            assert [run for page in pages for run in page] == runs
            assert repository.count("e") == 10
            assert repository.count("f") == 0

    def test_the_order_is_the_same_on_every_engine(self, store: Database) -> None:
        names = ["b", "A", "a", "B", "_", "Z", "é", "z", "a b", "a-b", "ab"]
        save(store, *(RunRecord("e", name, 0) for name in names))
        assert [run.approach_name for run in every(store)] == sorted(names)

    def test_keys_tell_what_is_done(self, store: Database) -> None:
        save(store, FULL, RunRecord("e", "None", 0, error="no"))
        with store.read() as connection:
            found = set(RunRepository(connection).keys("e"))
        assert found == {
            ("ChainOfThought", "local", "m", "sums", 3, 2, "correct"),
            ("None", "", "", "", 0, 0, "failed"),
        }

    def test_iterating_takes_no_more_memory_for_more_runs(self, sqlite_database: Database) -> None:
        with sqlite_database.write() as connection:
            for name in ("small", "large"):
                ExperimentRepository(connection).save(ExperimentRecord(name))
        for name, count in (("small", 400), ("large", 4000)):
            save(
                sqlite_database,
                *(RunRecord(name, "None", n, raw_output=f"{n}" * 1000) for n in range(count)),
            )
        peaks = {}
        for name in ("small", "large"):
            with sqlite_database.read() as connection:
                runs = RunRepository(connection).iterate([name], batch_size=100)
                next(runs)
                tracemalloc.start()
                count = sum(1 for _ in runs)
                peaks[name] = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
            assert count == {"small": 399, "large": 3999}[name]
        assert peaks["large"] < 1.5 * peaks["small"]


TEXTS = tuple(
    field.name
    for field in fields(RunRecord)
    if field.name
    in (
        "task",
        "provider",
        "model",
        "sample_id",
        "input_text",
        "expected_answer",
        "raw_output",
        "parsed_answer",
        "error",
    )
)
ANY_TEXT = st.text(alphabet=st.characters(categories=None), max_size=30) | st.sampled_from(
    [
        "\x00",
        "\ud800",
        "\udfff\ud800",
        "\ud83d\ude00",
        "\ufdd0",
        "\ufdd00000",
        "\ufdd0fdd0",
        "\ufdd0d800\x00",
        "😀",
        "\r\n\t\x1b[0m\x7f\x85\u2028",
        "'; DROP TABLE runs; --",
        "%s %(a)s :x ?",
        "NULL",
        "",
        " ",
        "\\u0000",
        "0001",
        "1e5",
    ]
)
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(values=st.lists(ANY_TEXT, min_size=len(TEXTS) + 2, max_size=len(TEXTS) + 2), data=ANY_JSON)
def test_any_text_comes_back_as_it_was(store: Database, values: list[str], data: Any) -> None:
    run = RunRecord("e", values.pop()[:20] or "x", 0, metadata_json={values[0]: data, "k": values})
    run.parsing_metrics = ParsingMetrics(error_details=values.pop())
    for name, value in zip(TEXTS, values, strict=True):
        setattr(run, name, value)
    with store.write() as connection:
        repository = RunRepository(connection)
        repository.save(run)
        assert not repository.save(run)
        [found] = repository.iterate(["e"])
        [paged] = repository.page("e", 1, 10)
        repository.delete(str(found.id))
    # An empty error says that there was none.
    assert (
        found
        == paged
        == replace(
            run,
            id=found.id,
            created_at=found.created_at,
            approach_name=found.approach_name,
            error=run.error or None,
        )
    )
    assert found.approach_name in (run.approach_name, "None", "ChainOfThought")


@pytest.mark.parametrize("engine_name", SQLITE_FIRST)
def test_ten_megabytes_come_back(store: Database) -> None:
    text_of_all = "".join(map(chr, range(0x3000))) + "\ud800\udfff\ufdd0😀"
    long = text_of_all * (10_000_000 // len(text_of_all))
    run = replace(FULL, raw_output=long, metadata_json={"long": long})
    save(store, run)
    assert one(store) == run


LIMITS: list[tuple[str, Any]] = [
    ("execution_time_ms", 2**31 - 1),
    ("prompt_tokens", 0),
    ("sample_index", 2**31 - 1),
    ("repeat_index", 2**31 - 1),
    ("cost_estimate", 5e-324),
    ("cost_estimate", 1e6),
    ("cost_estimate", 0.1 + 0.2),
    ("score", -1.7976931348623157e308),
    ("score", -5e-324),
    ("score", 2**53),
    ("parsing_confidence", 1 / 3),
    ("parsing_confidence", 0),
    ("parsing_confidence", 1),
]


def test_numbers_come_back_to_the_last_bit(store: Database) -> None:
    for field, value in LIMITS:
        save(store, replace(FULL, id=field, task=field, **{field: value}))
        with store.read() as connection:
            assert getattr(RunRepository(connection).get(field), field) == value


MOMENTS = [
    datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=timezone(timedelta(hours=2))),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1, 1, 2, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=-11, minutes=-30))),
]


def test_moments_come_back_in_utc(store: Database) -> None:
    for place, moment in enumerate(MOMENTS):
        save(store, RunRecord("e", "None", place, id=str(place), created_at=moment))
        with store.read() as connection:
            found = RunRepository(connection).get(str(place)).created_at
        assert found is not None
        assert found == moment
        assert found.utcoffset() == timedelta(0)


class TestMetrics:
    def test_are_saved_replaced_and_found(self, store: Database) -> None:
        save(store, replace(FULL, parsing_metrics=None))
        with store.write() as connection:
            repository = ParsingMetricsRepository(connection)
            assert repository.find("run-1") is None
            for metrics in (ParsingMetrics(1, True, 0.5, 3, "a\x00\ud800"), ParsingMetrics()):
                repository.save("run-1", metrics)
                assert repository.find("run-1") == metrics
        assert one(store).parsing_metrics == ParsingMetrics()

    def test_need_a_run(self, store: Database) -> None:
        with store.write() as connection, pytest.raises(NotFoundError, match="no run 'x'"):
            ParsingMetricsRepository(connection).save("x", ParsingMetrics())

    def test_follow_their_run_to_a_new_id(self, store: Database) -> None:
        save(store, FULL)
        save(store, replace(FULL, id="moved", parsing_metrics=None))
        assert one(store) == replace(FULL, id="moved")
