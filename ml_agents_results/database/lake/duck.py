"""A Parquet folder read by DuckDB, on this machine."""

import glob
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import duckdb

from ml_agents_results.database.lake.experiments import described
from ml_agents_results.database.lake.folder import EXPERIMENT_COLUMNS, Folder
from ml_agents_results.database.lake.rendering import LakeConnection, metrics_view, runs_view
from ml_agents_results.errors import DatabaseError

MEMORY = "1500MB"
"""What DuckDB may use before it goes on on the disk."""


@contextmanager
def opened(folder: Folder) -> Iterator[LakeConnection]:
    """A connection for the time of the block."""
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        try:
            for name, value in (
                ("memory_limit", MEMORY),
                ("temp_directory", spill),
                ("TimeZone", "UTC"),
            ):
                connection.execute(f"SET {name} = '{value}'")
            source = _source(folder)
            connection.execute(f"CREATE VIEW runs AS {runs_view(source, folder.partitions)}")
            connection.execute(f"CREATE VIEW parsing_metrics AS {metrics_view(source)}")
            lake = LakeConnection("duckdb", partial(_run, connection, folder), _in_utc)
            experiments = described(lake, folder)
            types = ", ".join(
                f"{name} {'TIMESTAMP' if name.endswith('_at') else 'VARCHAR'}"
                for name in EXPERIMENT_COLUMNS
            )
            connection.execute(f"CREATE TABLE experiments ({types})")
            places = ", ".join("?" * len(EXPERIMENT_COLUMNS))
            connection.executemany(f"INSERT INTO experiments VALUES ({places})", experiments)
        except duckdb.Error as error:
            raise _failure(folder, error) from error
        yield lake


def _in_utc(moment: datetime) -> datetime:
    """With a time zone DuckDB would need a further package."""
    return moment.replace(tzinfo=UTC)


def _source(folder: Folder) -> str:
    pattern = glob.escape(str(folder.path))
    if folder.path.is_dir():
        pattern += "/**/*.parquet"
    quoted = pattern.replace("'", "''")
    if not folder.partitions:
        return f"read_parquet('{quoted}', hive_partitioning = false)"
    types = ", ".join(f"'{name}': VARCHAR" for name in folder.partitions)
    return f"read_parquet('{quoted}', hive_partitioning = true, hive_types = {{{types}}})"


def _run(
    connection: "duckdb.DuckDBPyConnection", folder: Folder, sql: str, parameters: dict[str, Any]
) -> Sequence[Sequence[Any]]:
    try:
        return connection.execute(sql, parameters).fetchall()
    except duckdb.Error as error:
        raise _failure(folder, error) from error


def _failure(folder: Folder, error: Exception) -> DatabaseError:
    first_line = str(error).splitlines()[0]
    return DatabaseError(
        f"{folder} cannot be analysed by DuckDB: {first_line}",
        "Check the files, or export them anew; --debug shows more.",
    )
