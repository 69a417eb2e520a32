"""Saves, imports and analyses in PostgreSQL, next to bare psycopg on the same tables."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from sqlalchemy import text

from benchmarks.analyses import bare_sql, services
from benchmarks.databases import EXPERIMENT, driver_url, fill, new_postgres, records
from benchmarks.harness import Measured, in_turns
from ml_agents_results.database.engine import Database
from ml_agents_results.database.models import RUN_COLUMNS
from ml_agents_results.database.validation import run_row
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.run_repository import RunRepository

BATCH = 2000


def saves(_folder: Path, seconds: float) -> Iterator[Measured]:
    """Saves a second of some processes together; ours are checked, fingerprinted and upserted, the
    bare ones insert finished rows by prepared statements."""
    with new_postgres() as database:
        ResultsProcessor(database).save_experiment("big", {})
        ours_url = database.url.render_as_string(hide_password=False)
        for processes in (1, 8, 32):
            _empty(database)
            limit = _rate(_save_barely, driver_url(database), processes, seconds)
            _empty(database)
            reached = _rate(_save, ours_url, processes, seconds)
            name = f"durable saves into PostgreSQL, {processes} process{'es' * (processes > 1)}"
            yield Measured(name, reached, limit)


def _rate(way: Callable[..., int], url: str, processes: int, seconds: float) -> float:
    context = multiprocessing.get_context("fork")
    begin, saved = context.Barrier(processes), context.SimpleQueue()
    started = [
        context.Process(target=lambda name=name: saved.put(way(url, name, begin, seconds)))
        for name in [f"{way.__name__}-{number}" for number in range(processes)]
    ]
    for process in started:
        process.start()
    total: int = sum(saved.get() for _ in started)
    for process in started:
        process.join()
    return total / seconds


def _run(provider: str) -> RunRecord:
    return replace(next(records("big", 2, 2000)), provider=provider, parsing_metrics=None)


def _save_barely(url: str, name: str, begin: Barrier, seconds: float) -> int:
    marks = ", ".join(["%s"] * len(RUN_COLUMNS))
    insert = f"INSERT INTO runs ({', '.join(RUN_COLUMNS)}) VALUES ({marks})".encode()
    row, index, saved = run_row(_run(name), False), RUN_COLUMNS.index("sample_index"), 0
    with psycopg.connect(url) as connection:
        begin.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            changed = (f"{name}-{saved}", *row[1:index], saved, *row[index + 1 :])
            connection.execute(insert, changed)
            connection.commit()
            saved += 1
    return saved


def _save(url: str, name: str, begin: Barrier, seconds: float) -> int:
    run, saved = _run(name), 0
    with ResultsProcessor(url) as processor:
        begin.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            processor.save_run(replace(run, sample_index=saved))
            saved += 1
    return saved


def imports(_folder: Path, runs: int) -> Iterator[Measured]:
    """Runs a second that are new, then known: checked, fingerprinted and saved with their parsing
    metrics, as `import` does batch by batch; the limit is COPY of finished rows of runs."""
    ready = list(records("big", runs))
    rows = [run_row(record, False) for record in ready]
    seconds: dict[str, list[float]] = {"bare": [], "new": [], "known": []}
    with new_postgres() as database:
        ResultsProcessor(database).save_experiment("big", {})
        bare, ours = partial(_copy, database, rows), partial(_save_many, database, ready)
        for _ in range(3):
            _empty(database)
            seconds["bare"].append(_seconds(bare))
            _empty(database)
            seconds["new"].append(_seconds(ours))
            seconds["known"].append(_seconds(ours))
    limit, new, known = (runs / median(taken) for taken in seconds.values())
    yield Measured(f"import of {runs:,} new runs into PostgreSQL", new, limit)
    yield Measured(f"import of {runs:,} known runs into PostgreSQL", known, limit)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _copy(database: Database, rows: Sequence[tuple[Any, ...]]) -> None:
    statement = f"COPY runs ({', '.join(RUN_COLUMNS)}) FROM STDIN"
    with (
        psycopg.connect(driver_url(database)) as connection,
        connection.cursor() as cursor,
        cursor.copy(statement.encode()) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _save_many(database: Database, ready: Sequence[RunRecord]) -> None:
    remaining = iter(ready)
    with database.bulk() as connection:
        while batch := list(islice(remaining, BATCH)):
            RunRepository(connection).save_many(batch)


def _empty(database: Database) -> None:
    with psycopg.connect(driver_url(database), autocommit=True) as connection:
        connection.execute("TRUNCATE runs CASCADE")
        connection.execute("CHECKPOINT")


def analyses(_folder: Path, runs: int) -> Iterator[Measured]:
    with new_postgres() as database, ResultsProcessor(database) as processor:
        fill(processor, runs, text=200)
        # What a server's autovacuum does by itself, a minute later.
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            other.execute(text("VACUUM ANALYZE"))
        with psycopg.connect(driver_url(database)) as bare, database.read() as connection:
            for name in ("summary", "compare"):
                statements = [statement.encode() for statement in bare_sql(EXPERIMENT)[name]]

                def limit(statements: list[bytes] = statements) -> None:
                    for statement in statements:
                        bare.execute(statement).fetchall()

                work = services(connection, EXPERIMENT)[name]
                ours, sql = in_turns(work, limit, rounds=3)
                title = f"{name}, {runs:,} runs in PostgreSQL"
                yield Measured(title, ours, sql)
                yield Measured(f"{title}, in all", ours, 1.0)
