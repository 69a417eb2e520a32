"""Metrics and scores outlive archives, runs files and merging of databases."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import UsageError
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ExperimentRecord, MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_repository import RunRepository
from tests.databases import row_problems

ODD = "nul \x00, lone \ud800, mark \ufdd0, 😀"
METRICS = [
    MetricRecord("exact", "binary", 0, 1, True, "exact", is_primary=True),
    MetricRecord(ODD, "numeric", upper=10, definition_json={"judge": ODD}),
]
MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def recorded(processor: ResultsProcessor) -> ResultsProcessor:
    with processor.database.write() as connection:
        for name in ("a", "b"):
            ExperimentRepository(connection).save(
                ExperimentRecord(
                    name, status="completed", tags_json=["t"], notes_json=[ODD], metrics=METRICS
                )
            )
        RunRepository(connection).save_many(
            RunRecord(
                name,
                approach,
                index,
                id=f"{name}-{approach}-{index}",
                is_correct=bool(index % 2),
                finish_reason="length",
                reasoning_text=ODD,
                scores=[
                    ScoreRecord(index / 7, metric=ODD),
                    ScoreRecord(1, "C", ODD, {"x": ODD}, ODD, "judge", 0.1, MOMENT),
                ][: index % 3]
                or None,
            )
            for name in ("a", "b")
            for approach in ("None", "CoT")
            for index in range(7)
        )
    return processor


def runs(database: Database) -> list[RunRecord]:
    assert row_problems(database) == []
    with database.read() as connection:
        return list(RunRepository(connection).iterate(["a", "b"]))


@pytest.mark.parametrize("ending", ["mlar", "jsonl", "db", "folder"])
def test_they_come_back(
    recorded: ResultsProcessor, tmp_path: Path, empty_file: Path, ending: str
) -> None:
    path = tmp_path / f"out.{ending}"
    if ending == "mlar":
        export(recorded.database, ["a", "b"], path, "archive")
    elif ending == "jsonl":
        export(recorded.database, ["a", "b"], path, "jsonl")
    elif ending == "folder":
        export(recorded.database, ["a", "b"], path, "csv")
    else:
        path = Path(str(recorded.database.path))
    before = runs(recorded.database)
    recorded.close()
    other = Database(str(empty_file))
    for _ in range(2):
        load(other, [LogSource(path)], ImportOptions())
    assert runs(other) == before
    if ending == "jsonl":
        return
    with other.read() as connection:
        found = ExperimentRepository(connection).get("a")
    assert found.metrics == METRICS
    if ending != "folder":
        assert (found.tags_json, found.notes_json) == (["t"], [ODD])


@pytest.fixture
def empty_file(migrated_file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "other.db"
    path.write_bytes(migrated_file.read_bytes())
    return path


def test_what_others_call_scores_is_kept(processor: ResultsProcessor, tmp_path: Path) -> None:
    path = tmp_path / "theirs.jsonl"
    path.write_text('{"approach_name": "None", "sample_index": 0, "scores": {"f1": 1}}\n')
    load(processor.database, [LogSource(path)], ImportOptions(experiment_id="a"))
    [run] = runs(processor.database)
    assert (run.scores, run.metadata_json) == (None, {"scores": {"f1": 1}})


@pytest.mark.parametrize("name", ["study.parquet", "study.xlsx", "study.jsonl", "study.json"])
def test_definitions_of_metrics_come_back_from_tables(tmp_path: Path, name: str) -> None:
    """The primary metric, the bounds and the directions, though another metric is binary."""
    metrics = [
        MetricRecord("rating", "numeric", 1, 5, True, "judge", is_primary=True),
        MetricRecord("polite", "binary", 0, 1, True),
        MetricRecord(ODD, "numeric", lower=0, higher_is_better=False),
    ]
    scores = [ScoreRecord(0.25, metric=ODD), ScoreRecord(1.0, metric="polite")]
    with ResultsProcessor(tmp_path / "a.db") as results:
        results.save_experiment("study", {})
        with results.database.write() as connection:
            for metric in metrics:
                MetricRepository(connection, "study").save(metric)
        results.save_runs([RunRecord("study", "None", 0, score=4.0, scores=scores)])
        export(results.database, "study", tmp_path / name)
    with ResultsProcessor(tmp_path / "b.db") as results:
        load(results.database, [LogSource(tmp_path / name)], ImportOptions())
        with results.database.read() as connection:
            known = MetricRepository(connection, "study").list()
            assert sorted(known, key=lambda one: one.name) == sorted(
                metrics, key=lambda one: one.name
            )
            [run] = RunRepository(connection).iterate(["study"])
    assert run.score == 4.0
    assert {score.metric: score.value for score in run.scores or ()} == {"polite": 1.0, ODD: 0.25}


@pytest.mark.parametrize(
    "name", ["study.parquet", "study.xlsx", "study.jsonl", "study.csv", "study.json"]
)
def test_a_grade_without_a_name_stays_the_grade(tmp_path: Path, name: str) -> None:
    """The experiment defines no metric for right and wrong, and another one."""
    with ResultsProcessor(tmp_path / "a.db") as results:
        results.save_experiment("study", {})
        results.save_runs(
            RunRecord(
                "study", "None", index, is_correct=grade, scores=[ScoreRecord(0.5, metric="f1")]
            )
            for index, grade in enumerate([True, False])
        )
        export(results.database, "study", tmp_path / name)
    with ResultsProcessor(tmp_path / "b.db") as results:
        load(results.database, [LogSource(tmp_path / name)], ImportOptions(experiment_id="study"))
        with results.database.read() as connection:
            runs = list(RunRepository(connection).iterate(["study"]))
            [metric] = MetricRepository(connection, "study").list()
    assert [(run.is_correct, run.score) for run in runs] == [(True, None), (False, None)]
    assert (metric.name, metric.is_primary) == ("f1", False)


def test_an_export_says_itself_which_metric_is_primary(
    recorded: ResultsProcessor, tmp_path: Path
) -> None:
    export(recorded.database, "a", file := tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="says itself that exact is the metric of a"):
        load(recorded.database, [LogSource(file)], ImportOptions(metric=ODD))
    assert load(recorded.database, [LogSource(file)], ImportOptions(metric="exact")).read == 14
