"""Translates driver errors to errors that name what helps, by error codes, never by messages."""

import shlex
import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ml_agents_results.errors import (
    CorruptDatabaseError,
    DatabaseError,
    DatabaseLockedError,
    DuplicateError,
    InvalidRecordError,
    NotFoundError,
    ResultsError,
)

_DUPLICATES = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
_ORPHAN = sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY

_SQLITE: dict[int, tuple[type[ResultsError], str, str]] = {
    sqlite3.SQLITE_BUSY: (
        DatabaseLockedError,
        "{database} is locked: another process was writing all the time we waited",
        "Wait for it, or find it with: fuser {database}",
    ),
    sqlite3.SQLITE_LOCKED: (
        DatabaseLockedError,
        "{database} is locked by another connection of this process",
        "End that transaction first.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        CorruptDatabaseError,
        "{database} is damaged ({cause})",
        "Restore a backup, or save what is readable: "
        "ml-agents db-repair --source {database} --dest FILE",
    ),
    sqlite3.SQLITE_NOTADB: (
        CorruptDatabaseError,
        "{database} is not a SQLite database",
        "Name another file with --db-path.",
    ),
    sqlite3.SQLITE_READONLY: (
        DatabaseError,
        "{database} is read-only",
        "Check the permissions of the file and of its folder.",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        DatabaseError,
        "{database} cannot be opened",
        "Check that its folder exists and is writable.",
    ),
    sqlite3.SQLITE_FULL: (
        DatabaseError,
        "the disk is full; nothing of this transaction was written to {database}",
        "Free some space and repeat the command.",
    ),
    sqlite3.SQLITE_IOERR: (
        DatabaseError,
        "the disk failed on {database} ({cause})",
        "Check the disk, then repeat the command.",
    ),
}


_SERVER: dict[str, tuple[str, str]] = {
    "25006": (
        "{database} is read-only ({cause})",
        "Write to the primary server, with a user who may write.",
    ),
    "42501": (
        "{database} does not let this user do that: {cause}",
        "Use a user with the right role: see docs/scaling.md.",
    ),
    "53100": (
        "the server's disk is full; nothing of this transaction was written to {database}",
        "Free some space there and repeat the command.",
    ),
    "57014": (
        "{database} took too long: {cause}",
        "Narrow the analysis, or allow more time: add ?options=-cstatement_timeout=0 to the URL.",
    ),
}


class Translation:
    """A `with` block whose driver errors become errors of this package; may be used many times."""

    def __init__(self, database: str) -> None:
        self._database = database

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        if isinstance(error, DBAPIError):
            raise translate(error.orig or error, self._database) from error
        if isinstance(error, sqlite3.Error):
            raise translate(error, self._database) from error
        if isinstance(error, PoolTimeoutError):
            raise DatabaseLockedError(
                f"every connection to {self._database} stayed in use for the whole waiting time",
                "Use fewer threads.",
            ) from error


def translate(cause: BaseException, database: str) -> ResultsError:
    """The error of this package for one of a driver."""
    if not isinstance(cause, sqlite3.Error):
        return _server(cause, database)
    # The module's own errors have no code.
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None and isinstance(cause, sqlite3.OperationalError):
        return CorruptDatabaseError(
            f"{database} holds a text that is not UTF-8",
            "Find the damaged rows with: ml-agents db-check",
        )
    if code is None:
        code = sqlite3.SQLITE_MISUSE
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return DatabaseError(f"{database} was replaced meanwhile", "Repeat the command.")
    # Extended codes keep the kind in their low byte.
    if code & 0xFF == sqlite3.SQLITE_CONSTRAINT:
        return _constraint(cause, code in _DUPLICATES, code == _ORPHAN)
    if known := _SQLITE.get(code & 0xFF):
        kind, message, hint = known
        return kind(
            message.format(database=database, cause=cause),
            hint.format(database=shlex.quote(database)),
        )
    return DatabaseError(f"{database}: {cause}", "Run the command with --debug for details.")


def _constraint(cause: BaseException, duplicate: bool, orphan: bool) -> ResultsError:
    first_line = str(cause).splitlines()[0]
    if duplicate:
        return DuplicateError(f"this is already in the database: {first_line}")
    if orphan:
        return NotFoundError(
            "the experiment or run that this belongs to is not in the database",
            "Save an experiment before its runs, and a run before its metrics.",
        )
    return InvalidRecordError(f"the database refused the values: {first_line}")


def _server(cause: BaseException, database: str) -> ResultsError:
    """By PostgreSQL's SQLSTATE; without one, by PEP 249's classes: was the server reached?"""
    state = getattr(cause, "sqlstate", None)
    if state is not None and state.startswith("23"):
        return _constraint(cause, state == "23505", state == "23503")
    first_line = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    if state == "55P03":
        return DatabaseLockedError(
            f"{database} is locked: another process was writing all the time we waited",
            "Wait for it, or find it with: SELECT * FROM pg_stat_activity",
        )
    if state in _SERVER:
        message, hint = _SERVER[state]
        return DatabaseError(message.format(database=database, cause=first_line), hint)
    if state is None:
        silent = any(kind.__name__ == "OperationalError" for kind in type(cause).__mro__)
    else:
        # Serialization failures, deadlocks, timeouts, lost or refused or too many connections.
        silent = state[:2] in ("08", "40", "55", "57") or state == "53300"
    if silent:
        return _unreachable(cause, database, first_line)
    if state is not None and state.startswith("28"):
        return DatabaseError(
            f"{database} refused the user name or password", "Check the user name and PGPASSWORD."
        )
    return DatabaseError(f"{database}: {first_line}", "Run the command with --debug for details.")


def _unreachable(cause: BaseException, database: str, first_line: str) -> ResultsError:
    """Before a connection is established there is no SQLSTATE; libpq knows whether a password was
    asked for, that is, whether a server answered."""
    attempt = getattr(cause, "pgconn", None)
    if attempt is not None and (attempt.needs_password or attempt.used_password):
        return DatabaseLockedError(
            f"{database} refused the connection: {first_line}",
            "Check user, password (PGPASSWORD or ~/.pgpass) and database name.",
        )
    return DatabaseLockedError(
        f"{database} could not be reached or did not answer in time: {first_line}",
        "Check host, port, user and database name, and that the server runs.",
    )
