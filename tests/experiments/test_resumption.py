"""Resuming: exactly what is missing is asked, and nothing of another study."""

import threading
from pathlib import Path

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.experiments.execution import RunSummary
from ml_agents_results.experiments.resumption import ResumeRefused
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.processor import ResultsProcessor
from tests.databases import locator
from tests.endpoint import Endpoint, Fault
from tests.experiments.studies import (
    asked_number,
    config,
    doubling,
    files_of,
    halted,
    questions,
    recorded,
    resume,
)


def test_resuming_asks_exactly_what_is_missing(tmp_path: Path, processor: ResultsProcessor) -> None:
    with Endpoint(doubling) as endpoint:
        halted(tmp_path, processor, endpoint)
        before = {run.id: run for run in recorded(processor, "mine")}
        assert 0 < len(before) < 20
        asked = endpoint.requests
        summary = resume(processor, "mine", concurrency=2)
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
    summary = resume(processor, first.experiment_id)
    assert (summary.status, summary.asked) == ("completed", 0)
    assert results.read_bytes() == content


def test_a_changed_dataset_is_refused(tmp_path: Path, processor: ResultsProcessor) -> None:
    with Endpoint(doubling) as endpoint:
        halted(tmp_path, processor, endpoint)
        asked = endpoint.requests
        questions(tmp_path, 11)
        with pytest.raises(ResumeRefused, match="10 questions then, 11 now"):
            resume(processor, "mine")
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
            resume(processor, "mine")


def test_settings_that_change_what_is_measured_stay(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling) as endpoint:
        halted(tmp_path, processor, endpoint)
        with pytest.raises(UsageError, match="parsing cannot be changed"):
            resume(processor, "mine", parsing="regex")


def test_a_runnerresumes_what_it_ran_with_the_configuration_it_has(
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
        resume(processor, "imported")
    processor.save_experiment(
        "newer", {}, environment={"plan": {"version": 99}, "packages": {"ml-agents-results": "9.1"}}
    )
    with pytest.raises(ResumeRefused, match="started by another version") as caught:
        resume(processor, "newer")
    assert "9.1" in str(caught.value.hint)
    with pytest.raises(NotFoundError):
        resume(processor, "unknown")


def test_two_runners_share_an_experiment_and_ask_nothing_twice(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling, latency=0.01) as endpoint:
        halted(tmp_path, processor, endpoint, dataset=questions(tmp_path, 60))
        asked, before = endpoint.requests, len(recorded(processor, "mine"))
        summaries: list[RunSummary] = []
        threads = [
            threading.Thread(
                target=lambda: summaries.append(resume(ResultsProcessor(processor.db_path), "mine"))
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


def test_experiments_are_recorded_resumed_and_extended_on_every_engine(
    tmp_path: Path, database: Database
) -> None:
    processor = ResultsProcessor(database)
    with Endpoint(doubling, latency=0.01) as endpoint:
        halted(tmp_path, processor, endpoint)
        asked, before = endpoint.requests, len(recorded(processor, "mine"))
        others = [ResultsProcessor(locator(database)) for _ in range(2)]
        threads = [threading.Thread(target=resume, args=(other, "mine")) for other in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert endpoint.requests == asked + 20 - before
        assert processor.get_experiment("mine").status == "completed"
        assert len(recorded(processor, "mine")) == 20
        extending = ExperimentRunner(ExperimentConfig(), others[0], experiment_id="mine")
        assert extending.extend(repeats=2, models=["n"]).runs == 80
        assert endpoint.requests == asked + 80 - before
    for other in others:
        other.close()


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
