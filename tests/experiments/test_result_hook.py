"""`_process_single_result` as subclasses override it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord, StandardResponse
from tests.endpoint import Endpoint, Fault
from tests.experiments.studies import config, doubling, recorded


def test_it_sees_every_answer_and_super_saves_it(
    tmp_path: Path, processor: ResultsProcessor
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


def test_what_it_changes_is_saved(tmp_path: Path, processor: ResultsProcessor) -> None:
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
    tmp_path: Path, processor: ResultsProcessor, before: bool
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


def test_an_answer_is_saved_without_super(tmp_path: Path, processor: ResultsProcessor) -> None:
    class Mine(ExperimentRunner):
        def _process_single_result(self, result: StandardResponse) -> None:
            result.metadata["is_correct"] = "no boolean"

    with Endpoint(doubling) as endpoint:
        summary = Mine(config(endpoint, tmp_path), processor).run()
    assert (summary.status, summary.runs) == ("completed", 20)
    assert {variant.accuracy for variant in summary.variants} == {0.5}


def test_it_needs_a_running_experiment(tmp_path: Path, processor: ResultsProcessor) -> None:
    with Endpoint(doubling) as endpoint:
        runner = ExperimentRunner(config(endpoint, tmp_path), processor)
    with pytest.raises(UsageError, match="no answer is being processed"):
        runner._process_single_result(StandardResponse("t", "p", "m"))
