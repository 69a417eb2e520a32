"""Made-up runs, the same for the same seed, and files of them."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml_agents_results.records import ParsingMetrics, RunRecord


def make_runs(
    experiment_id: str = "exp",
    *,
    samples: int = 20,
    tasks: Sequence[str] = ("sums", "words"),
    approaches: Sequence[str] = ("None", "ChainOfThought"),
    seed: int = 0,
) -> list[RunRecord]:
    """Runs of every kind: right, wrong, failed, without a grade, with and without metrics."""
    chance = random.Random(seed)
    runs = []
    for number, (task, index, approach) in enumerate(
        (task, index, approach)
        for task in tasks
        for index in range(samples)
        for approach in approaches
    ):
        run = RunRecord(
            experiment_id,
            approach,
            index,
            provider="generated",
            model="m",
            task=task,
            input_text=f"{task} {index}?",
            expected_answer=str(index),
            execution_time_ms=chance.randrange(100, 5000),
            cost_estimate=chance.randrange(1, 900) / 1e6,
            created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
        )
        if number % 17 == 16:
            run.error = "TimeoutError: no answer"
        elif number % 13 == 12:
            run.raw_output = "I cannot tell."
        else:
            run.is_correct = chance.random() < 0.7
            run.parsed_answer = str(index if run.is_correct else index + 1)
            run.raw_output = f"The answer is {run.parsed_answer}."
            run.parsing_method = "regex"
            run.parsing_confidence = round(chance.random(), 3)
            run.parsing_metrics = ParsingMetrics(1, False, run.parsing_confidence, 2)
        runs.append(run)
    return runs


def lines_of(runs: Iterable[RunRecord]) -> list[dict[str, Any]]:
    """The runs as the objects of a runs file, without an experiment."""
    lines = []
    for run in runs:
        line = {name: value for name, value in asdict(run).items() if value is not None}
        del line["experiment_id"]
        line["created_at"] = line["created_at"].isoformat()
        lines.append(line)
    return lines


def write_runs_file(path: Path, lines: Iterable[dict[str, Any] | str]) -> Path:
    """A runs file of objects, and of texts where a line is to be broken."""
    with path.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
    return path
