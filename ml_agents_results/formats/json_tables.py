"""JSON tables: the rows of JSON Lines, of a list, and of one document.

In a document the rows are where a recipe says, else the objects of its only list of samples, the
members of an object whose names are the ids of samples, or a frame as pandas writes it.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import mapping
from ml_agents_results.formats.column_names import meanings
from ml_agents_results.formats.field_mapping import RUN_FIELDS
from ml_agents_results.formats.json_files import beginning, first_line, read_lines, read_object
from ml_agents_results.formats.json_stream import JsonStream
from ml_agents_results.formats.json_values import json_kind
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.recipe_files import fitting_recipe, named_recipe
from ml_agents_results.formats.record_objects import experiment_of
from ml_agents_results.formats.table_files import Row
from ml_agents_results.records import ExperimentRecord

_LINES = {".jsonl", ".ndjson"}
_OTHERS = {".csv", ".tsv"}
_EXPORT = re.compile(
    rb'\{\s*"schema_version"\s*:\s*\d+\s*,\s*"(experiment_metadata|experiments)"\s*:\s*[\[{]'
)
_VERDICT = "is_correct"
_ANSWERS = {"raw_output", "parsed_answer", _VERDICT, "score"}
_SHARED = {"model", "provider", "approach_name", "task"}
_DEEPEST = 2
_SHOWN = 8


def is_json(source: LogSource) -> bool:
    """Whether the file is JSON by its name, else by how it begins."""
    if source.path.is_dir():
        return False
    endings = _endings(source)
    if endings & {*_LINES, ".json", *_OTHERS}:
        return not endings & _OTHERS
    return beginning(source.path)[:1] in (b"{", b"[")


def is_export(path: Path) -> bool:
    """Whether it begins as the document that `export --format json` writes."""
    return _EXPORT.match(beginning(path)) is not None


def export_rows(source: LogSource, experiments: list[ExperimentRecord]) -> Iterator[Row]:
    """The runs of our own document; what it says of an experiment is added to the list before the
    first of its runs."""
    with source.open() as file:
        stream = JsonStream(source, file)
        yield from _exported(source, stream, experiments)
        stream.finish()


def _exported(
    source: LogSource, stream: JsonStream, experiments: list[ExperimentRecord]
) -> Iterator[Row]:
    for name in stream.members():
        if name == "experiment_metadata":
            with source.locate(name):
                experiments.append(experiment_of(mapping(stream.value())))
        elif name == "experiments" and stream.first == b"[":
            for _ in stream.elements():
                yield from _exported(source, stream, experiments)
        elif name == "runs" and stream.first == b"[":
            for index in stream.elements():
                raw = stream.raw()
                yield f"run {index + 1}", mapping(stream.parse(raw)), len(raw)


def json_rows(source: LogSource, options: ImportOptions) -> Iterator[Row]:
    """The rows of a file, each with its position and size.

    Raises:
        InvalidFileError: It is not JSON, or a document in which no samples are found.
    """
    start = beginning(source.path)
    line, _, following = start.partition(b"\n")
    line = line.rstrip()
    if line[:1] == b"[":
        return _list(source)
    opened = line[:1] == b"{" and line[-1:] in b"{[,"
    alone = not following.strip() and not _endings(source) & _LINES
    names = _members(source) if opened or alone else None
    if names is None:
        return read_lines(source)
    if options.recipe is None:
        recipe = fitting_recipe(names, document=True)
    else:
        recipe = named_recipe(options.recipe)
    if recipe is not None and recipe.is_document:
        return iter([("document", read_object(source, source.path), source.size)])
    samples = _find(read_object(source, source.path))
    if len(samples) == 1:
        [only] = samples
        source.choose("rows", only.path, "the samples in the document")
        return ((f"entry {n}", row, len(str(row))) for n, row in enumerate(only.rows, 1))
    if alone and not samples:
        return read_lines(source)
    raise _refusal(source, names, samples)


def holds_samples(path: Path) -> bool:
    """Whether it is a document in which samples are found, or lines of samples; or either of a kind
    that a recipe reads."""
    source, line = LogSource(path), first_line(path)
    try:
        names = _members(source)
        if names is None:
            return fitting_recipe(line, document=False) is not None or _is_sample(line)
        return (
            fitting_recipe(names, document=True) is not None
            or len(_find(read_object(source, path))) == 1
        )
    except InvalidFileError:
        return False


def _endings(source: LogSource) -> set[str]:
    return {ending.lower() for ending in Path(source.name).suffixes}


def _members(source: LogSource) -> list[str] | None:
    """The names in the one object that the file holds; None if it holds anything else."""
    with source.open() as file:
        stream = JsonStream(source, file)
        try:
            names = list(stream.members())
            stream.finish()
        except InvalidFileError:
            return None
    return names


def _list(source: LogSource) -> Iterator[Row]:
    """The objects of a JSON list, however it is laid out."""
    with source.open() as file:
        stream = JsonStream(source, file)
        for index in stream.elements():
            position, raw = f"element {index + 1}", stream.raw()
            values = stream.parse(raw)
            if not isinstance(values, dict):
                raise InvalidFileError(
                    f"{source.where(position)}: it is {json_kind(values)}, not an object",
                    "A runs file has one JSON object for each run.",
                )
            yield position, values, len(raw)
        stream.finish()


class _Samples(NamedTuple):
    """Rows of a document, and where they are in it."""

    path: str
    rows: list[dict[str, Any]]


def _find(value: object, path: str = "", depth: int = 0) -> list[_Samples]:
    """All places of a document in which there are samples."""
    if isinstance(value, list):
        return [_Samples(f"{path}[]", value)] if _are_samples(value) else []
    if not isinstance(value, dict) or depth > _DEEPEST:
        return []
    if (rows := _frame(value) or _keyed(value)) is not None:
        return [_Samples(path or "members", rows)]
    inside = [
        one
        for name, inner in value.items()
        for one in _find(inner, f"{path}.{name}".lstrip("."), depth + 1)
    ]
    return [_Samples(one.path, _with_shared(one.rows, value)) for one in inside]


def _are_samples(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(one, dict) for one in values) and _is_sample(values[0])


def _is_sample(row: Mapping[str, Any]) -> bool:
    """Whether it has an answer or a grade, and a further column that is known. How many passed is
    not a grade: such an object has totals."""
    fields, metrics = _known(row)
    verdicts = [row[one] for one, (field, _) in meanings(row, ())[0].items() if field == _VERDICT]
    if any(type(one) in (int, float) and one not in (0, 1) for one in verdicts):
        return False
    return bool(metrics or fields & _ANSWERS) and len(fields) + len(metrics) > 1


def _known(row: Mapping[str, Any]) -> tuple[set[str], list[str]]:
    """The fields of runs, and the metrics, that a row has by the names of its columns."""
    known, metrics = meanings(row, ())
    return {field for field, _ in known.values()} | set(RUN_FIELDS) & row.keys(), metrics


def _keyed(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of an object that has a sample, or a verdict, for each id."""
    values = list(document.values())
    if len(values) < 2 or any(_known(document)):
        return None
    if all(isinstance(one, bool) for one in values):
        return [{"sample_id": key, "is_correct": value} for key, value in document.items()]
    first, second = values[:2]
    if not _are_samples([{"id": key, **one} for key, one in document.items() if type(one) is dict]):
        return None
    if not all(isinstance(one, dict) for one in values) or first.keys().isdisjoint(second):
        return None
    return [{"sample_id": key, **one} for key, one in document.items()]


