"""Migrations: up and down with rows in place, the same schema as the models, all steps or none."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, func, inspect, select, text

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.database.models import Base
from ml_agents_results.errors import DatabaseError, SchemaError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.databases import locator
from tests.lengths import short_and_long
from tests.processes import ROOT, race

TABLES = ("experiments", "runs", "parsing_metrics")
REVISIONS = tuple(schema.revisions())
TIME = "2026-01-02 03:04:05.000006"


def fill(database: Database, *experiments: str) -> None:
    """Experiments with six runs each, whatever revision the database has."""
    with database.write() as connection:
        metadata = MetaData()
        metadata.reflect(connection, only=TABLES)

        def insert(table: Table, **values: Any) -> None:
            required = {"task": "", "repeat_index": 0, "content_digest": "x", "updated_at": TIME}
            required |= {"outcome": "correct" if values.get("is_correct") else "wrong"}
            values |= {name: value for name, value in required.items() if name in table.c}
            columns = {c.name: c for c in table.c if c.computed is None}
            names = [name for name in values if name in columns]
            connection.execute(
                text(
                    f"INSERT INTO {table.name} ({', '.join(names)}) "
                    f"VALUES ({', '.join(f':{name}' for name in names)})"
                ),
                {name: values[name] for name in names},
            )

        for experiment in experiments or ("exp_a", "exp_b"):
            insert(
                metadata.tables["experiments"],
                id=experiment,
                name="Ein Versuch",
                description="with a\nnew line",
                created_at=TIME,
                config_json='{"seed":1}',
                status="completed",
            )
            for number in range(6):
                run = f"{experiment}-{number}"
                insert(
                    metadata.tables["runs"],
                    id=run,
                    experiment_id=experiment,
                    approach_name="ChainOfThought",
                    provider="local",
                    model="m",
                    sample_index=number,
                    input_text=f"question {number} \U0001f600",
                    expected_answer="A",
                    raw_output="the answer is A",
                    parsed_answer="A",
                    parsing_method="regex",
                    parsing_confidence=0.1 * number,
                    is_correct=bool(number % 2),
                    execution_time_ms=100 + number,
                    cost_estimate=1e-4 * number,
                    created_at=TIME,
                    metadata_json='{"a":1}',
                )
                insert(
                    metadata.tables["parsing_metrics"],
                    run_id=run,
                    parsing_attempts=number,
                    fallback_used=number == 3,
                    confidence_score=0.25,
                    extraction_time_ms=3,
                    error_details="none",
                )


def first_columns(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row, in the columns that all revisions have."""
    found = {}
    with database.read() as connection:
        for table in TABLES:
            columns = ", ".join(name for name, _ in SCHEMA[table])
            rows = connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY id"))
            found[table] = [tuple(row) for row in rows]
    return found


SCHEMA = {
    "experiments": [
        ("id", "TEXT"),
        ("name", "TEXT"),
        ("description", "TEXT"),
        ("created_at", "TIMESTAMP"),
        ("config_json", "TEXT"),
        ("status", "TEXT"),
    ],
    "runs": [
        ("id", "TEXT"),
        ("experiment_id", "TEXT"),
        ("approach_name", "TEXT"),
        ("provider", "TEXT"),
        ("model", "TEXT"),
        ("sample_index", "INTEGER"),
        ("input_text", "TEXT"),
        ("expected_answer", "TEXT"),
        ("raw_output", "TEXT"),
        ("parsed_answer", "TEXT"),
        ("parsing_method", "TEXT"),
        ("parsing_confidence", "REAL"),
        ("is_correct", "BOOLEAN"),
        ("execution_time_ms", "INTEGER"),
        ("cost_estimate", "REAL"),
        ("created_at", "TIMESTAMP"),
        ("metadata_json", "TEXT"),
    ],
    "parsing_metrics": [
        ("id", "INTEGER"),
        ("run_id", "TEXT"),
        ("parsing_attempts", "INTEGER"),
        ("fallback_used", "BOOLEAN"),
        ("confidence_score", "REAL"),
        ("extraction_time_ms", "INTEGER"),
        ("error_details", "TEXT"),
    ],
}
INDEXES = {
    "experiments": {},
    "runs": {
        "idx_runs_experiment_approach": ["experiment_id", "approach_name"],
        "idx_runs_created_at": ["created_at"],
        "idx_runs_accuracy": ["is_correct"],
    },
    "parsing_metrics": {"idx_parsing_confidence": ["confidence_score"]},
}
FOREIGN_KEYS: dict[str, list[tuple[list[str], str, list[str]]]] = {
    "experiments": [],
    "runs": [(["experiment_id"], "experiments", ["id"])],
    "parsing_metrics": [(["run_id"], "runs", ["id"])],
}


