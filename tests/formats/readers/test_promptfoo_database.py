"""promptfoo.db: each evaluation is an experiment, with the runs that its JSON would give."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.formats.readers.conftest import Importer
from tests.formats.readers.promptfoo_results import result

_COLUMNS = {
    "id": "id",
    "prompt_idx": "promptIdx",
    "test_idx": "testIdx",
    "test_case": "testCase",
    "prompt": "prompt",
    "provider": "provider",
    "latency_ms": "latencyMs",
    "cost": "cost",
    "response": "response",
    "error": "error",
    "failure_reason": "failureReason",
    "success": "success",
    "score": "score",
    "grading_result": "gradingResult",
    "named_scores": "namedScores",
    "metadata": "metadata",
}


def _database(path: Path) -> Path:
    """Two evaluations: one with rows of results, an older one as one object."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE evals (id, created_at, description, results, config)")
        connection.execute(f"CREATE TABLE eval_results (eval_id, {', '.join(_COLUMNS)})")
        older = {"version": 3, "results": [result(0, 0)]}
        for values in (
            ("eval-new", 1_760_000_000_000, "new", "{}", json.dumps({"providers": ["a:b"]})),
            ("eval-old", 1_700_000_000_000, None, json.dumps(older), "{}"),
        ):
            connection.execute("INSERT INTO evals VALUES (?, ?, ?, ?, ?)", values)
        for prompt in (0, 1):
            label = {"raw": "Think. 0?", "label": ("cot", "terse")[prompt]}
            row = result(0, prompt, success=prompt == 0)
            row["prompt"] = label
            row["testCase"] = {**row["testCase"], "vars": row["vars"]}
            cells = [
                json.dumps(value) if isinstance(value := row.get(name), dict) else value
                for name in _COLUMNS.values()
            ]
            marks = ", ".join("?" * (len(cells) + 1))
            connection.execute(f"INSERT INTO eval_results VALUES ({marks})", ["eval-new", *cells])
        connection.commit()
    return path


def test_evaluations_are_experiments(tmp_path: Path, imported: Importer) -> None:
    result, runs = imported(_database(tmp_path / "promptfoo.db"))
    assert list(result.experiments) == ["eval-new", "eval-old"]
    assert result.sources[0]["format"] == "promptfoo"
    of_new = {
        run.approach_name: (run.is_correct, run.input_text, run.execution_time_ms)
        for run in runs
        if run.experiment_id == "eval-new"
    }
    assert of_new == {"ChainOfThought": (True, "0?", 812), "terse": (False, "0?", 812)}
    (old,) = [run for run in runs if run.experiment_id == "eval-old"]
    assert (old.is_correct, old.raw_output) == (True, "4")
    assert {score.metric: score.value for score in old.scores or ()} == {
        "brevity": 0.5,
        "score": 0.75,
    }
    again, _ = imported(tmp_path / "promptfoo.db")
    assert again.skipped == 3
