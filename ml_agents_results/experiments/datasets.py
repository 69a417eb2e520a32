"""Datasets: where the questions come from, in an order and with a fingerprint that never vary.

A dataset is a file (JSON Lines, CSV, or JSON in the BIG-Bench layout), a folder of such files, the
name of a Hugging Face dataset, or the set of questions that comes with this package.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from ml_agents_results.errors import DuplicateError, InvalidFileError, NotFoundError, UsageError

BUILTIN = "builtin"
"""The name of the questions that come with this package."""

ALIASES: dict[str, tuple[str, ...]] = {
    "input": ("input", "question", "prompt"),
    "target": ("target", "answer", "expected_output", "expected_answer"),
    "id": ("id",),
    "task": ("task",),
}
"""The columns that are looked for, the first one present wins; a mapping replaces them."""

_Rows = Iterator[tuple[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Question:
    """One sample. `sample_index` counts from 0 within its task; the task is '' where none is."""

    task: str
    sample_index: int
    sample_id: str | None
    input_text: str
    expected_answer: str | None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions in a fixed order.

    Attributes:
        name: A file's or folder's name, a Hugging Face name, or `builtin`.
        source: What loads it again from any working directory.
        fingerprint: SHA-256 over all of its questions, whatever file format they came in. It
            covers the whole dataset, also where only the first samples of it are asked.
    """

    name: str
    source: str
    questions: list[Question]
    fingerprint: str

    def first(self, samples: int | None) -> list[Question]:
        """The first `samples` questions of each task; all for None."""
        if samples is None:
            return self.questions
        if samples < 1:
            raise UsageError(f"samples is {samples}", "Ask at least one sample, or leave it out.")
        return [question for question in self.questions if question.sample_index < samples]


def load_dataset(source: str | None = None, mapping: Mapping[str, str] | None = None) -> Dataset:
    """Loads a dataset.

    Args:
        source: A file, a folder, a Hugging Face name (`owner/name`, `owner/name:config`, either
            with `@split`), or None or `builtin` for the built-in questions.
        mapping: Which column holds `input`, `target`, `id` or `task`, where it has another name.

    Raises:
        NotFoundError: There is no such file.
        InvalidFileError: The file cannot be read; the message names the line.
        DuplicateError: Two questions of a task have the same id.
        UsageError: The mapping names a field that does not exist, or a library is missing.
    """
    unknown = sorted(set(mapping or ()) - set(ALIASES))
    if unknown:
        raise UsageError(
            f"there is no field {unknown[0]!r} to map", f"Fields: {', '.join(ALIASES)}."
        )
    columns = {**ALIASES, **{field: (column,) for field, column in (mapping or {}).items()}}
    if source is None or source == BUILTIN:
        path = Path(str(files("ml_agents_results.experiments") / "data" / "builtin.jsonl"))
        return _collect(BUILTIN, BUILTIN, _read_json_lines(path), ALIASES)
    path = Path(source).expanduser()
    if path.is_dir():
        return _collect(path.resolve().name, str(path.resolve()), _read_folder(path), columns)
    if path.is_file():
        return _collect(path.name, str(path.resolve()), _read_file(path), columns)
    if path.suffix.lower() in _READERS or source.startswith((".", "/", "~")) or "/" not in source:
        raise NotFoundError(
            f"there is no dataset {source}",
            "Give a file (.jsonl, .csv, .json), a folder of them, "
            f"a Hugging Face name (owner/name) or '{BUILTIN}'.",
        )
    return _collect(source, source, _read_hugging_face(source), columns)


def _collect(
    name: str, source: str, rows: _Rows, columns: Mapping[str, tuple[str, ...]]
) -> Dataset:
    questions: list[Question] = []
    counts: dict[str, int] = {}
    seen: dict[tuple[str, str], str] = {}
    digest = sha256()
    for where, row in rows:
        text = _value(row, columns["input"])
        if text is None or not text.strip():
            raise InvalidFileError(
                f"{where} has no question: no text in {' or '.join(columns['input'])}; "
                f"its columns are {', '.join(map(str, row)) or 'none'}",
                "Name the column that holds the question: --map input=COLUMN.",
            )
        task = _value(row, columns["task"]) or ""
        sample_id = _value(row, columns["id"])
        if sample_id is not None:
            first = seen.setdefault((task, sample_id), where)
            if first is not where:
                raise DuplicateError(
                    f"{where} has the id {sample_id!r}, and so has {first}",
                    "An id names one question of its task: correct it, or map id elsewhere.",
                )
        index = counts.get(task, 0)
        counts[task] = index + 1
        question = Question(task, index, sample_id, text, _value(row, columns["target"]))
        questions.append(question)
        digest.update(
            json.dumps([task, index, sample_id, text, question.expected_answer]).encode() + b"\n"
        )
    if not questions:
        raise InvalidFileError(f"{name} has no questions", "A dataset needs at least one.")
    return Dataset(name, source, questions, digest.hexdigest())


def _value(row: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """The first column present, as text; empty cells and null are absent.

    A list of one is that one (BIG-Bench writes its targets so); longer ones become JSON.
    """
    for name in names:
        if name in row:
            value = row[name]
            if isinstance(value, list) and len(value) == 1:
                value = value[0]
            if value is None or value == "":
                return None
            if isinstance(value, list | dict):
                return json.dumps(value, ensure_ascii=False)
            return str(value)
    return None


def _read_folder(folder: Path) -> _Rows:
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in _READERS and p.is_file())
    if not found:
        raise InvalidFileError(
            f"the folder {folder} holds no .json, .jsonl or .csv file",
            "Each file in it is a task, named by the file.",
        )
    for path in found:
        for where, row in _read_file(path):
            yield where, {"task": path.stem, **row}


def _read_file(path: Path) -> _Rows:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidFileError(
            f"{path.name} is of no kind that is known", f"Known kinds: {', '.join(_READERS)}."
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


def _read_json_lines(path: Path) -> _Rows:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path.name}, line {number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InvalidFileError(
                    f"{where} is not JSON: {error}", "Each line holds one JSON object."
                ) from error
            if not isinstance(row, dict):
                raise InvalidFileError(f"{where} is not a JSON object")
            yield where, row


def _read_csv(path: Path) -> _Rows:
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


def _read_json(path: Path) -> _Rows:
    """The BIG-Bench layout, a task named by its file; or a plain list of examples."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
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


def _read_hugging_face(source: str) -> _Rows:
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


_READERS: dict[str, Callable[[Path], _Rows]] = {
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".json": _read_json,
}
