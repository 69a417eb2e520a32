"""Extensions: what is added is asked, and nothing that is there is asked again."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.execution import RunSummary
from ml_agents_results.experiments.resumption import ResumeRefused
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.processor import ResultsProcessor
from tests.endpoint import Endpoint
from tests.experiments.studies import config, doubling, halted, questions, recorded, resume


def extend(processor: ResultsProcessor, **added: Any) -> RunSummary:
    runner = ExperimentRunner(ExperimentConfig(), processor, experiment_id="mine")
    return runner.extend(**added)


def keys(processor: ResultsProcessor) -> Counter[tuple[str, str, int, int]]:
    return Counter(
        (run.approach_name, run.model, run.sample_index, run.repeat_index)
        for run in recorded(processor, "mine")
    )


def grid(approaches: str, models: str, samples: int, repeats: int) -> dict[Any, int]:
    return {
        (approach, model, sample, repeat): 1
        for approach in approaches.split()
        for model in models
        for sample in range(samples)
        for repeat in range(repeats)
    }


def test_everything_that_can_be_added(tmp_path: Path, processor: ResultsProcessor) -> None:
    with Endpoint(doubling) as endpoint:
        study = config(endpoint, tmp_path, approaches=["None"], samples=3)
        ExperimentRunner(study, processor).run("mine")
        before = {run.id: run for run in recorded(processor, "mine")}
        added = {"samples": 5, "repeats": 2, "approaches": ["CoT"], "models": ["n"]}
        summary = extend(processor, **added)
        assert (summary.status, summary.runs, summary.asked) == ("completed", 40, 37)
        assert endpoint.requests == 40
        assert keys(processor) == grid("None ChainOfThought", "mn", 5, 2)
        after = {run.id: run for run in recorded(processor, "mine")}
        assert {key: after[key] for key in before} == before
        # The same again, and resuming, find nothing left to ask.
        assert (extend(processor, **added).asked, resume(processor, "mine").asked) == (0, 0)
        # A second extension comes after the first one.
        assert extend(processor, models=["o"], samples=6).asked == 72 - 40
    assert keys(processor) == grid("None ChainOfThought", "mno", 6, 2)
    environment = processor.get_experiment("mine").environment_json
    first, second = environment["extensions"]
    assert (first["approaches"], first["samples"], first["models"]) == (["None"], 3, 1)
    assert (second["samples"], second["repeats"], second["models"]) == (5, 2, 2)
    assert environment["plan"]["runs"] == 72
    assert set(environment["prompts"]) == {"None/answer", "ChainOfThought/answer"}


def test_a_stopped_experiment_is_extended_and_an_extension_resumed(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling) as endpoint:
        halted(tmp_path, processor, endpoint, samples=6)
        there = len(recorded(processor, "mine"))
        asked = endpoint.requests
        endpoint.key = "another"
        with pytest.raises(Exception, match="401"):
            extend(processor, repeats=2)
        assert processor.get_experiment("mine").status == "failed"
        endpoint.key = None
        asked = endpoint.requests
        summary = resume(processor, "mine")
        assert (summary.status, summary.runs) == ("completed", 24)
        assert endpoint.requests - asked == 24 - there


def test_two_extensions_at_once_and_a_process_that_knows_neither(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    """Each asks what it knows of; a run is asked by one of them."""
    with Endpoint(doubling, latency=0.02) as endpoint:
        halted(tmp_path, processor, endpoint, dataset=questions(tmp_path, 30))
        before, asked = len(recorded(processor, "mine")), endpoint.requests
        started = threading.Barrier(3)
        refused: list[Exception] = []

        def work(**added: Any) -> None:
            with ResultsProcessor(processor.db_path) as own:
                started.wait()
                try:
                    extend(own, **added) if added else resume(own, "mine", concurrency=2)
                except ResumeRefused as error:
                    refused.append(error)

        threads = [
            threading.Thread(target=work, kwargs=added)
            for added in ({}, {"repeats": 2}, {"models": ["n"]})
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all("at the same time" in str(error) for error in refused)
        summary = extend(processor, repeats=2, models=["n"])
        assert (summary.status, summary.runs) == ("completed", 240)
        assert endpoint.requests - asked == 240 - before
    assert set(keys(processor).values()) == {1}


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ({"samples": 2}, "has 3 samples of each task already"),
        ({"repeats": 0}, "repeats is 0"),
        ({"approaches": ["Magic"]}, "Magic"),
        ({"models": ["m", "openai-compatible:"]}, None),
    ],
)
def test_what_cannot_be_added(
    tmp_path: Path, processor: ResultsProcessor, added: dict[str, Any], message: str | None
) -> None:
    with Endpoint(doubling) as endpoint:
        study = config(endpoint, tmp_path, approaches=["None"], samples=3)
        ExperimentRunner(study, processor).run("mine")
        if message is None:
            assert extend(processor, **added).planned_runs == 6
            return
        with pytest.raises(UsageError, match=message):
            extend(processor, **added)
        assert endpoint.requests == 3
    assert "extensions" not in processor.get_experiment("mine").environment_json


def test_what_has_changed_is_refused_as_on_resuming(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    prompt = tmp_path / "mine.md"
    prompt.write_text("{question} Say: The answer is X.", encoding="utf-8")
    with Endpoint(doubling) as endpoint:
        study = config(endpoint, tmp_path, approaches=[f"mine={prompt}"], system="Be brief.")
        ExperimentRunner(study, processor).run("mine")
        other = ExperimentRunner(ExperimentConfig(system="Be long."), processor)
        with pytest.raises(UsageError, match="system cannot be changed"):
            other.extend("mine", repeats=2)
        prompt.write_text("{question} Think!", encoding="utf-8")
        with pytest.raises(ResumeRefused, match="mine/answer"):
            extend(processor, repeats=2)
        prompt.write_text("{question} Say: The answer is X.", encoding="utf-8")
        questions(tmp_path, 11)
        with pytest.raises(ResumeRefused, match="10 questions then, 11 now"):
            extend(processor, samples=5, repeats=2)


@pytest.mark.parametrize(
    "extensions",
    [7, [{}], [{"approaches": 1, "models": 1, "samples": 1, "repeats": 1}],
     [{"approaches": ["None"], "models": 9, "samples": 1, "repeats": 1}],
     [{"approaches": ["None"], "models": 1, "samples": "x", "repeats": 1}]],
)  # fmt: skip
def test_a_damaged_history_is_refused_in_words(
    tmp_path: Path, processor: ResultsProcessor, extensions: object
) -> None:
    with Endpoint(doubling) as endpoint:
        ExperimentRunner(config(endpoint, tmp_path, samples=1), processor).run("mine")
    record = processor.get_experiment("mine")
    environment = record.environment_json | {"extensions": extensions}
    processor.save_experiment("mine", record.config_json, environment=environment)
    with pytest.raises(ResumeRefused, match="are damaged"):
        extend(processor, repeats=2)