def test_there_is_one_line_of_revisions() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "alembic"))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [REVISIONS[-1]]
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS


def test_the_scripts_are_no_package_that_would_hide_alembic() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_the_first_revision_is_the_agreed_schema_to_the_letter(empty_database: Database) -> None:
    schema.upgrade(empty_database, "0001")
    with empty_database.read() as connection:
        inspector = inspect(connection)
        assert set(inspector.get_table_names()) == {*TABLES, "alembic_version"}
        for table in TABLES:
            columns = inspector.get_columns(table)
            assert [column["name"] for column in columns] == [name for name, _ in SCHEMA[table]]
            assert inspector.get_pk_constraint(table)["constrained_columns"] == ["id"]
            assert all(column["nullable"] for column in columns if column["name"] != "id")
            indexes = {i["name"]: i["column_names"] for i in inspector.get_indexes(table)}
            assert indexes == INDEXES[table]
            assert not inspector.get_check_constraints(table)
            assert not inspector.get_unique_constraints(table)
            keys = [
                (key["constrained_columns"], key["referred_table"], key["referred_columns"])
                for key in inspector.get_foreign_keys(table)
            ]
            assert keys == FOREIGN_KEYS[table]
            if empty_database.is_sqlite:
                info = connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
                assert [(row.name, row.type) for row in info] == SCHEMA[table]
        if empty_database.is_sqlite:
            statement = connection.scalar(
                text("SELECT sql FROM sqlite_schema WHERE name = 'parsing_metrics'")
            )
            assert "AUTOINCREMENT" in str(statement)


def test_every_revision_goes_up_and_down_with_rows_in_place(empty_database: Database) -> None:
    rows: dict[str, list[tuple[Any, ...]]] = {}
    described: list[dict[str, Any]] = []
    for before, revision in zip((None, *REVISIONS), REVISIONS, strict=False):
        schema.upgrade(empty_database, revision)
        upgraded = describe(empty_database)
        if before is not None:
            assert first_columns(empty_database) == rows
            # Among what is lost are the metrics that the next upgrade derives again.
            schema.downgrade(empty_database, before, lossy=True)
            assert describe(empty_database) == described[-1]
            assert first_columns(empty_database) == rows
            schema.upgrade(empty_database, revision)
            assert describe(empty_database) == upgraded
            assert first_columns(empty_database) == rows
        fill(empty_database, f"exp_{revision}")
        rows = first_columns(empty_database)
        described.append(upgraded)
    runs = 6 * len(REVISIONS)
    assert [len(rows[table]) for table in TABLES] == [len(REVISIONS), runs, runs]


def test_nothing_goes_down_to_no_tables_unless_it_may_be_lost(empty_database: Database) -> None:
    schema.upgrade(empty_database, "0001")
    fill(empty_database, "exp")
    rows = first_columns(empty_database)
    with pytest.raises(SchemaError, match="6 rows of runs"):
        schema.downgrade(empty_database, "base")
    assert first_columns(empty_database) == rows
    schema.downgrade(empty_database, "base", lossy=True)
    with empty_database.read() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    schema.upgrade(empty_database, "0001")


def describe(database: Database) -> dict[str, Any]:
    """Everything that a schema is made of, in a comparable form."""
    with database.read() as connection:
        inspector = inspect(connection)
        return {
            table: {
                "columns": {
                    column["name"]: (
                        str(column["type"]),
                        column["nullable"],
                    )
                    for column in inspector.get_columns(table)
                },
                "primary": inspector.get_pk_constraint(table)["constrained_columns"],
                "unique": sorted(
                    (str(unique["name"]), unique["column_names"])
                    for unique in inspector.get_unique_constraints(table)
                ),
                "checks": sorted(
                    (str(check["name"]), "".join(str(check["sqltext"]).lower().split()))
                    for check in inspector.get_check_constraints(table)
                ),
                "indexes": sorted(
                    (str(index["name"]), index["column_names"])
                    for index in inspector.get_indexes(table)
                ),
                "keys": sorted(
                    (str(key["name"]), key["referred_table"], sorted(key["options"].items()))
                    for key in inspector.get_foreign_keys(table)
                ),
            }
            for table in inspector.get_table_names()
            if table != "alembic_version"
        }


