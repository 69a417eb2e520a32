"""Backups of a SQLite file: made while others write, verified, and thinned out."""

import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from ml_agents_results.database import files
from ml_agents_results.database.driver_errors import translate
from ml_agents_results.database.engine import Database
from ml_agents_results.database.location import file_uri, identity
from ml_agents_results.database.origin import ORIGIN, signed_elsewhere
from ml_agents_results.database.sqlite import quoted
from ml_agents_results.errors import DatabaseError, NotFoundError, UsageError

_STEP = 1024
"""Pages that are copied at once."""

_STAMPED = re.compile(r"\d{8}T\d{12}Z\.db")


def folder_of(path: Path) -> Path:
    """The folder of the automatic backups: next to the file itself, also if `path` is a link."""
    path = files.target_of(path.absolute())
    return path.parent / f"{path.name}.backups"


def backup_now(database: Database, label: str = "") -> Path:
    """Makes an automatic backup, thins out the older ones, and returns its path.

    Args:
        label: What the backup precedes. A backup with a label is never deleted automatically.

    Raises:
        DatabaseError: It could not be made; all older ones are still there.
    """
    if database.path is None:
        raise DatabaseError(
            f"{database} is not a SQLite file and cannot be copied",
            "Write an archive: ml-agents export --all --output FILE.mlar",
        )
    if label and not os.access(database.path, os.W_OK):
        # What it precedes will fail: one more backup at each attempt helps nobody.
        raise DatabaseError(
            f"{database} is read-only", "Check the permissions of the file and of its folder."
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
    """This moment; if the clock went back, the moment after the newest backup, which would count
    as an old one and be deleted otherwise."""
    newest = max((path.stem for path in backups(folder)), default="")
    if newest < (now := files.stamp()):
        return now
    moment = datetime.strptime(newest, files.STAMP).replace(tzinfo=UTC)
    return (moment + timedelta(microseconds=1)).strftime(files.STAMP)


def backups(folder: Path) -> list[Path]:
    """The automatic backups in a folder, oldest first; unfinished ones do not count."""
    return sorted(path for path in folder.glob("*.db") if _STAMPED.fullmatch(path.name))


def superfluous(paths: Sequence[Path], keep: int, keep_days: int) -> list[Path]:
    """The backups to delete: neither among the `keep` newest, nor the newest of one of the last
    `keep_days` days. The newest always stays."""
    newest = set(paths[-max(keep, 1) :])
    since = (datetime.now(UTC) - timedelta(days=keep_days)).strftime("%Y%m%d")
    daily = {path.name[:8]: path for path in paths if path.name[:8] > since}
    return [path for path in paths if path not in newest | {*daily.values()}]


def back_up(source: Path, destination: Path, *, compress: bool = False, force: bool = False) -> int:
    """Copies a database, which may be in use, to a file of the user's choice; returns its size.

    Args:
        compress: Whether the copy is packed with gzip.
        force: Whether an existing file may be replaced. A database in use never is.

    Raises:
        UsageError: Source and destination are the same file.
        DatabaseError: The destination is in the way, or the copy could not be made.
    """
    refuse_same(source, destination)
    destination = files.target_of(destination)
    files.check_destination(destination, force)
    try:
        if destination.exists():
            files.require_unused(destination)
        copy(source, destination, compress=compress)
        return destination.stat().st_size
    except OSError as error:
        raise files.failure(destination, error) from error


def refuse_same(source: Path, destination: Path) -> None:
    """Raises UsageError if both are one file, whatever their names."""
    if destination.exists() and source.exists() and source.samefile(destination):
        raise UsageError(f"{source} and {destination} are the same file", "Name another file.")


def copy(source: Path, destination: Path, *, compress: bool = False) -> None:
    """Copies a database, which may be in use, in one consistent state, with its permissions.

    The copy gets its name only when it has passed SQLite's own check and every table has as many
    rows as in the source.

    Raises:
        DatabaseError: The copy could not be made, or differs from the source.
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


def snapshot(source: Path, draft: Path, *, like: Path | None = None) -> None:
    """`copy` without the name: makes and verifies the file `draft`.

    Args:
        like: The file whose permissions the draft gets; by default the source.
    """
    files.create_like(like or source, draft)
    try:
        with (
            closing(sqlite3.connect(file_uri(source), uri=True)) as original,
            closing(sqlite3.connect(file_uri(draft), uri=True, isolation_level=None)) as duplicate,
        ):
            original.isolation_level = None
            # The copy is of the state that this transaction sees.
            original.execute("BEGIN")
            expected = rows(original)
            # In steps, so that an interrupt is noticed.
            original.backup(duplicate, pages=_STEP, progress=lambda *_: None)
            original.execute("COMMIT")
            duplicate.execute("PRAGMA journal_mode=DELETE")
            verdict = duplicate.execute("PRAGMA quick_check(1)").fetchone()[0]
            copied = rows(duplicate)
    except sqlite3.OperationalError as error:
        raise DatabaseError(
            f"{source} could not be copied to {draft.parent}: {error}",
            "Check the free space and the permissions of that folder.",
        ) from error
    except sqlite3.Error as error:
        raise translate(error, str(source)) from error
    if verdict != "ok" or copied != expected:
        raise DatabaseError(
            f"the copy of {source} is damaged and was discarded: "
            f"{verdict if verdict != 'ok' else f'{copied} rows instead of {expected}'}",
            "Check the disk, and the database with: ml-agents db-check",
        )


def rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Table to number of rows; without virtual tables, whose rows are those of others."""
    names = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "AND sql NOT LIKE 'CREATE VIRTUAL%'"
    ).fetchall()
    return {
        name: connection.execute(f"SELECT COUNT(*) FROM {quoted(name)}").fetchone()[0]
        for (name,) in names
    }


