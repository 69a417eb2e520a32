"""Rescues the content of a SQLite file that was moved, deleted or replaced while it was open."""

import shlex
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from ml_agents_results.database import files
from ml_agents_results.database.location import file_uri
from ml_agents_results.errors import MovedDatabaseError


def moved_error(connection: sqlite3.Connection, path: Path, copy: Path) -> MovedDatabaseError:
    """Writes what an open connection sees to the file `copy`, and names it in an error.

    The log of a moved file stays under the old name, and a deleted one has no name at all: only
    the process that has both open can still put them together. Each call replaces the file of the
    last one, so that what was committed meanwhile is in there, too.
    """
    message = f"{path} was moved, deleted or replaced while it was open"
    try:
        with (
            files.unfinished(copy) as draft,
            closing(sqlite3.connect(file_uri(draft), uri=True)) as target,
        ):
            connection.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
            target.close()
            files.finish(draft, copy)
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


def copy_name(path: Path) -> Path:
    """A name next to `path`, or in the folder for temporary files if its folder is gone, too."""
    name = f"{path.name}.recovered-{files.stamp()}"
    folder = path.absolute().parent
    return (folder if folder.is_dir() else Path(tempfile.gettempdir())) / name