def test_models_and_migrations_make_the_very_same_schema(empty_database: Database) -> None:
    """Alembic compares neither CHECK constraints nor what happens on deletion."""
    schema.upgrade(empty_database)
    migrated = describe(empty_database)
    with empty_database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    schema.downgrade(empty_database, "base")
    with empty_database.write() as connection:
        Base.metadata.create_all(connection)
    assert describe(empty_database) == migrated


def test_runs_that_share_a_key_become_repeats(empty_database: Database) -> None:
    schema.upgrade(empty_database, "0001")
    with empty_database.write() as connection:
        connection.execute(text("INSERT INTO experiments (id, status) VALUES ('e', 'completed')"))
        for name, minute in (("third", 3), ("first", 1), ("second", 2)):
            connection.execute(
                text(
                    "INSERT INTO runs (id, experiment_id, approach_name, provider, model, "
                    "sample_index, raw_output, created_at) "
                    "VALUES (:id, 'e', 'None', 'p', 'm', 0, :id, :time)"
                ),
                {"id": name, "time": f"2026-01-01 00:0{minute}:00.000000"},
            )
        connection.execute(
            text(
                "INSERT INTO runs (id, experiment_id, approach_name, provider, model, sample_index)"
                " VALUES ('other', 'e', 'None', 'p', 'm', 1)"
            )
        )
    schema.upgrade(empty_database)
    with empty_database.read() as connection:
        rows = connection.execute(text("SELECT id, repeat_index, raw_output FROM runs"))
        found = {row.id: (row.repeat_index, row.raw_output) for row in rows}
    assert found == {
        "first": (0, "first"),
        "second": (1, "second"),
        "third": (2, "third"),
        "other": (0, None),
    }


def test_what_older_rows_left_open_is_filled_in(empty_database: Database) -> None:
    schema.upgrade(empty_database, "0001")
    with empty_database.write() as connection:
        connection.execute(text("INSERT INTO experiments (id, config_json) VALUES ('e', '[1, 2]')"))
        connection.execute(
            text(
                "INSERT INTO runs (id, experiment_id, metadata_json) "
                "VALUES ('r', 'e', '{''no'': ''JSON''}')"
            )
        )
    schema.upgrade(empty_database)
    processor = ResultsProcessor(empty_database)
    experiment = processor.get_experiment("e")
    assert (experiment.status, experiment.created_at) == ("completed", experiment.updated_at)
    assert experiment.config_json == {"value": [1, 2]}
    run = processor.get_runs_paginated("e")["runs"][0]
    assert run["metadata_json"] == {"value": "{'no': 'JSON'}"}
    assert (run["id"], run["approach_name"], run["provider"], run["model"], run["task"]) == (
        "r",
        "unknown",
        "",
        "",
        "",
    )
    assert run["created_at"].utcoffset().total_seconds() == 0


def test_digests_of_older_rows_are_those_of_new_ones(empty_database: Database) -> None:
    """A run that was migrated and the same run saved again: nothing has changed."""
    schema.upgrade(empty_database, "0001")
    fill(empty_database)
    schema.upgrade(empty_database)
    processor = ResultsProcessor(empty_database)
    for experiment in ("exp_a", "exp_b"):
        runs = []
        for values in processor.get_runs_paginated(experiment)["runs"]:
            del values["parsing_metrics"], values["id"]
            runs.append(RunRecord(**values))
        assert len(runs) == 6
        assert processor.save_runs(runs) == 0
    with empty_database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM runs WHERE outcome = 'correct'")) == 6


@pytest.mark.parametrize(
    ("orphan", "table"),
    [
        ("INSERT INTO runs (id, experiment_id) VALUES ('r', 'gone')", "runs"),
        ("INSERT INTO runs (id) VALUES ('r')", "runs"),
        ("INSERT INTO parsing_metrics (run_id) VALUES ('gone')", "parsing_metrics"),
    ],
)
def test_orphans_are_refused_and_nothing_is_changed(
    tmp_path: Path, orphan: str, table: str
) -> None:
    path = tmp_path / "old.db"
    database = Database(str(path))
    schema.upgrade(database, "0001")
    database.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(orphan)
        connection.commit()
        before = list(connection.iterdump())
    with pytest.raises(SchemaError, match=f"1 rows of {table} belong to no row") as caught:
        schema.upgrade(database)
    assert caught.value.exit_code == 4
    assert f"SELECT * FROM {table}" in str(caught.value.hint)
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before


