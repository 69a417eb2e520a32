"""What analyses cost next to the counts, sums and pairs that they need, hand-written in SQL.

The bare driver runs the statements on the same file, or the same PostgreSQL.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from benchmarks.databases import database
from benchmarks.harness import Measured, in_turns
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.repositories.database_source import DatabaseSource
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.cost import CostService
from ml_agents_results.services.failures import FailureService
from ml_agents_results.services.latency import LatencyService
from ml_agents_results.services.ranking import RankingService
from ml_agents_results.services.summary import SummaryService

METRICS = ("f1", "rouge", "length")
SECONDS = {"compare": 0.5}
"""What an analysis of a million runs may take; one second where nothing stands."""

PAIRED_SUMS = """
SELECT a.task, COUNT(*), SUM(x.value - y.value), SUM((x.value - y.value) * (x.value - y.value)),
       SUM(x.value), SUM(y.value)
FROM runs AS a
JOIN runs AS b ON b.experiment_id = a.experiment_id AND b.approach_name = 'None'
  AND b.provider = a.provider AND b.model = a.model AND b.task = a.task
  AND b.sample_index = a.sample_index AND b.repeat_index = a.repeat_index
JOIN scores AS x ON x.run_id = a.id AND x.metric_id = :metric
JOIN scores AS y ON y.run_id = b.id AND y.metric_id = :metric
WHERE a.experiment_id = 'e000' AND a.approach_name = 'ChainOfThought'
GROUP BY a.task
"""


def services(connection: Connection, experiment: str) -> dict[str, Callable[[], object]]:
    filters = Filters(experiment_id=(experiment,))
    return {
        "summary": SummaryService(connection, filters).report,
        "by task": partial(SummaryService(connection, filters).report, by_task=True),
        "compare": partial(ComparisonService(connection).compare, [experiment]),
        "cost": CostService(connection, filters).report,
        "latency": LatencyService(connection, filters).report,
        "failures": partial(FailureService(connection, filters).report, read_texts=False),
    }


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


def beside_sql(_folder: Path, runs: int, experiments: int) -> Iterator[Measured]:
    """Of the middle one of some experiments of two variants and 20 tasks, with long outputs."""
    path, experiment = database(runs, experiments=experiments), f"e{experiments // 2:03}"
    with (
        closing(sqlite3.connect(path)) as bare,
        closing(ResultsProcessor(str(path))) as processor,
        processor.database.read() as connection,
    ):
        works = services(connection, experiment)
        for name, statements in bare_sql(experiment).items():

            def limit(statements: list[str] = statements) -> None:
                for statement in statements:
                    bare.execute(statement).fetchall()

            ours, by_hand = in_turns(works[name], limit, rounds=3)
            title = f"{name}, {runs // experiments:,} of {runs:,} runs"
            yield Measured(title, ours, by_hand)
            if experiments == 1:
                yield Measured(f"{title}, in all", ours, SECONDS.get(name, 1.0))


def numeric(_folder: Path, runs: int) -> Iterator[Measured]:
    """Comparing on a metric whose values are scores; the sums of both agree to the last digit."""
    path = database(runs, text=0, metrics=METRICS)
    with closing(sqlite3.connect(path)) as plain, closing(ResultsProcessor(str(path))) as processor:
        # As an import or a backup leaves it.
        plain.execute("ANALYZE")
        (metric,) = plain.execute("SELECT id FROM metrics WHERE name = 'f1'").fetchone()
        sums: set[tuple[int, float]] = set()

        def by_hand() -> None:
            rows = plain.execute(PAIRED_SUMS, {"metric": metric}).fetchall()
            n, difference = sum(row[1] for row in rows), sum(row[2] for row in rows)
            sums.add((n, difference / n))

        def by_us() -> None:
            with processor.database.read() as connection:
                options = AnalysisOptions(metric="f1")
                comparison = ComparisonService(connection, options=options).compare(["e000"])
            (row,) = comparison.comparisons
            assert row.difference is not None
            sign = 1 if row.candidate.approach_name == "ChainOfThought" else -1
            sums.add((row.samples, sign * row.difference))

        ours, limit = in_turns(by_us, by_hand, rounds=3)
    if len(sums) != 1:
        raise RuntimeError(f"the sums differ: {sums}")
    name = f"compare on a numeric metric, {runs:,} runs, processor time"
    yield Measured(name, ours, limit)


def ranking(_folder: Path, variants: int, samples: int) -> Iterator[Measured]:
    """All pairs tested and corrected, groups, ranks, chances of being best, ranks over tasks,
    strengths; next to reading the columns."""
    names = [f"approach {number:02}" for number in range(variants)]
    path = database(variants * samples, text=0, approaches=names, tasks=57)
    columns = ("time_ms", "sample_index", "fingerprint")
    with closing(ResultsProcessor(str(path))) as processor:

        def read() -> None:
            with processor.database.read() as connection:
                reading = DatabaseSource(connection).reading(Filters(), columns)
                reading.tabulate(lambda runs: len(runs.columns), columns)

        def rank() -> None:
            with processor.database.read() as connection:
                RankingService(connection).report()

        ours, limit = in_turns(rank, read, rounds=3)
    yield Measured(f"ranking {variants} variants, {samples:,} samples", ours, limit)
