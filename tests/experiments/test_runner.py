import asyncio
import csv
import json
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import DatabaseConfig, ExperimentConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import DuplicateError, NotFoundError, ResultsError, UsageError
from ml_agents_results.experiments.execution import RunSummary
from ml_agents_results.experiments.fault_watch import LONGEST_SILENCE
from ml_agents_results.experiments.resumption import ResumeRefused
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.providers.interface import AuthenticationFailed, ProviderUnavailable
from ml_agents_results.records import RunRecord, StandardResponse
from ml_agents_results.repositories.run_repository import RunRepository
from tests.databases import locator
from tests.endpoint import Endpoint, Fault


@pytest.fixture
def processor(migrated_file: Path, tmp_path: Path) -> Iterator[ResultsProcessor]:
    processor = ResultsProcessor(str(shutil.copyfile(migrated_file, tmp_path / "r.db")))
    yield processor
    processor.close()


def questions(tmp_path: Path, count: int = 10) -> str:
    path = tmp_path / "questions.jsonl"
    rows = [{"id": f"q{n}", "input": f"Double of {n}?", "target": str(2 * n)} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def asked_number(body: dict[str, Any]) -> int:
    return int(str(body["messages"][-1]["content"]).split("Double of ")[1].split("?")[0])


def doubling(body: dict[str, Any]) -> str:
    """A model that gets the even numbers right."""
    number = asked_number(body)
    return f"The answer is {2 * number + number % 2}."


def config(endpoint: Endpoint, tmp_path: Path, **changes: Any) -> ExperimentConfig:
    settings: dict[str, Any] = {
        "dataset": changes.get("dataset") or questions(tmp_path),
        "approaches": ["None", "CoT"],
        "model": "m",
        "base_url": endpoint.url,
        "concurrency": 4,
        "max_retries": 0,
        "output_dir": str(tmp_path / "out"),
    }
    return ExperimentConfig.from_dict(settings | changes)


def recorded(processor: ResultsProcessor, experiment_id: str) -> list[RunRecord]:
    with processor.database.read() as connection:
        return list(RunRepository(connection).iterate([experiment_id]))


def files_of(summary: RunSummary) -> tuple[list[dict[str, str]], dict[str, Any], list[Any]]:
    folder = Path(summary.output_dir)
    csv.field_size_limit(10_000_000)
    with (folder / "experiment_results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    summary_document = json.loads((folder / "experiment_summary.json").read_text("utf-8"))
    errors = folder / "experiment_errors.json"
    return rows, summary_document, json.loads(errors.read_text("utf-8")) if errors.exists() else []


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
        with sqlite3.connect(tmp_path / "r.db") as connection:
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


def test_failed_runs_are_saved_and_asked_again_on_request_only(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling) as endpoint:
        endpoint.fail(Fault.SERVER_ERROR, None, when=lambda body: asked_number(body) in (3, 7))
        study = config(endpoint, tmp_path)
        summary = ExperimentRunner(study, processor).run()
        assert (summary.status, summary.runs, summary.failed) == ("completed", 20, 4)
        runs = recorded(processor, summary.experiment_id)
        failed = [run for run in runs if run.error is not None]
        assert {run.sample_index for run in failed} == {3, 7}
        assert all(run.is_correct is None and "500" in str(run.error) for run in failed)
        rows, document, errors = files_of(summary)
        assert (len(rows), len(errors)) == (16, 4)
        assert document["error_summary"] == {"None": 2, "ChainOfThought": 2}

        endpoint.recover()
        asked = endpoint.requests
        again = ExperimentRunner(ExperimentConfig(), processor)
        assert again.resume(summary.experiment_id).asked == 0
        assert endpoint.requests == asked
        retried = again.resume(summary.experiment_id, retry_failed=True)
        assert (retried.asked, retried.runs, retried.failed) == (4, 20, 0)
        assert endpoint.requests == asked + 4
    rows, _, errors = files_of(retried)
    assert (len(rows), len(errors)) == (20, 0)


@pytest.mark.parametrize(
    ("fault", "fails"),
    [
        (Fault.BAD_REQUEST, True),
        (Fault.RATE_LIMITED, True),
        (Fault.BAD_GATEWAY_PAGE, True),
        (Fault.HTML, True),
        (Fault.BROKEN_JSON, True),
        (Fault.CUT, True),
        (Fault.RESET, True),
        (Fault.NO_CHOICES, True),
        (Fault.EMPTY_TEXT, True),
        (Fault.LARGE, False),
        (Fault.TRUNCATED, False),
        (Fault.NO_SCHEMAS, False),
    ],
)
def test_whatever_an_endpoint_answers_becomes_a_run(
    tmp_path: Path, processor: ResultsProcessor, fault: Fault, fails: bool
) -> None:
    with Endpoint(doubling) as endpoint:
        endpoint.fail(fault, None, when=lambda body: asked_number(body) == 5)
        summary = ExperimentRunner(config(endpoint, tmp_path), processor).run()
    assert (summary.status, summary.runs) == ("completed", 20)
    runs = [r for r in recorded(processor, summary.experiment_id) if r.sample_index == 5]
    assert [run.error is not None for run in runs] == [fails, fails]
    if fault is Fault.LARGE:
        assert all(run.raw_output == "x" * 5_000_000 for run in runs)
        assert {run.parsed_answer for run in runs} == {None}
    assert len(files_of(summary)[0]) == 18 + 2 * (not fails)


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
        summary = _resume(processor, "mine")
        assert (summary.status, summary.runs, summary.failed) == ("completed", 20, 0)


def _resume(processor: ResultsProcessor, experiment_id: str, **extra: Any) -> RunSummary:
    return ExperimentRunner(ExperimentConfig(extra=extra), processor).resume(experiment_id)


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


def halted(tmp_path: Path, processor: ResultsProcessor, endpoint: Endpoint, **changes: Any) -> None:
    """An experiment with the id `mine` that stopped after about half of its runs."""
    endpoint.fail(Fault.WRONG_KEY, None, when=lambda body: asked_number(body) >= 5)
    with pytest.raises(AuthenticationFailed):
        ExperimentRunner(config(endpoint, tmp_path, **changes), processor).run("mine")
    endpoint.recover()


def test_resuming_asks_exactly_what_is_missing(tmp_path: Path, processor: ResultsProcessor) -> None:
    with Endpoint(doubling) as endpoint:
        halted(tmp_path, processor, endpoint)
        before = {run.id: run for run in recorded(processor, "mine")}
        assert 0 < len(before) < 20
        asked = endpoint.requests
        summary = _resume(processor, "mine", concurrency=2)
        assert endpoint.requests == asked + 20 - len(before)
    assert (summary.status, summary.runs, summary.asked) == ("completed", 20, 20 - len(before))
    after = {run.id: run for run in recorded(processor, "mine")}
    assert {key: after[key] for key in before} == before
    assert len(files_of(summary)[0]) == 20


def test_resuming_a_completed_experiment_needs_nobody_and_restores_its_files(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling) as endpoint:
        first = ExperimentRunner(config(endpoint, tmp_path), processor).run()
    results = Path(first.output_dir) / "experiment_results.csv"
    content = results.read_bytes()
    results.unlink()
    summary = _resume(processor, first.experiment_id)
    assert (summary.status, summary.asked) == ("completed", 0)
    assert results.read_bytes() == content


def test_a_changed_dataset_is_refused(tmp_path: Path, processor: ResultsProcessor) -> None:
    with Endpoint(doubling) as endpoint:
        halted(tmp_path, processor, endpoint)
        asked = endpoint.requests
        questions(tmp_path, 11)
        with pytest.raises(ResumeRefused, match="10 questions then, 11 now"):
            _resume(processor, "mine")
        moved = tmp_path / "moved"
        moved.mkdir()
        runner = ExperimentRunner(ExperimentConfig(dataset=questions(moved)), processor)
        assert endpoint.requests == asked
        assert runner.resume("mine").status == "completed"


def test_changed_prompts_are_refused(tmp_path: Path, processor: ResultsProcessor) -> None:
    prompt = tmp_path / "prompts" / "None" / "answer.md"
    prompt.parent.mkdir(parents=True)
    prompt.write_text("{question} Say: The answer is X.", encoding="utf-8")
    with Endpoint(doubling) as endpoint:
        halted(tmp_path, processor, endpoint, prompts=str(tmp_path / "prompts"))
        assert endpoint.bodies[0]["messages"][-1]["content"].startswith("Double of 0?")
        prompt.write_text("{question} Think!", encoding="utf-8")
        with pytest.raises(ResumeRefused, match="None/answer"):
            _resume(processor, "mine")


def test_settings_that_change_what_is_measured_stay(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling) as endpoint:
        halted(tmp_path, processor, endpoint)
        with pytest.raises(UsageError, match="parsing cannot be changed"):
            _resume(processor, "mine", parsing="regex")


def test_a_runner_resumes_what_it_ran_with_the_configuration_it_has(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling) as endpoint:
        runner = ExperimentRunner(config(endpoint, tmp_path), processor)
        first = runner.run()
        again = runner.resume()
    assert (again.experiment_id, again.asked) == (first.experiment_id, 0)


def test_experiments_that_were_not_run_here_are_refused(processor: ResultsProcessor) -> None:
    processor.save_experiment("imported", {})
    with pytest.raises(ResumeRefused, match="imported has no plan"):
        _resume(processor, "imported")
    processor.save_experiment(
        "newer", {}, environment={"plan": {"version": 99}, "packages": {"ml-agents-results": "9.1"}}
    )
    with pytest.raises(ResumeRefused, match="started by another version") as caught:
        _resume(processor, "newer")
    assert "9.1" in str(caught.value.hint)
    with pytest.raises(NotFoundError):
        _resume(processor, "unknown")


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


def test_two_runners_share_an_experiment_and_ask_nothing_twice(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling, latency=0.01) as endpoint:
        halted(tmp_path, processor, endpoint, dataset=questions(tmp_path, 60))
        asked, before = endpoint.requests, len(recorded(processor, "mine"))
        summaries: list[RunSummary] = []
        threads = [
            threading.Thread(
                target=lambda: summaries.append(
                    _resume(ResultsProcessor(str(tmp_path / "r.db")), "mine")
                )
            )
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert endpoint.requests == asked + 120 - before
    assert [summary.status for summary in summaries] == ["completed", "completed"]
    assert sum(summary.asked for summary in summaries) == 120 - before
    assert all(summary.asked for summary in summaries)
    assert len(recorded(processor, "mine")) == 120


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


def test_experiments_are_recorded_and_resumed_on_every_engine(
    tmp_path: Path, database: Database
) -> None:
    processor = ResultsProcessor(database)
    with Endpoint(doubling, latency=0.01) as endpoint:
        halted(tmp_path, processor, endpoint)
        asked, before = endpoint.requests, len(recorded(processor, "mine"))
        others = [ResultsProcessor(locator(database)) for _ in range(2)]
        threads = [threading.Thread(target=_resume, args=(other, "mine")) for other in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert endpoint.requests == asked + 20 - before
    for other in others:
        other.close()
    assert processor.get_experiment("mine").status == "completed"
    assert len(recorded(processor, "mine")) == 20


class TestResultHook:
    """`_process_single_result` as subclasses override it."""

    def test_it_sees_every_answer_and_super_saves_it(
        self, tmp_path: Path, processor: ResultsProcessor
    ) -> None:
        seen: list[StandardResponse] = []

        class Mine(ExperimentRunner):
            def _process_single_result(self, result: StandardResponse) -> None:
                assert "database_saved" not in result.metadata
                super()._process_single_result(result)
                assert self.experiment_id == result.metadata["experiment_id"]
                seen.append(result)

        with Endpoint(doubling, cost=0.25) as endpoint:
            endpoint.fail(Fault.BAD_REQUEST, times=1)
            runner = Mine(config(endpoint, tmp_path, parsing="regex"), processor)
            assert processor.get_experiment(runner.experiment_id).status == "running"
            summary = runner.run()
            plain = ExperimentRunner(config(endpoint, tmp_path, parsing="regex"), processor).run()
        assert (summary.status, summary.runs, summary.failed, len(seen)) == ("completed", 20, 1, 20)
        by_id = {run.id: run for run in recorded(processor, summary.experiment_id)}
        assert {result.metadata["run_id"] for result in seen} == set(by_id)
        for result in seen:
            run = by_id[result.metadata["run_id"]]
            assert result.text == (run.raw_output or "")
            assert result.metadata["database_saved"] is True

        def comparable(run: RunRecord) -> RunRecord:
            times: dict[str, Any] = {"created_at": None, "execution_time_ms": None}
            assert run.parsing_metrics is not None
            metrics = replace(run.parsing_metrics, extraction_time_ms=None)
            metadata = {k: v for k, v in (run.metadata_json or {}).items() if k != "response_id"}
            return replace(
                run,
                id=None,
                experiment_id="",
                parsing_metrics=metrics,
                metadata_json=metadata,
                **times,
            )

        answered = [comparable(run) for run in by_id.values() if run.error is None]
        others = [comparable(run) for run in recorded(processor, plain.experiment_id)]
        assert [run for run in answered if run not in others] == []

    def test_what_it_changes_is_saved(self, tmp_path: Path, processor: ResultsProcessor) -> None:
        class Mine(ExperimentRunner):
            def _process_single_result(self, result: StandardResponse) -> None:
                result.metadata |= {"is_correct": True, "checked_by": "me", "sample_index": 99}
                super()._process_single_result(result)

        with Endpoint(doubling) as endpoint:
            summary = Mine(config(endpoint, tmp_path), processor).run()
        assert {variant.accuracy for variant in summary.variants} == {1.0}
        runs = recorded(processor, summary.experiment_id)
        assert {run.sample_index for run in runs} == set(range(10))
        assert all((run.metadata_json or {})["checked_by"] == "me" for run in runs)

    @pytest.mark.parametrize("before", [True, False])
    def test_an_answer_is_not_lost_when_it_raises(
        self, tmp_path: Path, processor: ResultsProcessor, before: bool
    ) -> None:
        class Mine(ExperimentRunner):
            def _process_single_result(self, result: StandardResponse) -> None:
                if before:
                    raise ZeroDivisionError("mine")
                super()._process_single_result(result)
                raise ZeroDivisionError("mine")

        with Endpoint(doubling) as endpoint:
            runner = Mine(config(endpoint, tmp_path), processor)
            with pytest.raises(ZeroDivisionError, match="mine"):
                runner.run()
            asked = endpoint.requests
            assert 0 < asked < 20
            assert len(recorded(processor, runner.experiment_id)) == asked
            assert processor.get_experiment(runner.experiment_id).status == "failed"
            summary = ExperimentRunner(
                ExperimentConfig(), processor, experiment_id=runner.experiment_id
            ).resume()
            assert (summary.status, endpoint.requests) == ("completed", 20)

    def test_an_answer_is_saved_without_super(
        self, tmp_path: Path, processor: ResultsProcessor
    ) -> None:
        class Mine(ExperimentRunner):
            def _process_single_result(self, result: StandardResponse) -> None:
                result.metadata["is_correct"] = "no boolean"

        with Endpoint(doubling) as endpoint:
            summary = Mine(config(endpoint, tmp_path), processor).run()
        assert (summary.status, summary.runs) == ("completed", 20)
        assert {variant.accuracy for variant in summary.variants} == {0.5}

    def test_it_needs_a_running_experiment(
        self, tmp_path: Path, processor: ResultsProcessor
    ) -> None:
        with Endpoint(doubling) as endpoint:
            runner = ExperimentRunner(config(endpoint, tmp_path), processor)
        with pytest.raises(UsageError, match="no answer is being processed"):
            runner._process_single_result(StandardResponse("t", "p", "m"))


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