def restore(source: Path, destination: Path, *, force: bool = False) -> Path | None:
    """Replaces a database by a backup, packed or not; returns where the replaced one is kept.

    The backup is verified first. A database that is replaced hands its permissions on.
    Experiments that were started in another database are foreign in this one (see `origin`).

    Raises:
        NotFoundError: There is no such backup.
        UsageError: Source and destination are the same file.
        CorruptDatabaseError: The backup is damaged, or not a database.
        SchemaError: The backup is a database of another program, or of a newer version, or others
            have put triggers into it.
        DatabaseError: The destination exists and `force` is not set, or it is in use.
    """
    if not source.is_file():
        raise NotFoundError(f"there is no backup {source}", "Check its path.")
    refuse_same(source, destination)
    destination = files.target_of(destination)
    files.check_destination(destination, force)
    like = destination if destination.exists() else source
    try:
        with files.unfinished(destination) as draft:
            if files.is_packed(source):
                with files.unfinished(destination) as unpacked:
                    files.create_like(like, unpacked)
                    files.unpack(source, unpacked)
                    snapshot(unpacked, draft)
            else:
                snapshot(source, draft, like=like)
            _require_ours(source, draft)
            _forget_origins(draft, destination)
            return _exchange(draft, destination)
    except OSError as error:
        raise files.failure(destination, error) from error


def _require_ours(source: Path, draft: Path) -> None:
    from ml_agents_results.database import foreign_objects, schema

    database, named = Database(str(draft), create=False), Database(str(source))
    try:
        with database.read() as connection:
            status = schema.status(connection)
            if status.state in ("empty", "newer", "ambiguous", "foreign"):
                raise schema.refusal(status, named)
            foreign_objects.require_own(connection, str(named), named.option, to_write=True)
    finally:
        database.close()


def _forget_origins(draft: Path, destination: Path) -> None:
    """Makes the experiments foreign that were not started in the database of this name."""
    from ml_agents_results.database import schema
    from ml_agents_results.database.models import Experiment

    database = Database(str(draft), create=False)
    try:
        with database.write() as connection, Session(connection) as session:
            if schema.status(connection).state != "current":
                # Older versions did not sign.
                return
            for experiment in session.scalars(select(Experiment)):
                environment = experiment.environment_json or {}
                if ORIGIN in environment and signed_elsewhere(environment, identity(destination)):
                    experiment.environment_json = {
                        name: value for name, value in environment.items() if name != ORIGIN
                    }
            session.flush()
    finally:
        database.close()


def _exchange(draft: Path, destination: Path) -> Path | None:
    """Renames the draft; a file that had the name gets another one, with its companions."""
    replaced = destination.with_name(f"{destination.name}.replaced-{files.stamp()}")
    if not destination.exists():
        # The log of a file that was moved or deleted would be replayed into the new one.
        _move_companions(destination, replaced, files.companions(destination))
        files.finish(draft, destination)
        return None
    with files.held(destination) as companions:
        # Under its second name the old file stays, whatever happens from here on.
        os.link(destination, replaced)
        _move_companions(destination, replaced, companions)
        files.finish(draft, destination)
    return replaced


def _move_companions(source: Path, destination: Path, suffixes: Sequence[str]) -> None:
    for suffix in suffixes:
        source.with_name(source.name + suffix).replace(
            destination.with_name(destination.name + suffix)
        )