@contextmanager
def later_version(tmp_path: Path) -> Iterator[None]:
    """A later version of this program, whose next step fails after half of its work."""
    folder = tmp_path / "scripts"
    shutil.copytree(schema.scripts_folder(), folder)
    name = f"{int(REVISIONS[-1]) + 1:04d}"
    (folder / "versions" / f"{name}_breaks.py").write_text(
        f'''"""Breaks."""
import sqlalchemy as sa
from alembic import op

revision = "{name}"
down_revision = "{REVISIONS[-1]}"


def upgrade():
    op.add_column("runs", sa.Column("extra", sa.Text()))
    with op.batch_alter_table("experiments") as table:
        table.alter_column("name", existing_type=sa.Text(), nullable=False)
    op.execute("DELETE FROM parsing_metrics")
    raise RuntimeError("half-way")
''',
        encoding="utf-8",
    )
    with pytest.MonkeyPatch.context() as installed:
        installed.setattr(schema, "scripts_folder", lambda: folder)
        schema.revisions.cache_clear()
        yield
    schema.revisions.cache_clear()


def test_a_failing_step_undoes_all_steps(empty_database: Database, tmp_path: Path) -> None:
    schema.upgrade(empty_database, "0001")
    fill(empty_database)
    rows, tables = first_columns(empty_database), describe(empty_database)
    with later_version(tmp_path), pytest.raises(RuntimeError, match="half-way"):
        schema.upgrade(empty_database)
    with empty_database.read() as connection:
        assert schema.status(connection).revision == "0001"
    assert first_columns(empty_database) == rows
    assert describe(empty_database) == tables


