"""Output files appear whole or not at all: written next to it, synced, then renamed."""

import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ml_agents_results.database.files import refuse_to_replace
from ml_agents_results.errors import OutputError, UsageError
from ml_agents_results.formats.remote_files import path_here, remote_output, shown_url

STANDARD_OUTPUT = "-"
_BUFFER = 256 * 1024


@contextmanager
def open_output(path: str | Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """A binary file that gets its name when the block ends, and none when the block raises.

    Args:
        path: `-` is standard output; a URL is a file in a store. Devices and pipes are written to
            directly.
        force: Whether an existing file may be replaced. A database never is.

    Raises:
        OutputError: The file exists, is a database, or cannot be written; the message names it.
    """
    if path == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if (target := path_here(path)) is None:
        with remote_output(str(path), force=force) as file:
            yield file
        return
    # A link is kept; what it leads to is replaced.
    destination = Path(os.path.realpath(target))
    try:
        if destination.is_dir():
            raise OutputError(f"{target} is a folder", "Name a file inside it.")
        if destination.exists() and not destination.is_file():
            with destination.open("wb") as file:
                yield file
            return
        if destination.exists() and not force:
            raise _exists(target)
        refuse_to_replace(destination)
        with _unfinished(destination) as unfinished:
            with unfinished.open("xb", buffering=_BUFFER) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if destination.exists():
                shutil.copymode(destination, unfinished)
            unfinished.replace(destination)
    except OSError as error:
        raise _failure(target, error) from error


@contextmanager
def output_folder(path: str | Path, entry: str, *, force: bool = False) -> Iterator[Path]:
    """An empty folder to write into; it gets its name when the block ends.

    Args:
        entry: A pattern of what such a folder holds.
        force: Whether an existing folder may be replaced, if it holds nothing else: never mixed
            with what was there, or two outputs would pass for one.

    Raises:
        OutputError: The folder holds something already, or cannot be written; the message names
            it.
    """
    if (target := path_here(path)) is None:
        raise UsageError(
            f"{shown_url(str(path))} would be a folder, and a store takes single files",
            "Export an archive, or write the folder here and copy it.",
        )
    destination = Path(os.path.realpath(target))
    try:
        if destination.exists():
            _check_replaceable(target, destination, entry, force)
        with _unfinished(destination) as unfinished:
            unfinished.mkdir()
            yield unfinished
            for file in unfinished.rglob("*"):
                if file.is_file():
                    with file.open("rb+") as written:
                        os.fsync(written.fileno())
            with _unfinished(destination) as old:
                if destination.exists():
                    destination.replace(old)
                unfinished.replace(destination)
    except OSError as error:
        raise _failure(target, error) from error


def _check_replaceable(target: Path, destination: Path, entry: str, force: bool) -> None:
    if not destination.is_dir():
        raise OutputError(f"{target} is a file; a folder is needed", "Name another one.")
    held = sorted(child.name for child in destination.iterdir())
    if held and not force:
        raise _exists(target)
    for name in held:
        if not re.fullmatch(entry, name):
            raise OutputError(
                f"{target} holds {name!r}, which is not part of such an output",
                "Name another folder: replacing this one would delete what is in it.",
            )
    for file in destination.rglob("*"):
        refuse_to_replace(file)


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """A free name next to `path`; a file that still has it when the block ends is removed."""
    name = path.with_name(f".ml-agents-{secrets.token_hex(6)}.tmp")
    try:
        yield name
    finally:
        if name.is_dir():
            shutil.rmtree(name)
        else:
            name.unlink(missing_ok=True)


def _exists(target: Path) -> OutputError:
    return OutputError(f"{target} exists already", "Replace it with --force, or name another one.")


def _failure(target: Path, error: OSError) -> OutputError:
    hint = "Check the disk, or choose another place."
    if isinstance(error, FileNotFoundError):
        hint = f"Create the folder first: mkdir -p {target.parent}"
    elif error.errno == errno.ENAMETOOLONG:
        hint = "Choose a shorter name."
    elif isinstance(error, PermissionError):
        hint = "Choose a place that you may write to."
    return OutputError(f"{target} cannot be written: {error.strerror or error}", hint)
