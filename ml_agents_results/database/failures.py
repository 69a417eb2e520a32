"""Driver errors in the words of the user. Branches on error codes, never on message texts."""

import sqlite3

from sqlalchemy.exc import DBAPIError, IntegrityError

from ml_agents_results.errors import (
    CorruptDatabaseError,
    DatabaseError,
    DatabaseLockedError,
    DuplicateError,
    InvalidRecordError,
    ResultsError,
)

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
        "Restore a backup, or salvage what is readable: sqlite3 {database} .recover",
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


def translate(error: DBAPIError, database: str) -> ResultsError:
    """The error that a user of `database` can act on."""
    cause = error.orig
    if isinstance(error, IntegrityError):
        return _integrity(cause)
    code = getattr(cause, "sqlite_errorcode", None)
    # Extended codes keep the kind in their low byte.
    if code is not None and (known := _SQLITE.get(code & 0xFF)):
        kind, message, hint = known
        return kind(message.format(database=database, cause=cause), hint.format(database=database))
    if error.connection_invalidated or code is None:
        return _server(cause, database)
    return DatabaseError(f"{database}: {cause}", "Run the command with --debug for details.")


def _integrity(cause: BaseException | None) -> ResultsError:
    code = getattr(cause, "sqlite_errorcode", None)
    state = getattr(cause, "sqlstate", None)
    if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY) or (
        state == "23505"
    ):
        return DuplicateError(f"this is already in the database: {cause}")
    return InvalidRecordError(f"the database refused the values: {cause}")


def _server(cause: BaseException | None, database: str) -> ResultsError:
    """PostgreSQL says in SQLSTATE what happened; no state means that the server did not answer."""
    state = getattr(cause, "sqlstate", None)
    first_line = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    # Lock and statement timeouts, serialization failures, deadlocks, lost or refused connections.
    if state is None or state[:2] in ("08", "40", "55", "57"):
        return DatabaseLockedError(
            f"{database} could not be reached or did not answer in time: {first_line}",
            "Check host, port and database name, and that the server runs.",
        )
    if state.startswith("28"):
        return DatabaseError(
            f"{database} refused the user name or password", "Check the user name and PGPASSWORD."
        )
    return DatabaseError(f"{database}: {first_line}", "Run the command with --debug for details.")
