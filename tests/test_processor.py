"""ResultsProcessor as platforms call it: what it takes, keeps, refuses and survives."""

import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ml_agents_results.config import DatabaseConfig, ExperimentConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import (
    DuplicateError,
    InvalidRecordError,
    NotFoundError,
    UsageError,
)
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ParsingMetrics, RunRecord, StandardResponse
from ml_agents_results.responses import response_of_run, run_of_response
from tests.databases import locator
from tests.lengths import short_and_long
from tests.processes import Process, race

RESPONSE = StandardResponse(
    text="It is 2.",
    provider="local",
    model="m",
    prompt_tokens=10,
    completion_tokens=20,
    total_tokens=30,
    generation_time=9.0,
    parameters={"temperature": 0.5},
    response_id="resp-1",
    metadata={
        "experiment_id": "e",
        "run_id": "run-1",
        "approach": "CoT",
        "sample_index": 3,
        "task": "sums",
        "repeat_index": 1,
        "sample_id": "s-3",
        "input_text": "1+1?",
        "expected_answer": "2",
        "is_correct": True,
        "score": 0.5,
        "latency": 1.2345,
        "cost": 0.002,
        "parsing_method": "instructor",
        "parsing_confidence": 0.75,
        "parsing_metrics": {
            "attempts": 2,
            "fallback_used": True,
            "confidence": 0.5,
            "extraction_time_ms": 4,
            "error_details": "first parser failed",
        },
        "finish_reason": "max_tokens",
        "reasoning_text": "One and one.",
        "reasoning_tokens": 8,
        "cached_tokens": 4,
        "own_note": {"kept": True},
    },
    parsing_metadata={"pattern": "a+"},
    extracted_answer="2",
)


@pytest.fixture
def store(database: Database) -> ResultsProcessor:
    """A processor on a database with the experiment `e`."""
    processor = ResultsProcessor(database)
    processor.save_experiment("e", {})
    return processor


@pytest.fixture(scope="module")
def untouched() -> Iterator[ResultsProcessor]:
    """A processor with the experiment `e`, for tests that record nothing."""
    processor = ResultsProcessor(":memory:")
    processor.save_experiment("e", {})
    yield processor
    processor.close()


def run_of(processor: ResultsProcessor, place: int = 0) -> dict[str, Any]:
    run: dict[str, Any] = processor.get_runs_paginated("e")["runs"][place]
    return run


