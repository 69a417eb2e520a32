"""Database files: complete or absent, never replaced while in use, with the permissions kept."""

import gzip
import os
import secrets
import shlex
import shutil
import sqlite3
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ml_agents_results.database.location import file_uri
from ml_agents_results.errors import (
    CorruptDatabaseError,
    DatabaseError,
    DatabaseLockedError,
    OutputError,
)

COMPANIONS = ("-journal", "-wal", "-shm")
"""Suffixes of the files that SQLite keeps next to a database."""

_GZIP = b"\x1f\x8b"
_MAGIC = b"SQLite format 3\x00"
_CHUNK = 1 << 20

STAMP = "%Y%m%dT%H%M%S%fZ"
"""The form of a moment in file names, for strftime; sorted by name is sorted by time."""


def stamp() -> str:
    """The current time, as in the names of backups and rescued files."""
    return datetime.now(UTC).strftime(STAMP)


def is_packed(path: Path) -> bool:
    """Whether it is packed with gzip."""
    return _begins(path, _GZIP)


def is_database(path: Path) -> bool:
    """Whether it begins as a SQLite file does."""
    return path.is_file() and _begins(path, _MAGIC)


def refuse_to_replace(path: Path) -> None:
    """Raises OutputError if an output would replace a database, a packed one, or the log of one.

    Whatever its name: the file is looked at.
    """
    if not path.is_file():
        return
    try:
        holds = is_database(path) or (is_packed(path) and _holds_database(path))
    except PermissionError:
        # What cannot be read cannot be known, and is not ours to replace.
        holds = True
    base = next((path.name.removesuffix(end) for end in COMPANIONS if path.name.endswith(end)), "")
    if holds or (base and is_database(path.with_name(base))):
        raise OutputError(
            f"{path} is {'a database' if holds else 'part of a database'}: no output replaces it",
            "Name another file.",
        )


def _holds_database(packed: Path) -> bool:
    with suppress(gzip.BadGzipFile, EOFError, zlib.error), gzip.open(packed, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC
    return False


def _begins(path: Path, beginning: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(beginning)) == beginning


def target_of(path: Path) -> Path:
    """The target of a symbolic link, or the path itself: a link stays a link."""
    return path.resolve() if path.is_symlink() else path


def check_destination(path: Path, force: bool) -> None:
    """Raises OutputError if `path` cannot become a file, or exists without `force`."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder", "Name a file inside it.")
    if not path.parent.is_dir():
        raise OutputError(
            f"the folder {path.parent} does not exist",
            f"Create it: mkdir -p {shlex.quote(str(path.parent))}",
        )
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is not a regular file", "Name another file.")
    if path.exists() and not force:
        raise OutputError(f"{path} exists already", "Replace it with --force, or name another one.")


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A free name `.NAME.xxxxxxxx.tmp` next to `path`; a file that still has it when the block
    ends is removed."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield draft
    finally:
        for suffix in ("", *COMPANIONS):
            with suppress(OSError):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def create_like(model: Path, path: Path) -> None:
    """Creates an empty file with the permissions of another one, before anything is in it.

    The owner, too, if we may; who creates it can always write it.
    """
    status = model.stat()
    mode = stat.S_IMODE(status.st_mode) & 0o666 | 0o600
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    path.chmod(mode)
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(path, status.st_uid, status.st_gid)


def finish(draft: Path, path: Path) -> None:
    """Gives a complete file its name, so that it survives a power cut."""
    _sync(draft)
    draft.replace(path)
    _sync_folder(path.parent)


def finish_new(draft: Path, path: Path) -> bool:
    """`finish` that replaces nothing; returns False if there is a file of that name already."""
    _sync(draft)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:
        # Some file systems have no links.
        if path.exists():
            return False
        draft.replace(path)
    _sync_folder(path.parent)
    return True


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def pack(source: Path, packed: Path) -> None:
    """Packs a file with gzip and reads it back.

    Raises:
        DatabaseError: What is read back differs from the file.
    """
    with source.open("rb") as plain, gzip.open(packed, "wb", compresslevel=6) as file:
        shutil.copyfileobj(plain, file, _CHUNK)
    with source.open("rb") as plain, gzip.open(packed, "rb") as file:
        while chunk := plain.read(_CHUNK):
            if file.read(len(chunk)) != chunk:
                raise DatabaseError(f"{packed} does not read back", "Check the disk.")


def unpack(packed: Path, destination: Path) -> None:
    """Unpacks a gzip file.

    Raises:
        CorruptDatabaseError: It is damaged, or does not hold a SQLite database.
    """
    try:
        with gzip.open(packed, "rb") as file, destination.open("wb") as plain:
            beginning = file.read(len(_MAGIC))
            if beginning != _MAGIC:
                raise CorruptDatabaseError(
                    f"{packed} does not hold a SQLite database",
                    "Name a backup that db-backup made.",
                )
            plain.write(beginning)
            shutil.copyfileobj(file, plain, _CHUNK)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorruptDatabaseError(
            f"{packed} is damaged: {error}", "Use another backup, or copy it again."
        ) from error


@contextmanager
def held(path: Path) -> Iterator[Sequence[str]]:
    """Locks an existing file that nobody else may have open, while it is replaced.

    Yields the suffixes of the companions that still belong to it. Those of a healthy database are
    merged into it; a damaged one keeps them.

    Raises:
        DatabaseLockedError: Another program has it open.
    """
    if is_database(path):
        with closing(
            sqlite3.connect(file_uri(path), uri=True, timeout=1, isolation_level=None)
        ) as connection:
            try:
                # Leaving the write-ahead log needs the file for oneself, and merges the log.
                for mode in ("WAL", "DELETE"):
                    connection.execute(f"PRAGMA journal_mode={mode}")
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error as error:
                if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                    raise DatabaseLockedError(
                        f"{path} is in use",
                        f"End the programs that use it: fuser {shlex.quote(str(path))}",
                    ) from error
            else:
                yield ()
                return
    yield companions(path)


def companions(path: Path) -> Sequence[str]:
    """The suffixes of the files that lie next to a database."""
    return [suffix for suffix in COMPANIONS if path.with_name(path.name + suffix).exists()]


def require_unused(path: Path) -> None:
    """Raises DatabaseLockedError if another program has this database open."""
    with held(path):
        pass


def failure(path: Path, error: OSError) -> DatabaseError:
    """The error for a file that the file system refused to write."""
    return DatabaseError(
        f"{path} could not be written: {error.strerror or error}",
        "Check the free space and the permissions of its folder.",
    )
