"""Adopting the predecessor's databases: every layout, and every defect that its files have."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.adoption.rebuild import Adoption
from ml_agents_results.database.maintenance.backups import folder_of
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.errors import InvalidRecordError, SchemaError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.run_repository import RunRepository

METHODS = "'instructor','instructor_multiple','regex','manual','none'"
FIRST_METHODS = "'instructor','regex','manual','none'"

EXPERIMENTS = """
CREATE TABLE experiments (
    id TEXT PRIMARY KEY, name TEXT, description TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, config_json TEXT NOT NULL,
    status TEXT DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed'))
    {further}
);
CREATE INDEX idx_experiments_status ON experiments(status);
CREATE TABLE schema_version (version TEXT PRIMARY KEY, applied_at TIMESTAMP);
"""
RUNS = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, experiment_id TEXT NOT NULL, approach_name TEXT NOT NULL,
    provider TEXT NOT NULL, model TEXT NOT NULL, sample_index INTEGER NOT NULL,
    input_text TEXT NOT NULL, expected_answer TEXT, raw_output TEXT, parsed_answer TEXT,
    parsing_method TEXT CHECK (parsing_method IN ({methods})),
    parsing_confidence REAL CHECK (parsing_confidence BETWEEN 0 AND 1),
    is_correct BOOLEAN, execution_time_ms INTEGER, cost_estimate REAL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, metadata_json TEXT,
    FOREIGN KEY (experiment_id) REFERENCES experiments(id) ON DELETE CASCADE
);
CREATE TABLE parsing_metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL,
    parsing_attempts INTEGER DEFAULT 0, fallback_used BOOLEAN DEFAULT 0,
    confidence_score REAL CHECK (confidence_score BETWEEN 0 AND 1),
    extraction_time_ms INTEGER, error_details TEXT,
    FOREIGN KEY (run_id) REFERENCES runs(id) ON DELETE CASCADE
);
CREATE INDEX idx_runs_experiment_approach ON runs(experiment_id, approach_name);
CREATE INDEX idx_runs_created_at ON runs(created_at);
CREATE INDEX idx_runs_accuracy ON runs(is_correct);
CREATE INDEX idx_parsing_confidence ON parsing_metrics(confidence_score);
"""
PREPROCESSING = """
CREATE TABLE dataset_preprocessing (
    id TEXT PRIMARY KEY, dataset_name TEXT {unique} NOT NULL, dataset_url TEXT,
    status TEXT DEFAULT 'pending' CHECK (status IN ('pending', 'processed', 'failed')),
    confidence_score REAL, output_path TEXT, created_at TIMESTAMP {further}
);
INSERT INTO dataset_preprocessing (id, dataset_name) VALUES ('p', 'bbh');
"""
LINK = """
CREATE TABLE preprocessing_eval_link (
    id INTEGER PRIMARY KEY AUTOINCREMENT, experiment_id TEXT NOT NULL,
    preprocessing_id TEXT NOT NULL, dataset_name TEXT NOT NULL,
    FOREIGN KEY (experiment_id) REFERENCES experiments(id) ON DELETE CASCADE,
    FOREIGN KEY (preprocessing_id) REFERENCES dataset_preprocessing(id)
);
INSERT INTO preprocessing_eval_link VALUES (1, 'exp', 'p', 'bbh');
"""
STUDY = (
    ", preprocessing_id TEXT, preprocessing_rules_path TEXT, dataset_name TEXT, "
    "eval_output_path TEXT"
)
PATHS = ", dataset_config TEXT, rules_path TEXT, analysis_path TEXT"


def ddl(layout: str) -> str:
    methods = FIRST_METHODS if layout in ("1.0.0", "1.2.0-on-1.0.0") else METHODS
    later = layout in ("1.2.0b", "1.2.0b-from-1.1", "1.2.0-on-1.0.0")
    script = EXPERIMENTS.format(further=STUDY if later else "") + RUNS.format(methods=methods)
    if later:
        script += PREPROCESSING.format(unique="", further=PATHS)
    elif layout == "1.2.0a":
        script += PREPROCESSING.format(unique="UNIQUE", further="")
    versions = {"1.2.0a": ["1.2.0"], "1.2.0b": ["1.2.0"], "1.2.0b-from-1.1": ["1.1.0", "1.2.0"]}
    for version in versions.get(layout, ["1.0.0", "1.2.0"] if later else [layout]):
        script += f"INSERT INTO schema_version VALUES ('{version}', '2025-08-24 10:00:00');\n"
    return (
        script
        + (
            "INSERT INTO experiments (id, name, created_at, config_json) "
            "VALUES ('exp', 'Old', '2025-08-24 10:00:00', '{\"model\": \"m\"}');\n"
        )
        + (LINK if later else "")
    )


