"""Bulk imports into PostgreSQL beside a bare COPY of the same rows in the same run.

    python benchmarks/postgres_imports.py [--runs 20000] [--text 3000]

Ours is what `import` calls batch by batch: runs are checked, fingerprinted and saved. The limit is
psycopg's COPY of finished rows into the same table with the same indexes. Best of three each.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psycopg

from benchmarks.databases import records
from benchmarks.servers import driver_url, new_database
from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.rows import RUN_COLUMNS, run_row
from ml_agents_results.repositories.runs import RunRepository

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
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=20_000)
    options.add_argument("--text", type=int, default=3000)
    given = options.parse_args()
    ready = list(records("big", given.runs, given.text))
    rows = [run_row(record, False) for record in ready]
    times: dict[str, list[float]] = {"bare": [], "new": [], "again": []}
    with new_database() as database:
        ResultsProcessor(database).save_experiment("big", {})
        for _ in range(3):
            empty(database)
            start = time.perf_counter()
            copy_bare(database, rows)
            times["bare"].append(time.perf_counter() - start)
            empty(database)
            for kind in ("new", "again"):
                start = time.perf_counter()
                save(database, ready)
                times[kind].append(time.perf_counter() - start)
    rates = {kind: given.runs / min(seconds) for kind, seconds in times.items()}
    ratio = rates["new"] / rates["bare"]
    print(f"bare COPY             {rates['bare']:9,.0f} runs/s")
    print(
        f"import of new runs    {rates['new']:9,.0f} runs/s   ratio {ratio:.2f} (at least {LEAST})"
    )
    print(f"import of known runs  {rates['again']:9,.0f} runs/s")
    return int(ratio < LEAST)


if __name__ == "__main__":
    sys.exit(main())
