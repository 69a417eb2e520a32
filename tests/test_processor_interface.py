"""The interface that callers were promised: names, signatures, and what they mean."""

import inspect
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy import inspect as inspect_database

from ml_agents_results import (
    DatabaseConfig,
    DatabaseManager,
    ExperimentConfig,
    ExperimentRunner,
    ResultsProcessor,
    RunRecord,
    ScoreRecord,
    StandardResponse,
    migrate_from_csv,
)
from ml_agents_results.errors import (
    DatabaseError,
    InvalidRecordError,
    NotFoundError,
    ResultsError,
    UsageError,
)
from ml_agents_results.reports.approach_summary import SUMMARY_COLUMNS
from tests.databases import Server

PROMISED: dict[Callable[..., Any], str] = {
    ResultsProcessor.__init__: "self, db_path",
    ResultsProcessor.save_experiment: "self, experiment_id, config",
    ResultsProcessor.save_run_result: "self, run_result",
    ResultsProcessor.save_run: "self, run",
    ResultsProcessor.save_runs: "self, runs",
    ResultsProcessor.save_scores: "self, scores",
    ResultsProcessor.scores_frame: "self, experiment_ids",
    ResultsProcessor.save_parsing_metrics: "self, run_id, metrics",
    ResultsProcessor.get_experiment_summary: "self, experiment_id",
    ResultsProcessor.compare_approaches: "self, experiment_ids",
    ResultsProcessor.generate_accuracy_report: "self, filters",
    ResultsProcessor.calculate_approach_statistics: "self, approach_name, experiment_id",
    ResultsProcessor.generate_parsing_analysis: "self, experiment_id",
    ResultsProcessor.create_cost_breakdown: "self, experiment_ids",
    ResultsProcessor.identify_failure_patterns: "self, experiment_id",
    ResultsProcessor.get_runs_paginated: "self, experiment_id, page=1, page_size=1000",
    ResultsProcessor.export_to_csv: "self, experiment_id, output_path",
    ResultsProcessor.export_to_excel: "self, experiment_ids, output_path",
    ResultsProcessor.export_to_json: "self, experiment_id, output_path",
    ResultsProcessor.export_large_dataset: "self, experiment_id, output_path, chunk_size=5000",
    ResultsProcessor.get_run: "self, run_id",
    ResultsProcessor.iter_runs: "self, experiment_ids",
    ResultsProcessor.runs_frame: "self, experiment_ids",
    ResultsProcessor.delete_experiment: "self, experiment_id",
    ResultsProcessor.delete_run: "self, run_id",
    ResultsProcessor.list_experiments: "self",
    DatabaseManager.__init__: "self, db_path",
    DatabaseManager.initialize_schema: "self",
    DatabaseManager.migrate_schema: "self, from_version=None",
    DatabaseManager.backup_database: "self, backup_path",
    DatabaseManager.validate_integrity: "self",
    migrate_from_csv: "csv_directory, db_path",
    ExperimentRunner.__init__: "self, config, results_processor=None",
    ExperimentRunner._process_single_result: "self, result",
}


@pytest.mark.parametrize("function", PROMISED, ids=lambda function: function.__qualname__)
def test_a_promised_signature(function: Callable[..., Any]) -> None:
    parameters = list(inspect.signature(function).parameters.values())
    promised = PROMISED[function].split(", ")
    for parameter, text in zip(parameters, promised, strict=False):
        name, _, default = text.partition("=")
        assert parameter.name == name
        assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if default:
            assert str(parameter.default) == default
    # What is more than that has a default.
    assert all(
        parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD
        for parameter in parameters[len(promised) :]
    )


def response(index: int = 0, **metadata: Any) -> StandardResponse:
    own = {"experiment_id": "e", "approach": "CoT", "sample_index": index, **metadata}
    return StandardResponse("It is 4.", "p", "m", metadata=own)


@pytest.fixture
def results(tmp_path: Path) -> Iterator[ResultsProcessor]:
    with ResultsProcessor(str(tmp_path / "r.db")) as opened:
        opened.save_experiment("e", ExperimentConfig())
        yield opened


def test_attributes(results: ResultsProcessor, tmp_path: Path) -> None:
    assert results.db_path == str(tmp_path / "r.db")
    assert results.conn.execute("SELECT id FROM experiments").fetchall() == [("e",)]
    assert isinstance(results.conn, sqlite3.Connection)
    with results.engine.connect() as connection:
        assert "runs" in inspect_database(connection).get_table_names()