def _frame(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of a frame that has an object for each column, as `to_json` of pandas writes it."""
    columns = list(document.values())
    if not columns or not all(isinstance(one, dict) for one in columns):
        return None
    index = columns[0].keys()
    if not _is_sample(document) or any(one.keys() != index for one in columns):
        return None
    named = "sample_id" in _known(document)[0]
    return [
        {**({} if named else {"sample_id": key}), **{one: document[one][key] for one in document}}
        for key in index
    ]


def _with_shared(rows: list[dict[str, Any]], around: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows with what the object around them says of all: the model, the approach."""
    texts = [one for one, value in around.items() if isinstance(value, str)]
    known = {one: (one, 1.0) for one in texts} | meanings(texts, ())[0]
    own = _known(rows[0])[0]
    shared = {name: around[name] for name, (field, _) in known.items() if field in _SHARED - own}
    return [{**row, **shared} for row in rows] if shared else rows


def _refusal(source: LogSource, names: list[str], samples: list[_Samples]) -> InvalidFileError:
    """Why the one object of a file is not a table."""
    if {"results", "versions"} <= set(names):
        return InvalidFileError(
            f"{source.name} holds totals of lm-eval without samples",
            "Run lm-eval with --log_samples to have every answer written.",
        )
    if samples:
        paths = [one.path for one in samples[:_SHOWN]]
        return InvalidFileError(
            f"{source.name} has samples in several places: {', '.join(paths)}",
            f"Import one of them: jq -c '.{paths[0]}' FILE | ml-agents import -",
        )
    return InvalidFileError(
        f"{source.name} holds one JSON object, with the members {', '.join(names[:_SHOWN])}",
        "A runs file has one JSON object a line. For a list inside: jq -c '.MEMBER[]' FILE",
    )
