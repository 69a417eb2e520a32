"""What analyses cost beside the bare SQL that they need, at a million runs.

    python -m benchmarks analyses

On two files with long outputs and the default indexes: one experiment whose two variants have half
a
million runs each, and the middle one of twenty experiments of 50,000. The limit is the counts, sums
and pairs of each analysis, hand-written and run by the bare driver on the same file; failure
patterns count outcomes, parsing methods and hard samples.
"""

import sqlite3
import sys
from contextlib import closing

from benchmarks.databases import database
from benchmarks.figures import Figure, beside, quick, report, together
from benchmarks.growth import analyses
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.repositories.filters import Filters

MOST = 1.5
MOST_SECONDS = {"compare": 0.5}
"""At a million runs; a second where nothing is said."""


def bare_sql(experiment: str) -> dict[str, list[str]]:
    """The queries of each analysis, in words that SQLite and PostgreSQL know."""
    classes = (_count(f"outcome = '{name}'") for name in ("correct", "wrong", "failed", "unparsed"))
    counts = (
        f"SELECT approach_name, provider, model, task, COUNT(*), {', '.join(classes)}, "
        "MAX(repeat_index), COUNT(execution_time_ms), SUM(execution_time_ms), "
        "COUNT(cost_estimate), SUM(cost_estimate), SUM(cost_estimate * cost_estimate), "
        "COUNT(parsing_confidence), SUM(parsing_confidence) FROM runs "
        f"WHERE experiment_id = '{experiment}' GROUP BY 1, 2, 3, 4"
    )
    variant = (
        f"experiment_id = '{experiment}' AND provider = 'p' AND model = 'm' AND approach_name = "
    )
    times = [
        f"SELECT execution_time_ms, COUNT(*) FROM runs WHERE {variant} '{name}' "
        "AND outcome <> 'failed' GROUP BY 1 ORDER BY 1"
        for name in ("ChainOfThought", "None")
    ]
    join = "FROM runs a JOIN runs b ON a.task = b.task AND a.sample_index = b.sample_index WHERE "
    join += " AND ".join(
        f"{side}.experiment_id = '{experiment}' AND {side}.provider = 'p' AND {side}.model = 'm' "
        f"AND {side}.approach_name = '{name}'"
        for side, name in (("a", "ChainOfThought"), ("b", "None"))
    )
    graded = "IN ('correct', 'wrong')"
    cells = (
        _count(f"a.outcome {one} 'correct' AND b.outcome {two} 'correct'")
        for one, two in (("=", "="), ("=", "<>"), ("<>", "="))
    )
    mismatched = _count("a.input_fingerprint <> b.input_fingerprint")
    pairs = (
        f"SELECT a.task, {', '.join(cells)}, COUNT(*), {mismatched} {join} "
        f"AND a.outcome {graded} AND b.outcome {graded} GROUP BY a.task"
    )
    ratios = (
        f"SELECT COUNT(*), SUM(r), SUM(r * r), {_count('r > 0')} FROM (SELECT "
        f"LN(a.execution_time_ms * 1.0 / b.execution_time_ms) AS r {join} "
        "AND a.execution_time_ms > 0 AND b.execution_time_ms > 0) AS ratios"
    )
    correct = _count("outcome = 'correct'")
    where = f"FROM runs WHERE experiment_id = '{experiment}' AND outcome {graded}"
    methods = f"SELECT approach_name, parsing_method, {correct}, COUNT(*) {where} GROUP BY 1, 2"
    hard = (
        f"SELECT task, sample_index, {correct}, COUNT(*) {where} GROUP BY 1, 2 "
        f"ORDER BY {correct} * 1.0 / COUNT(*) LIMIT 20"
    )
    return {
        "summary": [counts, *times],
        "by task": [counts, *times],
        "compare": [counts, pairs, *times],
        "cost": [counts, pairs],
        "latency": [counts, ratios, *times],
        "failures": [counts, methods, hard],
    }


def _count(condition: str) -> str:
    return f"COUNT(*) FILTER (WHERE {condition})"


def figures(runs: int, experiments: int) -> list[Figure]:
    path = database(runs, experiments=experiments)
    experiment = f"e{experiments // 2:03}"
    found = []
    with (
        closing(sqlite3.connect(path)) as bare,
        closing(ResultsProcessor(str(path))) as processor,
        processor.database.read() as connection,
    ):
        works = analyses(connection, experiment, Filters(experiment_id=(experiment,)))
        for name, queries in bare_sql(experiment).items():

            def limit(queries: list[str] = queries) -> None:
                for query in queries:
                    bare.execute(query).fetchall()

            ours, sql = together(works[name], limit, rounds=3)
            title = f"{name}, {runs // experiments:,} of {runs:,} runs"
            found.append(beside(title, ours, sql, "bare SQL", at_most=MOST))
            if experiments == 1:
                seconds = MOST_SECONDS.get(name, 1.0)
                found.append(
                    Figure(f"{title}, in all", ours.median(), "s", seconds, "allowed", at_most=1)
                )
    return found


def main() -> int:
    runs = 100_000 if quick() else 1_000_000
    return report([*figures(runs, 20), *figures(runs, 1)])


if __name__ == "__main__":
    sys.exit(main())