def test_a_saved_response_says_which_run_it_became(results: ResultsProcessor) -> None:
    given = response(3)
    results.save_run_result(given)
    run_id = given.metadata["run_id"]
    assert given.metadata["experiment_id"] == "e"
    assert given.metadata["database_saved"] is True
    assert results.get_run(run_id).sample_index == 3
    assert results.get_run(run_id).metadata_json is None
    again = response(3)
    results.save_run_result(again)
    results.save_run_result(given)
    assert again.metadata["run_id"] == run_id
    assert results.get_runs_paginated("e")["total_runs"] == 1


def test_a_response_that_cannot_be_saved_says_nothing(results: ResultsProcessor) -> None:
    given = response(-1)
    with pytest.raises(InvalidRecordError):
        results.save_run_result(given)
    assert "database_saved" not in given.metadata


def test_both_names_of_the_approach(results: ResultsProcessor) -> None:
    results.save_run_result(response(0, approach=None, approach_name="Reflection"))
    assert next(results.iter_runs("e")).approach_name == "Reflection"
    with pytest.raises(InvalidRecordError, match="lacks approach"):
        results.save_run_result(response(0, approach=None))


def test_what_is_deleted_is_gone(results: ResultsProcessor) -> None:
    given = response()
    results.save_run_result(given)
    results.delete_run(given.metadata["run_id"])
    assert list(results.iter_runs("e")) == []
    for delete in (results.delete_run, results.get_run):
        with pytest.raises(NotFoundError):
            delete(given.metadata["run_id"])
    results.delete_experiment("e")
    assert results.list_experiments() == []
    with pytest.raises(NotFoundError):
        results.delete_experiment("e")


def test_experiments_and_runs_as_rows(results: ResultsProcessor) -> None:
    results.save_runs([RunRecord("e", "CoT", i, is_correct=i > 0) for i in range(4)])
    (line,) = results.list_experiments()
    assert (line["id"], line["runs"], line["accuracy"]) == ("e", 4, 0.75)
    frame = results.runs_frame("e")
    assert list(frame["sample_index"]) == [0, 1, 2, 3]
    assert list(frame["is_correct"]) == [False, True, True, True]
    with pytest.raises(NotFoundError):
        results.runs_frame("nope")


def test_scores_are_saved_together_and_read_as_rows(results: ResultsProcessor) -> None:
    results.save_runs([RunRecord("e", "CoT", i) for i in range(3)])
    ids = [str(run.id) for run in results.iter_runs("e")]
    scores = [ScoreRecord(0.5, metric="f1"), ScoreRecord(4, "four", metric="human", author="ann")]
    results.save_scores((run_id, score) for run_id in ids for score in scores)
    with pytest.raises(NotFoundError, match="no run 'nope'"):
        results.save_scores([(ids[0], ScoreRecord(0.9, metric="f1")), ("nope", scores[0])])
    frame = results.scores_frame("e")
    assert list(frame.columns[:5]) == ["experiment_id", "run_id", "metric", "author", "value"]
    assert list(frame["run_id"]) == [run_id for run_id in ids for _ in scores]
    by_metric = frame.groupby("metric")
    assert by_metric["value"].mean().to_dict() == {"f1": 0.5, "human": 4.0}
    assert set(by_metric.get_group("human")["author"]) == {"ann"}
    with pytest.raises(NotFoundError):
        results.scores_frame(["nope"])


@pytest.mark.parametrize(
    ("name", "beginning"),
    [("o.jsonl", b'{"'), ("o.json", b'{"schema_version":2'), ("o.xlsx", b"PK"), ("o.csv", b"#")],
)
def test_a_large_export_is_of_the_format_that_its_name_ends_with(
    results: ResultsProcessor, tmp_path: Path, name: str, beginning: bytes
) -> None:
    results.save_run(RunRecord("e", "CoT", 0))
    results.export_large_dataset("e", tmp_path / name, 2)
    path = tmp_path / name
    written = path / "runs.csv" if path.is_dir() else path
    assert written.read_bytes().replace(b" ", b"").replace(b"\n", b"").startswith(beginning)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///own.db"])
