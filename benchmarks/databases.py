"""Records, responses and databases of a given size; files are made once, in build/benchmarks."""

import math
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from itertools import count, islice
from pathlib import Path
from typing import Any

from benchmarks.harness import BUILD
from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import (
    MetricRecord,
    ParsingMetrics,
    RunRecord,
    ScoreRecord,
    StandardResponse,
)
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_repository import RunRepository

APPROACHES = ("ChainOfThought", "None")
TASKS = 20
EXPERIMENT = "e000"
BATCH = 5000


@cache
def _words() -> str:
    chance = random.Random(0)
    words = [f"{chance.getrandbits(24):x}" for _ in range(20_000)]
    return " ".join(chance.choices(words, k=200_000))


def records(
    experiment: str,
    runs: int,
    text: int = 3000,
    *,
    approaches: Sequence[str] = APPROACHES,
    tasks: int = TASKS,
    metrics: Sequence[str] = (),
    seed: int = 1,
) -> Iterator[RunRecord]:
    """Runs of the approaches, the first the best, on the same samples.

    Outputs have half of `text` to all of it in characters. Scores are multiples of 1/1024, whose
    sums are exact in any order.
    """
    chance, words = random.Random(seed), _words()
    samples = runs // len(approaches)
    ease = [chance.gauss(0, 1) for _ in range(samples)]
    for number, approach in enumerate(approaches):
        skill = 1 - number / len(approaches)
        for index in range(samples):
            start = chance.randrange(len(words) - text)
            length = text - chance.randrange(text // 2 + 1)
            yield RunRecord(
                experiment,
                approach,
                index,
                provider="p",
                model="m",
                task=f"task_{index * tasks // samples:02}",
                input_text=f"Question {index}: what follows?",
                expected_answer="42",
                raw_output=f'"{words[start : start + length]}", it says.\n' if text else None,
                parsed_answer="42",
                parsing_method=chance.choice(("regex", "regex", "instructor")),
                parsing_confidence=chance.choice((0.5, 0.7, 0.9, 0.95)),
                is_correct=chance.random() < 1 / (1 + math.exp(-ease[index] - skill)),
                execution_time_ms=int(chance.lognormvariate(8, 0.6)),
                cost_estimate=round(chance.random() * 0.01, 7),
                prompt_tokens=200,
                completion_tokens=500,
                metadata_json={"temperature": 0.2, "response_id": f"r{index}"},
                parsing_metrics=ParsingMetrics(1, False, 0.9, 3),
                scores=[
                    ScoreRecord(chance.randrange(1025) / 1024, metric=name) for name in metrics
                ],
            )


def responses(experiment: str) -> Iterator[StandardResponse]:
    """What a platform hands over: an answer of 3 KB with all that is known of it."""
    output = _words()[:3000]
    for index in count():
        yield StandardResponse(
            text=output,
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


def without_backups(path: Path) -> ResultsProcessor:
    """By default a thread copies the file after every 100 saves, which bare drivers do not do."""
    return ResultsProcessor(DatabaseConfig(db_path=str(path), backup_frequency=0))


def database(runs: int, experiments: int = 1, **shape: Any) -> Path:
    """A file with so many runs in experiments `e000`, `e001`, ...; `shape` is that of `records`."""
    BUILD.mkdir(parents=True, exist_ok=True)
    sizes = (len(value) if isinstance(value, Sequence) else value for value in shape.values())
    shaped = "".join(f"-{size}-{name}" for name, size in zip(shape, sizes, strict=True))
    path = BUILD / f"{runs}-runs-{experiments}-experiments{shaped}.db"
    if not path.exists():
        new = path.with_suffix(".new")
        for left in BUILD.glob(f"{new.name}*"):
            left.unlink()
        with closing(without_backups(new)) as processor:
            fill(processor, runs, experiments, **shape)
        new.rename(path)
    return path


def fill(processor: ResultsProcessor, runs: int, experiments: int = 1, **shape: Any) -> None:
    for number in range(experiments):
        name = f"e{number:03}"
        processor.save_experiment(name, {}, name="Benchmark")
        with processor.database.bulk() as connection:
            if metrics := shape.get("metrics"):
                repository = MetricRepository(connection, name)
                repository.save(MetricRecord("exact", "binary", 0, 1, True, is_primary=True))
                for metric in metrics:
                    repository.save(MetricRecord(metric, "numeric", 0, 1, True))
            made = records(name, runs // experiments, seed=number, **shape)
            while batch := list(islice(made, BATCH)):
                RunRepository(connection).save_many(batch)
        processor.set_status(name, "completed")


class Bare:
    """The rows of a SQLite file, written again by the driver alone into an empty copy of it."""

    PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000")
    TABLES = ("runs", "parsing_metrics", "scores")

    def __init__(self, like: Path, empty: Path) -> None:
        self.empty = empty
        with closing(sqlite3.connect(like)) as source, closing(sqlite3.connect(empty)) as target:
            source.backup(target)
            for table in self.TABLES:
                target.execute(f"DELETE FROM {table}")
            target.commit()
            target.execute("VACUUM")
            self._rows = {
                f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})": rows
                for table in self.TABLES
                if (rows := source.execute(f"SELECT * FROM {table}").fetchall())
            }
            columns = [row[1] for row in source.execute("PRAGMA table_info(runs)")]
        self._index = columns.index("sample_index")
        self._number = count(1)

    def open(self, path: Path, *pragmas: str) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None)
        for pragma in (*self.PRAGMAS, *pragmas):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def save(self, connection: sqlite3.Connection) -> None:
        """The only run of the file, durably, as another one: its rows in one transaction."""
        number = next(self._number)
        name = f"01a20676-f7d4-710d-959d-{number:012x}"
        (insert_run, [run]), (insert_metrics, [metrics]), *scores = self._rows.items()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            insert_run, (name, *run[1 : self._index], number, *run[self._index + 1 :])
        )
        connection.execute(insert_metrics, (None, name, *metrics[2:]))
        for insert, rows in scores:
            connection.executemany(insert, [(name, *row[1:]) for row in rows])
        connection.execute("COMMIT")

    def fill(self, path: Path) -> None:
        """All rows by `executemany` in one transaction."""
        path.unlink(missing_ok=True)
        shutil.copy(self.empty, path)
        with closing(self.open(path, "synchronous=NORMAL", "cache_size=-65536")) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for insert, rows in self._rows.items():
                connection.executemany(insert, rows)
            connection.execute("COMMIT")


@contextmanager
def new_postgres() -> Iterator[Database]:
    """An empty database with our schema, on the server of ML_AGENTS_TEST_POSTGRES_URL, else on one
    that is started with its default settings."""
    from tests.databases import Server, embedded

    with ExitStack() as stack:
        named = os.environ.get("ML_AGENTS_TEST_POSTGRES_URL")
        server = Server(Database(named or stack.enter_context(embedded()).get_uri()).url)
        stack.callback(server.close)
        with closing(Database(server.create_migrated())) as opened:
            yield opened


def driver_url(opened: Database) -> str:
    """What psycopg itself takes."""
    return opened.url.set(drivername="postgresql").render_as_string(hide_password=False)
