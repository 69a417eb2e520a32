"""Analyses of a million runs in PostgreSQL beside the bare SQL that they need.

    python benchmarks/postgres_analyses.py [--runs 1000000]

The data and the hand-written counts are those of analyses.py, in PostgreSQL's words; the best of
three on both sides.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psycopg
from sqlalchemy import text

from benchmarks.analyses import JOIN, TIMES, best, fill
from benchmarks.servers import driver_url, new_database
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.accuracy import AccuracyService
from ml_agents_results.services.comparison import ComparisonService

MOST_SECONDS = 1.0

_CLASSES = ", ".join(
    f"COUNT(*) FILTER (WHERE outcome = '{name}')"
    for name in ("correct", "wrong", "failed", "unparsed")
)
COUNTS = (
    f"SELECT experiment_id, approach_name, provider, model, task, COUNT(*), {_CLASSES}, "
    "MAX(repeat_index), COUNT(execution_time_ms), SUM(execution_time_ms), COUNT(cost_estimate), "
    "SUM(cost_estimate), COUNT(parsing_confidence), SUM(parsing_confidence) FROM runs "
    "WHERE experiment_id = 'big' GROUP BY 1, 2, 3, 4, 5"
)
_BOTH = "a.outcome IN ('correct', 'wrong') AND b.outcome IN ('correct', 'wrong')"
PAIRS = (
    "SELECT a.task, COUNT(*) FILTER (WHERE a.outcome = 'correct' AND b.outcome = 'correct'), "
    "COUNT(*) FILTER (WHERE a.outcome = 'correct' AND b.outcome <> 'correct'), "
    "COUNT(*) FILTER (WHERE a.outcome <> 'correct' AND b.outcome = 'correct'), COUNT(*), "
    "COUNT(*) FILTER (WHERE a.input_fingerprint <> b.input_fingerprint) "
    f"{JOIN} {_BOTH} GROUP BY a.task"
)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=1_000_000)
    options.add_argument("--text", type=int, default=200)
    given = options.parse_args()
    missed = 0
    with new_database() as database:
        processor = ResultsProcessor(database)
        fill(processor, given.runs, given.text)
        # What a server's autovacuum does by itself, a minute later.
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            other.execute(text("VACUUM ANALYZE"))
        with psycopg.connect(driver_url(database)) as bare, database.read() as connection:
            for name, queries, work in (
                ("summary", [COUNTS, *TIMES], lambda: AccuracyService(connection).report()),
                (
                    "compare",
                    [COUNTS, PAIRS, *TIMES],
                    lambda: ComparisonService(connection).compare(["big"]),
                ),
            ):
                limit = best(
                    lambda queries=queries: [bare.execute(q.encode()).fetchall() for q in queries]  # type: ignore[misc]
                )
                took = best(work)
                missed += took > MOST_SECONDS
                print(
                    f"{name:8} {took:5.2f} s, at most {MOST_SECONDS}   bare SQL {limit:5.2f} s   "
                    f"ratio {took / limit:.2f}"
                )
        processor.close()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
