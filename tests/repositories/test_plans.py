"""Analyses never touch the long texts: SQLite reads runs from the covering index alone."""

import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event

from ml_agents_results.database.engine import Database
from ml_agents_results.records import (
    ExperimentRecord,
    MetricRecord,
    RunRecord,
    ScoreRecord,
    Variant,
)
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_filters import RunFilters
from ml_agents_results.repositories.run_list import RunListRepository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.summary import SummaryService
from ml_agents_results.statistics.choices import Missing

ONE, TWO = Variant("e0", "ChainOfThought", "p", "m"), Variant("e0", "None", "p", "m")
OTHER = Variant("e1", "None", "p", "m")
FILTERS: list[dict[str, Any]] = [
    {},
    {"experiment_id": "e0"},
    {"experiment_id": ["e0", "e1"]},
    {"experiment_id": "e0", "approach_name": "None"},
    {"approach_name": "None"},
    {"task": ["t0", "t1"]},
    {"experiment_id": "e0", "task": "t1"},
    {"model": "m"},
    {"provider": "p", "parsing_method": "regex"},
]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, migrated_file: Any) -> Database:
    """5,000 runs of four experiments."""
    path = tmp_path_factory.mktemp("plans") / "r.db"
    path.write_bytes(migrated_file.read_bytes())
    database = Database(str(path))
    chance = random.Random(0)
    with database.write() as connection:
        for number in range(4):
            ExperimentRepository(connection).save(ExperimentRecord(f"e{number}"))
        RunRepository(connection).save_many(
            RunRecord(
                f"e{number % 4}",
                ("None", "ChainOfThought")[number // 4 % 2],
                number // 40,
                provider="p",
                model="m",
                task=f"t{number // 8 % 5}",
                sample_id=str(number // 40),
                input_text=f"question {number // 40}",
                raw_output="a long answer " * 20,
                parsed_answer="A",
                parsing_method="regex",
                parsing_confidence=chance.random(),
                is_correct=chance.random() < 0.7,
                execution_time_ms=chance.randrange(5000),
                cost_estimate=chance.random(),
            )
            for number in range(5000)
        )
    return database


@pytest.fixture(scope="module", params=["no statistics", "statistics"])
def analysed(large: Database, request: pytest.FixtureRequest) -> Database:
    """Before and after ANALYZE: the planner chooses by what it knows."""
    if request.param == "statistics":
        with large.write() as connection:
            connection.exec_driver_sql("ANALYZE")
    return large


def queries(connection: Connection) -> Iterator[str]:
    """Makes every query that an analysis of counts makes."""
    cases: list[tuple[dict[str, Any], Missing]] = [(given, "exclude") for given in FILTERS]
    for given, missing in [*cases, ({}, "incorrect"), (FILTERS[1], "incorrect")]:
        filters = Filters.of(given)
        yield f"{given} {missing}"
        for counts in ("variants", "methods", "confidences", "partial_repeats", "hard_samples"):
            getattr(Tabulator(connection, filters, missing), counts)()
        Tabulator(connection, filters, missing, pairs=True).variants()
        Tabulator(connection, filters, missing).pairs(ONE, OTHER, rule="content")
        Tabulator(connection, filters, missing, columns=["cost"]).paired(ONE, TWO, "cost")
        Tabulator(connection, filters, missing).sums(ONE, "input_fingerprint", "cost")
    yield "lists"
    ExperimentRepository(connection).list()
    RunRepository(connection).count("e0")
    list(RunRepository(connection).keys("e0"))


def test_every_query_on_runs_reads_a_covering_index(analysed: Database) -> None:
    seen: dict[str, tuple[str, Any]] = {}
    with analysed.read() as connection:
        made_for = [""]

        def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if re.search(r"\bruns\b", statement):
                seen.setdefault(statement, (made_for[0], parameters))

        event.listen(connection, "before_cursor_execute", note)
        for made_for[0] in queries(connection):
            pass
        event.remove(connection, "before_cursor_execute", note)
        wrong = []
        for statement, (reason, parameters) in seen.items():
            names = {"runs", *re.findall(r"\bruns AS (\w+)", statement)}
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for row in plan:
                read = re.match(r"(?:SCAN|SEARCH) (\w+)", row.detail)
                if read and read[1] in names and "USING COVERING INDEX" not in row.detail:
                    wrong.append((reason, row.detail, statement))
    assert len(seen) > 50
    assert wrong == []


def plans(connection: Connection, work: Callable[[], object], table: str = "runs") -> list[str]:
    """The plans of the statements on a table that `work` executes, in order."""
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if re.search(rf"\bFROM {table}\b", statement):
            statements.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    work()
    event.remove(connection, "before_cursor_execute", note)
    sqlite = connection.dialect.name == "sqlite"
    explained = []
    for statement, parameters in statements:
        explain = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
        explained.append("\n".join(row.detail if sqlite else row[0] for row in rows))
    return explained


def test_a_batch_begins_at_the_last_key_of_the_one_before(analysed: Database) -> None:
    with analysed.read() as connection:
        first, *later = plans(
            connection, lambda: list(RunRepository(connection).iterate(["e1"], batch_size=300))
        )
    assert "(experiment_id=?)" in first
    assert len(later) == 5
    for plan in later:
        assert re.search(
            r"SEARCH runs USING INDEX \w+ \(experiment_id=\? AND "
            r"\(approach_name,provider,model,task,sample_index,repeat_index\)>",
            plan,
        )
    for plan in (first, *later):
        assert "TEMP B-TREE" not in plan


def test_pages_and_streams_follow_the_key(analysed: Database) -> None:
    with analysed.read() as connection:
        runs = RunRepository(connection)
        [page] = plans(connection, lambda: runs.page("e1", 2, 100))
        [stream] = plans(connection, lambda: list(runs.stream("e1")))
        [keys] = plans(connection, lambda: list(runs.keys("e1")))
    # What is skipped is skipped in the index; only the runs of the page are read.
    assert "SEARCH runs USING COVERING INDEX ix_runs_analysis (experiment_id=?)" in page
    assert "SEARCH runs USING INDEX sqlite_autoindex_runs_1 (id=?)" in page
    assert "(experiment_id=?)" in stream
    assert "TEMP B-TREE" not in stream
    assert "USING COVERING INDEX" in keys


def test_the_scores_of_a_batch_are_found_by_their_runs(analysed: Database) -> None:
    with analysed.read() as connection:
        runs = RunRepository(connection)
        # None of these runs has scores: they are looked for once.
        [asked] = plans(connection, lambda: list(runs.iterate(["e1"], batch_size=300)), "scores")
        [page] = plans(connection, lambda: runs.page("e1", 2, 100), "scores")
    assert "SEARCH scores USING COVERING INDEX ix_scores_metric_id_value_run_id" in asked
    assert "SEARCH scores USING PRIMARY KEY (run_id=?)" in page


def test_a_server_reads_one_metric_of_several_once(postgresql_database: Database) -> None:
    chance = random.Random(0)
    with postgresql_database.write() as connection:
        ExperimentRepository(connection).save(ExperimentRecord("e"))
        for name in ("f1", "rouge", "length"):
            MetricRepository(connection, "e").save(MetricRecord(name, "numeric", 0, 1, True))
        RunRepository(connection).save_many(
            RunRecord(
                "e",
                ("None", "CoT")[number % 2],
                number // 2,
                raw_output="long " * 100,
                scores=[
                    ScoreRecord(chance.random(), metric=name) for name in ("f1", "rouge", "length")
                ],
            )
            for number in range(4000)
        )
        connection.exec_driver_sql("ANALYZE")
        options, filters = AnalysisOptions(metric="f1"), Filters(experiment_id=("e",))
        rare = RunFilters("e", metric="f1", minimum=0.999)
        [summary] = plans(connection, SummaryService(connection, filters, options).report)
        *_, page = plans(connection, lambda: RunListRepository(connection).page(rare))
    # The values are read in one pass, and only those of the metric.
    assert summary.count("metric_id") == 1
    assert re.search(r"Index.* ix_scores_metric_id_value_run_id", page)
    assert not re.search(r"Seq Scan on (runs|scores)", page)


def test_a_server_seeks_by_the_key_too(postgresql_database: Database) -> None:
    with postgresql_database.write() as connection:
        ExperimentRepository(connection).save(ExperimentRecord("e"))
        RunRepository(connection).save_many(
            RunRecord("e", "None", number, raw_output="long " * 100) for number in range(5000)
        )
        connection.exec_driver_sql("ANALYZE runs")
        _, *later = plans(
            connection, lambda: list(RunRepository(connection).iterate(["e"], batch_size=500))
        )
    for plan in later:
        assert re.search(r"Index Cond: .*ROW\(.*approach_name.* > ROW\(", plan)
        assert "Sort" not in plan
