import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import DatabaseConfig, ExperimentConfig
from ml_agents_results.errors import DuplicateError, NotFoundError, ResultsError, UsageError
from ml_agents_results.experiments.execution import RunSummary
from ml_agents_results.experiments.fault_watch import LONGEST_SILENCE
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.providers.interface import AuthenticationFailed, ProviderUnavailable
from tests.endpoint import Endpoint, Fault
from tests.experiments.studies import (
    asked_number,
    config,
    doubling,
    files_of,
    questions,
    recorded,
    resume,
)


def test_every_planned_run_is_asked_graded_and_recorded_once(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling, cost=0.25, latency=0.02) as endpoint:
        summary = ExperimentRunner(
            config(endpoint, tmp_path, repeats=2, temperature=0.5, parsing="regex"), processor
        ).run()
    assert endpoint.requests == summary.asked == summary.runs == summary.planned_runs == 40
    assert endpoint.peak_in_flight == 4
    assert summary.status == "completed"
    runs = recorded(processor, summary.experiment_id)
    keys = {(run.approach_name, run.sample_index, run.repeat_index) for run in runs}
    assert len(runs) == len(keys) == 40
    for run in runs:
        number = run.sample_index
        assert (run.sample_id, run.input_text) == (f"q{number}", f"Double of {number}?")
        assert (run.provider, run.model, run.error) == ("openai-compatible", "m", None)
        assert run.parsed_answer == str(2 * number + number % 2)
        assert (run.parsing_method, run.parsing_confidence) == ("regex", 0.97)
        assert run.is_correct is (number % 2 == 0)
        assert run.cost_estimate == 0.25
        assert run.parsing_metrics is not None
        assert run.parsing_metrics.confidence_score == 0.97
    assert [
        (variant.approach_name, variant.accuracy, variant.total_cost)
        for variant in summary.variants
    ] == [
        ("None", 0.5, 5.0),
        ("ChainOfThought", 0.5, 5.0),
    ]


def test_the_experiment_tells_where_and_on_what_it_ran(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling) as endpoint:
        summary = ExperimentRunner(config(endpoint, tmp_path), processor).run("mine")
    record = processor.get_experiment("mine")
    environment = record.environment_json
    assert summary.experiment_id == record.id == "mine"
    assert environment["python"].startswith("3.")
    assert {"openai", "sqlalchemy"} <= set(environment["packages"])
    assert len(environment["dataset"]["fingerprint"]) == 64
    assert set(environment["prompts"]) == {"None/answer", "ChainOfThought/answer"}
    assert environment["provider"]["endpoint"] == endpoint.url
    assert Path(record.config_json["dataset"]).is_absolute()


