"""Logs that Inspect wrote, compared field by field with what its own reader says of them.

`make test-real-tools` has it write them (write_inspect_logs.py) and names their folder.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.run_repository import RunRepository

FOLDER = os.environ.get("ML_AGENTS_REAL_LOGS")
LOGS = sorted(Path(FOLDER, "inspect").rglob("*.told")) if FOLDER else []
GRADES = {"C": 1.0, "I": 0.0, "N": 0.0, "P": 0.5}

pytestmark = pytest.mark.skipif(not LOGS, reason="needs logs of Inspect: make test-real-tools")


def imported(processor: ResultsProcessor, *paths: Path) -> list[RunRecord]:
    result = load(processor.database, [LogSource(path) for path in paths], ImportOptions())
    with processor.database.read() as connection:
        return list(RunRepository(connection).iterate(result.experiments))


@pytest.mark.parametrize("told", LOGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_field_is_what_inspect_reads(processor: ResultsProcessor, told: Path) -> None:
    said = json.loads(told.read_text(encoding="utf-8"))
    runs = {
        (run.sample_id, run.repeat_index + 1): run
        for run in imported(processor, told.with_suffix(""))
    }
    samples = {(str(one["id"]), one["epoch"]): one for one in said["samples"]}
    rows = {(str(one["id"]), one["epoch"]): one for one in said["rows"]}
    assert runs.keys() == samples.keys() == rows.keys()
    experiment = processor.get_experiment(next(iter(runs.values())).experiment_id)
    assert experiment.name == said["task"]
    assert experiment.id.endswith(said["task_id"])
    assert experiment.status == ("completed" if said["status"] == "success" else "failed")
    order = [str(one) for one in said["sample_ids"]]
    for key, run in runs.items():
        compare(run, samples[key], rows[key], said, order)


def compare(
    run: RunRecord,
    sample: dict[str, Any],
    row: dict[str, Any],
    said: dict[str, Any],
    order: list[str],
) -> None:
    assert f"{run.provider}/{run.model}" == said["model"]
    assert run.task == said["task"]
    assert run.sample_index == order.index(str(run.sample_id))
    assert run.input_text == sample["input"]
    # samples_df writes who speaks before a text.
    assert row["input"].strip().removeprefix("user:\n") == run.input_text.strip()
    target = sample["target"]
    assert run.expected_answer == (target if isinstance(target, str) else json.dumps(target))
    assert run.raw_output == sample["completion"]
    # samples_df names the kind of an error before its message.
    assert run.error == sample["error"]
    assert bool(run.error) == bool(row["error"])
    assert run.execution_time_ms == round(sample["working_time"] * 1000)
    metadata = run.metadata_json or {}
    assert metadata["total_time_ms"] == round(row["total_time"] * 1000)
    assert metadata["message_count"] == row["message_count"]
    assert (run.prompt_tokens or 0) + (run.completion_tokens or 0) == row["total_tokens"]
    wanted = dict(flat(sample["scores"]))
    stored = {score.metric: score for score in run.scores or ()}
    assert stored.keys() == wanted.keys()
    for name, (value, answer) in wanted.items():
        assert stored[name].value == GRADES.get(value, value)
        assert stored[name].label == (value if isinstance(value, str) else None)
        # The answer of includes() is the whole output, in lower case.
        known = (stored[name].details_json or {}).get("answer", run.raw_output)
        assert name == "includes" or answer in (None, known)
    first = next((name for name in wanted if name == said["scorers"][0]), None)
    assert value_of(run) == (None if first is None else stored[first].value)


def flat(scores: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Name, value and answer of every figure; those of a mapping have its name before theirs."""
    for name, score in scores.items():
        if isinstance(score["value"], dict):
            for part, value in score["value"].items():
                yield f"{name}.{part}", (value, score["answer"])
        else:
            yield name, (score["value"], score["answer"])


def value_of(run: RunRecord) -> float | None:
    return run.score if run.is_correct is None else float(run.is_correct)


def test_accuracy_is_what_inspect_computes(processor: ResultsProcessor) -> None:
    """Of logs without repeats, whose accuracy is that of the samples."""
    compared = 0
    for told in LOGS:
        said = json.loads(told.read_text(encoding="utf-8"))
        accuracy = next(iter(said["metrics"].values()), {}).get("accuracy")
        if accuracy is None or said["status"] != "success":
            continue
        runs = imported(processor, told.with_suffix(""))
        known = [value for run in runs if (value := value_of(run)) is not None]
        assert sum(known) / len(known) == pytest.approx(accuracy)
        compared += 1
    assert compared > 4


def test_newest_attempt_of_a_retried_log_counts(processor: ResultsProcessor) -> None:
    attempts = [told.with_suffix("") for told in LOGS if "retried" in told.name]
    attempts = [path for path in attempts if path.suffix == ".eval"]
    assert len(attempts) == 2
    wanted = imported(processor, attempts[1])
    for paths in (attempts, attempts[::-1], [attempts[0]], [attempts[1]]):
        assert imported(processor, *paths) == wanted
    assert all(run.error is None for run in wanted)
    assert len(wanted) == 4
