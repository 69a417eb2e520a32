"""Backups of a SQLite file: taken while others write, verified before they count, thinned out."""

import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ml_agents_results.database import files
from ml_agents_results.database.driver_errors import translate
from ml_agents_results.database.engine import Database
from ml_agents_results.database.location import file_uri
from ml_agents_results.errors import DatabaseError, NotFoundError, UsageError

_STAMPED = re.compile(r"\d{8}T\d{12}Z\.db")


def folder_of(path: Path) -> Path:
    """Where the automatic backups of a database file are."""
    return path.absolute().parent / f"{path.name}.backups"


def backup_now(database: Database, label: str = "") -> Path:
    """Makes a new automatic backup, thins out the old ones, and returns the new one.

    Args:
        label: What the backup precedes. One that has a label is never deleted automatically.

    Raises:
        DatabaseError: It could not be made; the older ones are all still there.
    """
    if database.path is None:
        raise DatabaseError(
            f"{database} is no file that could be copied",
            "Write an archive: ml-agents export --all --output FILE.mlar",
        )
    folder = folder_of(database.path)
    destination = folder / f"{_next_stamp(folder)}{f'-{label}' if label else ''}.db"
    try:
        folder.mkdir(exist_ok=True)
        copy(database.path, destination)
        for old in superfluous(backups(folder), database.config.keep, database.config.keep_days):
            old.unlink(missing_ok=True)
    except OSError as error:
        raise DatabaseError(
            f"the backup {destination} could not be written: {error.strerror}",
            "Free some space or check the permissions.",
        ) from error
    return destination


def _next_stamp(folder: Path) -> str:
    """This moment; where the clock went back, the moment after the newest backup. Otherwise the
    newest one would be taken for an old one, and deleted."""
    newest = max((path.stem for path in backups(folder)), default="")
    if newest < (now := files.stamp()):
        return now
    moment = datetime.strptime(newest, files.STAMP).replace(tzinfo=UTC)
    return (moment + timedelta(microseconds=1)).strftime(files.STAMP)


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


def back_up(source: Path, destination: Path, *, compress: bool = False, force: bool = False) -> int:
    """Copies a database that may be in use to a place that the user named; returns its size.

    Args:
        compress: Whether the copy is packed with gzip.
        force: Whether an existing file may be replaced. A database that is in use never is.

    Raises:
        UsageError: Source and destination are the same file.
        DatabaseError: The destination is in the way, or the copy could not be made.
    """
    refuse_same(source, destination)
    files.check_place(destination, force)
    try:
        if destination.exists():
            files.require_unused(destination)
        copy(source, destination, compress=compress)
        return destination.stat().st_size
    except OSError as error:
        raise files.failure(destination, error) from error


def refuse_same(source: Path, destination: Path) -> None:
    """Raises UsageError where both are one file, by whatever names."""
    if destination.exists() and source.exists() and source.samefile(destination):
        raise UsageError(f"{source} and {destination} are the same file", "Name another file.")


def copy(source: Path, destination: Path, *, compress: bool = False) -> None:
    """Copies a database that may be in use, in one consistent state.

    The copy gets its name only when it has passed SQLite's own check and holds as many rows in
    every table as its source did at that moment.

    Raises:
        DatabaseError: The copy could not be made, or is not what it should be.
        OSError: The file system refuses.
    """
    with files.unfinished(destination) as draft:
        snapshot(source, draft)
        if compress:
            with files.unfinished(destination) as packed:
                files.create_like(source, packed)
                files.pack(draft, packed)
                files.finish(packed, destination)
            return
        files.finish(draft, destination)


def snapshot(source: Path, draft: Path) -> None:
    """`copy` without the name: makes and verifies the file `draft`."""
    files.create_like(source, draft)
    try:
        with (
            closing(sqlite3.connect(file_uri(source), uri=True)) as original,
            closing(sqlite3.connect(draft, isolation_level=None)) as duplicate,
        ):
            original.isolation_level = None
            # The copy is of the state that this transaction sees.
            original.execute("BEGIN")
            expected = rows(original)
            original.backup(duplicate)
            original.execute("COMMIT")
            duplicate.execute("PRAGMA journal_mode=DELETE")
            verdict = duplicate.execute("PRAGMA quick_check(1)").fetchone()[0]
            found = rows(duplicate)
    except sqlite3.OperationalError as error:
        raise DatabaseError(
            f"{source} could not be copied to {draft.parent}: {error}",
            "Check the free space and the permissions of that folder.",
        ) from error
    except sqlite3.Error as error:
        raise translate(error, str(source)) from error
    if verdict != "ok" or found != expected:
        raise DatabaseError(
            f"the copy of {source} is damaged and was thrown away: "
            f"{verdict if verdict != 'ok' else f'{found} rows instead of {expected}'}",
            "Check the disk, and the database with: ml-agents db-check",
        )


def rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Table to number of rows."""
    tables = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return {
        name: connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0]
        for (name,) in tables
    }


def restore(source: Path, destination: Path, *, force: bool = False) -> Path | None:
    """Puts a backup, packed or not, in the place of a database.

    The backup is verified first. What it replaces is kept under another name, which is returned.

    Raises:
        NotFoundError: There is no such backup.
        UsageError: Source and destination are the same file.
        CorruptDatabaseError: The backup is damaged, or no database.
        SchemaError: The backup is a database of another program, or of a newer version.
        DatabaseError: The destination exists and `force` is not set, or it is in use.
    """
    if not source.is_file():
        raise NotFoundError(f"there is no backup {source}", "Check its path.")
    refuse_same(source, destination)
    files.check_place(destination, force)
    try:
        with files.unfinished(destination) as draft:
            if files.is_packed(source):
                with files.unfinished(destination) as unpacked:
                    files.unpack(source, unpacked)
                    snapshot(unpacked, draft)
            else:
                snapshot(source, draft)
            _require_ours(source, draft)
            return _exchange(draft, destination)
    except OSError as error:
        raise files.failure(destination, error) from error


def _require_ours(source: Path, draft: Path) -> None:
    from ml_agents_results.database import schema

    opened = Database(str(draft), create=False)
    try:
        with opened.read() as connection:
            found = schema.status(connection)
        if found.state in ("empty", "newer", "foreign"):
            raise schema.refusal(found, Database(str(source)))
    finally:
        opened.close()


def _exchange(draft: Path, destination: Path) -> Path | None:
    if not destination.exists():
        files.finish(draft, destination)
        return None
    kept = destination.with_name(f"{destination.name}.replaced-{files.stamp()}")
    with files.held(destination) as companions:
        # Under its second name the old file stays, whatever happens from here on.
        os.link(destination, kept)
        for suffix in companions:
            place = destination.with_name(destination.name + suffix)
            place.replace(kept.with_name(kept.name + suffix))
        files.finish(draft, destination)
    return kept
