"""CallerConnection: a database inside a transaction of the caller's, which alone commits."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from ml_agents_results.database import schema
from ml_agents_results.database.dialects import driver_of
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import DatabaseError


class CallerConnection(Database):
    """A Database whose units of work are savepoints of one open connection.

    What was written is undone when the caller rolls back. A unit of work that fails undoes only
    itself. Nothing is backed up or cached.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.engine)
        self._connection = connection
        self.path = None
        if self.is_sqlite and not self._has_begun():
            # Has no effect inside a transaction.
            driver_of(connection).execute("PRAGMA foreign_keys=ON")

    @property
    def engine(self) -> Engine:
        return self._connection.engine

    def initialize_schema(self) -> None:
        """Creates the tables if there are none, in the caller's transaction.

        Raises:
            SchemaError: The database needs a migration, is newer, or another program's.
        """
        with self.write() as connection:
            if schema.status(connection).state == "empty":
                schema.create(connection)
        schema.require_current(self)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """The caller's connection."""
        if self._connection.closed:
            raise DatabaseError(
                "the connection was closed by the caller", "Open a ResultsProcessor on a new one."
            )
        with self._translated:
            yield self._connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A savepoint of the caller's transaction, which is begun if there is none."""
        with self.read() as connection:
            if not connection.in_transaction():
                connection.begin()
            if self.is_sqlite and not self._has_begun():
                # The driver begins late: without this the savepoint would be the transaction,
                # and releasing it would commit.
                driver_of(connection).execute("BEGIN")
            with connection.begin_nested():
                self.require_own(connection)
                yield connection

    bulk = write

    def state(self) -> str | None:
        return None

    def close(self) -> None:
        """Leaves the connection to the caller."""

    release = close

    def _has_begun(self) -> bool:
        return bool(driver_of(self._connection).in_transaction)
