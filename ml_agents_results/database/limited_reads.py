"""Limited reads, for what strangers ask: nothing can be written, and each ends after some time."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from time import monotonic
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from ml_agents_results.database.dialects import driver_of
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import TimeLimitError

_WAIT = 5
"""Seconds that a locked database is waited for."""

_STEPS = 20_000
"""Instructions of SQLite's virtual machine between two looks at the clock."""


def without_writes(database: Database) -> Database:
    """The same database on further connections, which refuse to write.

    SQLite forgets its prepared statements whenever a connection changes its mind about writing. A
    database that is locked is not waited for as long as by who records.
    """
    config = replace(
        database.config, connection_timeout=min(_WAIT, database.config.connection_timeout)
    )
    reader = Database(config, create=False)
    refuse = "PRAGMA query_only=ON" if reader.is_sqlite else "SET default_transaction_read_only=on"

    def prepare(connection: Any, _record: object) -> None:
        connection.cursor().execute(refuse)
        connection.commit()

    event.listen(reader.engine, "connect", prepare)
    return reader


@contextmanager
def limited_read(reader: Database, seconds: float | None = None) -> Iterator[Connection]:
    """A consistent view of the data.

    Raises:
        TimeLimitError: A statement was still running after `seconds`.
    """
    with reader.read() as connection:
        if seconds is None:
            yield connection
            return
        ends_at = monotonic() + seconds
        limiting = (
            _sqlite(connection, ends_at) if reader.is_sqlite else _server(connection, seconds)
        )
        try:
            with limiting:
                yield connection
        except OperationalError as error:
            if monotonic() >= ends_at:
                raise TimeLimitError(
                    f"the database did not answer within {seconds:g} s",
                    "Narrow the selection down.",
                ) from error
            raise


@contextmanager
def _sqlite(connection: Connection, ends_at: float) -> Iterator[None]:
    driver = driver_of(connection)
    driver.set_progress_handler(lambda: monotonic() > ends_at, _STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def _server(connection: Connection, seconds: float) -> nullcontext[None]:
    connection.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))
    return nullcontext()


def may_write(database: Database, table: str) -> bool:
    """Whether rows can be added to a table: the file can be written, the role may insert."""
    if database.path is not None:
        import os

        return os.access(database.path, os.W_OK) and os.access(database.path.parent, os.W_OK)
    with database.read() as connection:
        granted = text("SELECT has_table_privilege(:name, 'INSERT')")
        return bool(connection.scalar(granted, {"name": table}))
