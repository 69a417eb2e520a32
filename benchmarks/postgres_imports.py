"""Bulk imports into PostgreSQL beside a bare COPY of the same rows in the same run.

    python -m benchmarks postgres_imports

Ours is what `import` calls batch by batch: runs and their parsing metrics are checked,
fingerprinted and saved. The limit is psycopg's COPY of finished rows of runs into the same table
with the same indexes.
"""

import statistics
import sys
import time
from typing import Any

import psycopg

from benchmarks.databases import records
from benchmarks.figures import Figure, quick, report
from benchmarks.servers import driver_url, new_database
from ml_agents_results.database.engine import Database
from ml_agents_results.database.models import RUN_COLUMNS
from ml_agents_results.database.validation import run_row
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.run_repository import RunRepository

LEAST = 0.6
"""Of the rows a second of bare COPY."""

BATCH = 2000


def empty(database: Database) -> None:
    with psycopg.connect(driver_url(database), autocommit=True) as connection:
        connection.execute("TRUNCATE runs CASCADE")
        connection.execute("CHECKPOINT")


def copy_bare(database: Database, rows: list[tuple[Any, ...]]) -> None:
    statement = f"COPY runs ({', '.join(RUN_COLUMNS)}) FROM STDIN"
    with (
        psycopg.connect(driver_url(database)) as connection,
        connection.cursor() as cursor,
        cursor.copy(statement.encode()) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def save(database: Database, records: list[RunRecord]) -> None:
    with database.bulk() as connection:
        repository = RunRepository(connection)
        for start in range(0, len(records), BATCH):
            repository.save_many(records[start : start + BATCH])


def main() -> int:
    runs = 2_000 if quick() else 20_000
    ready = list(records("big", runs, 3000))
    rows = [run_row(record, False) for record in ready]
    times: dict[str, list[float]] = {"bare": [], "new": [], "known": []}
    with new_database() as database:
        ResultsProcessor(database).save_experiment("big", {})
        for _ in range(3):
            empty(database)
            start = time.perf_counter()
            copy_bare(database, rows)
            times["bare"].append(time.perf_counter() - start)
            empty(database)
            for kind in ("new", "known"):
                start = time.perf_counter()
                save(database, ready)
                times[kind].append(time.perf_counter() - start)
    rates = {kind: runs / statistics.median(seconds) for kind, seconds in times.items()}
    figures = [
        Figure(
            f"import of {runs:,} {kind} runs into PostgreSQL",
            rates[kind],
            "runs/s",
            rates["bare"],
            "bare COPY",
            at_least=LEAST if kind == "new" else None,
        )
        for kind in ("new", "known")
    ]
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())
