"""Backups of a SQLite file: taken while others write, verified before they count, thinned out."""

import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import DatabaseError

_STAMP = "%Y%m%dT%H%M%S%fZ"
_STAMPED = re.compile(r"\d{8}T\d{12}Z\.db")


def folder_of(path: Path) -> Path:
    """Where the automatic backups of a database file are."""
    return path.absolute().parent / f"{path.name}.backups"


def backup_now(database: Database) -> Path:
    """Makes a new automatic backup, thins out the old ones, and returns the new one.

    Raises:
        DatabaseError: It could not be made; the older ones are all still there.
    """
    if database.path is None:
        raise DatabaseError(f"{database} is no file that could be copied", "See: ml-agents export")
    folder = folder_of(database.path)
    destination = folder / f"{datetime.now(UTC).strftime(_STAMP)}.db"
    try:
        folder.mkdir(exist_ok=True)
        copy(database.path, destination)
        for old in superfluous(backups(folder), database.config.keep, database.config.keep_days):
            old.unlink(missing_ok=True)
    except OSError as error:
        raise DatabaseError(
            f"the backup {destination} could not be written: {error.strerror}",
            "Free some space or check the permissions; recording goes on.",
        ) from error
    return destination


def backups(folder: Path) -> list[Path]:
    """The automatic backups in a folder, oldest first; unfinished ones do not count."""
    return sorted(path for path in folder.glob("*.db") if _STAMPED.fullmatch(path.name))


def superfluous(found: Sequence[Path], keep: int, keep_days: int) -> list[Path]:
    """Those to delete: neither among the `keep` newest, nor the newest one of one of the last
    `keep_days` days. The newest one always stays."""
    newest = set(found[-max(keep, 1) :])
    since = (datetime.now(UTC) - timedelta(days=keep_days)).strftime("%Y%m%d")
    daily = {path.name[:8]: path for path in found if path.name[:8] > since}
    return [path for path in found if path not in newest | {*daily.values()}]


def copy(source: Path, destination: Path) -> None:
    """Copies a database that may be in use, in one consistent state.

    The copy gets its name only when it has passed SQLite's own check and holds as many rows in
    every table as its source did at that moment.

    Raises:
        DatabaseError: The copy could not be made, or is not what it should be.
        OSError: The file system refuses.
    """
    unfinished = destination.with_name(f".{destination.name}.{os.getpid()}.tmp")
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as original,
            closing(sqlite3.connect(unfinished, isolation_level=None)) as duplicate,
        ):
            original.isolation_level = None
            # The copy is of the state that this transaction sees.
            original.execute("BEGIN")
            expected = _rows(original)
            original.backup(duplicate)
            original.execute("COMMIT")
            duplicate.execute("PRAGMA journal_mode=DELETE")
            verdict = duplicate.execute("PRAGMA quick_check(1)").fetchone()[0]
            found = _rows(duplicate)
        if verdict != "ok" or found != expected:
            raise DatabaseError(
                f"the copy of {source} is damaged and was thrown away: "
                f"{verdict if verdict != 'ok' else f'{found} rows instead of {expected}'}",
                "Check the disk, and the database with: ml-agents db-check",
            )
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(destination)
    except sqlite3.Error as error:
        raise DatabaseError(
            f"{source} could not be copied to {destination}: {error}",
            "Check the free space and the permissions of that folder.",
        ) from error
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    tables = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return {
        name: connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0]
        for (name,) in tables
    }
