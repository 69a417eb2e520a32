"""Studies of a model that doubles numbers, for tests of the runner."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.experiments.execution import RunSummary
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.providers.interface import AuthenticationFailed
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.run_repository import RunRepository
from tests.endpoint import Endpoint, Fault


def questions(tmp_path: Path, count: int = 10) -> str:
    path = tmp_path / "questions.jsonl"
    rows = [{"id": f"q{n}", "input": f"Double of {n}?", "target": str(2 * n)} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def asked_number(body: dict[str, Any]) -> int:
    return int(str(body["messages"][-1]["content"]).split("Double of ")[1].split("?")[0])


def doubling(body: dict[str, Any]) -> str:
    """A model that gets the even numbers right."""
    number = asked_number(body)
    return f"The answer is {2 * number + number % 2}."


def config(endpoint: Endpoint, tmp_path: Path, **changes: Any) -> ExperimentConfig:
    settings: dict[str, Any] = {
        "dataset": changes.get("dataset") or questions(tmp_path),
        "approaches": ["None", "CoT"],
        "model": "m",
        "base_url": endpoint.url,
        "concurrency": 4,
        "max_retries": 0,
        "output_dir": str(tmp_path / "out"),
    }
    return ExperimentConfig.from_dict(settings | changes)


def recorded(processor: ResultsProcessor, experiment_id: str) -> list[RunRecord]:
    with processor.database.read() as connection:
        return list(RunRepository(connection).iterate([experiment_id]))


def files_of(summary: RunSummary) -> tuple[list[dict[str, str]], dict[str, Any], list[Any]]:
    folder = Path(summary.output_dir)
    csv.field_size_limit(10_000_000)
    with (folder / "experiment_results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    summary_document = json.loads((folder / "experiment_summary.json").read_text("utf-8"))
    errors = folder / "experiment_errors.json"
    return rows, summary_document, json.loads(errors.read_text("utf-8")) if errors.exists() else []


def halted(tmp_path: Path, processor: ResultsProcessor, endpoint: Endpoint, **changes: Any) -> None:
    """An experiment with the id `mine` that stopped after about half of its runs."""
    endpoint.fail(Fault.WRONG_KEY, None, when=lambda body: asked_number(body) >= 5)
    with pytest.raises(AuthenticationFailed):
        ExperimentRunner(config(endpoint, tmp_path, **changes), processor).run("mine")
    endpoint.recover()


def resume(processor: ResultsProcessor, experiment_id: str, **extra: Any) -> RunSummary:
    return ExperimentRunner(ExperimentConfig(extra=extra), processor).resume(experiment_id)