class TestResponses:
    def test_everything_in_one_is_kept(self, store: ResultsProcessor) -> None:
        before = datetime.now(UTC)
        store.save_run_result(replace(RESPONSE, metadata=dict(RESPONSE.metadata)))
        run = run_of(store)
        assert before <= run.pop("created_at") <= datetime.now(UTC)
        assert run == {
            "finish_reason": "length",
            "reasoning_text": "One and one.",
            "reasoning_tokens": 8,
            "cached_tokens": 4,
            "scores": None,
            "experiment_id": "e",
            "approach_name": "ChainOfThought",
            "sample_index": 3,
            "provider": "local",
            "model": "m",
            "task": "sums",
            "repeat_index": 1,
            "id": "run-1",
            "sample_id": "s-3",
            "input_text": "1+1?",
            "expected_answer": "2",
            "raw_output": "It is 2.",
            "parsed_answer": "2",
            "parsing_method": "instructor",
            "parsing_confidence": 0.75,
            "is_correct": True,
            "score": 0.5,
            "execution_time_ms": 1234,
            "cost_estimate": 0.002,
            "prompt_tokens": 10,
            "completion_tokens": 20,
            "error": None,
            "metadata_json": {
                "own_note": {"kept": True},
                "total_tokens": 30,
                "response_id": "resp-1",
                "parameters": {"temperature": 0.5},
                "parsing_metadata": {"pattern": "a+"},
            },
            "parsing_metrics": {
                "parsing_attempts": 2,
                "fallback_used": True,
                "confidence_score": 0.5,
                "extraction_time_ms": 4,
                "error_details": "first parser failed",
            },
        }

    def test_the_response_is_left_as_it_was_but_for_a_mark(self, store: ResultsProcessor) -> None:
        given = replace(RESPONSE, metadata=dict(RESPONSE.metadata))
        store.save_run_result(given)
        assert given.metadata.pop("database_saved") is True
        assert given == replace(RESPONSE, metadata=given.metadata)
        assert given.metadata == {
            k: v for k, v in RESPONSE.metadata.items() if k != "database_saved"
        }

    def test_a_run_becomes_a_response_and_a_run_again(self, store: ResultsProcessor) -> None:
        store.save_run_result(replace(RESPONSE, metadata=dict(RESPONSE.metadata)))
        store.save_run(RunRecord("e", "CoT", 9, error="It failed"))
        for run in store.iter_runs("e"):
            again = run_of_response(response_of_run(run))
            assert again == run

    def test_a_class_of_the_platform_will_do(self, store: ResultsProcessor) -> None:
        class TheirResponse:
            def __init__(self) -> None:
                self.text = "4"
                self.provider = "openai"
                self.model = "gpt"
                self.generation_time = 0.5
                self.metadata = {"experiment_id": "e", "approach": "Own", "sample_index": 0}

        store.save_run_result(TheirResponse())
        run = run_of(store)
        assert (run["raw_output"], run["provider"], run["approach_name"]) == ("4", "openai", "Own")
        assert (run["execution_time_ms"], run["is_correct"], run["metadata_json"]) == (
            500,
            None,
            None,
        )

    def test_saving_the_same_one_again_updates_it(self, store: ResultsProcessor) -> None:
        response = replace(RESPONSE, metadata=RESPONSE.metadata | {"run_id": None})
        for answer in ("first", "first", "second"):
            store.save_run_result(replace(response, text=answer))
        assert store.get_runs_paginated("e")["total_runs"] == 1
        assert run_of(store)["raw_output"] == "second"

    def test_a_failed_one(self, store: ResultsProcessor) -> None:
        metadata = RESPONSE.metadata | {"error": "HTTP 500", "is_correct": None}
        store.save_run_result(replace(RESPONSE, metadata=metadata))
        assert (run_of(store)["error"], run_of(store)["is_correct"]) == ("HTTP 500", None)

    @pytest.mark.parametrize(
        ("metadata", "message"),
        [
            ({"experiment_id": None}, "lacks experiment_id"),
            ({"approach": None, "sample_index": None}, "lacks approach, sample_index"),
            ({"approach": 5}, "`approach_name` is 5"),
            ({"sample_index": "3"}, "`sample_index` is '3'"),
            ({"latency": "fast"}, "`latency` is 'fast'"),
            ({"latency": float("nan")}, "`latency` is nan"),
            ({"latency": float("inf")}, "`latency` is inf"),
            ({"latency": -1}, "`latency` is -1"),
            ({"latency": 1e9}, "`latency` is 1000000000.0"),
            ({"cost": -1}, "`cost_estimate` is -1"),
            ({"parsing_method": "guess"}, "`parsing_method` is 'guess'"),
            ({"parsing_metrics": {"tries": 1}}, "no tries"),
            ({"parsing_metrics": [1]}, "parsing_metrics"),
            ({"parsing_metrics": {"confidence": 2}}, "`confidence_score` is 2"),
            ({"is_correct": "maybe"}, "`is_correct` is 'maybe'"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, untouched: ResultsProcessor, metadata: dict[str, Any], message: str
    ) -> None:
        response = replace(RESPONSE, metadata=RESPONSE.metadata | metadata)
        with pytest.raises(InvalidRecordError, match=message):
            untouched.save_run_result(response)
        assert untouched.get_runs_paginated("e")["total_runs"] == 0

    @pytest.mark.parametrize("metadata", ["text", 5, [1, 2]])
    def test_metadata_that_is_none(self, untouched: ResultsProcessor, metadata: Any) -> None:
        with pytest.raises(InvalidRecordError, match="metadata"):
            untouched.save_run_result(replace(RESPONSE, metadata=metadata))

    def test_an_experiment_that_was_not_saved(self, store: ResultsProcessor) -> None:
        metadata = RESPONSE.metadata | {"experiment_id": "unknown"}
        with pytest.raises(NotFoundError, match="experiment") as caught:
            store.save_run_result(replace(RESPONSE, metadata=metadata))
        assert "Save" in str(caught.value.hint)

    def test_the_id_of_another_run(self, store: ResultsProcessor) -> None:
        store.save_run_result(replace(RESPONSE, metadata=dict(RESPONSE.metadata)))
        with pytest.raises(DuplicateError, match="already in the database"):
            store.save_run_result(
                replace(RESPONSE, metadata=RESPONSE.metadata | {"sample_index": 4})
            )
        assert run_of(store)["sample_index"] == 3


class TestRuns:
    def test_many_are_saved_together_or_not_at_all(self, store: ResultsProcessor) -> None:
        runs = [RunRecord("e", "None", number) for number in range(10)]
        assert store.save_runs(iter(runs)) == 10
        assert store.save_runs(runs) == 0
        bad = [RunRecord("e", "CoT", number) for number in range(10)]
        bad[7].score = float("nan")
        with pytest.raises(InvalidRecordError, match="`score` is nan") as caught:
            store.save_runs(bad)
        assert caught.value.record_number == 7
        assert store.get_runs_paginated("e")["total_runs"] == 10

    def test_an_error_while_they_are_made_saves_none(self, store: ResultsProcessor) -> None:
        def made() -> Any:
            yield RunRecord("e", "None", 0)
            raise OSError("the source broke off")

        with pytest.raises(OSError, match="broke off"):
            store.save_runs(made())
        assert store.get_runs_paginated("e")["total_runs"] == 0

    def test_pages(self, store: ResultsProcessor) -> None:
        store.save_runs(RunRecord("e", "None", number) for number in range(7))
        page = store.get_runs_paginated("e", page=2, page_size=3)
        assert [run["sample_index"] for run in page.pop("runs")] == [3, 4, 5]
        assert page == {"page": 2, "page_size": 3, "total_runs": 7, "total_pages": 3}
        assert store.get_runs_paginated("e", page=4, page_size=3)["runs"] == []
        with pytest.raises(NotFoundError, match="no experiment 'x'"):
            store.get_runs_paginated("x")
        for wrong in ({"page": 0}, {"page_size": 0}, {"page": -1}):
            with pytest.raises(InvalidRecordError, match="count from 1"):
                store.get_runs_paginated("e", **wrong)

    def test_metrics_follow_later(self, store: ResultsProcessor) -> None:
        store.save_run(RunRecord("e", "None", 0, id="r"))
        store.save_parsing_metrics("r", {"attempts": 3, "confidence": 0.25})
        assert run_of(store)["parsing_metrics"]["parsing_attempts"] == 3
        store.save_parsing_metrics("r", {"parsing_attempts": 1, "fallback_used": False})
        found = run_of(store)["parsing_metrics"]
        assert (found["parsing_attempts"], found["confidence_score"]) == (1, None)
        with pytest.raises(NotFoundError, match="no run 'x'"):
            store.save_parsing_metrics("x", {})
        with pytest.raises(InvalidRecordError, match="no guesses"):
            store.save_parsing_metrics("r", {"guesses": 1})


@dataclass
class TheirConfig:
    name: str = "theirs"
    seed: int = 7
    folder: Path = Path("data")
    inner: dict[str, Any] = field(default_factory=lambda: {"api_key": "sk-secret-1234567890"})


class TestExperiments:
    def test_configurations_of_every_kind(self, store: ResultsProcessor) -> None:
        ours = ExperimentConfig(name="ours", description="d", samples=3)
        store.save_experiment("a", ours)
        store.save_experiment("b", TheirConfig())
        store.save_experiment("c", {"name": "mapping", "seed": 1}, name="title", status="completed")
        a, b, c = (store.get_experiment(name) for name in "abc")
        assert (a.name, a.description, a.status) == ("ours", "d", "running")
        assert ExperimentConfig.from_dict(a.config_json) == ours
        assert (b.name, b.config_json["folder"], b.config_json["seed"]) == ("theirs", "data", 7)
        assert (c.name, c.config_json, c.status) == (
            "title",
            {"name": "mapping", "seed": 1},
            "completed",
        )

    def test_what_is_no_configuration(self, store: ResultsProcessor) -> None:
        for wrong in (5, "text", TheirConfig, None):
            with pytest.raises(InvalidRecordError, match="a configuration holds settings"):
                store.save_experiment("x", wrong)

    def test_status(self, store: ResultsProcessor) -> None:
        store.set_status("e", "completed")
        assert store.get_experiment("e").status == "completed"
        with pytest.raises(NotFoundError):
            store.set_status("x", "completed")

    @pytest.mark.parametrize(
        "filters", [{"experiment_id": 5}, {"task": [1]}, {"model": [None]}, {"created_to": 5}]
    )
    def test_filters_of_the_wrong_kind(
        self, untouched: ResultsProcessor, filters: dict[str, Any]
    ) -> None:
        with pytest.raises(UsageError, match=next(iter(filters))):
            untouched.generate_accuracy_report(filters)

    def test_filters_that_can_fit_nothing(self, store: ResultsProcessor) -> None:
        store.save_run(RunRecord("e", "None", 0, is_correct=True))
        for value in (["a\x00b"], ["\ud800"], list[str]()):
            assert store.generate_accuracy_report({"task": value})["variants"] == []


def test_no_secret_reaches_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "plain-looking-words")
    path = tmp_path / "r.db"
    processor = ResultsProcessor(str(path))
    config = ExperimentConfig(
        name="n",
        description="uses https://ada:hunter2-a@host/v1 and sk-proj-aaaabbbbccccddddeeee",
        database=DatabaseConfig(url="postgresql://ada:hunter2-b@host/results"),
        extra={
            "api_key": "hunter2-c",
            "nested": [{"OPENAI_API_KEY": "hunter2-d"}, {"x-api-key": "hunter2-e"}],
            "headers": {"Authorization": "Bearer hunter2-f"},
            "proxy": "http://user:hunter2-g@proxy:3128",
            "endpoint": "https://host/v1?key=hunter2-h&model=m",
            "note": "plain-looking-words",
        },
    )
    processor.save_experiment("e", config, environment={"HF_TOKEN": "hunter2-i"})
    processor.save_experiment("f", TheirConfig(inner={"client": {"password": "hunter2-j"}}))
    processor.save_experiment("g", {"database": {"url": "postgresql://a:hunter2-k@h/d"}})

    @dataclass
    class Client:
        api_key: str = "hunter2-l"

    metadata = {
        "experiment_id": "e",
        "approach": "None",
        "sample_index": 0,
        "client": Client(),
        "request": {"url": "https://a:hunter2-m@h", "secret": "hunter2-n"},
        "error": "401 for key sk-aaaabbbbccccddddeeeeffff at https://u:hunter2-o@h/",
        "seen": "plain-looking-words",
    }
    processor.save_run_result(
        StandardResponse("t", "p", "m", metadata=metadata, parameters={"api_key": "hunter2-p"})
    )
    processor.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"[redacted]" in stored
    for secret in (b"hunter2", b"sk-proj-aaaa", b"sk-aaaabbbb", b"plain-looking-words"):
        place = stored.find(secret)
        assert place < 0, stored[place - 60 : place + 40]


class TestDurability:
    @pytest.mark.parametrize("victims", short_and_long(2, 8))
    def test_what_was_reported_saved_survives_a_kill(
        self, store: ResultsProcessor, victims: int
    ) -> None:
        chance = random.Random()
        processes = [
            Process(
                """
                import sys
                from ml_agents_results.processor import ResultsProcessor
                from ml_agents_results.records import StandardResponse

                processor = ResultsProcessor(sys.argv[1])
                for number in range(100_000):
                    run_id = f"{sys.argv[2]}-{number}"
                    metadata = {
                        "experiment_id": "e", "run_id": run_id, "approach": sys.argv[2],
                        "sample_index": number, "is_correct": True,
                        "parsing_metrics": {"attempts": 1},
                    }
                    processor.save_run_result(
                        StandardResponse("x" * 2000, "p", "m", metadata=metadata)
                    )
                    print(run_id, flush=True)
                """,
                locator(store.database),
                f"victim{place}",
            )
            for place in range(victims)
        ]
        reported = []
        for process in processes:
            reported.append(process.stdout.readline().strip())
        for process in processes:
            time.sleep(chance.uniform(0.01, 0.12))
            process.send_signal(signal.SIGKILL)
        for process in processes:
            output = process.stdout.read()
            assert process.wait() == -signal.SIGKILL
            # A line that the kill cut off was not reported.
            reported += [line for line in output.split("\n")[:-1] if line]
        assert len(reported) > victims
        with store.database.read() as connection:
            rows = connection.execute(
                text(
                    "SELECT runs.id, raw_output, parsing_attempts FROM runs "
                    "JOIN parsing_metrics ON run_id = runs.id"
                )
            ).all()
            assert connection.scalar(text("SELECT COUNT(*) FROM runs")) == len(rows)
        assert set(reported) <= {row.id for row in rows}
        # At most the one that was on its way when a process died.
        assert len(rows) <= len(reported) + victims
        assert {(row.raw_output, row.parsing_attempts) for row in rows} == {("x" * 2000, 1)}
        store.save_run(RunRecord("e", "None", 0))
        if store.database.path is not None:
            with closing(sqlite3.connect(store.database.path)) as plain:
                assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert plain.execute("PRAGMA foreign_key_check").fetchall() == []

    @pytest.mark.parametrize("processes", short_and_long(3, 8))
    def test_processes_that_record_at_once(self, empty_database: Database, processes: int) -> None:
        """From the beginning: the first of them makes the tables."""
        race(
            processes,
            """
            from ml_agents_results.processor import ResultsProcessor
            from ml_agents_results.records import StandardResponse
            import alembic.command

            ready()
            processor = ResultsProcessor(sys.argv[1])
            processor.save_experiment("e", {"seed": 1})
            for place in range(60):
                metadata = {
                    "experiment_id": "e", "approach": f"by {number}", "sample_index": place,
                    "is_correct": place % 3 == 0,
                }
                processor.save_run_result(StandardResponse("text", "p", "m", metadata=metadata))
            """,
            locator(empty_database),
        )
        processor = ResultsProcessor(empty_database)
        variants = processor.generate_accuracy_report({"experiment_id": "e"})["variants"]
        assert [variant["approach_name"] for variant in variants] == [
            f"by {number}" for number in range(processes)
        ]
        assert {variant["runs"] for variant in variants} == {60}
        assert {variant["correct"] for variant in variants} == {20}

    @pytest.mark.parametrize("processes", short_and_long(2, 4))
    def test_processes_that_record_the_same_runs(
        self, store: ResultsProcessor, processes: int
    ) -> None:
        """None is doubled, whoever comes first."""
        race(
            processes,
            """
            from ml_agents_results.processor import ResultsProcessor
            from ml_agents_results.records import ParsingMetrics, RunRecord

            processor = ResultsProcessor(sys.argv[1])
            ready()
            for place in range(25):
                processor.save_run(
                    RunRecord("e", "None", place, parsing_metrics=ParsingMetrics(number))
                )
            """,
            locator(store.database),
        )
        page = store.get_runs_paginated("e")
        assert [run["sample_index"] for run in page["runs"]] == list(range(25))
        with store.database.read() as connection:
            assert connection.scalar(text("SELECT COUNT(*) FROM parsing_metrics")) == 25


def test_metrics_of_a_record_and_of_a_mapping_are_one(store: ResultsProcessor) -> None:
    store.save_run(RunRecord("e", "None", 0, parsing_metrics=ParsingMetrics(1, None, 0.5)))
    first = run_of(store)
    store.save_parsing_metrics(first["id"], {"attempts": 1, "confidence": 0.5})
    assert run_of(store) == first
