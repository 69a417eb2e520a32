"""Many runs at once into PostgreSQL, by COPY.

COPY knows no conflicts. Runs that are all new go straight into the table; where some are there,
all go into a temporary table first, and one upsert takes them on from there.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ml_agents_results.database.dialects import driver_of
from ml_agents_results.database.models import RUN_COLUMNS, RUN_KEY, SCORE_COLUMNS
from ml_agents_results.repositories.upserts import (
    PARSING_VALUES,
    parsing_upsert,
    run_upsert,
    score_upsert,
)

LEAST = 50
"""Runs for which this is worth its own statements."""

Rows = Iterable[tuple[Any, ...]]
Parsing = Sequence[tuple[tuple[Any, ...], tuple[Any, ...]]]
"""The `run_row` of a run, and the `parsing_row` that belongs to it."""

Scores = Sequence[tuple[tuple[Any, ...], tuple[Any, ...]]]
"""The `run_row` of a run, and the id of a metric with a `score_row`."""

_KEY_INDEXES = [RUN_COLUMNS.index(name) for name in RUN_KEY]
_KEY = ", ".join(RUN_KEY)
_RUNS = ", ".join(RUN_COLUMNS)
_PARSING = ", ".join(PARSING_VALUES)
_SCORES = ", ".join(SCORE_COLUMNS)


def copy_new(connection: Connection, rows: Rows, parsing: Rows, scores: Sequence[Any]) -> bool:
    """Saves `run_row`s, and what belongs to them by their ids, if no key or id is recorded; else
    does nothing."""
    from psycopg.errors import UniqueViolation

    try:
        with connection.begin_nested():
            _copy(connection, f"runs ({_RUNS})", rows)
            _copy(connection, f"parsing_metrics (run_id, {_PARSING})", parsing)
            if scores:
                _copy(connection, f"scores ({_SCORES})", scores)
    except DBAPIError as error:
        if isinstance(error.orig, UniqueViolation):
            return False
        raise
    return True


def copy_upsert(connection: Connection, rows: Rows, *, take_id: bool) -> int:
    """Saves `run_row`s as `run_upsert` does, and returns how many are new or changed.

    Of several rows with one key the last one stays.
    """
    last = {_key(row): row for row in rows}
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE IF NOT EXISTS incoming_runs (LIKE runs) ON COMMIT DROP"
    )
    connection.exec_driver_sql("TRUNCATE incoming_runs")
    _copy(connection, f"incoming_runs ({_RUNS})", last.values())
    on_conflict = run_upsert(connection.dialect.name, take_id=take_id).partition("ON CONFLICT")[2]
    return connection.exec_driver_sql(
        f"INSERT INTO runs ({_RUNS}) SELECT {_RUNS} FROM incoming_runs ON CONFLICT{on_conflict}"
    ).rowcount


def copy_upsert_parsing(connection: Connection, parsing: Parsing) -> None:
    """Sets the metrics of runs as `parsing_upsert` does; of several for one run the last ones."""
    last = {_key(run): values for run, values in parsing}
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE IF NOT EXISTS incoming_parsing ON COMMIT DROP AS "
        f"SELECT {_KEY}, {_parsing_of('parsing_metrics')} FROM runs, parsing_metrics WITH NO DATA"
    )
    connection.exec_driver_sql("TRUNCATE incoming_parsing")
    rows = ((*key, *values) for key, values in last.items())
    _copy(connection, f"incoming_parsing ({_KEY}, {_PARSING})", rows)
    on_conflict = parsing_upsert(connection.dialect.name).partition("ON CONFLICT")[2]
    connection.exec_driver_sql(
        f"INSERT INTO parsing_metrics (run_id, {_PARSING}) "
        f"SELECT runs.id, {_parsing_of('incoming_parsing')} "
        f"FROM incoming_parsing JOIN runs USING ({_KEY}) ON CONFLICT{on_conflict}"
    )


def copy_upsert_scores(connection: Connection, scores: Scores) -> None:
    """Sets scores of runs as `score_upsert` does; of several by one author the last ones."""
    last = {(*_key(run), *score[:2]): score for run, score in scores}
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE IF NOT EXISTS incoming_scores ON COMMIT DROP AS "
        f"SELECT {_KEY}, {_scores_of('scores')} FROM runs, scores WITH NO DATA"
    )
    connection.exec_driver_sql("TRUNCATE incoming_scores")
    names = ", ".join(SCORE_COLUMNS[1:])
    rows = ((*key[:-2], *score) for key, score in last.items())
    _copy(connection, f"incoming_scores ({_KEY}, {names})", rows)
    on_conflict = score_upsert(connection.dialect.name).partition("ON CONFLICT")[2]
    connection.exec_driver_sql(
        f"INSERT INTO scores (run_id, {names}) "
        f"SELECT runs.id, {_scores_of('incoming_scores')} "
        f"FROM incoming_scores JOIN runs USING ({_KEY}) ON CONFLICT{on_conflict}"
    )


def _scores_of(table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in SCORE_COLUMNS[1:])


def _parsing_of(table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in PARSING_VALUES)


def _key(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(row[index] for index in _KEY_INDEXES)


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
