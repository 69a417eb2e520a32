"""Analyses never touch the long texts: SQLite reads runs from the covering index alone."""

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event

from ml_agents_results.database.engine import Database
from ml_agents_results.records import ExperimentRecord, RunRecord, Variant
from ml_agents_results.repositories.analysis import AnalysisRepository
from ml_agents_results.repositories.column_analysis import ColumnAnalysis
from ml_agents_results.repositories.counts import Missing, PairingRule
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.fastest import analysis
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.patterns import PatternRepository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.views import variants_of

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
    rules: tuple[PairingRule, ...] = ("sample_index", "content")
    cases: list[tuple[dict[str, Any], Missing]] = [(given, "exclude") for given in FILTERS]
    for given, missing in [*cases, ({}, "incorrect"), (FILTERS[1], "incorrect")]:
        filters = Filters.of(given)
        yield f"{given} {missing}"
        for repository in (
            AnalysisRepository(connection, filters, missing),
            ColumnAnalysis(connection, filters, missing),
        ):
            repository.variants()
            repository.graded_costs(ONE)
            repository.latencies(ONE)
            repository.patterns([ONE, TWO])
            repository.hard_samples()
            for group in ("task", "input_fingerprint"):
                list(repository.samples(group))
            for baseline in (TWO, OTHER):
                for rule in rules:
                    for group in ("task", "input_fingerprint"):
                        repository.pairs(ONE, baseline, rule=rule, group=group)
                    repository.paired_latency(ONE, baseline, rule=rule)
                    repository.paired_costs(ONE, baseline, rule=rule)
        analysis(connection, filters, missing)
        patterns = PatternRepository(connection, filters)
        patterns.confidences([ONE])
        patterns.method_slices([ONE])
        assert ONE in variants_of(connection, ONE.experiment_id)
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
    assert len(seen) > 100
    assert wrong == []


def test_a_page_and_a_batch_are_found_by_the_key(analysed: Database) -> None:
    with analysed.read() as connection:
        statements: list[tuple[str, Any]] = []
        event.listen(
            connection,
            "before_cursor_execute",
            lambda _c, _cursor, statement, parameters, *_: statements.append(
                (statement, parameters)
            ),
        )
        assert sum(1 for _ in RunRepository(connection).iterate(["e1"], batch_size=500)) == 1250
        RunRepository(connection).page("e1", 2, 100)
        for statement, parameters in statements.copy():
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            details = " ".join(row.detail for row in plan)
            assert "SCAN runs" not in details
            assert "experiment_id=?" in details or "(id=?)" in details
