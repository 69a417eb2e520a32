"""Comparing on a numeric metric whose values are scores, beside the paired sums in SQL by hand.

    python -m benchmarks numeric

The sums of both are compared to the last digit: values are multiples of 1/1024, whose sums are
exact in any order.
"""

import random
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure, beside, quick, report, together
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_service import ComparisonService

TASKS = 20
METRICS = ("f1", "rouge", "length")

PAIRED_SUMS = """
SELECT a.task, COUNT(*), SUM(x.value - y.value), SUM((x.value - y.value) * (x.value - y.value)),
       SUM(x.value), SUM(y.value)
FROM runs AS a
JOIN runs AS b ON b.experiment_id = a.experiment_id AND b.approach_name = 'None'
  AND b.provider = a.provider AND b.model = a.model AND b.task = a.task
  AND b.sample_index = a.sample_index AND b.repeat_index = a.repeat_index
JOIN scores AS x ON x.run_id = a.id AND x.metric_id = :metric
JOIN scores AS y ON y.run_id = b.id AND y.metric_id = :metric
WHERE a.experiment_id = 'e' AND a.approach_name = 'ChainOfThought'
GROUP BY a.task
"""


def fill(path: Path, runs: int) -> None:
    chance = random.Random(1)
    samples = runs // 2
    with closing(ResultsProcessor(str(path))) as processor:
        processor.save_experiment("e", {})
        with processor.database.write() as connection:
            metrics = MetricRepository(connection, "e")
            metrics.save(MetricRecord("exact", "binary", 0, 1, True, is_primary=True))
            for name in METRICS:
                metrics.save(MetricRecord(name, "numeric", 0, 1, True))
        for approach in ("ChainOfThought", "None"):
            for first in range(0, samples, 10_000):
                processor.save_runs(
                    RunRecord(
                        "e",
                        approach,
                        index,
                        task=f"task_{index * TASKS // samples:02}",
                        is_correct=chance.random() < 0.6,
                        scores=[
                            ScoreRecord(chance.randrange(1025) / 1024, metric=name)
                            for name in METRICS
                        ],
                    )
                    for index in range(first, min(first + 10_000, samples))
                )
        # As an import or a backup leaves it.
        with processor.database.write() as connection:
            connection.exec_driver_sql("ANALYZE")


def compared(path: Path, runs: int) -> Figure:
    with closing(sqlite3.connect(path)) as plain, closing(ResultsProcessor(str(path))) as processor:
        (metric,) = plain.execute("SELECT id FROM metrics WHERE name = 'f1'").fetchone()
        sums: list[tuple[int, float]] = []
        ours: list[tuple[int, float | None]] = []

        def by_hand() -> None:
            rows = plain.execute(PAIRED_SUMS, {"metric": metric}).fetchall()
            n, difference = sum(row[1] for row in rows), sum(row[2] for row in rows)
            sums.append((n, difference / n))

        def by_us() -> None:
            with processor.database.read() as connection:
                options = AnalysisOptions(metric="f1")
                comparison = ComparisonService(connection, options=options).compare(["e"])
            (row,) = comparison.comparisons
            sign = 1 if row.candidate.approach_name == "ChainOfThought" else -1
            ours.append((row.samples, row.difference and sign * row.difference))

        hand, us = together(by_hand, by_us, rounds=3)
    if set(sums) != set(ours):
        raise SystemExit(f"the sums differ: {set(sums)} by hand, {set(ours)} by ours")
    name = f"compare on a numeric metric, {runs:,} runs, processor time"
    return beside(name, us, hand, "paired sums in SQL", kind="cpu", at_most=1.1)


def main() -> int:
    runs = 100_000 if quick() else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "numeric.db"
        fill(path, runs)
        return report([compared(path, runs)])


if __name__ == "__main__":
    sys.exit(main())