def test_the_row_of_the_experiment_is_there_before_the_first_question(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    seen = []

    def look(body: dict[str, Any]) -> str:
        with sqlite3.connect(processor.db_path) as connection:
            seen.append(connection.execute("SELECT id, status FROM experiments").fetchall())
        return "The answer is 1."

    with Endpoint(look) as endpoint:
        ExperimentRunner(config(endpoint, tmp_path), processor).run("mine")
    assert seen[0] == [("mine", "running")]


def test_steps_of_approaches_with_several_calls_are_kept(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling, cost=0.5) as endpoint:
        study = config(endpoint, tmp_path, approaches=["Reflection"], parsing="regex")
        summary = ExperimentRunner(study, processor).run()
    run = recorded(processor, summary.experiment_id)[0]
    assert run.metadata_json is not None
    steps = run.metadata_json["steps"]
    assert [step["name"] for step in steps] == ["answer", "critique", "revise"]
    assert all(step["prompt"] and step["answer"] and step["prompt_tokens"] for step in steps)
    assert run.cost_estimate == 1.5
    assert run.prompt_tokens == sum(step["prompt_tokens"] for step in steps)


def about(number: int) -> Callable[[dict[str, Any]], bool]:
    """Whether a request is about this number."""
    return lambda body: asked_number(body) == number


def test_whatever_an_endpoint_answers_becomes_a_run(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    failing = (
        *(Fault.BAD_REQUEST, Fault.RATE_LIMITED, Fault.BAD_GATEWAY_PAGE, Fault.HTML),
        *(Fault.BROKEN_JSON, Fault.CUT, Fault.RESET, Fault.NO_CHOICES, Fault.EMPTY_TEXT),
    )
    faults = (*failing, Fault.LARGE, Fault.TRUNCATED, Fault.NO_SCHEMAS)
    samples = len(faults) + 1
    with Endpoint(doubling) as endpoint:
        for number, fault in enumerate(faults):
            endpoint.fail(fault, None, when=about(number))
        study = config(endpoint, tmp_path, dataset=questions(tmp_path, samples))
        summary = ExperimentRunner(study, processor).run()
    assert (summary.status, summary.runs) == ("completed", 2 * samples)
    runs = recorded(processor, summary.experiment_id)
    for number, fault in enumerate(faults):
        errors = [run.error is not None for run in runs if run.sample_index == number]
        assert errors == 2 * [fault in failing], fault
    large = [run for run in runs if run.sample_index == faults.index(Fault.LARGE)]
    assert all(run.raw_output == "x" * 5_000_000 for run in large)
    assert {run.parsed_answer for run in large} == {None}
    assert len(files_of(summary)[0]) == 2 * (samples - len(failing))


def test_what_fails_for_a_moment_is_repeated(tmp_path: Path, processor: ResultsProcessor) -> None:
    with Endpoint(doubling) as endpoint:
        for fault in (Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.CUT, Fault.BROKEN_JSON):
            endpoint.fail(fault, 1, retry_after=0.05 if fault is Fault.RATE_LIMITED else None)
        summary = ExperimentRunner(config(endpoint, tmp_path, max_retries=3), processor).run()
    assert (summary.runs, summary.failed) == (20, 0)
    assert endpoint.requests == 24


def test_slow_answers_time_out(tmp_path: Path, processor: ResultsProcessor) -> None:
    with Endpoint(doubling) as endpoint:
        endpoint.fail(Fault.SLOW, None, seconds=30, when=lambda body: asked_number(body) == 5)
        summary = ExperimentRunner(config(endpoint, tmp_path, timeout=2), processor).run()
    assert (summary.status, summary.failed) == ("completed", 2)


def test_a_wrong_key_stops_at_once_and_the_right_one_goes_on(
    tmp_path: Path, processor: ResultsProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-0123456789abcdef")
    with Endpoint(doubling, key="sk-right-0123456789abcdef") as endpoint:
        runner = ExperimentRunner(config(endpoint, tmp_path), processor)
        with pytest.raises(AuthenticationFailed) as caught:
            runner.run("mine")
        assert endpoint.requests <= 4
        assert "ml-agents resume --experiment-id mine" in str(caught.value.hint)
        assert processor.get_experiment("mine").status == "failed"
        assert recorded(processor, "mine") == []
        monkeypatch.setenv("OPENAI_API_KEY", "sk-right-0123456789abcdef")
        summary = resume(processor, "mine")
        assert (summary.status, summary.runs, summary.failed) == ("completed", 20, 0)


def test_an_endpoint_that_is_down_ends_the_experiment(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling) as endpoint:
        study = config(endpoint, tmp_path, dataset=questions(tmp_path, 200), approaches=["None"])
        gone = endpoint.url
    with pytest.raises(ProviderUnavailable, match="runs in a row got no answer"):
        ExperimentRunner(study, processor).run("mine")
    assert processor.get_experiment("mine").status == "failed"
    runs = recorded(processor, "mine")
    assert 0 < len(runs) <= LONGEST_SILENCE + 4
    with Endpoint(doubling, port=int(gone.rsplit(":", 1)[1].split("/")[0])):
        summary = ExperimentRunner(ExperimentConfig(), processor).resume("mine", True)
    assert (summary.status, summary.runs, summary.failed) == ("completed", 200, 0)


def test_an_address_that_serves_web_pages_ends_the_experiment(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling) as endpoint:
        endpoint.fail(Fault.HTML, None)
        study = config(endpoint, tmp_path, dataset=questions(tmp_path, 200), approaches=["None"])
        with pytest.raises(ProviderUnavailable, match="sent a web page"):
            ExperimentRunner(study, processor).run("mine")
        assert endpoint.requests <= LONGEST_SILENCE + 4


def test_a_dataset_without_answers_is_recorded_ungraded(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    path = tmp_path / "q.csv"
    path.write_text("question\nDouble of 1?\nDouble of 2?\n", encoding="utf-8")
    with Endpoint(doubling) as endpoint:
        summary = ExperimentRunner(config(endpoint, tmp_path, dataset=str(path)), processor).run()
    assert all(run.is_correct is None for run in recorded(processor, summary.experiment_id))
    assert [(variant.ungraded, variant.accuracy) for variant in summary.variants] == [(2, None)] * 2


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"samples": 0}, UsageError, "samples is 0"),
        ({"repeats": 0}, UsageError, "repeats is 0"),
        ({"concurrency": 0}, UsageError, "concurrency is 0"),
        ({"concurrency": "8"}, UsageError, "concurrency is '8'"),
        ({"approaches": ["CoT", "Magic"]}, UsageError, "Magic"),
        ({"parsing": "llm"}, UsageError, "parsing is 'llm'"),
        ({"grader": "guess"}, UsageError, "no grader 'guess'"),
        ({"dataset": "missing.jsonl"}, NotFoundError, "missing.jsonl"),
        ({"base_url": "nonsense"}, UsageError, "address"),
        ({"model": None}, UsageError, "model"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked_or_recorded(
    tmp_path: Path,
    processor: ResultsProcessor,
    changes: dict[str, Any],
    error: type[ResultsError],
    message: str,
) -> None:
    with Endpoint(doubling) as endpoint:
        with pytest.raises(error, match=message):
            ExperimentRunner(config(endpoint, tmp_path, **changes), processor).run("mine")
        assert endpoint.requests == 0
    with pytest.raises(NotFoundError):
        processor.get_experiment("mine")


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "..", "a\0b", "e" * 201])
def test_an_id_stays_in_its_folder(tmp_path: Path, processor: ResultsProcessor, name: str) -> None:
    with Endpoint(doubling) as endpoint:
        runner = ExperimentRunner(config(endpoint, tmp_path), processor)
        with pytest.raises(UsageError, match="cannot name a folder"):
            runner.run(name)
        assert endpoint.requests == 0
    assert not (tmp_path / "x").exists()


def test_an_id_is_taken_once(tmp_path: Path, processor: ResultsProcessor) -> None:
    with Endpoint(doubling) as endpoint:
        runner = ExperimentRunner(config(endpoint, tmp_path, samples=1), processor)
        runner.run("mine")
        with pytest.raises(DuplicateError, match="mine") as caught:
            runner.run("mine")
    assert "ml-agents resume --experiment-id mine" in str(caught.value.hint)


def test_a_notebook_with_its_own_event_loop_can_run_experiments(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    async def cell(endpoint: Endpoint) -> RunSummary:
        return ExperimentRunner(config(endpoint, tmp_path), processor).run()

    with Endpoint(doubling) as endpoint:
        assert asyncio.run(cell(endpoint)).status == "completed"


def test_without_a_database_the_files_are_there_and_nothing_else(tmp_path: Path) -> None:
    with Endpoint(doubling) as endpoint:
        off = {"database": DatabaseConfig(enabled=False)}
        summary = ExperimentRunner(config(endpoint, tmp_path, **off)).run()
    assert {path.name for path in Path(summary.output_dir).iterdir()} == {
        "experiment_results.csv",
        "experiment_summary.json",
        "experiment_config.json",
    }
    assert len(files_of(summary)[0]) == 20


def test_the_files_agree_with_the_database(tmp_path: Path, processor: ResultsProcessor) -> None:
    text = 'He said: "=1+1", then\nNUL \x00, lone \ud800 and 😀. The answer is 4.'
    with Endpoint(lambda body: text) as endpoint:
        summary = ExperimentRunner(
            config(endpoint, tmp_path, parsing="regex", repeats=2), processor
        ).run()
    rows, document, _ = files_of(summary)
    runs = recorded(processor, summary.experiment_id)
    assert runs[0].raw_output == text
    assert Counter(
        (row["approach"], row["input"], row["expected_output"], row["extracted_answer"])
        for row in rows
    ) == Counter((r.approach_name, r.input_text, r.expected_answer, r.parsed_answer) for r in runs)
    assert rows[0]["response_text"] == text.replace("\ud800", "\\ud800")
    assert {row["sample_id"] for row in rows if row["approach"] == "None"} == {
        f"q{n}{suffix}" for n in range(10) for suffix in ("", "#1")
    }
    for name, part in document["results_summary"].items():
        variant = next(variant for variant in summary.variants if variant.approach_name == name)
        assert (part["graded"], part["correct"]) == (variant.graded, variant.correct)


def test_backups_are_made_while_recording_and_thinned_out(tmp_path: Path) -> None:
    settings = DatabaseConfig(db_path=str(tmp_path / "r.db"), backup_frequency=10, keep=2)
    processor = ResultsProcessor(settings)
    with Endpoint(doubling, latency=0.02) as endpoint:
        study = config(endpoint, tmp_path, dataset=questions(tmp_path, 50))
        summary = ExperimentRunner(study, processor).run()
    found = sorted((tmp_path / "r.db.backups").iterdir())
    assert 1 <= len(found) <= 3
    with sqlite3.connect(found[-1]) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert 10 <= connection.execute("SELECT count(*) FROM runs").fetchone()[0] <= summary.runs


def test_a_failed_run_keeps_the_steps_it_took_and_what_they_cost(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    def revising(body: dict[str, Any]) -> bool:
        return "Write an improved answer" in body["messages"][0]["content"]

    with Endpoint(doubling, cost=0.25) as endpoint:
        endpoint.fail(Fault.SERVER_ERROR, times=None, when=revising)
        study = config(endpoint, tmp_path, approaches=["Reflection"], samples=1)
        summary = ExperimentRunner(study, processor).run()
        endpoint.recover()
        [run] = recorded(processor, summary.experiment_id)
        assert "500" in str(run.error)
        assert run.metadata_json is not None
        taken = run.metadata_json["steps"]
        assert [step["name"] for step in taken] == ["answer", "critique"]
        assert "Double of 0?" in taken[0]["prompt"]
        assert taken[0]["answer"] == "The answer is 0."
        assert run.cost_estimate == 0.5
        assert summary.variants[0].total_cost == 0.5
        again = ExperimentRunner(ExperimentConfig(), processor)
        again.resume(summary.experiment_id, retry_failed=True)
    [run] = recorded(processor, summary.experiment_id)
    assert run.error is None
    assert run.metadata_json is not None
    assert len(run.metadata_json["steps"]) == 3


def test_a_program_of_the_model_is_run_where_that_is_allowed(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    program = "```python\nprint(6 * 7)\n```\nThe answer is 41."
    with Endpoint(lambda body: program) as endpoint:
        for allowed, answer in ((False, "41"), (True, "42")):
            study = config(
                endpoint, tmp_path, approaches=["PoT"], samples=2, parsing="regex",
                allow_code_execution=allowed,
            )  # fmt: skip
            summary = ExperimentRunner(study, processor).run()
            answers = {r.parsed_answer for r in recorded(processor, summary.experiment_id)}
            assert answers == {answer}


class TestConstruction:
    def test_a_wrong_configuration_is_refused_and_nothing_saved(
        self, processor: ResultsProcessor
    ) -> None:
        with pytest.raises(NotFoundError, match="no dataset"):
            ExperimentRunner(ExperimentConfig(dataset="no.jsonl"), processor)
        assert processor.list_experiments() == []

    def test_another_id_takes_the_place_of_the_one_that_was_saved(
        self, tmp_path: Path, processor: ResultsProcessor
    ) -> None:
        with Endpoint(doubling) as endpoint:
            runner = ExperimentRunner(config(endpoint, tmp_path), processor)
            assert runner.run("mine").experiment_id == runner.experiment_id == "mine"
            ExperimentRunner(ExperimentConfig(), processor).resume("mine")
            with pytest.raises(DuplicateError):
                runner.run()
        assert [line["id"] for line in processor.list_experiments()] == ["mine"]

    def test_an_experiment_that_was_only_saved_is_resumed(
        self, tmp_path: Path, processor: ResultsProcessor
    ) -> None:
        with Endpoint(doubling) as endpoint:
            saved = ExperimentRunner(config(endpoint, tmp_path), processor).experiment_id
            summary = ExperimentRunner(ExperimentConfig(), processor, experiment_id=saved).resume()
        assert (summary.status, summary.runs) == ("completed", 20)

    def test_the_database_of_the_configuration_is_used(self, tmp_path: Path) -> None:
        path = tmp_path / "own.db"
        with Endpoint(doubling) as endpoint:
            study = config(endpoint, tmp_path, database=DatabaseConfig(db_path=str(path)))
            summary = ExperimentRunner(study).run()
        with ResultsProcessor(str(path)) as results:
            assert results.get_runs_paginated(summary.experiment_id)["total_runs"] == 20
