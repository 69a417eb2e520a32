"""Reads of somebody else's making: nothing can be written, and each ends after some time."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from ml_agents_results.database.dialects import driver_of
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import TimeLimitError

_STEPS = 20_000
"""Instructions of SQLite's virtual machine between two looks at the clock."""


@contextmanager
def limited_read(database: Database, seconds: float | None = None) -> Iterator[Connection]:
    """A consistent view of the data on a connection that refuses to write.

    Raises:
        TimeLimitError: A statement was still running after `seconds`.
    """
    with database.read() as connection:
        ends_at = None if seconds is None else monotonic() + seconds
        limiting = (
            _sqlite(connection, ends_at) if database.is_sqlite else _server(connection, seconds)
        )
        try:
            with limiting:
                yield connection
        except OperationalError as error:
            if ends_at is not None and monotonic() >= ends_at:
                raise TimeLimitError(
                    f"the database did not answer within {seconds:g} s",
                    "Narrow the selection down.",
                ) from error
            raise


@contextmanager
def _sqlite(connection: Connection, ends_at: float | None) -> Iterator[None]:
    driver = driver_of(connection)
    driver.execute("PRAGMA query_only=ON")
    if ends_at is not None:
        driver.set_progress_handler(lambda: monotonic() > ends_at, _STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)
        driver.execute("PRAGMA query_only=OFF")


@contextmanager
def _server(connection: Connection, seconds: float | None) -> Iterator[None]:
    connection.execute(text("SET TRANSACTION READ ONLY"))
    if seconds is not None:
        connection.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))
    yield


def may_write(database: Database, table: str) -> bool:
    """Whether rows can be added to a table: the file can be written, the role may insert."""
    if database.path is not None:
        import os

        return os.access(database.path, os.W_OK) and os.access(database.path.parent, os.W_OK)
    if database.is_sqlite:
        return True
    with database.read() as connection:
        granted = text("SELECT has_table_privilege(:name, 'INSERT')")
        return bool(connection.scalar(granted, {"name": table}))