def add_run(connection: sqlite3.Connection, run_id: str, **values: Any) -> None:
    row = {
        "experiment_id": "exp",
        "approach_name": "ChainOfThought",
        "provider": "openrouter",
        "model": "m",
        "sample_index": 0,
        "input_text": "1 + 1?",
        "expected_answer": "2",
        "raw_output": "It is 2.",
        "parsed_answer": "2",
        "parsing_method": "none",
        "parsing_confidence": 0.0,
        "is_correct": 1,
        "execution_time_ms": 900,
        "cost_estimate": 0.001,
        "created_at": "2025-08-24 10:00:01",
    } | values
    connection.execute(
        f"INSERT INTO runs (id, {', '.join(row)}) VALUES (?{', ?' * len(row)})",
        (run_id, *row.values()),
    )


def add_metrics(connection: sqlite3.Connection, run_id: str, attempts: int) -> None:
    connection.execute(
        "INSERT INTO parsing_metrics (run_id, parsing_attempts, confidence_score) VALUES (?, ?, ?)",
        (run_id, attempts, 0.5),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "old.db"


def build(path: Path, layout: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(ddl(layout))
    return connection


def adopt(path: Path) -> tuple[Adoption, ResultsProcessor]:
    status = DatabaseManager(Database(str(path), create=False)).migrate_schema()
    assert status.state == "unversioned"
    assert status.adoption is not None
    assert check(Database(str(path))).problems == []
    return status.adoption, ResultsProcessor(str(path))


def all_runs(processor: ResultsProcessor, experiment_id: str = "exp") -> list[RunRecord]:
    with processor.database.read() as connection:
        return list(RunRepository(connection).iterate([experiment_id]))


def runs_of(processor: ResultsProcessor) -> dict[str | None, RunRecord]:
    return {run.id: run for run in all_runs(processor)}


@pytest.mark.parametrize(
    ("layout", "verdict"),
    [
        ("1.0.0", "1.0.0"),
        ("1.1.0", "1.1.0"),
        ("1.2.0a", "1.2.0a"),
        ("1.2.0b", "1.2.0b"),
        ("1.2.0b-from-1.1", "1.2.0b-from-1.1"),
        ("1.2.0-on-1.0.0", "mixed"),
    ],
)
def test_every_layout_is_recognised_and_loses_nothing(
    path: Path, layout: str, verdict: str
) -> None:
    with closing(build(path, layout)) as connection:
        for number in range(5):
            add_run(connection, f"r{number}", sample_index=number, parsing_method="regex")
            add_metrics(connection, f"r{number}", number)
        others = {
            table: connection.execute(f"SELECT * FROM {table}").fetchall()
            for (table,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
            if table not in ("experiments", "runs", "parsing_metrics")
        }
        definitions = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE name = 'preprocessing_eval_link'"
        ).fetchall()
    adoption, processor = adopt(path)
    assert (adoption.layout, adoption.warnings) == (verdict, [])
    assert adoption.rows == {"experiments": 1, "runs": 5, "parsing_metrics": 5}
    runs = runs_of(processor)
    assert len(runs) == 5
    assert runs["r3"].parsing_metrics is not None
    assert runs["r3"].parsing_metrics.parsing_attempts == 3
    assert runs["r3"].raw_output == "It is 2."
    assert str(runs["r3"].created_at) == "2025-08-24 10:00:01+00:00"
    assert processor.get_experiment("exp").config_json["model"] == "m"
    with closing(sqlite3.connect(path)) as connection:
        for table, rows in others.items():
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == rows
        assert (
            definitions
            == connection.execute(
                "SELECT name, sql FROM sqlite_schema WHERE name = 'preprocessing_eval_link'"
            ).fetchall()
        )
    (backup,) = folder_of(path).iterdir()
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM parsing_metrics").fetchone() == (5,)


def test_what_the_predecessor_did_not_know_is_unknown(path: Path) -> None:
    with closing(build(path, "1.1.0")) as connection:
        add_run(connection, "unknown")
        add_run(connection, "measured", sample_index=1, parsing_confidence=0.0)
        add_metrics(connection, "measured", 2)
    adoption, processor = adopt(path)
    runs = runs_of(processor)
    assert (runs["unknown"].parsing_method, runs["unknown"].parsing_confidence) == (None, None)
    assert runs["measured"].parsing_confidence == 0.0
    assert runs["measured"].metadata_json == {"adopted": {"parsing_method": "none"}}
    assert len(adoption.warnings) == 1


def test_runs_that_answer_a_sample_again_become_repeats(path: Path) -> None:
    with closing(build(path, "1.2.0b")) as connection:
        for number, second in enumerate(("05", "03", "04")):
            add_run(connection, f"r{number}", created_at=f"2025-08-24T10:00:{second}")
    adoption, processor = adopt(path)
    assert adoption.repeated == 2
    assert "2 runs answer a sample again" in adoption.warnings[0]
    assert {name: run.repeat_index for name, run in runs_of(processor).items()} == {
        "r0": 2,
        "r1": 0,
        "r2": 1,
    }


def test_of_several_metrics_the_newest_counts_and_none_is_lost(path: Path) -> None:
    with closing(build(path, "1.1.0")) as connection:
        add_run(connection, "r", parsing_method="regex")
        for attempts in (1, 2, 3):
            add_metrics(connection, "r", attempts)
    _, processor = adopt(path)
    run = runs_of(processor)["r"]
    assert run.parsing_metrics is not None
    assert run.parsing_metrics.parsing_attempts == 3
    assert run.metadata_json is not None
    earlier = run.metadata_json["adopted"]["earlier_parsing_metrics"]
    assert [metrics["parsing_attempts"] for metrics in earlier] == [2, 1]


def test_values_out_of_their_range_rows_without_parents_and_odd_texts(path: Path) -> None:
    with closing(build(path, "1.1.0")) as connection:
        add_run(
            connection, "r", execution_time_ms=-5, metadata_json="not json", raw_output="a\ufdd0b"
        )
        add_run(connection, "lonely", experiment_id="gone", created_at="yesterday")
        add_metrics(connection, "nobody", 1)
    adoption, processor = adopt(path)
    run = runs_of(processor)["r"]
    assert (run.execution_time_ms, run.raw_output) == (None, "a\ufdd0b")
    assert run.metadata_json == {"unreadable": "not json", "adopted": {"execution_time_ms": -5}}
    assert processor.get_experiment("gone").status == "failed"
    assert [one.id for one in all_runs(processor, "gone")] == ["lonely"]
    with closing(sqlite3.connect(path)) as connection:
        kept = connection.execute("SELECT run_id FROM orphaned_parsing_metrics").fetchall()
    assert kept == [("nobody",)]
    told = " ".join(adoption.warnings)
    assert "execution_time_ms" in told
    assert "1 experiments of runs were missing" in told


def test_a_database_of_ours_that_lost_its_version(db_path: Path) -> None:
    processor = ResultsProcessor(str(db_path))
    processor.save_experiment("exp", {})
    processor.save_run(RunRecord("exp", "None", 0, task="t"))
    processor.close()
    with closing(sqlite3.connect(db_path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE alembic_version")
    DatabaseManager(str(db_path)).migrate_schema()
    assert [run.task for run in all_runs(ResultsProcessor(str(db_path)))] == ["t"]


def test_tables_that_are_not_of_a_known_layout_stay_as_they_are(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE experiments (id INTEGER)")
        connection.execute("CREATE TABLE runs (id INTEGER, distance REAL)")
    database = Database(str(path))
    with pytest.raises(SchemaError, match=r"experiments\.name"):
        schema.upgrade(database)
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema ORDER BY name").fetchall()
    assert tables == [("experiments",), ("runs",)]


def test_a_failed_adoption_changes_nothing(path: Path) -> None:
    with closing(build(path, "1.2.0b")) as connection:
        add_run(connection, "r", sample_index=-1)
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
    with pytest.raises(InvalidRecordError, match="sample_index"):
        DatabaseManager(str(path)).migrate_schema()
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before
