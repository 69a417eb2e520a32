"""Recipes: those of the package on small files in the layouts of their programs, and one's own."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import InvalidFileError, ResultsError, UsageError
from ml_agents_results.formats.recipe_files import find_recipe
from ml_agents_results.formats.recipes import NAMES
from ml_agents_results.records import RunRecord
from tests.formats.readers.conftest import Importer

Refused = Callable[..., ResultsError]

LINES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "human-eval": (
        "results.jsonl",
        [
            {"task_id": "Py/0", "completion": "a", "passed": True, "result": "passed"},
            {"task_id": "Py/0", "completion": "b", "passed": False, "result": "failed"},
        ],
    ),
    "tau-bench": (
        "run.json",
        [{"task_id": 3, "reward": 0.5, "info": {"task": {"instruction": "Help"}}, "traj": [{}]}],
    ),
    "mmlu-pro": (
        "model_outputs_mine_5shots.json",
        [
            {
                "question_id": 1,
                "question": "q",
                "options": ["x", "y"],
                "answer": "B",
                "answer_index": 1,
                "pred": "B",
                "category": "law",
                "model_outputs": "(B)",
            }
        ],
    ),
    "alpaca-eval": (
        "annotations.json",
        [
            {"instruction": "i", "output_1": "a", "output_2": "b", "preference": 1.75},
            {"instruction": "j", "output_1": "a", "output_2": "b", "preference": None},
            {"instruction": "k", "output_1": "a", "output_2": "b", "preference": 0},
        ],
    ),
    "mt-bench": (
        "single.jsonl",
        [
            {"question_id": 8, "judge": "j", "judgment": "7", "score": 7, "turn": 1},
            {"question_id": 8, "judge": "j", "judgment": "?", "score": -1, "turn": 2},
        ],
    ),
    "bfcl": (
        "BFCL_score.json",
        [
            {"accuracy": 0.75, "correct_count": 3, "total_count": 4},
            {"id": "simple_2", "model_name": "m", "valid": False, "error": ["wrong"]},
        ],
    ),
    "langfuse": (
        "traces.jsonl",
        [
            {
                "id": "t",
                "timestamp": "2026-01-01",
                "input": "q",
                "output": "a",
                "latency": 1.5,
                "scores": [{"name": "ok", "value": 0.5, "comment": "so"}],
            }
        ],
    ),
    "braintrust": (
        "rows.jsonl",
        [{"id": "1", "input": "q", "output": "a", "expected": "a", "scores": {"f": 0.25}}],
    ),
}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "lm-eval-write-out": {
        str(index): {
            "doc_id": index,
            "prompt_0": f"{index}?",
            "logit_0": "a",
            "truth": "b",
            "acc": str(float(index)),
            "f1": "0.5",
        }
        for index in range(2)
    },
    "evalplus": {
        "hash": "h",
        "eval": {
            "Py/0": [{"base_status": "pass", "plus_status": "fail"}],
            "Py/1": [{"base_status": "fail", "plus_status": "pass"}],
        },
    },
    "swe-bench": {
        "submitted_ids": ["a-1", "a-2", "b-3"],
        "resolved_ids": ["a-1"],
        "unresolved_ids": ["a-2"],
        "error_ids": ["b-3"],
    },
    "deepeval": {
        "testRunData": {
            "testCases": [
                {
                    "name": "c",
                    "input": "q",
                    "actualOutput": "a",
                    "success": True,
                    "metricsData": [{"name": "Faithful", "score": 0.5, "reason": "so"}],
                }
            ]
        }
    },
    "mlflow": {
        "columns": ["inputs", "outputs", "targets", "toxicity/v1/score"],
        "data": [["q", "a", "b", 0.25]],
    },
    "big-bench": {
        "model": {},
        "task": {},
        "queries": [{"task": "t", "samples": [{"input": "q", "output": "a", "correct": 1.0}]}],
    },
    "big-bench-hard": {
        "canary": "c",
        "outputs": [{"input": "q", "prediction": "So the answer is True.", "target": "True"}],
    },
}
VALUES: dict[str, dict[str, list[float | None]]] = {
    "human-eval": {"passed": [1.0, 0.0]},
    "tau-bench": {"reward": [0.5]},
    "mmlu-pro": {"exact": [1.0]},
    "alpaca-eval": {"win_rate": [0.75, None, 0.5]},
    "mt-bench": {"score": [7.0, None]},
    "bfcl": {"valid": [1.0, 1.0, 0.0, 1.0]},
    "langfuse": {"ok": [0.5]},
    "braintrust": {"f": [0.25]},
    "lm-eval-write-out": {"acc": [0.0, 1.0], "f1": [0.5, 0.5]},
    "evalplus": {"plus": [0.0, 0.0], "base": [1.0, 0.0]},
    "swe-bench": {"resolved": [1.0, 0.0, 0.0]},
    "deepeval": {"success": [1.0], "Faithful": [0.5]},
    "mlflow": {"toxicity": [0.25]},
    "big-bench": {"correct": [1.0]},
    "big-bench-hard": {"exact": [1.0]},
}


def _written(folder: Path, recipe: str) -> Path:
    if recipe in DOCUMENTS:
        path = folder / "document.json"
        path.write_text(json.dumps(DOCUMENTS[recipe], indent=1))
        return path
    name, rows = LINES[recipe]
    path = folder / name
    as_lines = name.endswith("l") or recipe == "bfcl"
    lines = "\n".join(json.dumps(row) for row in rows) if as_lines else None
    path.write_text(lines or json.dumps(rows))
    return path


def _values(
    runs: Sequence[RunRecord], metrics: list[dict[str, Any]]
) -> dict[str, list[float | None]]:
    """The values of each metric, by id."""
    primary = next(metric["name"] for metric in metrics if metric["is_primary"])
    values: dict[str, list[float | None]] = {metric["name"]: [] for metric in metrics}
    for run in sorted(runs, key=lambda run: (run.sample_id or "", run.repeat_index)):
        own = run.score if run.is_correct is None else float(run.is_correct)
        known = {score.metric: score.value for score in run.scores or ()} | {primary: own}
        for name, of_metric in values.items():
            of_metric.append(known.get(name))
    return values


@pytest.mark.parametrize("recipe", VALUES)
def test_files_are_recognised(tmp_path: Path, imported: Importer, recipe: str) -> None:
    result, runs = imported(_written(tmp_path, recipe))
    assert result.sources[0]["chosen"]["recipe"] == f"{recipe} (its columns)"
    assert _values(runs, list(map(dict, result.metrics))) == VALUES[recipe]


def test_fields_of_recipes(tmp_path: Path, imported: Importer) -> None:
    _, [run] = imported(_written(tmp_path, "mmlu-pro"))
    assert (run.model, run.task, run.sample_id, run.parsed_answer) == ("mine", "law", "1", "B")
    _, [run] = imported(_written(tmp_path, "langfuse"))
    assert run.execution_time_ms == 1500
    assert [score.explanation for score in run.scores or ()] == ["so"]
    result, runs = imported(_written(tmp_path, "bfcl"))
    assert [run.sample_id for run in runs] == ["simple_2", "simple_0", "simple_1", "simple_3"]
    assert "3 entries that passed were added" in result.warnings[0]


def test_metrics_that_describe_a_text_are_not_the_grade(tmp_path: Path, imported: Importer) -> None:
    columns = ["inputs", "flesch_kincaid_grade_level/v1/score", "answer_correctness/v1/score"]
    path = tmp_path / "eval_results_table.json"
    path.write_text(json.dumps({"columns": columns, "data": [["q", 8.1, 4], ["r", 9.5, None]]}))
    result, runs = imported(path)
    assert [run.score for run in runs] == [4, None]
    assert "answer_correctness (the first that grades answers)" in result.warnings[0]


def test_a_line_of_totals_is_named_by_its_own_columns(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(
        '{"task_id": "a", "completion": "", "passed": true}\n{"passed": 1, "failed": 0}'
    )
    assert "line 2: the recipe human-eval finds neither" in refused(path).message


def test_lists_in_a_folder_are_tables(tmp_path: Path, imported: Importer) -> None:
    _written(tmp_path, "tau-bench")
    (tmp_path / "config.json").write_text('{"temperature": 0}')
    result, [run] = imported(tmp_path)
    assert (run.sample_id, run.score) == ("3", 0.5)
    assert "config.json" in result.warnings[0]


def test_lines_in_a_folder_that_a_recipe_knows_are_tables_whatever_their_ending(
    tmp_path: Path, imported: Importer
) -> None:
    _written(tmp_path, "bfcl")
    (tmp_path / "config.json").write_text('{"temperature": 0}')
    _, runs = imported(tmp_path)
    assert [run.is_correct for run in runs] == [False, True, True, True]


def test_a_recipe_of_rows_is_named_for_a_document(tmp_path: Path, imported: Importer) -> None:
    path = _written(tmp_path, "lm-eval-write-out")
    _, runs = imported(path, recipe="lm-eval-write-out")
    assert [run.input_text for run in runs] == ["0?", "1?"]


def test_fields_are_mapped_within_a_recipe(
    tmp_path: Path, imported: Importer, refused: Refused
) -> None:
    path = _written(tmp_path, "bfcl")
    assert "has no column 'nowhere'" in refused(path, columns={"task": "nowhere"}).message
    result, runs = imported(path, columns={"task": "id"})
    assert sorted(run.task for run in runs) == [f"simple_{index}" for index in range(4)]
    assert "read by the recipe bfcl; --map replaces its fields" in result.warnings[0]
    _, runs = imported(path, recipe="none", columns={"sample_id": "id"}, experiment_id="plain")
    assert len(runs) == 2


def test_flat_columns_are_members(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "experiment.csv"
    path.write_text(
        "example_id,inputs.question,outputs.answer,feedback.f1,execution_time\ne,q,a,0.5,2\n"
    )
    result, [run] = imported(path)
    assert (run.input_text, run.raw_output, run.execution_time_ms) == ("q", "a", 2000)
    assert (run.score, result.metrics[0]["name"]) == (0.5, "f1")


def test_a_recipe_of_ones_own(tmp_path: Path, imported: Importer) -> None:
    page = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text()
    recipe = tmp_path / "ours.yaml"
    recipe.write_text(re.findall(r"```yaml\n(.+?)```", page, re.DOTALL)[0])
    path = tmp_path / "nightly_small_7.json"
    cases = [
        {"case": 1, "prompt": {"version": "v2"}, "reply": "R", "seconds": 0.5, "rating": 4},
        {"case": 2, "prompt": {"version": "v2"}, "answer": "A", "rating": 0, "state": "closed"},
    ]
    path.write_text(json.dumps({"cases": cases}))
    result, runs = imported(path, recipe=str(recipe))
    one, two = sorted(runs, key=lambda run: run.sample_index)
    assert (one.approach_name, one.model, one.provider) == ("v2", "small", "openai")
    assert (one.raw_output, one.execution_time_ms, one.score) == ("R", 500, 4.0)
    assert (two.raw_output, two.score) == ("A", None)
    (helpful,) = [metric for metric in result.metrics if metric["is_primary"]]
    assert (helpful["name"], helpful["lower"], helpful["upper"]) == ("helpful", 1, 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fields: {question: q}", "has no field question"),
        ("colums: []", "has no key 'colums'"),
        ("metrics: {f1: {value: f1, scale: [0]}}", "scale is a list of two numbers"),
        ("file_name: {model: '('}", "not a regular expression with one group"),
        ("- a", "not an object"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b", "is not a recipe"),
    ],
)
def test_wrong_recipes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InvalidFileError, match=re.escape(message)):
        find_recipe(str(path))


def test_every_recipe_is_described_and_tried() -> None:
    page = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text()
    for name in NAMES:
        assert f"`{name}`" in page
        assert find_recipe(name).about
    with pytest.raises(UsageError, match="no recipe 'mine'"):
        find_recipe("mine")
