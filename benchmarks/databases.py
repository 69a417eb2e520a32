"""Databases to measure on: made once, then kept in build/benchmarks."""

import random
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import BUILD
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ParsingMetrics, RunRecord
from ml_agents_results.repositories.run_repository import RunRepository

TASKS = 20
BATCH = 5000
_SENTENCE = "So the next step follows from the one before. "


def database(runs: int, *, experiments: int = 1, text: int = 3000) -> Path:
    """A file with so many runs: two variants in each experiment, 20 tasks, parsing metrics."""
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / f"{runs}-runs-{experiments}-experiments-{text}.db"
    if not path.exists():
        new = path.with_suffix(".new")
        for left in BUILD.glob(f"{new.name}*"):
            left.unlink()
        processor = ResultsProcessor(str(new))
        fill(processor, runs, experiments, text)
        processor.close()
        new.rename(path)
    return path


def records(experiment: str, runs: int, text: int, seed: int = 1) -> Iterator[RunRecord]:
    """Runs of two approaches on the same samples."""
    chance = random.Random(seed)
    output = _SENTENCE * (text // len(_SENTENCE) + 1)
    for approach, accuracy in (("ChainOfThought", 0.7), ("None", 0.6)):
        for index in range(runs // 2):
            yield RunRecord(
                experiment,
                approach,
                index,
                provider="p",
                model="m",
                task=f"task_{index * TASKS // (runs // 2):02}",
                input_text=f"Question {index}: what follows?",
                expected_answer="42",
                raw_output=output[: text - chance.randrange(text // 2 + 1)],
                parsed_answer="42",
                parsing_method=chance.choice(("regex", "regex", "instructor")),
                parsing_confidence=chance.choice((0.5, 0.7, 0.9, 0.95)),
                is_correct=chance.random() < accuracy,
                execution_time_ms=int(chance.lognormvariate(8, 0.6)),
                cost_estimate=round(chance.random() * 0.01, 7),
                prompt_tokens=200,
                completion_tokens=500,
                metadata_json={"temperature": 0.2, "response_id": f"r{index}"},
                parsing_metrics=ParsingMetrics(1, False, 0.9, 3),
            )


def fill(processor: ResultsProcessor, runs: int, experiments: int, text: int) -> None:
    for number in range(experiments):
        name = f"e{number:03}"
        processor.save_experiment(name, {}, name="Benchmark")
        with processor.database.bulk() as connection:
            repository, batch = RunRepository(connection), []
            for run in records(name, runs // experiments, text, number):
                batch.append(run)
                if len(batch) == BATCH:
                    repository.save_many(batch)
                    batch = []
            repository.save_many(batch)
        processor.set_status(name, "completed")
