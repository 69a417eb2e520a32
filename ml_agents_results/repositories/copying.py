"""Many runs at once into PostgreSQL, by COPY.

COPY knows no conflicts. Runs that are all new go straight into the table; where some are there,
all go into a temporary table first, and one upsert takes them on from there.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ml_agents_results.database.models import RUN_KEY
from ml_agents_results.repositories.rows import RUN_COLUMNS
from ml_agents_results.repositories.upserts import run_upsert

LEAST = 50
"""Runs for which this is worth its own statements."""

_KEY_PLACES = [RUN_COLUMNS.index(name) for name in RUN_KEY]
_COLUMNS = ", ".join(RUN_COLUMNS)


def copy_new(connection: Connection, rows: Iterable[tuple[Any, ...]]) -> bool:
    """Saves `run_row`s if no key or id of theirs is recorded; else does nothing.

    The server works on the first rows while the last ones are made.
    """
    from psycopg.errors import UniqueViolation

    try:
        with connection.begin_nested():
            _copy(connection, "runs", rows)
    except DBAPIError as error:
        if isinstance(error.orig, UniqueViolation):
            return False
        raise
    return True


def copy_upsert(connection: Connection, rows: Iterable[tuple[Any, ...]], *, take_id: bool) -> int:
    """Saves `run_row`s as `run_upsert` does, and returns how many are new or changed.

    Of several rows with one key the last one stays.
    """
    last = {tuple(row[place] for place in _KEY_PLACES): row for row in rows}
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE IF NOT EXISTS incoming_runs (LIKE runs) ON COMMIT DROP"
    )
    connection.exec_driver_sql("TRUNCATE incoming_runs")
    _copy(connection, "incoming_runs", last.values())
    on_conflict = run_upsert(connection.dialect.name, take_id=take_id).partition("ON CONFLICT")[2]
    return connection.exec_driver_sql(
        f"INSERT INTO runs ({_COLUMNS}) SELECT {_COLUMNS} FROM incoming_runs "
        f"ON CONFLICT{on_conflict}"
    ).rowcount


def _copy(connection: Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    from psycopg import Error

    statement = f"COPY {table} ({_COLUMNS}) FROM STDIN"
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except Error as error:
        # As SQLAlchemy would put it: this goes past it.
        raise DBAPIError(statement, None, error) from error
