"""What a ranking of many variants costs beside reading the columns that it needs.

    python -m benchmarks ranking

50 variants that answered the 14,000 samples of 57 tasks, clustered by task: 1,225 pairs tested and
corrected, groups, ranks, chances of being best, ranks over tasks, strengths.
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.figures import BUILD, beside, quick, report, together
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.database_source import DatabaseSource
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.ranking import RankingService

TASKS = 57
COLUMNS = ("time_ms", "sample_index", "fingerprint")


def main() -> int:
    variants, samples = (10, 2_850) if quick() else (50, 14_000)
    with ResultsProcessor(str(_database(variants, samples))) as results:

        def read() -> None:
            with results.database.read() as connection:
                reading = DatabaseSource(connection).reading(Filters(), COLUMNS)
                reading.tabulate(lambda runs: len(runs.columns), COLUMNS)

        def rank() -> None:
            with results.database.read() as connection:
                RankingService(connection).report()

        reading, ranking = together(read, rank, rounds=3)
    name = f"ranking {variants} variants, {samples:,} samples"
    return report([beside(name, ranking, reading, "reading the columns", kind="cpu", at_most=3.0)])


def _database(variants: int, samples: int) -> Path:
    """The runs, made once."""
    path = BUILD / f"ranking_{variants}_{samples}.db"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20261128)
    ease = rng.normal(size=samples)
    skills = np.linspace(-0.5, 0.5, variants)
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with ResultsProcessor(str(unfinished)) as results:
        results.save_experiment("many", {}, environment={"dataset": {"fingerprint": "d"}})
        for variant, skill in enumerate(skills):
            right = rng.random(samples) < 1.0 / (1.0 + np.exp(-ease - skill))
            results.save_runs(
                RunRecord(
                    "many",
                    f"approach {variant:02d}",
                    index // TASKS,
                    task=f"task {index % TASKS:02d}",
                    provider="p",
                    model="m",
                    input_text=f"Question {index}",
                    expected_answer="A",
                    is_correct=bool(right[index]),
                    execution_time_ms=100,
                )
                for index in range(samples)
            )
    unfinished.replace(path)
    return path


if __name__ == "__main__":
    sys.exit(main())
