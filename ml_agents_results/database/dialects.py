"""What differs between the database engines that are supported."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Engine


class Backend(ABC):
    """The operations that differ between engines; `sqlite` and `postgres` implement them."""

    @abstractmethod
    def create_engine(self) -> Engine:
        """A new engine with our settings."""

    def listen(self, engine: Engine) -> None:  # noqa: B027 - an engine need not be prepared
        """Prepares the connections of an engine, ours or the caller's, for units of work."""

    def begin(self, connection: Connection) -> None:
        """Begins a write transaction, on a connection that the thread keeps."""
        connection.begin()

    def commit(self, connection: Connection) -> None:
        """Commits what was begun by `begin`."""
        connection.commit()

    def rollback(self, connection: Connection) -> None:
        """Undoes what was begun by `begin`, if that is still open."""
        connection.rollback()

    def confirm(self, connection: Connection) -> None:  # noqa: B027 - a server vouches for itself
        """Called after each commit: raises DatabaseError if what was committed cannot be found
        again under the name of the database."""

    @abstractmethod
    def bulk(self, connection: Connection) -> AbstractContextManager[None]:
        """A write transaction for imports, on a connection of its own."""

    @abstractmethod
    def migration(self, connection: Connection) -> AbstractContextManager[None]:
        """A write transaction that may change the schema, on a connection of its own."""

    def schema_version(self, connection: Connection) -> int:
        """A number that changes with the schema, where that costs next to nothing; else 1."""
        return 1

    @abstractmethod
    def version(self, connection: Connection) -> str:
        """The version of the engine."""

    @abstractmethod
    def size(self, connection: Connection) -> tuple[int, int]:
        """Bytes that the database takes, and how many of them are free for new rows."""


def driver_of(connection: Connection) -> Any:
    """The driver's own connection: a statement costs a quarter of what it costs on ours."""
    return connection.connection.dbapi_connection
