"""How the cost of each analysis and its memory grow with the runs.

    python -m benchmarks growth

Analyses run on files of 10^3 to 10^6 runs of two variants. The slope is that of log time over log
runs
above 10^4: 1 is linear. Each is also asked again unchanged, which the cache answers. Memory is the
peak of the command's process.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from sqlalchemy import Connection

from benchmarks.databases import database
from benchmarks.figures import (
    BUILD,
    Curves,
    Figure,
    doubled,
    keep_curves,
    quick,
    report,
    together,
)
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.cost import CostService
from ml_agents_results.services.failures import FailureService
from ml_agents_results.services.latency import LatencyService
from ml_agents_results.services.summary import SummaryService

MIB = 1024
EXPERIMENT = "e000"
OF_ONE = Filters(experiment_id=(EXPERIMENT,))


def analyses(
    connection: Connection, experiment: str = EXPERIMENT, filters: Filters | None = None
) -> dict[str, Callable[[], object]]:
    return {
        "summary": SummaryService(connection, filters).report,
        "by task": partial(SummaryService(connection, filters).report, by_task=True),
        "compare": partial(ComparisonService(connection).compare, [experiment]),
        "cost": CostService(connection, filters).report,
        "latency": LatencyService(connection, filters).report,
        "failures": partial(FailureService(connection, filters).report, read_texts=False),
    }


def grown(sizes: Sequence[int]) -> Curves:
    curves: Curves = {}
    for runs in sizes:
        processor = ResultsProcessor(str(database(runs)))
        with processor.database.read() as connection:
            for name, work in analyses(connection, filters=OF_ONE).items():
                (times,) = together(work, rounds=3)
                curves.setdefault(name, []).append((runs, times.median()))
        processor.close()
    return curves


def repeated(runs: int) -> Figure:
    """Both sides read the covering index: one that is not asked yet, one that was."""
    processor = ResultsProcessor(str(database(runs)))
    numbers = count()

    def first() -> None:
        processor.generate_accuracy_report({"model": ["m", f"unused-{next(numbers)}"]})

    again = partial(processor.generate_accuracy_report, {"model": ["m", "unused"]})
    repeat, new = together(again, first, rounds=3)
    processor.close()
    return Figure(
        "the same analysis again, unchanged",
        repeat.median(),
        "s",
        new.median(),
        "the first time",
        at_most=0.02,
    )


_LAUNCHER = """
import os, resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def memory(*arguments: str) -> float:
    """The peak of the command's process in MiB."""
    command = str(Path(sys.executable).with_name("ml-agents"))
    # A process begins with the peak of the one that started it: a small one has to.
    ended = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return int(ended.stdout) / MIB


def memories(few: int, many: int) -> list[Figure]:
    peaks: dict[str, list[float]] = {}
    for runs in (few, many):
        path = str(database(runs, text=300))
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            lines = f"{folder}/runs.jsonl"
            where = ("--db-path", path)
            one = ("--experiment-id", EXPERIMENT)
            for name, arguments in {
                "analyze": ("analyze", *one, *where),
                "compare": ("compare", "--experiment-ids", EXPERIMENT, *where),
                "export": ("export", *one, "--format", "jsonl", "--output", lines, *where),
                "import": ("import", lines, "--db-path", f"{folder}/new.db"),
            }.items():
                peaks.setdefault(name, []).append(memory(*arguments))
    return [
        Figure(f"peak memory of {name}, {many:,} runs", high, "MiB", low, f"{few:,}", at_most=1.3)
        for name, (low, high) in peaks.items()
    ]


def main() -> int:
    largest = 100_000 if quick() else 1_000_000
    sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= largest]
    curves = grown(sizes)
    for name, curve in curves.items():
        print(f"       {name:<10}", *(f"{seconds:8.4f} s" for _, seconds in curve))
    keep_curves("growth", curves)
    return report([*doubled(curves), repeated(largest), *memories(10_000, largest)])


if __name__ == "__main__":
    sys.exit(main())