def test_a_rollback_of_the_caller_undoes_everything(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with create_engine(url).connect() as connection:
        with ResultsProcessor(connection) as results:
            results.save_experiment("e", {})
            results.save_run_result(response())
            with pytest.raises(NotFoundError):
                results.save_runs([RunRecord("e", "A", 5), RunRecord("nope", "A", 5)])
            assert results.get_runs_paginated("e")["total_runs"] == 1
            assert results.generate_accuracy_report({"approach": "CoT"})["variants"]
        connection.rollback()
        assert inspect_database(connection).get_table_names() == []


def test_a_rollback_undoes_everything_on_a_server(postgres: Server) -> None:
    url = postgres.create()
    engine = create_engine(url)
    with engine.connect() as connection:
        with ResultsProcessor(connection) as results:
            results.save_experiment("e", {})
            results.save_run_result(response())
            with pytest.raises(NotFoundError):
                results.save_runs([RunRecord("e", "A", 5), RunRecord("nope", "A", 5)])
            # The failed unit of work was undone alone, and the transaction goes on.
            results.save_runs([RunRecord("e", "A", index) for index in range(50)])
            assert results.get_runs_paginated("e")["total_runs"] == 51
        connection.rollback()
        assert inspect_database(connection).get_table_names() == []
    with engine.begin() as connection:
        ResultsProcessor(connection).save_experiment("e", {})
    engine.dispose()
    with ResultsProcessor(url) as results:
        assert [line["id"] for line in results.list_experiments()] == ["e"]
    postgres.drop(url)


def test_the_caller_commits(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with ResultsProcessor(str(path)) as results:
        results.save_experiment("e", {})
    engine = create_engine(f"sqlite:///{path}")

    def save(connection: Connection) -> None:
        ResultsProcessor(connection).save_run_result(response())

    with engine.connect() as connection:
        save(connection)
    with ResultsProcessor(str(path)) as results:
        assert results.get_runs_paginated("e")["total_runs"] == 0
    with engine.begin() as connection:
        save(connection)
    with ResultsProcessor(str(path)) as results:
        assert results.get_runs_paginated("e")["total_runs"] == 1


def test_a_connection_that_the_caller_closed_is_named() -> None:
    connection = create_engine("sqlite://").connect()
    results = ResultsProcessor(connection)
    connection.close()
    with pytest.raises(DatabaseError, match="closed by the caller"):
        results.save_experiment("e", {})


def test_a_database_that_is_not_enabled_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with ResultsProcessor(DatabaseConfig(enabled=False, db_path="off.db")) as results:
        results.save_experiment("e", {})
        results.save_run_result(response())
        assert results.get_runs_paginated("e")["total_runs"] == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("save", "count"),
    [
        (lambda results: [results.save_run(RunRecord("e", "A", i)) for i in range(3)], 1),
        (lambda results: results.save_runs([RunRecord("e", "A", i) for i in range(3)]), 1),
        (lambda results: [results.save_run_result(response(i)) for i in range(3)], 1),
        (lambda results: results.save_run(RunRecord("e", "A", 0)), 0),
    ],
)
def test_every_way_of_saving_counts_towards_the_backup(
    tmp_path: Path, save: Callable[[ResultsProcessor], object], count: int
) -> None:
    path = tmp_path / "r.db"
    path.touch(0o600)
    with ResultsProcessor(DatabaseConfig(db_path=str(path), backup_frequency=3)) as results:
        results.save_experiment("e", {})
        save(results)
    made = list((tmp_path / "r.db.backups").glob("*")) if count else []
    assert len(made) == count
    assert (tmp_path / "r.db.backups").exists() is bool(count)
    assert all(stat.S_IMODE(backup.stat().st_mode) == 0o600 for backup in made)


def test_approaches_compared_in_a_short_frame(results: ResultsProcessor) -> None:
    assert results.compare_approaches(["e"]).empty
    results.save_runs([RunRecord("e", "None", i, is_correct=i < 5) for i in range(10)])
    alone = results.compare_approaches(["e"])
    assert list(alone.columns[: len(SUMMARY_COLUMNS)]) == list(SUMMARY_COLUMNS)
    assert list(alone.columns[:2]) == ["experiment_id", "approach_name"]
    assert (alone["accuracy"][0], pd.isna(alone["difference"][0])) == (0.5, True)
    results.save_runs([RunRecord("e", "CoT", i, is_correct=i < 8) for i in range(10)])
    both = results.compare_approaches(["e"]).set_index("approach_name")
    assert len(both.columns) < 20
    pair = results.compare(["e"]).comparisons[0]
    row = both.loc["ChainOfThought"]
    assert (row["difference"], row["difference_ci_low"]) == (pair.difference, pair.ci_low)
    assert (row["samples"], row["verdict"]) == (10, pair.verdict)
    assert pd.isna(both.loc["None"]["difference"])


def test_approaches_compared_by_their_mean_where_the_metric_is_numeric(
    results: ResultsProcessor,
) -> None:
    results.save_runs(
        [
            RunRecord("e", name, i, score=i + more)
            for name, more in (("None", 0), ("CoT", 3))
            for i in range(9)
        ]
    )
    frame = results.compare_approaches(["e"]).set_index("approach_name")
    assert frame["mean"].to_dict() == {"None": 4.0, "ChainOfThought": 7.0}
    assert frame["accuracy"].isna().all()


def test_statistics_of_an_approach_are_numbers(results: ResultsProcessor) -> None:
    for model, right in (("a", 3), ("b", 6)):
        results.save_runs(
            [
                RunRecord(
                    "e",
                    "CoT",
                    i,
                    model=model,
                    is_correct=i < right,
                    execution_time_ms=100 if model == "a" else 300,
                    cost_estimate=0.5,
                )
                for i in range(10)
            ]
        )
    found = results.calculate_approach_statistics("CoT", "e")
    assert (found["runs"], found["correct"], found["accuracy"]) == (20, 9, 0.45)
    assert (found["avg_execution_time_ms"], found["total_cost"]) == (200, 10)
    assert [row["accuracy"]["model"] for row in found["variants"]] == ["a", "b"]
    with pytest.raises(NotFoundError, match="no runs of the approach"):
        results.calculate_approach_statistics("Reflection", "e")


def test_failures_of_one_cause_are_one_row(results: ResultsProcessor) -> None:
    results.save_runs(
        [RunRecord("e", "A", i, error=f"HTTP 429: retry after {i} s") for i in range(40)]
        + [RunRecord("e", "A", i, raw_output="hm") for i in range(40, 70)]
        + [RunRecord("e", "A", i, parsed_answer="3", is_correct=i >= 90) for i in range(70, 100)]
    )
    rows = results.identify_failure_patterns("e")
    found = {(row["kind"], row["pattern"]): row["runs"] for row in rows if "runs" in row}
    assert found == {
        ("outcome", "failed"): 40,
        ("outcome", "unparsed"): 30,
        ("outcome", "wrong"): 20,
        ("error", "HTTP 429: retry after # s"): 40,
    }
    (error,) = (row for row in rows if row["kind"] == "error")
    assert (error["rate"], error["example"]) == (0.4, "HTTP 429: retry after 0 s")


def test_what_is_left_out_of_the_patterns_is_counted(results: ResultsProcessor) -> None:
    words = [chr(97 + i % 26) + chr(97 + i // 26) for i in range(30)]
    results.save_runs([RunRecord("e", "A", i, error=word) for i, word in enumerate(words)])
    rows = results.identify_failure_patterns("e")
    assert sum(row["kind"] == "error" for row in rows) == 20
    assert {"kind": "omitted", "pattern": "error", "count": 10} in rows


def test_ids_that_do_not_exist_are_named(results: ResultsProcessor) -> None:
    for call in (
        lambda: results.generate_accuracy_report({"experiment_ids": ["e", "zz"]}),
        lambda: results.compare_approaches(["zz"]),
        lambda: results.identify_failure_patterns("zz"),
    ):
        with pytest.raises(NotFoundError, match="no experiment 'zz'"):
            call()


def test_hints_are_notes_in_the_words_of_python(results: ResultsProcessor, tmp_path: Path) -> None:
    (tmp_path / "o.json").touch()
    with pytest.raises(ResultsError) as raised:
        results.export_to_json("e", tmp_path / "o.json")
    assert "--force" in (raised.value.hint or "")
    assert "force=True" in raised.value.__notes__[0]
    error = UsageError("x", "Raise --max-tokens, or: ml-agents resume --retry-failed")
    assert error.__notes__ == ["Hint: Raise max_tokens, or: ml-agents resume --retry-failed"]
