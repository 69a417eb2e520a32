"""Analyses of a million runs in PostgreSQL beside the bare SQL that they need.

    python -m benchmarks postgres_analyses

The data and the hand-written counts are those of `analyses`.
"""

import sys

import psycopg
from sqlalchemy import text

from benchmarks.analyses import bare_sql
from benchmarks.databases import fill
from benchmarks.figures import Figure, beside, quick, report, together
from benchmarks.growth import EXPERIMENT, analyses
from benchmarks.servers import driver_url, new_database
from ml_agents_results.processor import ResultsProcessor

MOST_SECONDS = 1.0


def main() -> int:
    runs = 100_000 if quick() else 1_000_000
    figures = []
    with new_database() as database:
        processor = ResultsProcessor(database)
        fill(processor, runs, experiments=1, text=200)
        # What a server's autovacuum does by itself, a minute later.
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            other.execute(text("VACUUM ANALYZE"))
        with psycopg.connect(driver_url(database)) as bare, database.read() as connection:
            works = analyses(connection)
            for name in ("summary", "compare"):
                queries = bare_sql(EXPERIMENT)[name]

                def limit(queries: list[str] = queries) -> None:
                    for query in queries:
                        bare.execute(query.encode()).fetchall()

                ours, sql = together(works[name], limit, rounds=3)
                title = f"{name}, {runs:,} runs in PostgreSQL"
                figures.append(beside(title, ours, sql, "bare SQL", at_most=1.5))
                took = ours.median()
                figures.append(
                    Figure(f"{title}, in all", took, "s", MOST_SECONDS, "the bound", at_most=1)
                )
        processor.close()
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())
