"""Experiments and judges whose answers come from a cache."""

from pathlib import Path
from typing import Any

from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.processor import ResultsProcessor
from tests.commands import document
from tests.endpoint import Endpoint
from tests.experiments.studies import config, doubling, recorded


def test_stored_answers_are_shown_as_such_and_counted_nowhere(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling, cost=0.25) as endpoint:
        first, second = (
            ExperimentRunner(
                config(
                    endpoint, tmp_path, approaches=["None", "Reflection"], samples=3, repeats=2,
                    cache=str(tmp_path / "cache"), parsing=parsing,
                ),
                processor,
            ).run()
            for parsing in ("regex", "regex")
        )  # fmt: skip
        assert endpoint.requests == 3 * 2 * (1 + 3)
    assert (first.from_cache, second.from_cache, second.asked) == (0, 12, 12)
    before, after = (recorded(processor, one.experiment_id) for one in (first, second))
    assert [run.raw_output for run in after] == [run.raw_output for run in before]
    assert [run.is_correct for run in after] == [run.is_correct for run in before]
    assert {(run.cost_estimate, run.execution_time_ms) for run in after} == {(None, None)}
    assert all(run.prompt_tokens for run in after)
    assert [(run.metadata_json or {})["from_cache"] for run in after] == [1] * 6 + [3] * 6


def test_what_was_asked_now_is_counted_next_to_what_was_stored(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    def study(**changes: Any) -> ExperimentRunner:
        settings = {"approaches": ["Reflection"], "samples": 1, "cache": str(tmp_path / "cache")}
        return ExperimentRunner(
            config(endpoint, tmp_path, parsing="regex", **settings | changes), processor
        )

    with Endpoint(doubling, cost=0.25) as endpoint:
        study().run()
        (_, last) = sorted((tmp_path / "cache").rglob("*.json"))[:2]
        last.unlink()
        (run,) = recorded(processor, study().run().experiment_id)
        assert endpoint.requests == 4
    assert (run.cost_estimate, run.execution_time_ms) == (0.25, None)
    assert (run.metadata_json or {})["from_cache"] == 2


def test_no_two_runs_share_an_answer(tmp_path: Path, processor: ResultsProcessor) -> None:
    """Neither repeats, nor variants with the same prompt, nor samples with the same words."""
    numbers = iter(range(100))
    dataset = tmp_path / "same.jsonl"
    dataset.write_text('{"input": "Double of 1?", "target": "2"}\n' * 3, encoding="utf-8")
    prompt = tmp_path / "same.md"
    prompt.write_text("{question}", encoding="utf-8")
    with Endpoint(lambda body: f"The answer is {next(numbers)}.") as endpoint:
        study = config(
            endpoint, tmp_path, dataset=str(dataset), repeats=2, parsing="regex",
            approaches=[f"a={prompt}", f"b={prompt}"], cache=str(tmp_path / "cache"),
        )  # fmt: skip
        summary = ExperimentRunner(study, processor).run()
    assert len({run.raw_output for run in recorded(processor, summary.experiment_id)}) == 12


def test_verdicts_are_stored_too(tmp_path: Path, processor: ResultsProcessor) -> None:
    with Endpoint(doubling, cost=0.25) as endpoint:
        study = config(endpoint, tmp_path, approaches=["None"], samples=3, parsing="regex")
        ExperimentRunner(study, processor).run("mine")
        processor.close()
        endpoint.answer = '{"reasoning": "r", "verdict": "yes"}'

        def judged(name: str, *more: str) -> dict[str, Any]:
            return document(
                "score", "--experiment-id", "mine", "--grader", "judge", "--rubric", "correct",
                "--name", name, "--base-url", endpoint.url, "--model", "m", "--repeats", 2,
                "--cache", tmp_path / "cache", "--db-path", processor.db_path, *more,
            )  # fmt: skip

        first = judged("one")
        asked = endpoint.requests
        second = judged("two", "--max-cost", "0.1")
        assert (asked, endpoint.requests) == (3 + 6, 3 + 6)
    assert (first["scored"], second["scored"], second["asked"]) == (6, 6, 6)
    assert (first["cost"], second["cost"]) == (1.5, 0.0)
