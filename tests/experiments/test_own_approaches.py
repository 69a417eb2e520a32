"""Own prompts and functions as approaches: run, recorded, refused when they changed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.errors import NotFoundError, ResultsError, UsageError
from ml_agents_results.experiments.approaches import approach
from ml_agents_results.experiments.resumption import ResumeRefused
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.endpoint import Endpoint

SOLVER = """
import asyncio

def own_client(anything):
    return {"choices": [{"message": {"content": "The answer is 4."}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 5}, "model": "served"}

async def twice(question, ask):
    first = await ask(question)
    return await ask("Check: " + first)

def once(question, *, ask, seed):
    return ask(question)

def nothing(question):
    return None

def failing(question):
    if "two" in question:
        raise KeyError("two")
    return "3"

def needs(question, key):
    return key

def exits(question):
    raise SystemExit(3)

async def gives_up(question):
    raise asyncio.CancelledError

def number(question):
    return 42

def bad_grade(answer, expected):
    return {"1": float("nan"), "2": "yes"}.get(expected) or exits("")
"""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint("The answer is 4.") as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"input": "one plus three?", "target": "4"}, {"input": "two plus one?", "target": "3"}]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "terse.md").write_text("In one word: {question}", encoding="utf-8")
    # A name of its own: Python keeps modules that were imported.
    (tmp_path / f"solver_{tmp_path.name}.py").write_text(SOLVER, encoding="utf-8")
    return tmp_path


def run(
    processor: ResultsProcessor, endpoint: Endpoint, *approaches: str, **settings: Any
) -> list[RunRecord]:
    config = ExperimentConfig(
        dataset="d.jsonl", approaches=list(approaches), model="m", base_url=endpoint.url,
        max_retries=0, **settings,
    )  # fmt: skip
    ExperimentRunner(config, processor, experiment_id="e").run()
    return list(processor.iter_runs("e"))


def function(folder: Path, name: str) -> str:
    return f"solver_{folder.name}:{name}"


def test_a_prompt_of_ones_own(processor: ResultsProcessor, endpoint: Endpoint) -> None:
    runs = run(processor, endpoint, "None", "terse=terse.md")
    assert [record.approach_name for record in runs] == ["None", "None", "terse", "terse"]
    sent = [body["messages"][-1]["content"] for body in endpoint.bodies]
    assert "In one word: one plus three?" in sent
    assert [record.is_correct for record in runs[2:]] == [True, False]


def test_a_changed_prompt_is_not_resumed(
    processor: ResultsProcessor, endpoint: Endpoint, folder: Path
) -> None:
    run(processor, endpoint, "terse=terse.md")
    (folder / "terse.md").write_text("In two words: {question}", encoding="utf-8")
    with pytest.raises(ResumeRefused, match="terse/answer"):
        ExperimentRunner(ExperimentConfig(), processor).resume("e")


def test_functions_ask_the_model_and_every_call_is_recorded(
    processor: ResultsProcessor, endpoint: Endpoint, folder: Path
) -> None:
    approaches = (function(folder, "twice"), f"single={function(folder, 'once')}")
    single, _, twice, _ = run(processor, endpoint, *approaches)
    assert (single.approach_name, twice.approach_name) == ("single", "twice")
    assert endpoint.requests == 6
    steps = (twice.metadata_json or {})["steps"]
    assert [step["name"] for step in steps] == ["ask 1", "ask 2"]
    assert steps[1]["prompt"] == "Check: The answer is 4."
    assert twice.prompt_tokens == sum(step["prompt_tokens"] for step in steps)


def test_a_function_may_ask_whom_it_likes(
    processor: ResultsProcessor, endpoint: Endpoint, folder: Path
) -> None:
    first, _ = run(processor, endpoint, function(folder, "own_client"))
    assert endpoint.requests == 0
    assert (first.raw_output, first.prompt_tokens, first.model) == ("The answer is 4.", 3, "m")
    assert (first.metadata_json or {})["served_model"] == "served"


def test_an_exception_is_a_failed_run(
    processor: ResultsProcessor, endpoint: Endpoint, folder: Path
) -> None:
    first, second = run(processor, endpoint, function(folder, "failing"))
    assert first.error is None
    assert second.error == "FunctionFailed: failing raised KeyError: 'two'"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exits", "exits raised RuntimeError: SystemExit(3)"),
        ("gives_up", "gives_up was cancelled by itself"),
        ("number", "number returned int, not a text"),
    ],
)
def test_whatever_a_function_does_is_a_failed_run(
    processor: ResultsProcessor, endpoint: Endpoint, folder: Path, name: str, message: str
) -> None:
    runs = run(processor, endpoint, function(folder, name))
    assert {record.error for record in runs} == {f"FunctionFailed: {message}"}


def test_an_answer_whose_grader_fails_is_kept_and_the_reason_shown(
    processor: ResultsProcessor, endpoint: Endpoint, folder: Path
) -> None:
    rows = [{"input": f"{n}?", "target": str(n)} for n in range(1, 4)]
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    config = ExperimentConfig(
        dataset="d.jsonl", model="m", base_url=endpoint.url, concurrency=1,
        grader=function(folder, "bad_grade"),
    )  # fmt: skip
    summary = ExperimentRunner(config, processor, experiment_id="e").run()
    assert (summary.status, summary.runs, summary.grading_errors) == ("completed", 3, 3)
    assert str(summary.grading_error).endswith("returned nan")
    reasons = [(run.metadata_json or {})["grading_error"] for run in processor.iter_runs("e")]
    assert [reason.split("' ")[1] for reason in reasons] == [
        "returned nan", "returned str", "failed: SystemExit: 3",
    ]  # fmt: skip


def test_a_function_is_named_where_it_is_defined(
    processor: ResultsProcessor, endpoint: Endpoint
) -> None:
    @approach("twice")
    async def ask_twice(question: str, ask: Any) -> str:
        await ask(question)
        return str(await ask("Check it."))

    first, _ = run(processor, endpoint, "None", "twice")[2:]
    assert (first.approach_name, endpoint.requests) == ("twice", 2 + 4)
    for name in ("CoT", "a=b", ""):
        with pytest.raises(UsageError, match="cannot be called"):
            approach(name)


def test_a_function_that_never_answers_ends_the_experiment(
    processor: ResultsProcessor, endpoint: Endpoint, folder: Path
) -> None:
    with pytest.raises(ResultsError, match="nothing returned NoneType, not a text"):
        run(processor, endpoint, function(folder, "nothing"), repeats=10, concurrency=1)
    assert len(list(processor.iter_runs("e"))) == 5


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("CoT=terse.md", UsageError, "CoT is a built-in approach"),
        ("mine=none.md", NotFoundError, "there is no prompt none.md"),
        ("=terse.md", UsageError, "is not an approach"),
        ("no_such_module:f", UsageError, "cannot be loaded"),
    ],
)
def test_what_is_no_approach(
    processor: ResultsProcessor,
    endpoint: Endpoint,
    spec: str,
    error: type[ResultsError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        run(processor, endpoint, spec)


def test_a_function_with_arguments_that_nobody_gives(
    processor: ResultsProcessor, endpoint: Endpoint, folder: Path
) -> None:
    with pytest.raises(UsageError, match="takes 'key', which nobody gives it"):
        run(processor, endpoint, function(folder, "needs"))


def test_functions_of_a_stranger_are_not_loaded(
    processor: ResultsProcessor, endpoint: Endpoint, folder: Path
) -> None:
    run(processor, endpoint, function(folder, "own_client"))
    record = processor.get_experiment("e")
    environment = {key: value for key, value in record.environment_json.items() if key != "origin"}
    processor.save_experiment("e", record.config_json, environment=environment)
    (folder / f"solver_{folder.name}.py").write_text("raise SystemExit", encoding="utf-8")
    with pytest.raises(ResumeRefused, match="approach"):
        ExperimentRunner(ExperimentConfig(), processor).resume("e")
