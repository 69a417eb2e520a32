"""Many runs at once into PostgreSQL, by COPY.

COPY knows no conflicts. Runs that are all new go straight into the table; where some are there,
all go into a temporary table first, and one upsert takes them on from there.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ml_agents_results.database.dialects import driver_of
from ml_agents_results.database.models import RUN_COLUMNS, RUN_KEY
from ml_agents_results.repositories.prepared_run import BelongingRow, Belongings
from ml_agents_results.repositories.upserts import (
    Belonging,
    belonging_upsert,
    key_of,
    run_upsert,
)

LEAST = 50
"""Runs for which this is worth its own statements."""

Rows = Iterable[tuple[Any, ...]]
_KEY = ", ".join(RUN_KEY)
_RUNS = ", ".join(RUN_COLUMNS)


def copy_new(connection: Connection, runs: Rows, belongings: Iterable[Belongings]) -> bool:
    """Saves `run_row`s, and what belongs to them, if no key or id is recorded; else does
    nothing."""
    from psycopg.errors import UniqueViolation

    try:
        with connection.begin_nested():
            _copy(connection, f"runs ({_RUNS})", runs)
            for belonging, rows in belongings:
                columns = ", ".join(("run_id", *belonging.columns))
                by_id = ((run[0], *row) for run, row in rows)
                _copy(connection, f"{belonging.table} ({columns})", by_id)
    except DBAPIError as error:
        if isinstance(error.orig, UniqueViolation):
            return False
        raise
    return True


def copy_upsert(connection: Connection, rows: Rows, *, take_id: bool) -> int:
    """Saves `run_row`s as `run_upsert` does, and returns how many are new or changed.

    Of several rows with one key the last one stays.
    """
    last = {key_of(row): row for row in rows}
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE IF NOT EXISTS incoming_runs (LIKE runs) ON COMMIT DROP"
    )
    connection.exec_driver_sql("TRUNCATE incoming_runs")
    _copy(connection, f"incoming_runs ({_RUNS})", last.values())
    on_conflict = run_upsert(connection.dialect.name, take_id=take_id).partition("ON CONFLICT")[2]
    return connection.exec_driver_sql(
        f"INSERT INTO runs ({_RUNS}) SELECT {_RUNS} FROM incoming_runs ON CONFLICT{on_conflict}"
    ).rowcount


def copy_upsert_belonging(
    connection: Connection, belonging: Belonging, rows: Iterable[BelongingRow]
) -> None:
    """Sets what belongs to runs as `belonging_upsert` does; of several rows with one key the last
    one stays."""
    of_key = len(belonging.key)
    last = {(key_of(run), row[:of_key]): (*key_of(run), *row) for run, row in rows}
    table, incoming = belonging.table.name, f"incoming_{belonging.table.name}"
    columns = ", ".join(belonging.columns)
    stored, given = (
        ", ".join(f"{one}.{name}" for name in belonging.columns) for one in (table, incoming)
    )
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {incoming} ON COMMIT DROP AS "
        f"SELECT {_KEY}, {stored} FROM runs, {table} WITH NO DATA"
    )
    connection.exec_driver_sql(f"TRUNCATE {incoming}")
    _copy(connection, f"{incoming} ({_KEY}, {columns})", last.values())
    upsert = belonging_upsert(connection.dialect.name, belonging)
    connection.exec_driver_sql(
        f"INSERT INTO {table} (run_id, {columns}) SELECT runs.id, {given} "
        f"FROM {incoming} JOIN runs USING ({_KEY}) ON CONFLICT{upsert.partition('ON CONFLICT')[2]}"
    )


def _copy(connection: Connection, target: str, rows: Rows) -> None:
    from psycopg import Error

    statement = f"COPY {target} FROM STDIN"
    driver = driver_of(connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except Error as error:
        # As SQLAlchemy would put it: this goes past it.
        raise DBAPIError(statement, None, error) from error
