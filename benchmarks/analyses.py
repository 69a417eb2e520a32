"""What analyses cost beside the bare SQL that they need, at a million runs.

    python benchmarks/analyses.py [--runs 1000000] [--text 3000] [--keep FILE]

Two arms over 20 tasks with long outputs, default indexes. The limit is the counts and sums of each
analysis, hand-written and run by the bare driver on the same file, the best of three on both sides.
"""

import argparse
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.runs import RunRepository
from ml_agents_results.services.accuracy import AccuracyService
from ml_agents_results.services.comparison import ComparisonService
from ml_agents_results.services.cost import CostService
from ml_agents_results.services.latency import LatencyService

TASKS = 20
MOST = 1.5
"""Times the bare SQL."""

ARM = "experiment_id = 'big' AND provider = 'p' AND model = 'm' AND approach_name = "
COUNTS = (
    "SELECT experiment_id, approach_name, provider, model, task, COUNT(*), "
    "SUM(outcome = 'correct'), SUM(outcome = 'wrong'), SUM(outcome = 'failed'), "
    "SUM(outcome = 'unparsed'), MAX(repeat_index), COUNT(execution_time_ms), "
    "SUM(execution_time_ms), COUNT(cost_estimate), SUM(cost_estimate), "
    "COUNT(parsing_confidence), SUM(parsing_confidence) FROM runs "
    "WHERE experiment_id = 'big' GROUP BY 1, 2, 3, 4, 5"
)
TIMES = [
    f"SELECT execution_time_ms, COUNT(*) FROM runs WHERE {ARM} '{name}' AND outcome <> 'failed' "
    "GROUP BY 1 ORDER BY 1"
    for name in ("ChainOfThought", "None")
]
JOIN = (
    "FROM runs a JOIN runs b ON a.task = b.task AND a.sample_index = b.sample_index WHERE "
    "a.experiment_id = 'big' AND a.provider = 'p' AND a.model = 'm' AND "
    "a.approach_name = 'ChainOfThought' AND b.experiment_id = 'big' AND b.provider = 'p' AND "
    "b.model = 'm' AND b.approach_name = 'None' AND "
)
PAIRS = (
    "SELECT a.task, SUM(a.outcome = 'correct' AND b.outcome = 'correct'), "
    "SUM(a.outcome = 'correct' AND b.outcome <> 'correct'), "
    "SUM(a.outcome <> 'correct' AND b.outcome = 'correct'), COUNT(*), "
    f"SUM(a.input_fingerprint <> b.input_fingerprint) {JOIN} a.outcome IN ('correct', 'wrong') "
    "AND b.outcome IN ('correct', 'wrong') GROUP BY a.task"
)
RATIOS = (
    "SELECT COUNT(*), SUM(r), SUM(r * r), SUM(r > 0), SUM(r < 0) FROM (SELECT "
    f"LN(a.execution_time_ms * 1.0 / b.execution_time_ms) AS r {JOIN} "
    "a.execution_time_ms > 0 AND b.execution_time_ms > 0)"
)


def runs(number: int, length: int) -> Iterator[RunRecord]:
    chance = random.Random(1)
    text = "So the next step follows from the one before. " * (length // 46 + 1)
    for approach, accuracy in (("ChainOfThought", 0.7), ("None", 0.6)):
        for index in range(number // 2):
            yield RunRecord(
                "big",
                approach,
                index,
                provider="p",
                model="m",
                task=f"task_{index * TASKS // (number // 2):02}",
                input_text=f"Question {index}",
                expected_answer="42",
                raw_output=text[:length],
                parsed_answer="42",
                parsing_method="regex",
                parsing_confidence=chance.choice((0.5, 0.7, 0.9, 0.95)),
                is_correct=chance.random() < accuracy,
                execution_time_ms=int(chance.lognormvariate(8, 0.6)),
                cost_estimate=chance.random() * 0.01,
            )


def fill(processor: ResultsProcessor, number: int, length: int) -> None:
    processor.save_experiment("big", {}, name="Benchmark")
    with processor.database.bulk() as connection:
        repository, batch = RunRepository(connection), []
        for run in runs(number, length):
            batch.append(run)
            if len(batch) == 5000:
                repository.save_many(batch)
                batch = []
        repository.save_many(batch)


def best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def run_bare(bare: sqlite3.Connection, queries: list[str]) -> None:
    for query in queries:
        bare.execute(query).fetchall()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=1_000_000)
    options.add_argument("--text", type=int, default=3000)
    options.add_argument("--keep", type=Path, help="make or use this database")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = given.keep or Path(folder) / "big.db"
        fresh = not place.exists()
        processor = ResultsProcessor(str(place))
        if fresh:
            fill(processor, given.runs, given.text)
        bare = sqlite3.connect(place)
        missed = 0
        with processor.database.read() as connection:
            for name, queries, work in (
                ("summary", [COUNTS, *TIMES], lambda: AccuracyService(connection).report()),
                (
                    "by task",
                    [COUNTS, *TIMES],
                    lambda: AccuracyService(connection).report(by_task=True),
                ),
                (
                    "compare by task",
                    [COUNTS, PAIRS, *TIMES],
                    lambda: ComparisonService(connection).compare(["big"], by_task=True),
                ),
                ("cost", [COUNTS, PAIRS], lambda: CostService(connection).report()),
                ("latency", [COUNTS, *TIMES, RATIOS], lambda: LatencyService(connection).report()),
            ):
                limit = best(partial(run_bare, bare, queries))
                took = best(work)
                ratio = took / limit
                missed += ratio > MOST
                print(f"{name:16} {took:6.2f} s   bare SQL {limit:6.2f} s   ratio {ratio:5.2f}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"peak memory {peak} MB; the figure to reach: ratios of at most {MOST}")
        bare.close()
        processor.close()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
