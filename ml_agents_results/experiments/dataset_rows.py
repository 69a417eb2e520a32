"""Rows of a dataset: those of a file, a folder of files, a Hugging Face dataset, or the questions
that come with this package."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from ml_agents_results.errors import InvalidFileError, NotFoundError, UsageError

BUILTIN = "builtin"
"""The name of the questions that come with this package."""

Rows = Iterator[tuple[str, dict[str, Any]]]
"""Where each row is, for messages, and its columns."""


class RowSource(NamedTuple):
    """A dataset that was found.

    Attributes:
        name: A file's or folder's name, a Hugging Face name, or `builtin`.
        source: What loads it again from any working directory.
        rows: Its rows in order, read as they are asked for.
    """

    name: str
    source: str
    rows: Rows


def row_source(source: str | None) -> RowSource:
    """The rows of a dataset; nothing of it is read yet.

    Args:
        source: A file, a folder, a Hugging Face name (`owner/name`, `owner/name:config`, either
            with `@split`), or None or `builtin` for the built-in questions.

    Raises:
        NotFoundError: There is no such file.
        InvalidFileError: While it is read: it cannot be; the message names the line.
        UsageError: While it is read: a library is missing.
    """
    if source is None or source == BUILTIN:
        path = Path(str(files("ml_agents_results.experiments") / "data" / "builtin.jsonl"))
        return RowSource(BUILTIN, BUILTIN, _read_json_lines(path))
    path = Path(source).expanduser()
    if path.is_dir():
        return RowSource(path.resolve().name, str(path.resolve()), _read_folder(path))
    if path.is_file():
        return RowSource(path.name, str(path.resolve()), _read_file(path))
    if path.suffix.lower() in _READERS or source.startswith((".", "/", "~")) or "/" not in source:
        raise NotFoundError(
            f"there is no dataset {source}",
            "Give a file (.jsonl, .csv, .json), a folder of them, "
            f"a Hugging Face name (owner/name) or '{BUILTIN}'.",
        )
    return RowSource(source, source, _read_hugging_face(source))


def _read_folder(folder: Path) -> Rows:
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in _READERS and p.is_file())
    if not paths:
        raise InvalidFileError(
            f"the folder {folder} holds no .json, .jsonl or .csv file",
            "Each file in it is a task, named by the file.",
        )
    for path in paths:
        for where, row in _read_file(path):
            yield where, {"task": path.stem, **row}


def _read_file(path: Path) -> Rows:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidFileError(
            f"{path.name} is not a known kind of file", f"Known kinds: {', '.join(_READERS)}."
        )
    try:
        yield from reader(path)
    except UnicodeDecodeError as error:
        raise InvalidFileError(
            f"{path.name} is not UTF-8 text: {error.reason} at byte {error.start}",
            "Save it as UTF-8.",
        ) from error
    except OSError as error:
        raise InvalidFileError(f"{path.name} cannot be read: {error.strerror}") from error


def _read_json_lines(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path.name}, line {number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InvalidFileError(
                    f"{where} is not JSON: {error}", "Each line holds one JSON object."
                ) from error
            if not isinstance(row, dict):
                raise InvalidFileError(f"{where} is not a JSON object")
            yield where, row


def _read_csv(path: Path) -> Rows:
    csv.field_size_limit(sys.maxsize)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter, strict=True)
        try:
            for row in reader:
                where = f"{path.name}, line {reader.line_num}"
                if None in row:
                    raise InvalidFileError(
                        f"{where} has more cells than the header has columns",
                        "Put quotes around cells that hold a comma.",
                    )
                yield where, row
        except csv.Error as error:
            raise InvalidFileError(
                f"{path.name}, line {reader.reader.line_num} is not CSV: {error}"
            ) from error


def _read_json(path: Path) -> Rows:
    """The BIG-Bench layout, a task named by its file; or a plain list of examples."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidFileError(f"{path.name} is not JSON: {error}") from error
    examples = document.get("examples") if isinstance(document, dict) else document
    if not isinstance(examples, list):
        raise InvalidFileError(
            f"{path.name} has no list of examples",
            'A JSON dataset looks like {"examples": [{"input": "...", "target": "..."}]}.',
        )
    for number, example in enumerate(examples, start=1):
        where = f"{path.name}, example {number}"
        if not isinstance(example, dict):
            raise InvalidFileError(f"{where} is not a JSON object")
        yield where, {"task": path.stem, **example} if isinstance(document, dict) else example


def _read_hugging_face(source: str) -> Rows:
    try:
        import datasets
    except ImportError as error:
        raise UsageError(
            f"there is no file {source}, and Hugging Face datasets need a library",
            "pip install 'ml-agents-results[datasets]'",
        ) from error
    name, _, split = source.partition("@")
    name, _, config = name.partition(":")
    try:
        loaded = datasets.load_dataset(name, config or None)
    except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise InvalidFileError(
            f"the Hugging Face dataset {name} cannot be loaded: {error}",
            "Check the network, its name and its configuration (owner/name:config).",
        ) from error
    splits = [split] if split else ["test", "validation", "train", *loaded]
    chosen = next((known for known in splits if known in loaded), None)
    if chosen is None:
        raise InvalidFileError(
            f"{name} has no split {split!r}", f"Its splits are {', '.join(loaded)}."
        )
    for number, row in enumerate(loaded[chosen], start=1):
        yield f"{source}, row {number}", dict(row)


_READERS: dict[str, Callable[[Path], Rows]] = {
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".json": _read_json,
}
