"""Analyses of Parquet folders: the figures of the database, from the same selects."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from ml_agents_results.database.lake import Lake
from ml_agents_results.exporters import export
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ParsingMetrics, RunRecord
from ml_agents_results.repositories.column_analysis import analysis
from ml_agents_results.repositories.experiments import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.accuracy import AccuracyService
from ml_agents_results.services.comparison import ComparisonService
from ml_agents_results.services.cost import CostService
from ml_agents_results.services.failures import FailureService
from ml_agents_results.services.latency import LatencyService
from ml_agents_results.services.parsing import ParsingService
from ml_agents_results.services.settings import Settings

pyarrow = pytest.importorskip("pyarrow", reason="needs the package pyarrow")
pytest.importorskip("duckdb", reason="needs the package duckdb")
pytest.importorskip("sqlglot", reason="needs the package sqlglot")

PARTITIONS = ("experiment_id", "approach_name")
ODD = 'it\'s \\ "odd" :x $1 %s ä'


def answers(experiment: str, seed: int, repeats: int = 1) -> Iterator[RunRecord]:
    chance = random.Random(seed)
    for approach in ("None", "ChainOfThought", ODD):
        for task in ("", "a/b=c", "sums", "ü"):
            for index in range(12):
                for repeat in range(repeats):
                    run = RunRecord(
                        experiment,
                        approach,
                        index,
                        provider="p",
                        model="m'1",
                        task=task,
                        repeat_index=repeat,
                        sample_id=f"{task}-{index}",
                        input_text=f"question {index} of {task}",
                        expected_answer=str(index % 3),
                        execution_time_ms=int(chance.lognormvariate(6, 1)),
                        cost_estimate=chance.random() / 100 if chance.random() < 0.9 else None,
                    )
                    if chance.random() < 0.05:
                        run.error = "TimeoutError: no answer"
                    else:
                        run.raw_output = "So the answer is 3. " * chance.randrange(1, 200)
                        if chance.random() < 0.9:
                            run.parsed_answer = "3"
                            run.is_correct = chance.random() < 0.6
                            run.parsing_method = chance.choice(["regex", "manual"])
                            run.parsing_confidence = round(chance.random(), 1)
                            run.parsing_metrics = ParsingMetrics(1, chance.random() < 0.2, 0.5, 3)
                    yield run


@pytest.fixture(scope="module")
def stored(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
) -> Iterator[tuple[ResultsProcessor, Path]]:
    """A database, and the folder that is exported from it."""
    folder = tmp_path_factory.mktemp("lake")
    shutil.copyfile(migrated_file, folder / "r.db")
    processor = ResultsProcessor(str(folder / "r.db"))
    for name, seed, repeats in (("one", 1, 1), ("two", 2, 1), ("1e3", 3, 3)):
        processor.save_experiment(name, {"seed": seed}, name=f"Experiment {name}")
        processor.save_runs(answers(name, seed, repeats))
    export(
        processor.database, ["one", "two", "1e3"], folder / "lake", "parquet",
        partition_by=PARTITIONS,
    )  # fmt: skip
    yield processor, folder / "lake"
    processor.close()


def figures(connection: Connection) -> dict[str, Any]:
    """What a few of every kind of analysis say."""
    one, both, repeated = (
        Filters.of({"experiment_id": names}) for names in (["one"], ["one", "two"], ["1e3"])
    )
    compare: Callable[..., Any] = lambda ids, **given: (  # noqa: E731
        ComparisonService(connection, None, Settings(**given)).compare(ids, by_task=True).to_dict()
    )
    return {
        "experiment": ExperimentRepository(connection).get("one").config_json,
        "listed": [
            (line.id, line.name, line.runs, line.created_at)
            for line in ExperimentRepository(connection).list()
        ],
        "across": compare(["one", "two"]),
        "repeated": compare(["1e3"], missing="incorrect"),
        "accuracy": AccuracyService(
            connection, repeated, Settings(cluster="sample_id")
        ).report(by_task=True).to_dict(),
        "cost": CostService(connection, both).report().to_dict(),
        "latency": LatencyService(connection, repeated).report().to_dict(),
        "parsing": ParsingService(connection, one).report().to_dict(),
        "failures": FailureService(connection, one).report().to_dict(),
        "none": [
            analysis(connection, Filters.of({"created_from": moment})).arms() == []
            for moment in ("2020-01-01", "2100-01-01")
        ],
    }  # fmt: skip


def same(found: Any, expected: Any, place: str = "") -> None:
    if isinstance(expected, dict):
        assert list(found) == list(expected), place
        for key in expected:
            same(found[key], expected[key], f"{place}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), place
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            same(one, other, f"{place}[{number}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), place
    else:
        assert found == expected, place


def test_duckdb_says_what_the_database_says(stored: tuple[ResultsProcessor, Path]) -> None:
    processor, folder = stored
    with processor.database.read() as connection:
        expected = figures(connection)
    with Lake(folder).read() as connection:
        same(figures(connection), expected)


@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
@pytest.mark.timeout(600)
def test_spark_on_two_workers_says_so_too(
    stored: tuple[ResultsProcessor, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark", reason="needs the package pyspark")
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    processor, folder = stored
    with processor.database.read() as connection:
        expected = figures(connection)
    with Lake(folder, "spark", "local-cluster[2,1,512]").read() as connection:
        same(figures(connection), expected)