def test_after_a_failed_step_the_old_version_goes_on(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = ResultsProcessor(database)
    processor.save_experiment("e", {}, name="a name")
    processor.save_run(RunRecord("e", "None", 0))
    with later_version(tmp_path), pytest.raises(RuntimeError, match="half-way"):
        DatabaseManager(database).migrate_schema()
    again = ResultsProcessor(database)
    again.save_run(RunRecord("e", "None", 1))
    assert again.get_runs_paginated("e")["total_runs"] == 2


def test_a_step_that_would_leave_orphans_is_undone(
    sqlite_database: Database,
) -> None:
    fill(sqlite_database)
    rows = first_columns(sqlite_database)
    with (
        pytest.raises(DatabaseError, match="12 rows without their parent"),
        sqlite_database.migration() as connection,
    ):
        connection.execute(text("DELETE FROM experiments"))
    assert first_columns(sqlite_database) == rows


def test_processes_that_create_a_file_at_once_make_one(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    outputs = race(
        4,
        """
        from ml_agents_results.database.manager import DatabaseManager
        import alembic.command, sqlalchemy
        manager = DatabaseManager(sys.argv[1])
        ready()
        print(manager.initialize_schema())
        """,
        path,
    )
    assert sorted(output.strip() for output in outputs) == ["False"] * 3 + ["True"]
    assert [file.name for file in tmp_path.iterdir()] == ["r.db"]
    schema.require_current(Database(str(path), create=False))


def test_the_backup_of_a_migration_is_made_by_the_process_that_migrates(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    schema.upgrade(Database(str(path)), REVISIONS[0])
    outputs = race(
        3,
        """
        from ml_agents_results.database.manager import DatabaseManager
        import alembic.command, sqlalchemy
        manager = DatabaseManager(sys.argv[1])
        ready()
        found = manager.migrate_schema()
        print(found.state, found.backup is not None)
        """,
        path,
    )
    assert sorted(output.strip() for output in outputs) == ["behind True"] + ["current False"] * 2
    [backup] = (tmp_path / "r.db.backups").iterdir()
    assert DatabaseManager(str(backup)).schema_version == REVISIONS[0]


def test_a_version_that_the_caller_got_wrong_is_refused(empty_database: Database) -> None:
    schema.upgrade(empty_database, "0001")
    manager = DatabaseManager(empty_database)
    assert manager.schema_version == "0001"
    with pytest.raises(SchemaError, match="has schema 0001, not 0002"):
        manager.migrate_schema("0002")
    assert manager.migrate_schema(from_version="0001").revision == "0001"
    assert manager.migrate_schema("1.0.0").state == "current"
    assert manager.schema_version == REVISIONS[-1]
    assert manager.validate_integrity() is True


@pytest.mark.parametrize("processes", short_and_long(2, 8))
def test_processes_that_migrate_at_once_take_turns(
    empty_database: Database, processes: int
) -> None:
    if not empty_database.is_sqlite:
        # The server has no file that the first of them makes.
        schema.upgrade(empty_database, "0001")
        fill(empty_database)
    outputs = race(
        processes,
        """
        import ml_agents_results.database.schema as schema
        from ml_agents_results.database.engine import Database
        import alembic.command, sqlalchemy
        ready()
        print(schema.upgrade(Database(sys.argv[1])).state)
        """,
        locator(empty_database),
    )
    states = sorted(output.strip() for output in outputs)
    first = "empty" if empty_database.is_sqlite else "behind"
    assert states == sorted(["current"] * (processes - 1) + [first])
    schema.require_current(empty_database)


OURS = "CREATE TABLE experiments (id TEXT); CREATE TABLE runs (id TEXT);"
VERSION = "CREATE TABLE alembic_version (version_num VARCHAR(32));"


@pytest.mark.parametrize(
    ("tables", "message", "hint"),
    [
        (
            OURS + VERSION + "INSERT INTO alembic_version VALUES ('9999')",
            "made by a newer version",
            "pip install --upgrade",
        ),
        (
            OURS + VERSION + "INSERT INTO alembic_version VALUES ('0001')",
            "has schema 0001, this version works on",
            "db-migrate --db-path",
        ),
        (OURS, "no schema version", "db-migrate --db-path"),
        (
            OURS + VERSION + "INSERT INTO alembic_version VALUES ('4f3a01bc9d2e')",
            "belongs to another program",
            "--db-path",
        ),
        ("CREATE TABLE customers (id INTEGER)", "belongs to another program", "--db-path"),
        (
            "CREATE TABLE customers (id INTEGER);"
            + VERSION
            + "INSERT INTO alembic_version VALUES ('0001')",
            "belongs to another program",
            "--db-path",
        ),
        (
            "CREATE TABLE customers (id INTEGER);"
            + VERSION
            + f"INSERT INTO alembic_version VALUES ('{REVISIONS[-1]}')",
            "belongs to another program",
            "--db-path",
        ),
    ],
    ids=["newer", "behind", "unversioned", "foreign-id", "foreign", "their-0001", "their-head"],
)
def test_other_schemas_are_named_and_left_alone(
    engine_name: str,
    empty_database: Database,
    tables: str,
    message: str,
    hint: str,
) -> None:
    with empty_database.write() as connection:
        for statement in filter(None, map(str.strip, tables.split(";"))):
            connection.execute(text(statement))
    before = describe(empty_database)
    if engine_name == "postgresql":
        hint = hint.replace("db-migrate --db-path", "db-migrate --db-url")
    with pytest.raises(SchemaError, match=message) as caught:
        ResultsProcessor(empty_database)
    assert caught.value.exit_code == 4
    assert hint in str(caught.value.hint)
    with pytest.raises(SchemaError, match=message):
        schema.require_current(empty_database)
    assert describe(empty_database) == before


def test_an_empty_database_is_named_as_such(empty_database: Database) -> None:
    with pytest.raises(SchemaError, match="holds no tables yet") as caught:
        schema.require_current(empty_database)
    assert "db-init" in str(caught.value.hint)
    with pytest.raises(SchemaError, match="holds no tables yet"):
        DatabaseManager(empty_database).migrate_schema()


def test_creating_and_migrating_say_what_they_did(empty_database: Database) -> None:
    manager = DatabaseManager(empty_database)
    assert manager.initialize_schema() is True
    assert manager.initialize_schema() is False
    assert manager.migrate_schema().state == "current"
    schema.downgrade(empty_database, "0001")
    found = manager.migrate_schema()
    assert (found.state, found.revision, found.head) == ("behind", "0001", REVISIONS[-1])
    stats = manager.stats()
    assert stats.schema_revision == REVISIONS[-1]
    assert (stats.experiments, stats.runs, stats.parsing_metrics) == (0, 0, 0)
    assert stats.size_bytes > 0
    assert stats.engine == empty_database.engine.dialect.name
    with empty_database.read() as connection:
        table = Base.metadata.tables["runs"]
        assert connection.scalar(select(func.count()).select_from(table)) == 0


def test_a_server_sorts_every_text_by_code_points(postgresql_database: Database) -> None:
    """As SQLite does, whatever the server's locale."""
    with postgresql_database.read() as connection:
        rows = connection.execute(
            text(
                "SELECT table_name, column_name, collation_name FROM information_schema.columns "
                "WHERE table_schema = 'public' AND data_type = 'text'"
            )
        ).all()
    assert len(rows) > 20
    assert {row.collation_name for row in rows} == {"C"}
