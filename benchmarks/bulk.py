"""What many saves cost: `save_runs` of ready records, an import, and saving into a large file.

    python -m benchmarks bulk

The limit of the first two is `executemany` of the same rows, ready as tuples, in one transaction of
the bare driver on the same tables and indexes.
"""

import gc
import json
import random
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

from benchmarks.databases import database, records
from benchmarks.figures import Figure, Times, beside, quick, report, together
from benchmarks.saving import PRAGMAS, responses
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ScoreRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository

SAVES = 200
SAVED = "saves"


def executemany(path: Path, like: Path) -> Callable[[], None]:
    """Fills an empty copy with the rows of `like`."""
    with closing(sqlite3.connect(like)) as source:
        runs = source.execute("SELECT * FROM runs").fetchall()
        metrics = source.execute("SELECT * FROM parsing_metrics").fetchall()
        named = source.execute("SELECT * FROM metrics").fetchall()
        scores = source.execute("SELECT * FROM scores").fetchall()

    def work() -> None:
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as target:
            with closing(sqlite3.connect(like.with_suffix(".empty"))) as empty:
                empty.backup(target)
            for pragma in (*PRAGMAS, "PRAGMA synchronous=NORMAL", "PRAGMA cache_size=-65536"):
                target.execute(pragma)
            target.execute("BEGIN IMMEDIATE")
            target.executemany(f"INSERT INTO runs VALUES ({_marks(runs[0])})", runs)
            if metrics:
                target.executemany(
                    f"INSERT INTO parsing_metrics VALUES ({_marks(metrics[0])})", metrics
                )
            if scores:
                target.executemany(f"INSERT INTO metrics VALUES ({_marks(named[0])})", named)
                target.executemany(f"INSERT INTO scores VALUES ({_marks(scores[0])})", scores)
            target.execute("COMMIT")

    return work


def _marks(row: tuple[object, ...]) -> str:
    return ", ".join("?" * len(row))


def bulk(folder: Path, runs: int, scores: int = 0) -> Figure:
    ready = tuple(records("e", runs, 3000))
    if scores:
        for run in ready:
            value = run.parsing_confidence
            run.scores = [ScoreRecord(value, metric=f"metric {index}") for index in range(scores)]
    filled, path = folder / "filled.db", folder / "ours.db"
    with closing(ResultsProcessor(str(filled))) as processor:
        processor.save_experiment("e", {})
        processor.save_runs(ready)
    _empty(filled)

    def ours() -> None:
        shutil.copy(filled.with_suffix(".empty"), path)
        with closing(ResultsProcessor(str(path))) as processor:
            processor.save_runs(ready)

    saved, limit = together(ours, executemany(folder / "bare.db", filled), rounds=5)
    with_scores = f" with {scores} scores each" if scores else ""
    name = f"save_runs of {runs:,} records{with_scores}, processor time"
    return beside(name, saved, limit, "executemany", kind="cpu", at_most=1.6)


def imported(folder: Path, lines: int) -> Figure:
    text = folder / "runs.jsonl"
    source = folder / "source.db"
    with closing(ResultsProcessor(str(source))) as processor:
        processor.save_experiment("e", {})
        for first in range(0, lines, 20_000):
            part = tuple(records("e", 20_000, 3000, first))
            for run in part:
                run.sample_index += first
            processor.save_runs(part)
        export(processor.database, "e", text, "jsonl")
    _empty(source)
    number = count()

    def ours() -> None:
        with closing(ResultsProcessor(str(folder / f"imported-{next(number)}.db"))) as processor:
            load(processor.database, [LogSource(text)], ImportOptions())

    read, limit = together(ours, executemany(folder / "bare.db", source), rounds=2)
    name = f"import of {lines:,} lines, processor time"
    return beside(name, read, limit, "executemany", kind="cpu", at_most=3)


def imported_metrics(folder: Path, lines: int) -> Figure:
    """A table of one's own: a column of right and wrong, and three metrics."""
    chance = random.Random(1)
    table = folder / "answers.jsonl"
    with table.open("w", encoding="utf-8") as file:
        for index in range(lines):
            line = {
                "id": f"q{index // 2}",
                "prompt_name": ("base", "cot")[index % 2],
                "model": "m",
                "question": f"Question {index // 2}: what follows? " + "x" * 100,
                "response": f"The answer is {index}" + " y" * 60,
                "gold": str(index),
                "correct": chance.random() < 0.6,
                "f1": chance.random(),
                "rouge_l": round(chance.random(), 4),
                "rating": chance.randint(1, 5),
            }
            file.write(json.dumps(line) + "\n")
    number = count()

    def ours(path: Path) -> None:
        with closing(ResultsProcessor(str(path))) as processor:
            load(processor.database, [LogSource(table)], ImportOptions())

    filled = folder / "metrics.db"
    ours(filled)
    _empty(filled)
    bare = executemany(folder / "bare-metrics.db", filled)
    read, limit = together(lambda: ours(folder / f"metrics-{next(number)}.db"), bare, rounds=2)
    name = f"import of {lines:,} lines with three metrics each, processor time"
    return beside(name, read, limit, "executemany", kind="cpu", at_most=2.5)


def grown(runs: int) -> Figure:
    """Durable saves into a file of so many runs beside one of 10,000."""
    processors = [ResultsProcessor(str(database(number))) for number in (runs, 10_000)]

    def saves(processor: ResultsProcessor) -> Callable[[], None]:
        processor.save_experiment(SAVED, {})
        made = responses(SAVED)

        def work() -> None:
            for _ in range(SAVES):
                processor.save_run_result(next(made))

        return work

    large, small = together(*map(saves, processors), rounds=7)
    for processor in processors:
        # The files are kept for other programs.
        with processor.database.write() as connection:
            ExperimentRepository(connection).delete(SAVED)
        processor.close()
    return Figure(
        f"saves a second at {runs:,} runs",
        SAVES / large.median(),
        "saves/s",
        SAVES / small.median(),
        "at 10,000 runs",
        at_least=0.7,
        spread=_rate_spread(large),
    )


def _rate_spread(times: Times) -> float:
    return SAVES / times.median() * times.spread() / times.median()


def _empty(path: Path) -> None:
    """Keeps an empty copy of a database beside it."""
    with (
        closing(sqlite3.connect(path)) as source,
        closing(sqlite3.connect(path.with_suffix(".empty"))) as target,
    ):
        source.backup(target)
        target.execute("DELETE FROM parsing_metrics")
        target.execute("DELETE FROM runs")
        target.execute("DELETE FROM scores")
        target.execute("DELETE FROM metrics")
        target.commit()
        target.execute("VACUUM")


def main() -> int:
    # As the command line does.
    gc.set_threshold(10_000)
    with tempfile.TemporaryDirectory() as folder:
        return report(
            [
                bulk(Path(folder), 20_000),
                bulk(Path(folder), 20_000, scores=3),
                imported(Path(folder), 20_000 if quick() else 100_000),
                imported_metrics(Path(folder), 20_000 if quick() else 100_000),
                grown(100_000 if quick() else 1_000_000),
            ]
        )


if __name__ == "__main__":
    sys.exit(main())
