"""Database files as files: they appear whole or not at all, and are exchanged while unused."""

import gzip
import os
import secrets
import shutil
import sqlite3
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ml_agents_results.errors import CorruptDatabaseError, DatabaseError, DatabaseLockedError

COMPANIONS = ("-journal", "-wal", "-shm")
"""What SQLite may keep beside a database."""

_GZIP = b"\x1f\x8b"
_MAGIC = b"SQLite format 3\x00"
_CHUNK = 1 << 20


STAMP = "%Y%m%dT%H%M%S%fZ"
"""The form of a moment in file names, for strftime; sorted by name is sorted by time."""


def stamp() -> str:
    """This moment, as the names of backups and of rescued files have it."""
    return datetime.now(UTC).strftime(STAMP)


def is_packed(path: Path) -> bool:
    """Whether it is packed with gzip."""
    return _begins(path, _GZIP)


def is_database(path: Path) -> bool:
    """Whether it begins as a SQLite file does."""
    return path.is_file() and _begins(path, _MAGIC)


def _begins(path: Path, beginning: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(beginning)) == beginning


def check_place(place: Path, force: bool) -> None:
    """Raises DatabaseError where `place` cannot become a file, or exists without `force`."""
    if place.is_dir():
        raise DatabaseError(f"{place} is a folder", "Name a file inside it.")
    if not place.parent.is_dir():
        raise DatabaseError(
            f"the folder {place.parent} does not exist", f"Create it: mkdir -p {place.parent}"
        )
    if place.exists() and not place.is_file():
        raise DatabaseError(f"{place} is no ordinary file", "Name another file.")
    if place.exists() and not force:
        raise DatabaseError(
            f"{place} exists already", "Replace it with --force, or name another one."
        )


@contextmanager
def unfinished(place: Path) -> Iterator[Path]:
    """A free name beside `place`; what still has it when the block ends is removed."""
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield draft
    finally:
        for suffix in ("", *COMPANIONS):
            with suppress(OSError):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def create_like(source: Path, path: Path) -> None:
    """Creates an empty file with the permissions of another one, before anything is in it."""
    mode = stat.S_IMODE(source.stat().st_mode)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    path.chmod(mode)


def finish(draft: Path, place: Path) -> None:
    """Gives a complete file its name, so that it survives a power cut."""
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    draft.replace(place)
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def pack(source: Path, packed: Path) -> None:
    """Packs a file with gzip and reads it back.

    Raises:
        DatabaseError: What was read back is something else.
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
        CorruptDatabaseError: It is damaged, or holds no SQLite database.
    """
    try:
        with gzip.open(packed, "rb") as file, destination.open("wb") as plain:
            beginning = file.read(len(_MAGIC))
            if beginning != _MAGIC:
                raise CorruptDatabaseError(
                    f"{packed} holds no SQLite database", "Name a backup that db-backup made."
                )
            plain.write(beginning)
            shutil.copyfileobj(file, plain, _CHUNK)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorruptDatabaseError(
            f"{packed} is damaged: {error}", "Use another backup, or copy it again."
        ) from error


@contextmanager
def held(path: Path) -> Iterator[Sequence[str]]:
    """Holds an existing file that nobody else may have open, while it is exchanged.

    Yields the companions that belong to it still. Those of a healthy database are merged into it;
    a damaged one keeps them.

    Raises:
        DatabaseLockedError: Another program has it open.
    """
    if is_database(path):
        with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as connection:
            try:
                # Leaving the write-ahead log needs the file for oneself, and merges the log.
                for mode in ("WAL", "DELETE"):
                    connection.execute(f"PRAGMA journal_mode={mode}")
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error as error:
                if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                    raise DatabaseLockedError(
                        f"{path} is in use", f"End the programs that use it: fuser {path}"
                    ) from error
            else:
                yield ()
                return
    yield [suffix for suffix in COMPANIONS if path.with_name(path.name + suffix).exists()]


def require_unused(path: Path) -> None:
    """Raises DatabaseLockedError where another program has this database open."""
    with held(path):
        pass


def failure(place: Path, error: OSError) -> DatabaseError:
    return DatabaseError(
        f"{place} could not be written: {error.strerror or error}",
        "Check the free space and the permissions of its folder.",
    )
