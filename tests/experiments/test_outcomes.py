"""What comes back without an answer, what it cost, and how it is asked again."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.providers.interface import ProviderError
from ml_agents_results.records import RunRecord
from tests.endpoint import Endpoint


def reply(text: str | None, finish: str = "stop", **parts: Any) -> dict[str, Any]:
    """A completion as endpoints send it; `usage` and parts of the message are given by name."""
    usage = parts.pop("usage", {"prompt_tokens": 10, "completion_tokens": 5})
    message = {"role": "assistant", "content": text, **parts}
    return {
        "id": "reply-1",
        "model": "served-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage,
    }


def config(endpoint: Endpoint, folder: Path, questions: int = 1, **given: Any) -> ExperimentConfig:
    dataset = folder / "dataset.jsonl"
    lines = [f'{{"input": "How much is q{i}?", "target": "18"}}' for i in range(questions)]
    dataset.write_text("\n".join(lines))
    settings = {
        "dataset": str(dataset),
        "approaches": ["CoT"],
        "provider": "openai-compatible",
        "model": "m",
        "base_url": endpoint.url,
        "parsing": "regex",
        "max_retries": 0,
        "output_dir": str(folder / "out"),
        **given,
    }
    return ExperimentConfig.from_dict(settings)


@pytest.fixture
def processor(sqlite_database: Database) -> ResultsProcessor:
    return ResultsProcessor(sqlite_database)


def runs_of(processor: ResultsProcessor, experiment_id: str) -> Sequence[RunRecord]:
    return list(processor.iter_runs(experiment_id))


def one_run(
    processor: ResultsProcessor, folder: Path, answer: dict[str, Any] | bytes, **given: Any
) -> RunRecord:
    with Endpoint(lambda body: answer) as endpoint:
        runner = ExperimentRunner(config(endpoint, folder, **given), processor)
        runner.run()
    (run,) = runs_of(processor, runner.experiment_id)
    return run


def outcome(processor: ResultsProcessor, run: RunRecord) -> str:
    with processor.database.read() as connection:
        text = "SELECT outcome FROM runs WHERE id = ?"
        return str(connection.exec_driver_sql(text, (run.id,)).scalar_one())


def runs_of_each(
    processor: ResultsProcessor, folder: Path, answers: Sequence[Any]
) -> Sequence[RunRecord]:
    """The runs of one experiment, the n-th of whose questions has the n-th answer."""

    def answer(body: dict[str, Any]) -> Any:
        number = str(body["messages"][-1]["content"]).split("How much is q")[1].split("?")[0]
        return answers[int(number)]

    with Endpoint(answer) as endpoint:
        runner = ExperimentRunner(config(endpoint, folder, len(answers)), processor)
        runner.run()
    return sorted(runs_of(processor, runner.experiment_id), key=lambda run: run.sample_index)


def test_why_there_is_no_answer_is_an_outcome(processor: ResultsProcessor, tmp_path: Path) -> None:
    cases = (
        (reply("The answer is 18."), "correct", "stop"),
        (reply("Step 1: 12 - 3 = 9. Multiply 9 by 2, which", "length"), "truncated", "length"),
        (reply("The answer is 1", "length"), "truncated", "length"),
        (reply("The answer is 18. It", "max_tokens"), "correct", "length"),
        (reply("", "length", reasoning_content="hm"), "truncated", "length"),
        (reply("<think>maybe the answer is 20. Let me", "length"), "truncated", "length"),
        (reply("<think>maybe the answer is 20. Let me"), "truncated", "length"),
        (reply("The answer is 1", "content_filter"), "refused", "content_filter"),
        (reply(None, "stop", refusal="I cannot help with that."), "refused", "refusal"),
        (reply("I'm sorry, but I can't help with that."), "refused", "refusal"),
        (reply("Hello."), "unparsed", "stop"),
        (reply("The answer is", "error"), "failed", None),
    )
    runs = runs_of_each(processor, tmp_path, [answer for answer, *_ in cases])
    for run, (answer, wanted, finish_reason) in zip(runs, cases, strict=True):
        assert (outcome(processor, run), run.finish_reason) == (wanted, finish_reason), answer
        assert run.prompt_tokens == 10


def test_what_comes_with_an_answer_is_kept(processor: ResultsProcessor, tmp_path: Path) -> None:
    usage = {
        "prompt_tokens": 324,
        "completion_tokens": 1364,
        "total_tokens": 2183,
        "prompt_tokens_details": {"cached_tokens": 300},
    }
    run = one_run(processor, tmp_path, reply("18", reasoning="9 times 2", usage=usage))
    assert run.reasoning_text == "9 times 2"
    assert (run.completion_tokens, run.reasoning_tokens, run.cached_tokens) == (1859, 495, 300)
    assert run.metadata_json is not None
    assert run.metadata_json["served_model"] == "served-2026"
    assert run.metadata_json["response_id"] == "reply-1"


def test_odd_usage_costs_no_answer(processor: ResultsProcessor, tmp_path: Path) -> None:
    cases: tuple[tuple[Any, tuple[int | None, int | None]], ...] = (
        ({"prompt_tokens": 10.0, "completion_tokens": 18446744073709551615}, (10, None)),
        ({"prompt_tokens": True, "completion_tokens": -5}, (None, None)),
        ({"prompt_tokens": 10**30, "completion_tokens": "many"}, (None, None)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": []}, (10, 5)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "cost": 1e308}, (10, 5)),
        ([1], (None, None)),
    )
    answers = [reply("The answer is 18.", usage=usage) for usage, _ in cases]
    runs = runs_of_each(processor, tmp_path, answers)
    for run, (_, tokens) in zip(runs, cases, strict=True):
        assert (run.is_correct, run.prompt_tokens, run.completion_tokens) == (True, *tokens)
        assert run.cost_estimate is None


def test_usage_of_several_steps_that_is_too_large_together_costs_no_answer(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    answer = reply("The answer is 18.", usage={"prompt_tokens": 1, "completion_tokens": 2**31 - 1})
    run = one_run(processor, tmp_path, answer, approaches=["Reflection"])
    assert (run.is_correct, run.prompt_tokens, run.completion_tokens) == (True, 3, None)


def test_a_document_of_brackets_fails_one_run(processor: ResultsProcessor, tmp_path: Path) -> None:
    run = one_run(processor, tmp_path, b"[" * 200_000)
    assert run.error is not None
    assert "is not JSON" in run.error


class TestRetries:
    def test_cut_off_runs_are_asked_again_with_a_higher_limit(
        self, processor: ResultsProcessor, tmp_path: Path
    ) -> None:
        def answer(body: dict[str, Any]) -> dict[str, Any]:
            usage = {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.01}
            if "q1" in str(body["messages"]) and body.get("max_tokens") == 50:
                return reply("Let me see: 9 * 2", "length", usage=usage)
            return reply("The answer is 18.", usage=usage)

        with Endpoint(answer) as endpoint:
            study = config(endpoint, tmp_path, 3, max_tokens=50)
            first = ExperimentRunner(study, processor).run()
            again = ExperimentRunner(ExperimentConfig(base_url=endpoint.url), processor)
            summary = again.resume(first.experiment_id, retry=["truncated"], max_tokens=500)
            assert (summary.asked, summary.status) == (1, "completed")
            assert [body["max_tokens"] for body in endpoint.bodies] == [50, 50, 50, 500]
        run = runs_of(processor, first.experiment_id)[1]
        assert run.is_correct is True
        assert run.metadata_json is not None
        assert run.metadata_json["max_tokens"] == 500
        (before,) = run.metadata_json["replaced"]
        assert (before["outcome"], before["cost_estimate"]) == ("truncated", 0.01)
        assert (run.cost_estimate, run.prompt_tokens) == (0.02, 20)

    def test_a_limit_of_its_own_goes_only_with_cut_off_runs(
        self, processor: ResultsProcessor
    ) -> None:
        runner = ExperimentRunner(ExperimentConfig(), processor, experiment_id="x")
        with pytest.raises(UsageError, match="cut off"):
            runner.resume("x", retry_failed=True, max_tokens=5)

    def test_all_that_is_paid_is_counted(self, processor: ResultsProcessor, tmp_path: Path) -> None:
        asked: dict[str, int] = defaultdict(int)

        def answer(body: dict[str, Any]) -> dict[str, Any]:
            name = "q0" if "q0" in str(body["messages"]) else "q1"
            asked[name] += 1
            usage = {"prompt_tokens": 100, "completion_tokens": 10, "cost": 0.01}
            text = "The answer is 18." if asked[name] > {"q0": 2, "q1": 4}[name] else None
            return reply(text, usage=usage)

        with Endpoint(answer) as endpoint:
            study = config(endpoint, tmp_path, 2, max_retries=2, concurrency=1)
            first = ExperimentRunner(study, processor).run()
            answered, failed = runs_of(processor, first.experiment_id)
            assert answered.is_correct is True
            assert answered.cost_estimate == pytest.approx(0.03)
            assert answered.prompt_tokens == 300
            assert failed.error is not None
            assert failed.cost_estimate == pytest.approx(0.03)
            again = ExperimentRunner(ExperimentConfig(base_url=endpoint.url), processor)
            again.resume(first.experiment_id, retry_failed=True)
        retried = runs_of(processor, first.experiment_id)[1]
        assert retried.is_correct is True
        assert retried.cost_estimate == pytest.approx(0.05)
        assert retried.metadata_json is not None
        assert "empty text" in retried.metadata_json["replaced"][0]["error"]

    def test_another_endpoint_is_recorded_with_each_run(
        self, processor: ResultsProcessor, tmp_path: Path
    ) -> None:
        def broken(body: dict[str, Any]) -> dict[str, Any]:
            return reply("" if "q1" in str(body["messages"]) else "The answer is 18.")

        with Endpoint(broken) as one, Endpoint() as other:
            first = ExperimentRunner(config(one, tmp_path, 2), processor).run()
            again = ExperimentRunner(ExperimentConfig(base_url=other.url), processor)
            again.resume(first.experiment_id, retry_failed=True)
            kept, moved = runs_of(processor, first.experiment_id)
            assert "endpoint" not in (kept.metadata_json or {})
            assert (moved.metadata_json or {})["endpoint"] == other.url
            environment = processor.get_experiment(first.experiment_id).environment_json
            assert environment["provider"]["endpoint"] == one.url
            assert environment["further_endpoints"] == [other.url]


class TestStops:
    def stopped(
        self, processor: ResultsProcessor, folder: Path, answer: dict[str, Any], match: str
    ) -> Sequence[RunRecord]:
        with Endpoint(lambda body: answer) as endpoint:
            runner = ExperimentRunner(config(endpoint, folder, 30), processor)
            with pytest.raises(ProviderError, match=match):
                runner.run()
            assert endpoint.requests < 12
        return runs_of(processor, runner.experiment_id)

    def test_a_setting_that_is_refused_every_time(
        self, processor: ResultsProcessor, tmp_path: Path
    ) -> None:
        error = {"message": "Unsupported parameter", "code": "unsupported_parameter"}
        runs = self.stopped(processor, tmp_path, {"error": error}, "failed alike")
        assert all(run.error for run in runs)

    def test_answers_that_are_all_cut_off_before_any_text(
        self, processor: ResultsProcessor, tmp_path: Path
    ) -> None:
        usage = {"prompt_tokens": 100, "completion_tokens": 100, "cost": 0.01}
        runs = self.stopped(processor, tmp_path, reply("", "length", usage=usage), "cut off")
        assert len(runs) >= 5
        assert {run.cost_estimate for run in runs} == {0.01}


def test_a_tool_call_is_asked_once(processor: ResultsProcessor, tmp_path: Path) -> None:
    answer = reply(None, "tool_calls", tool_calls=[{"id": "c", "type": "function"}])
    with Endpoint(lambda body: answer) as endpoint:
        runner = ExperimentRunner(config(endpoint, tmp_path, max_retries=5), processor)
        runner.run()
        assert endpoint.requests == 1
    (run,) = runs_of(processor, runner.experiment_id)
    assert run.error is not None
    assert run.prompt_tokens == 10


def test_the_seed_differs_for_each_repeat(processor: ResultsProcessor, tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        study = config(endpoint, tmp_path, seed=7, repeats=3, concurrency=1)
        runner = ExperimentRunner(study, processor)
        runner.run()
        assert [body["seed"] for body in endpoint.bodies] == [7, 8, 9]
    runs = runs_of(processor, runner.experiment_id)
    assert [(run.metadata_json or {})["seed"] for run in runs] == [7, 8, 9]


def test_thinking_is_not_sent_on(processor: ResultsProcessor, tmp_path: Path) -> None:
    with Endpoint("<think>SECRET</think>The answer is 18.") as endpoint:
        ExperimentRunner(config(endpoint, tmp_path, approaches=["Reflection"]), processor).run()
        assert len(endpoint.bodies) > 1
        assert "SECRET" not in str(list(endpoint.bodies))
