"""Output files appear whole or not at all: written beside their place, synced, then renamed."""

import io
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from ml_agents_results.errors import OutputError

STANDARD_OUTPUT = "-"


@contextmanager
def open_output(path: str | Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """A binary file that gets its name when the block ends, and none when the block raises.

    Args:
        path: `-` is standard output. Devices and pipes are written to directly.
        force: Whether an existing file may be replaced.

    Raises:
        OutputError: The file exists, or cannot be written; the message names it.
    """
    if path == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    # A link is kept; what it leads to is replaced.
    place = Path(os.path.realpath(target))
    try:
        if place.is_dir():
            raise OutputError(f"{target} is a folder", "Name a file inside it.")
        if place.exists() and not place.is_file():
            with place.open("wb") as file:
                yield file
            return
        if place.exists() and not force:
            raise _exists(target)
        with _unfinished(place) as unfinished:
            with unfinished.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if place.exists():
                shutil.copymode(place, unfinished)
            unfinished.replace(place)
    except OSError as error:
        raise _failure(target, error) from error


@contextmanager
def open_text_output(path: str | Path, *, force: bool = False) -> Iterator[TextIO]:
    """`open_output` for text in UTF-8, line ends as they are written; lone surrogates, which UTF-8
    cannot hold, become backslash escapes."""
    with open_output(path, force=force) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        try:
            yield text
        finally:
            # Left to itself the wrapper would close the file under our hands.
            text.detach()


@contextmanager
def output_folder(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """An empty folder to write files into; they get their place when the block ends.

    Args:
        force: Whether files of an existing folder may be replaced. Its other files stay.

    Raises:
        OutputError: The folder holds files already, or cannot be written; the message names it.
    """
    target = Path(path)
    place = Path(os.path.realpath(target))
    try:
        if place.exists() and not place.is_dir():
            raise OutputError(f"{target} is a file; a folder is needed", "Name another one.")
        filled = place.exists() and any(place.iterdir())
        if filled and not force:
            raise _exists(target)
        with _unfinished(place) as unfinished:
            unfinished.mkdir()
            yield unfinished
            for file in unfinished.iterdir():
                with file.open("rb+") as written:
                    os.fsync(written.fileno())
            if not filled:
                unfinished.replace(place)
                return
            for file in sorted(unfinished.iterdir()):
                file.replace(place / file.name)
    except OSError as error:
        raise _failure(target, error) from error


@contextmanager
def _unfinished(place: Path) -> Iterator[Path]:
    """A free name beside `place`; what still has it when the block ends is removed."""
    name = place.with_name(f".ml-agents-{secrets.token_hex(6)}.tmp")
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
    elif isinstance(error, PermissionError):
        hint = "Choose a place that you may write to."
    return OutputError(f"{target} cannot be written: {error.strerror or error}", hint)
