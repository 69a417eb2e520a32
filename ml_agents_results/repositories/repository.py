"""Repository: the base of the classes that hold the SQL of one table."""

import sqlite3
from collections.abc import Iterable

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ml_agents_results.database.driver_errors import translate
from ml_agents_results.database.mapper_events import enforces_foreign_keys
from ml_agents_results.database.models import Experiment
from ml_agents_results.errors import NotFoundError


class Writing:
    """A `with` block of writes on a connection. What the database refuses raises our own errors.

    Raises:
        DuplicateError, NotFoundError, InvalidRecordError: What the database refused.
    """

    def __init__(self, connection: Connection, session: Session | None) -> None:
        self._connection = connection
        self._session = session

    def __enter__(self) -> Connection:
        return self._connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, IntegrityError):
            raise translate(error.orig or error, "the database") from error
        if isinstance(error, sqlite3.IntegrityError):
            raise translate(error, "the database") from error
        if error is None and self._session is not None:
            self._session.expire_all()


class Repository:
    """Reads and writes inside a transaction of the caller's, and never commits.

    Args:
        source: A Session or a Connection. A Session is flushed before each read and write; after a
            write its objects are expired, so that they show what was written.
    """

    def __init__(self, source: Connection | Session) -> None:
        if isinstance(source, Session):
            self._session: Session | None = source
            self._engine = source.get_bind().dialect.name
        else:
            self._session = None
            self._given = source
            self._engine = source.dialect.name

    @property
    def _connection(self) -> Connection:
        if self._session is None:
            return self._given
        self._session.flush()
        return self._session.connection()

    def _writing(self) -> "Writing":
        return Writing(self._connection, self._session)

    def _require_experiments(self, connection: Connection, ids: Iterable[str]) -> None:
        """Raises NotFoundError if an experiment is missing and the database would not notice."""
        if enforces_foreign_keys(connection):
            return
        for experiment_id in set(ids):
            known = select(Experiment.id).where(Experiment.id == experiment_id)
            if connection.scalar(known) is None:
                raise NotFoundError(
                    f"there is no experiment {experiment_id!r}",
                    "Save an experiment before its runs.",
                )
