"""Rescues the content of a SQLite file that was moved, deleted or replaced while it was open."""

import glob
import os
import shlex
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ml_agents_results.database import files
from ml_agents_results.database.location import file_uri
from ml_agents_results.errors import MovedDatabaseError


def moved_error(
    connection: sqlite3.Connection, path: Path, mark: str, opened: float
) -> MovedDatabaseError:
    """Writes what an open connection sees to a file next to `path`, and names it in an error.

    The log of a moved file stays under the old name, and a deleted one has no name at all: only
    the processes that have both open can still put them together. All of them write the same
    copy, one after the other, so that the last one holds what all have recorded.

    Args:
        mark: What the open file and its log are known by while anybody has them open.
        opened: When the connection was opened, in seconds since 1970.
    """
    message = f"{path} was moved, deleted or replaced while it was open"
    folder = path.absolute().parent
    folder = folder if folder.is_dir() else Path(tempfile.gettempdir())
    copy = folder
    try:
        with _turn(folder):
            copy = _copy_in(folder, path.name, mark, opened)
            _write(connection, copy)
    except (OSError, sqlite3.Error) as error:
        return MovedDatabaseError(
            f"{message}, and its content could not be written to {copy}: {error}",
            "Put the file back under its name before this process ends.",
        )
    force = " --force" if path.exists() else ""
    return MovedDatabaseError(
        f"{message}; everything that was recorded in it is in {copy}",
        f"Put it back with: ml-agents db-restore --source {shlex.quote(str(copy))} "
        f"--db-path {shlex.quote(str(path))}{force}",
    )


def _write(connection: sqlite3.Connection, copy: Path) -> None:
    with (
        files.unfinished(copy) as draft,
        closing(sqlite3.connect(file_uri(draft), uri=True)) as target,
    ):
        connection.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
        target.close()
        files.finish(draft, copy)


def _copy_in(folder: Path, name: str, mark: str, opened: float) -> Path:
    """The copy that another connection has written of the same open file, else a new name.

    One from before this connection was opened may be of an earlier file with the same mark.
    """
    for known in folder.glob(f"{glob.escape(name)}.recovered-*-{mark}"):
        if known.stat().st_mtime >= opened:
            return known
    return folder / f"{name}.recovered-{files.stamp()}-{mark}"


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Lets one process at a time write a copy, so that no older content replaces a newer one."""
    try:
        import fcntl
    except ImportError:
        # Where there is no such lock, a file that is open cannot be moved either.
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
