"""Analyses of Parquet folders: the figures of the database, from the same tabulation."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from ml_agents_results.formats.exporting import export
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, ParsingMetrics, RunRecord, ScoreRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.lake import Lake
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_source import RunSource
from ml_agents_results.repositories.tabulator import Tabulator, source_of
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.cost import CostService
from ml_agents_results.services.failures import FailureService
from ml_agents_results.services.latency import LatencyService
from ml_agents_results.services.parsing import ParsingService
from ml_agents_results.services.ranking import RankingService
from ml_agents_results.services.repeats_study import RepeatsService
from ml_agents_results.services.summary import SummaryService
from tests.commands import call, document, refusal, start

pyarrow = pytest.importorskip("pyarrow", reason="needs the package pyarrow")
pytest.importorskip("duckdb", reason="needs the package duckdb")

PARTITIONS = ("experiment_id", "approach_name")
FOR_SPARK = 8
"""Each query takes a second there, however small the data."""

F1 = 'f1,"ü`'
"""A metric whose name needs quoting in any SQL."""

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
                        metadata_json={"the passage.": f"ü {index // 3}", "log": "\x00 \\u0000"},
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
                    if run.error is None:
                        run.scores = [
                            ScoreRecord(round(chance.random(), 4), metric=F1),
                            *(
                                ScoreRecord(float(chance.random() < 0.7), metric="brief", author=a)
                                for a in "ab"[: chance.randrange(3)]
                            ),
                        ]
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
        plan = {"approaches": ["None", "ChainOfThought", ODD], "questions": 48}
        planned = {"plan": {**plan, "repeats": repeats, "runs": 144 * repeats}}
        processor.save_experiment(
            name, {"seed": seed}, name=f"Experiment {name}", environment=planned
        )
        with processor.database.write() as connection:
            metrics = MetricRepository(connection, name)
            metrics.save(MetricRecord("exact", "binary", is_primary=True))
            metrics.save(MetricRecord(F1, "numeric", 0, 1, True))
            metrics.save(MetricRecord("brief", "binary"))
        processor.save_runs(answers(name, seed, repeats))
    export(
        processor.database, ["one", "two", "1e3"], folder / "lake", "parquet",
        partition_by=PARTITIONS,
    )  # fmt: skip
    yield processor, folder / "lake"
    processor.close()


def figures(source: Connection | RunSource, few: int | None = None) -> dict[str, Any]:
    """What analyses of every kind say, or the first few of them."""
    experiments = ExperimentRepository(source_of(source).connection)
    one, both, repeated = (
        Filters.of({"experiment_id": names}) for names in (["one"], ["one", "two"], ["1e3"])
    )
    compare: Callable[..., Any] = lambda ids, **given: (  # noqa: E731
        ComparisonService(source, None, AnalysisOptions(**given))
        .compare(ids, by_task=True)
        .to_dict()
    )
    found: dict[str, Callable[[], Any]] = {
        "experiment": lambda: experiments.get("one").config_json,
        "latest": lambda: experiments.resolve("latest"),
        "none": lambda: [
            Tabulator(source, Filters.of({"created_from": moment})).variants() == []
            for moment in ("2020-01-01", "2100-01-01")
        ],
        "across": lambda: compare(["one", "two"]),
        "numbers": lambda: compare(["one", "two"], metric=F1),
        "accuracy": lambda: SummaryService(
            source, repeated, AnalysisOptions(cluster="metadata:the passage.")
        ).report(by_task=True).to_dict(),
        "ranking": lambda: [
            RankingService(source, filters).report().to_dict() for filters in (both, repeated)
        ],
        "repeats": lambda: RepeatsService(source, repeated).report(pool="approach").to_dict(),
        "grades": lambda: compare(["one"], metric="brief"),
        "failures": lambda: FailureService(source, one).report().to_dict(),
        "repeated": lambda: compare(["1e3"], missing="incorrect"),
        "cost": lambda: CostService(source, both).report().to_dict(),
        "latency": lambda: LatencyService(source, repeated).report().to_dict(),
        "parsing": lambda: ParsingService(source, one).report().to_dict(),
    }  # fmt: skip
    return {name: work() for name, work in list(found.items())[:few]}


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
    with Lake(folder).read() as source:
        same(figures(source), expected)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
def test_spark_on_two_worker_processes_says_so_too(
    stored: tuple[ResultsProcessor, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyspark = pytest.importorskip("pyspark", reason="needs the package pyspark")
    # Workers write beside the programs of SPARK_HOME, and need to be told what these are.
    for part in Path(pyspark.__file__).parent.iterdir():
        (tmp_path / part.name).symlink_to(part)
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    monkeypatch.setenv("SPARK_SCALA_VERSION", "2.13")
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    processor, folder = stored
    with processor.database.read() as connection:
        expected = figures(connection, FOR_SPARK)
    with Lake(folder, "spark", "local-cluster[2,1,1024]").read() as source:
        same(figures(source, FOR_SPARK), expected)
    assert {worker.name for worker in tmp_path.glob("work/*/*")} == {"0", "1"}


def test_the_command_line_reads_it_too(
    stored: tuple[ResultsProcessor, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    processor, folder = stored
    ids = ("compare", "--experiment-ids", "one,Experiment two")
    expected = document(*ids, "--db-path", processor.database.path)
    # Where a machine is, says nothing about when a run was.
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    same(document(*ids, "--source", folder), expected)
    report = ("analyze", "--experiment-id", "latest", "--report-type", "cost")
    assert document(*report, "--source", folder)["experiment_ids"] == ["1e3"]
    hint = refusal("compare", "--experiment-ids", "onee,two", "--source", folder, code=3)[1]
    assert hint.startswith(f"{folder} has: ")
    assert "one" in hint


def test_a_command_ends_without_complaints_of_duckdb(
    stored: tuple[ResultsProcessor, Path],
) -> None:
    ended = start("compare", "--experiment-ids", "one", "--source", stored[1])
    shown, complaints = ended.communicate()
    assert (ended.returncode, complaints) == (0, "")
    assert "Accuracy" in shown


class TestFoldersThatAreNoLake:
    def refused(self, folder: Path, code: int = 1) -> str:
        ids = ("--experiment-ids", "one,two")
        message, hint = refusal("compare", *ids, "--source", folder, code=code)
        assert str(folder.name) in message
        assert hint
        return message

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        assert "there is no folder" in self.refused(tmp_path / "nowhere", 3)

    def test_an_empty_one(self, tmp_path: Path) -> None:
        assert "holds no Parquet files" in self.refused(tmp_path)

    def test_a_foreign_file(self, tmp_path: Path) -> None:
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "a.parquet")
        assert "is not an export of runs: it has no column id (and" in self.refused(tmp_path)

    def test_a_file_that_is_no_parquet(self, tmp_path: Path) -> None:
        (tmp_path / "a.parquet").write_text("These are my notes.", encoding="utf-8")
        assert "cannot be read as Parquet" in self.refused(tmp_path)

    def test_a_foreign_file_among_ours(
        self, stored: tuple[ResultsProcessor, Path], tmp_path: Path
    ) -> None:
        folder = Path(shutil.copytree(stored[1], tmp_path / "lake"))
        place = folder / "experiment_id=one" / "approach_name=None"
        parquet = pytest.importorskip("pyarrow.parquet")
        table = parquet.read_table(place / "part-0.parquet", partitioning=None)
        column = table.schema.get_field_index("sample_index")
        texts = table["sample_index"].cast(pyarrow.string())
        parquet.write_table(
            table.set_column(column, "sample_index", texts), place / "part-9.parquet"
        )
        message = self.refused(folder)
        assert "part-9.parquet is not an export of runs" in message
        assert "its column sample_index is VARCHAR" in message

    def test_two_exports(self, stored: tuple[ResultsProcessor, Path], tmp_path: Path) -> None:
        folder = Path(shutil.copytree(stored[1], tmp_path / "lake"))
        shutil.copytree(stored[1], folder / "again")
        assert "mixes several exports" in self.refused(folder)

    def test_a_damaged_file(self, stored: tuple[ResultsProcessor, Path], tmp_path: Path) -> None:
        folder = Path(shutil.copytree(stored[1], tmp_path / "lake"))
        file = folder / "experiment_id=one" / "approach_name=None" / "part-0.parquet"
        content = bytearray(file.read_bytes())
        content[4:2000] = b"\xa5" * 1996
        file.write_bytes(content)
        message, _ = refusal("compare", "--experiment-ids", "one,two", "--source", folder, code=4)
        assert "cannot be analysed by DuckDB" in message

    @pytest.mark.parametrize("column", ["outcome", "task", "sample_index"])
    def test_runs_without_what_every_run_has(
        self, stored: tuple[ResultsProcessor, Path], tmp_path: Path, column: str
    ) -> None:
        """A flipped byte in the definition levels of a page makes values NULL."""
        parquet = pytest.importorskip("pyarrow.parquet")
        folder = Path(shutil.copytree(stored[1], tmp_path / "lake"))
        file = folder / "experiment_id=one" / "approach_name=None" / "part-0.parquet"
        table = parquet.read_table(file, partitioning=None)
        index, values = table.schema.get_field_index(column), table[column].to_pylist()
        damaged = pyarrow.array([None, *values[1:]], table.schema.field(column).type)
        parquet.write_table(table.set_column(index, table.schema.field(index), damaged), file)
        message, _ = refusal("compare", "--experiment-ids", "one,two", "--source", folder, code=1)
        assert message == f"the files are damaged: 1 runs have no {column}"


@pytest.mark.parametrize(
    "described",
    [
        {"id": "one"},
        {"id": "one", "created_at": "yesterday", "status": "perfect", "name": 7, "config": [1]},
    ],
)
def test_what_an_export_leaves_out_of_its_experiments_stays_unknown(
    stored: tuple[ResultsProcessor, Path], tmp_path: Path, described: dict[str, Any]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = stored[1] / "experiment_id=one" / "approach_name=None" / "part-0.parquet"
    table = parquet.read_table(file, partitioning=None)
    target = tmp_path / "lake" / "experiment_id=one" / "approach_name=None"
    target.mkdir(parents=True)
    metadata = {"experiments": json.dumps([described])}
    parquet.write_table(table.replace_schema_metadata(metadata), target / "part-0.parquet")
    with Lake(tmp_path / "lake").read() as source:
        assert ExperimentRepository(source.connection).get("one").status == "completed"
        (variant,) = SummaryService(source).report().variants
    assert variant.runs == table.num_rows


@pytest.mark.parametrize(
    "options",
    [
        ("--source", "lake", "--db-path", "r.db"),
        ("--engine", "duckdb"),
        ("--spark-master", "local[2]"),
        ("--source", "lake", "--engine", "duckdb", "--spark-master", "local[2]"),
        ("--source", "lake", "--engine", "polars"),
    ],
)
def test_options_that_do_not_fit(options: tuple[str, ...]) -> None:
    call("compare", "--experiment-ids", "a,b", *options, code=2)
