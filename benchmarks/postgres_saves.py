"""Durable saves into PostgreSQL from many processes, beside bare psycopg in the same run.

    python -m benchmarks postgres_saves

Ours is ResultsProcessor.save_run: the run is checked, fingerprinted, upserted and committed. The
limit inserts finished rows, one a transaction, with psycopg's prepared statements.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from typing import Any

import psycopg

from benchmarks.figures import Figure, quick, report
from benchmarks.servers import driver_url, new_database
from ml_agents_results.database.engine import Database
from ml_agents_results.database.models import RUN_COLUMNS
from ml_agents_results.database.validation import run_row
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord

LEAST = 0.5
"""Of the saves a second of bare psycopg."""

TEXT = "So the next step follows from the one before. " * 40


def run_of(number: int, provider: str) -> RunRecord:
    return RunRecord(
        "big",
        "None",
        number,
        provider=provider,
        model="m",
        input_text=f"Question {number}",
        expected_answer="42",
        raw_output=TEXT,
        parsed_answer="42",
        is_correct=number % 2 == 0,
        execution_time_ms=1200,
        cost_estimate=0.001,
    )


def bare(url: str, name: str, begin: Barrier, seconds: float) -> int:
    places = ", ".join(["%s"] * len(RUN_COLUMNS))
    insert = f"INSERT INTO runs ({', '.join(RUN_COLUMNS)}) VALUES ({places})".encode()
    row = run_row(run_of(0, name), False)
    place = RUN_COLUMNS.index("sample_index")
    saved = 0
    with psycopg.connect(url) as connection:
        begin.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            changed = (f"{name}-{saved}", *row[1:place], saved, *row[place + 1 :])
            connection.execute(insert, changed)
            connection.commit()
            saved += 1
    return saved


def ours(url: str, name: str, begin: Barrier, seconds: float) -> int:
    processor = ResultsProcessor(url)
    saved = 0
    begin.wait()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        processor.save_run(run_of(saved, name))
        saved += 1
    processor.close()
    return saved


def work(
    way: Callable[..., int], url: str, name: str, begin: Barrier, seconds: float, saved: Any
) -> None:
    saved.put(way(url, name, begin, seconds))


def rate(way: Callable[..., int], url: str, processes: int, seconds: float) -> float:
    """Saves a second of all processes together."""
    context = multiprocessing.get_context("fork")
    begin, saved = context.Barrier(processes), context.SimpleQueue()
    started = [
        context.Process(target=work, args=(way, url, f"{way.__name__}-{n}", begin, seconds, saved))
        for n in range(processes)
    ]
    for process in started:
        process.start()
    total: int = sum(saved.get() for _ in started)
    for process in started:
        process.join()
    return total / seconds


def empty(database: Database) -> None:
    with psycopg.connect(driver_url(database), autocommit=True) as connection:
        connection.execute("TRUNCATE runs CASCADE")
        connection.execute("CHECKPOINT")


def main() -> int:
    seconds, figures = 1.0 if quick() else 4.0, []
    with new_database() as database:
        ResultsProcessor(database).save_experiment("big", {})
        url = database.url.render_as_string(hide_password=False)
        for processes in (1, 8, 32):
            empty(database)
            limit = rate(bare, driver_url(database), processes, seconds)
            empty(database)
            reached = rate(ours, url, processes, seconds)
            name = f"durable saves into PostgreSQL, {processes} process{'es' * (processes > 1)}"
            figures.append(Figure(name, reached, "saves/s", limit, "bare psycopg", at_least=LEAST))
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())
