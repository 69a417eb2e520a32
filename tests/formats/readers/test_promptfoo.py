"""Results of promptfoo, in every shape that its exports have had."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import ResultsError
from ml_agents_results.processor import ResultsProcessor
from tests.formats.readers.conftest import Importer
from tests.formats.readers.promptfoo_results import document, result, write

Refused = Callable[..., ResultsError]


def test_every_field(tmp_path: Path, imported: Importer, processor: ResultsProcessor) -> None:
    told, (run,) = imported(write(tmp_path / "a.json", document(result())))
    assert run.experiment_id == "eval-1"
    assert (run.approach_name, run.provider, run.model) == (
        "ChainOfThought", "anthropic", "messages:claude",
    )  # fmt: skip
    assert (run.sample_index, run.repeat_index, run.input_text) == (0, 0, "0?")
    assert (run.expected_answer, run.raw_output, run.parsed_answer) == ("4", "4", None)
    assert (run.is_correct, run.score) == (True, None)
    assert (run.execution_time_ms, run.cost_estimate) == (812, 0.001)
    assert (run.prompt_tokens, run.completion_tokens) == (20, 10)
    assert [(one.metric, one.value) for one in run.scores or ()] == [
        ("brevity", 0.5), ("score", 0.75),
    ]  # fmt: skip
    assert told.sources[0]["chosen"] == {
        "approach": "ChainOfThought (label of the prompt)",
        "expected": "vars.expected (the usual variable)",
        "metric": "success (all assertions)",
    }
    experiment = processor.get_experiment("eval-1")
    assert experiment.name == "demo"
    assert experiment.created_at == datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    assert experiment.environment_json["tool_version"] == "0.99"
    assert "sk-x" not in json.dumps(experiment.config_json)


@pytest.mark.parametrize("shape", ["v3", "list", "results", "v2", "lines"])
def test_shapes(tmp_path: Path, imported: Importer, shape: str) -> None:
    results = [result(0), result(1)]
    if shape == "lines":
        path = tmp_path / "a.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in results), encoding="utf-8")
    else:
        path = write(tmp_path / "a.json", {
            "v3": document(*results),
            "list": results,
            "results": {"results": results, "evalId": "x"},
            "v2": {"evalId": None, "results": {"version": 2, "results": results, "table": {}}},
        }[shape])  # fmt: skip
    first, runs = imported(path)
    assert [run.sample_index for run in runs] == [0, 1]
    assert all(run.is_correct for run in runs)
    again, same = imported(path)
    assert (again.skipped, same) == (2, runs)
    assert first.sources[0]["format"] == "promptfoo"


def test_results_without_numbers(tmp_path: Path, imported: Importer) -> None:
    results = [result(n) for n in (0, 1, 0)]
    for one in results:
        del one["promptIdx"], one["testIdx"], one["failureReason"]
        one["provider"], one["prompt"] = "echo", "Hm?"
    _, runs = imported(write(tmp_path / "a.json", results))
    assert [(run.sample_index, run.repeat_index) for run in runs] == [(0, 0), (0, 1), (1, 0)]
    assert {(run.provider, run.model, (run.metadata_json or {})["prompt"]) for run in runs} == {
        ("", "echo", "Hm?")
    }


def test_repeats_and_prompts_with_one_label(tmp_path: Path, imported: Importer) -> None:
    path = write(tmp_path / "a.json", document(result(), result(), result(prompt=1)))
    _, runs = imported(path)
    assert [(run.approach_name, run.repeat_index) for run in runs] == [
        ("ChainOfThought", 0), ("ChainOfThought", 1), ("ChainOfThought (prompt 1)", 0),
    ]  # fmt: skip


@pytest.mark.parametrize("order", [1, -1])
def test_repetitions_have_numbers_of_their_own(
    tmp_path: Path, imported: Importer, order: int
) -> None:
    """With --repeat 2, promptfoo numbers both times that a test is asked."""
    asked = {"question": "2+2?", "expected": "4"}
    rows = [result(n, prompt, vars=asked) for n in (0, 1) for prompt in (0, 1)] + [result(2)]
    _, runs = imported(write(tmp_path / "a.json", document(*rows[::order])))
    assert {
        (run.sample_index, run.repeat_index, (run.metadata_json or {})["id"]) for run in runs
    } == {(0, 0, "r00"), (0, 0, "r01"), (0, 1, "r10"), (0, 1, "r11"), (2, 0, "r20")}


@pytest.mark.parametrize(
    ("change", "error", "is_correct"),
    [
        ({"failureReason": 2, "error": "429", "success": False, "response": None}, "429", None),
        ({"failureReason": 1, "error": "not 4", "success": False}, None, False),
        ({"failureReason": None, "error": "not 4", "success": False}, None, False),
        ({"failureReason": None, "error": "429", "response": {}}, "429", None),
        ({"gradingResult": None, "testCase": {}}, None, None),
        ({"failureReason": 1, "success": False, "gradingResult": {
            "pass": False, "reason": "Custom function threw error: x is not defined"}}, None, None),
        ({"gradingResult": {"metadata": {"graderError": True}}}, None, None),
        ({"gradingResult": {"componentResults": [{"metadata": {"graderError": 1}}]}}, None, None),
    ],
)  # fmt: skip
def test_failed_unjudged_and_wrong(
    tmp_path: Path, imported: Importer, change: Any, error: str | None, is_correct: bool | None
) -> None:
    _, (run,) = imported(write(tmp_path / "a.json", document(result(**change))))
    assert (run.error, run.is_correct) == (error, is_correct)


def test_cached_answers_have_no_time(tmp_path: Path, imported: Importer) -> None:
    cached = {"output": {"a": 1}, "cached": True}
    _, (run,) = imported(write(tmp_path / "a.json", document(result(response=cached))))
    assert (run.execution_time_ms, run.prompt_tokens, run.raw_output) == (None, None, '{"a": 1}')
    assert (run.metadata_json or {})["cached_latency_ms"] == 812


def test_choices_of_ones_own(tmp_path: Path, imported: Importer) -> None:
    path = write(tmp_path / "a.json", document(result(vars={"gold": 5})))
    _, (run,) = imported(path)
    assert run.expected_answer == "four"
    _, (run,) = imported(path, expected="gold", metric="brevity")
    assert (run.expected_answer, run.score, run.is_correct) == ("5", 0.5, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"evalId": "x", "results": {"results": [{"testIdx": 0}', "it is cut off"),
        ('{"evalId": "x", "results": {"results": []}}', "without results"),
        ('{"evalId": "x", "results": {"results": [}]}}', "is missing"),
    ],
)
def test_broken_files(tmp_path: Path, refused: Refused, content: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    assert message in refused(path).message


def test_settings_of_providers_stay_away(
    tmp_path: Path, imported: Importer, processor: ResultsProcessor
) -> None:
    judge = {"id": "openai:judge", "config": {"apiKey": "my own secret"}}
    settings = {"apiKey": "my own secret", "apiHost": "inside.lab", "temperature": 0}
    config = {
        "providers": [
            {"id": "openai:gpt", "label": "gpt", "config": settings},
            "echo",
            {"openai:o3": {"config": settings}},
        ],
        "defaultTest": {"options": {"provider": judge}},
        "env": {"HOST": "inside.lab"},
    }
    case = {"assert": [{"type": "llm-rubric", "value": "nice", "provider": judge}]}
    path = write(tmp_path / "a.json", document(result(testCase=case), config=config))
    _, (run,) = imported(path)
    kept = json.dumps([processor.get_experiment("eval-1").config_json, run.metadata_json])
    assert "my own secret" not in kept
    assert "inside.lab" not in kept
    assert "openai:judge" in kept
    imported(path, experiment_id="asked", model_args=True)
    kept = json.dumps(processor.get_experiment("asked").config_json)
    assert "inside.lab" in kept
    assert "my own secret" not in kept


def test_a_test_without_assertions_has_no_grade(tmp_path: Path, imported: Importer) -> None:
    grading = {"pass": True, "score": 1, "reason": "No assertions", "tokensUsed": {"total": 0}}
    row = result(testCase={"vars": {}}, gradingResult=grading, score=1)
    told, (run,) = imported(write(tmp_path / "a.json", document(row)))
    assert (run.is_correct, run.score, run.error) == (None, None, None)
    assert told.ungraded == 1
    assert "1 results without assertions have no grade" in told.warnings[0]


def test_its_own_statistics_are_held_against_what_was_read(
    tmp_path: Path, imported: Importer
) -> None:
    content = document(result(0), result(1, success=False))
    content["results"]["stats"] = {"successes": 2, "failures": 0}
    told, _ = imported(write(tmp_path / "a.json", content))
    assert "count 2 results as passed; 1 of those in the file" in told.warnings[0]


def test_a_cost_of_zero_is_known_only_where_the_provider_says_it(
    tmp_path: Path, imported: Importer
) -> None:
    free = {"output": "4", "cost": 0}
    rows = [result(0, cost=0), result(1, cost=0, response=free), result(2, cost=0.5)]
    _, runs = imported(write(tmp_path / "a.json", document(*rows)))
    assert [run.cost_estimate for run in runs] == [None, 0.0, 0.5]


def test_results_of_2023(tmp_path: Path, imported: Importer) -> None:
    """They name neither their provider nor their assertions: the configuration does."""
    rows = [
        {key: value for key, value in result(n, success=n < 2).items()
         if key in ("prompt", "vars", "response", "success", "score", "latencyMs")}
        for n in range(3)
    ]  # fmt: skip
    config = {"providers": ["openai:tiny"], "tests": [{"assert": [{"type": "similar"}]}]}
    content = {"results": {"version": 2, "results": rows, "stats": {}}, "config": config}
    _, runs = imported(write(tmp_path / "a.json", content), format_name="promptfoo")
    assert [(run.model, run.is_correct) for run in runs] == [
        ("tiny", True), ("tiny", True), ("tiny", False),
    ]  # fmt: skip


@pytest.mark.parametrize(("order", "with_ids"), [((0, 1, 0), True), ((1, 0, 1, 0), False)])
def test_json_and_json_lines_of_one_evaluation_are_one_experiment(
    tmp_path: Path,
    imported: Importer,
    processor: ResultsProcessor,
    order: tuple[int, ...],
    with_ids: bool,
) -> None:
    results = [
        {**result(test, prompt), "prompt": {"raw": "x", "label": ("terse", "steps")[prompt]}}
        for test, prompt in ((0, 1), (0, 0), (1, 0), (1, 1))
    ]
    named = write(tmp_path / "a.json", document(*results))
    lines = tmp_path / "b.jsonl"
    if not with_ids:
        # As promptfoo writes them while it runs: in another order, without ids of the results.
        results = [{**one, "id": None} for one in reversed(results)]
    lines.write_text("".join(json.dumps(one) + "\n" for one in results), encoding="utf-8")
    assert [imported((named, lines)[one])[0].inserted for one in order] == [
        4, *(0 for _ in order[1:])
    ]  # fmt: skip
    (only,) = processor.list_experiments()
    assert (only["name"], only["runs"]) == ("demo", 4)
    assert only["created_at"] == datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    # The first prompt of the configuration is the baseline.
    (pair,) = processor.compare([only["id"]]).comparisons
    assert pair.baseline.approach_name == "terse"


def test_evaluations_with_the_same_cached_results_are_two(
    tmp_path: Path, imported: Importer
) -> None:
    one = write(tmp_path / "a.json", document(result()))
    other = write(tmp_path / "b.json", document(result(), evalId="eval-2"))
    assert imported(one, other)[0].inserted == 2
