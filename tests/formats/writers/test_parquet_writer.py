"""Parquet files are read by those who did not write them: DuckDB and polars."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import UsageError
from ml_agents_results.formats.exporting import export
from ml_agents_results.processor import ResultsProcessor
from tests.commands import call
from tests.formats.writers.sample_experiments import all_runs, run

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
duckdb = pytest.importorskip("duckdb")


def expected_rows(processor: ResultsProcessor, name: str) -> list[dict[str, Any]]:
    found = []
    for one in all_runs(processor, name):
        values = {field: getattr(one, field) for field in ("id", "task", "raw_output", "error")}
        values |= {"is_correct": one.is_correct, "created_at": one.created_at}
        values["execution_time_ms"] = one.execution_time_ms
        metrics = one.parsing_metrics
        values["confidence_score"] = metrics.confidence_score if metrics else None
        found.append(values)
    return found


@pytest.mark.parametrize("chunk_size", [7, 5000])
def test_duckdb_reads_every_run(
    processor: ResultsProcessor, tmp_path: Path, chunk_size: int
) -> None:
    path = tmp_path / "out.parquet"
    export(processor.database, "exp", path, chunk_size=chunk_size)
    assert parquet.read_metadata(path).num_row_groups == 1
    expected = expected_rows(processor, "exp")
    # DuckDB's times with a zone need pytz; Arrow reads them without.
    times = parquet.read_table(path)["created_at"]
    assert times.type == pyarrow.timestamp("us", "UTC")
    assert times.to_pylist() == [row.pop("created_at") for row in expected]
    rows = duckdb.sql(f"SELECT {', '.join(expected[0])} FROM '{path}'").fetchall()
    assert rows == [tuple(row.values()) for row in expected]


@pytest.mark.slow
def test_polars_reads_every_run(processor: ResultsProcessor, tmp_path: Path) -> None:
    polars = pytest.importorskip("polars", reason="needs the package polars")
    path, folder = tmp_path / "out.parquet", tmp_path / "out"
    export(processor.database, "exp", path)
    expected = expected_rows(processor, "exp")
    frame = polars.read_parquet(path)
    assert frame.select(list(expected[0])).to_dicts() == expected
    assert frame.schema["created_at"] == polars.Datetime("us", "UTC")
    assert frame.schema["is_correct"] == polars.Boolean
    assert frame["created_at"][0] == datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
    export(processor.database, "exp", folder, "parquet", partition_by=["approach_name", "model"])
    rows = polars.scan_parquet(folder, hive_partitioning=True).select("id", "model").collect()
    assert sorted(rows.rows()) == sorted((one.id, one.model) for one in all_runs(processor, "exp"))


def test_any_text_but_lone_surrogates_is_kept(processor: ResultsProcessor, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    export(processor.database, "odd", path)
    texts = [text for (text,) in duckdb.sql(f"SELECT raw_output FROM '{path}'").fetchall()]
    for text, one in zip(texts, all_runs(processor, "odd"), strict=True):
        assert one.raw_output is not None
        replaced = "".join(
            "\ufffd" if "\ud800" <= character <= "\udfff" else character
            for character in one.raw_output
        )
        assert text == replaced


def test_the_file_describes_the_experiment(processor: ResultsProcessor, tmp_path: Path) -> None:
    export(processor.database, "exp", tmp_path / "out.parquet")
    schema = parquet.read_schema(tmp_path / "out.parquet")
    (experiment,) = json.loads(schema.metadata[b"experiments"])
    assert experiment["config"] == {"dataset": "sums", "seed": 7}
    assert schema.field("execution_time_ms").metadata[b"description"]


def test_a_partitioned_folder_is_one_table(processor: ResultsProcessor, tmp_path: Path) -> None:
    processor.save_runs(
        [
            run("exp", place, model=name, task="")
            for place, name in enumerate(["../up", "a=b/c", "é"])
        ]
    )
    folder = tmp_path / "out"
    export(processor.database, "exp", folder, "parquet", partition_by=["approach_name", "model"])
    assert not (tmp_path / "up").exists()
    expected = sorted((one.id, one.approach_name, one.model) for one in all_runs(processor, "exp"))
    rows = duckdb.sql(
        f"SELECT id, approach_name, model FROM read_parquet('{folder}/**/*.parquet', "
        "hive_partitioning=true)"
    ).fetchall()
    assert sorted(rows) == expected
    copy = tmp_path / "copy.db"
    call("import", folder, "--db-path", copy)
    with ResultsProcessor(str(copy)) as other:
        read = all_runs(other, "exp")
        assert sorted((one.id, one.approach_name, one.model) for one in read) == expected


def test_absent_tasks_are_a_partition_too(processor: ResultsProcessor, tmp_path: Path) -> None:
    processor.save_runs([run("second", 99, task="")])
    export(processor.database, "second", tmp_path / "out", "parquet", partition_by=["task"])
    rows = duckdb.sql(
        f"SELECT count(*), count(DISTINCT id) FROM read_parquet('{tmp_path}/out/**/*.parquet')"
    ).fetchall()
    assert rows == [(13, 13)]


def test_runs_are_partitioned_by_what_has_few_values(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="raw_output") as caught:
        export(processor.database, "exp", tmp_path / "o", "parquet", partition_by=["raw_output"])
    assert "approach_name" in str(caught.value.hint)
    assert list(tmp_path.glob("o")) == []
