"""The transaction in which the schema of a database changes."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from ml_agents_results.database.engine import Database


@contextmanager
def migration(database: Database) -> Iterator[Connection]:
    """One write transaction; two processes that migrate at once take turns.

    Raises:
        DatabaseError: A row would lose its parent; everything is undone.
        SchemaError: Triggers of others would change what is written.
        DatabaseLockedError: Another process kept the lock for `connection_timeout` seconds.
    """
    with database.connection() as connection:
        connection.execution_options(write=True)
        with database.backend.migration(connection):
            database.require_own(connection)
            yield connection
