"""What one durable save costs: a run and its parsing metrics through ResultsProcessor.

    python -m benchmarks saving

The limit is the bare driver: one connection, the same pragmas (WAL, synchronous FULL), the same
tables and indexes, the same rows. Beside it the way that predecessors save, with a connection for
every save.
"""

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

from benchmarks.databases import records
from benchmarks.figures import Figure, beside, report, together
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ScoreRecord, StandardResponse

SAVES = 300
ROUNDS = 9
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=30000",
)


def responses(experiment: str = "e", first: int = 0) -> Iterator[StandardResponse]:
    """What a platform hands over: an answer of 3 KB with all that is known of it."""
    run = next(records(experiment, 2, 3000))
    for index in count(first):
        yield StandardResponse(
            text=run.raw_output or "",
            provider="p",
            model="m",
            prompt_tokens=50,
            completion_tokens=600,
            generation_time=1.2,
            parameters={"temperature": 0.2},
            extracted_answer="42",
            metadata={
                "experiment_id": experiment,
                "approach": "ChainOfThought",
                "sample_index": index,
                "input_text": f"Question {index}: what follows?",
                "expected_answer": "42",
                "is_correct": True,
                "cost": 0.002,
                "parsing_method": "regex",
                "parsing_confidence": 0.9,
                "parsing_metrics": {"attempts": 1, "fallback_used": False, "confidence": 0.9},
            },
        )


class Bare:
    """Rows that the processor wrote, written again by the driver."""

    def __init__(self, path: Path, like: Path) -> None:
        self.path = path
        with closing(sqlite3.connect(like)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
            target.execute("DELETE FROM runs")
            target.execute("DELETE FROM parsing_metrics")
            target.execute("DELETE FROM scores")
            target.commit()
            self.run = list(source.execute("SELECT * FROM runs LIMIT 1").fetchone())
            self.metrics = list(source.execute("SELECT * FROM parsing_metrics LIMIT 1").fetchone())
            self.scores = [list(row) for row in source.execute("SELECT * FROM scores")]
            names = [row[1] for row in source.execute("PRAGMA table_info(runs)")]
        self.place = names.index("sample_index")
        self.number = count(1)

    def open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None)
        for pragma in PRAGMAS:
            connection.execute(pragma)
        return connection

    def save(self, connection: sqlite3.Connection) -> None:
        number = next(self.number)
        run, metrics = self.run, self.metrics
        run[0] = metrics[1] = f"01a20676-f7d4-710d-959d-{number:012x}"
        run[self.place], metrics[0] = number, None
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(run))})", run)
        connection.execute(
            f"INSERT INTO parsing_metrics VALUES ({', '.join('?' * len(metrics))})", metrics
        )
        for score in self.scores:
            score[0] = run[0]
        if self.scores:
            marks = ", ".join("?" * len(self.scores[0]))
            connection.executemany(f"INSERT INTO scores VALUES ({marks})", self.scores)
        connection.execute("COMMIT")


def scored(folder: Path) -> list[Figure]:
    """A run with the values of three further metrics."""
    processor = ResultsProcessor(str(folder / "scored.db"))
    processor.save_experiment("e", {})

    first = next(records("e", 2, 3000))
    runs = iter(
        [
            replace(
                first,
                sample_index=index,
                scores=[ScoreRecord(0.83, metric=name) for name in ("f1", "rouge", "bleu")],
            )
            for index in range(1 + SAVES * (1 + ROUNDS))
        ]
    )

    def ours() -> None:
        for run in islice(runs, SAVES):
            processor.save_run(run)

    processor.save_run(next(runs))
    bare = Bare(folder / "scored-bare.db", folder / "scored.db")
    with closing(bare.open()) as connection:

        def driver() -> None:
            for _ in range(SAVES):
                bare.save(connection)

        saved, limit = together(ours, driver, rounds=ROUNDS)
    processor.close()
    name, limit_name = f"{SAVES} durable saves with 3 scores", "bare sqlite3"
    return [
        beside(name, saved, limit, limit_name, at_most=1.4),
        beside(f"{name}, processor time", saved, limit, limit_name, kind="cpu", at_most=1.7),
    ]


def figures(folder: Path) -> list[Figure]:
    processor = ResultsProcessor(str(folder / "ours.db"))
    processor.save_experiment("e", {})
    made = iter(list(islice(responses(), 1 + SAVES * (1 + ROUNDS))))
    processor.save_run_result(next(made))
    bare = Bare(folder / "bare.db", folder / "ours.db")
    alone = Bare(folder / "alone.db", folder / "ours.db")
    with closing(bare.open()) as connection:

        def ours() -> None:
            for response in islice(made, SAVES):
                processor.save_run_result(response)

        def driver() -> None:
            for _ in range(SAVES):
                bare.save(connection)

        def predecessor() -> None:
            for _ in range(SAVES):
                with closing(alone.open()) as own:
                    alone.save(own)

        saved, limit, before = together(ours, driver, predecessor, rounds=ROUNDS)
    processor.close()
    name, limit_name = f"{SAVES} durable saves", "bare sqlite3"
    return [
        beside(name, saved, limit, limit_name, at_most=1.6),
        beside(f"{name}, processor time", saved, limit, limit_name, kind="cpu", at_most=2.5),
        beside("a connection per save", before, saved, "ours", at_least=5),
        *scored(folder),
    ]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        return report(figures(Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
