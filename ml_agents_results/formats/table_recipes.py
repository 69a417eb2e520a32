"""Table recipes: how the files of a program become runs, declared in some fifteen lines of YAML.

A recipe names the fields of a run by their paths in a row, and the metrics. A path is the name of a
column, or names of inner objects joined by dots (`info.task`). Rows are the lines of a table or of
JSON Lines, or the elements of a JSON list; in a document of JSON `rows` says where they are:
`testCases[]` are the elements of a list, `eval.*[]` those of the lists that are the members of an
object. There `$key` is the name of that member, and `^.name` a value of the object around the row.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from ml_agents_results.formats.coercion import grade_of, number, text
from ml_agents_results.formats.json_values import parse
from ml_agents_results.formats.log_source import Parsing
from ml_agents_results.records import MetricRecord, ScoreRecord

_KEY, _PARENT = "$key", "^"
_FIELD = re.compile(r"\{([^{}]+)\}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_STEP = re.compile(r"[^.\[\]]+|\[\]")
_MISSING = object()


@dataclass(frozen=True)
class TableRecipe:
    """A recipe, checked.

    Attributes:
        about: What it reads, as one phrase.
        recognised_by: Columns, or members of the document, that together tell such a file; several
            such lists for several layouts.
        repeats: Whether an id that occurs again is another answer to the same sample.
        rows: Where the rows are in a document, `|` between several layouts; empty where the file
            has rows; `split` for a table of `columns` and `data`.
        lists: Members of the document that are lists of ids, each with what it says of them; of an
            id in several the first one counts.
        failures_only: `total` is the member of the first row that says how many rows there were
            before those that passed were left out; `passed` is what a row of those would hold.
        fields: Field of a run to its path; `a|b` is the first of several that is there, `a*1000`
            a number times a factor, and a text with `{a}` joins several.
        constants: Field of a run to its value in all runs.
        file_name: Field of a run to a regular expression whose group is found in the file's name.
        metrics: Metric to its path or, as an object, to path and conversion.
        metrics_each: Objects whose members are metrics; columns that begin with the name and a dot
            are members, too.
        metrics_list: A list of objects with the name and the value of a metric each.
        metrics_matching: A regular expression for columns that are metrics; its group is the name.
        grader: What compares answers with expected ones, where the file has no grades.
        parsing: How answers are read from raw outputs, where the file does not have them.
    """

    name: str
    about: str
    recognised_by: Sequence[Sequence[str]] = ()
    repeats: bool = False
    rows: str = ""
    lists: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failures_only: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    file_name: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics_each: Sequence[str] = ()
    metrics_list: Mapping[str, str] = field(default_factory=dict)
    metrics_matching: str = ""
    grader: str | None = None
    parsing: Parsing | None = None

    @property
    def is_document(self) -> bool:
        """Whether its rows are inside of one document."""
        return bool(self.rows or self.lists)

    def fit(self, names: Collection[str]) -> int:
        """By how many columns, or members, a file is one that it reads; 0 if it is not."""
        known = set(names)
        return max((len(one) for one in self.recognised_by if known.issuperset(one)), default=0)

    def definitions(self) -> list[MetricRecord]:
        """The metrics that it declares; the first one is primary."""
        records: list[MetricRecord] = []
        for name, about in self.metrics.items():
            lower, upper = about.get("scale", (None, None))
            kind = about.get("kind")
            if kind == "binary":
                lower, upper = 0, 1
            higher = False if about.get("lower_is_better") else None
            records.append(MetricRecord(name, kind, lower, upper, higher, is_primary=not records))
        return records

    def rows_of(self, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of a document."""
        if self.lists:
            yield from self._of_lists(document)
        elif self.rows == "split":
            columns = document.get("columns") or []
            for values in document.get("data") or []:
                yield dict(zip(columns, values, strict=False))
        else:
            for path in self.rows.split("|"):
                yield from _walk(document, _STEP.findall(path), {})

    def _of_lists(self, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        seen = set()
        for name, values in self.lists.items():
            for identity in document.get(name) or ():
                if isinstance(identity, str | int) and identity not in seen:
                    seen.add(identity)
                    yield {"id": identity, "list": name, **values}

    def read(
        self, row: Mapping[str, Any], stem: str, overrides: Mapping[str, str]
    ) -> tuple[dict[str, Any], dict[str, ScoreRecord]]:
        """The fields of a run, and its scores; what it does not use is kept in metadata_json.

        Args:
            stem: The name of the file without extensions.
            overrides: Field of a run to the path that the user names instead.
        """
        values: dict[str, Any] = dict(self.constants)
        for name, pattern in self.file_name.items():
            if (match := re.search(pattern, stem)) is not None:
                values[name] = match[1]
        paths = {**self.fields, **overrides}
        for name, path in paths.items():
            if path and (value := _field(row, path)) is not _MISSING and value is not None:
                values[name] = value
        scores = self._scores(row)
        used = {
            one.partition("*")[0].strip("{}") for path in paths.values() for one in path.split("|")
        }
        used |= {
            path for one in self.metrics.values() for path in (one["value"], *one.get("also", ()))
        }
        used |= {*self.metrics_each, self.metrics_list.get("in", "")}
        each = tuple(f"{one}." for one in (*self.metrics_each, *used) if one)
        kept = {
            name: value
            for name, value in row.items()
            if name not in used
            and name not in (_KEY, _PARENT)
            and value is not None
            and not (each and name.startswith(each))
        }
        if kept:
            values["metadata_json"] = kept
        return values, scores

    def _scores(self, row: Mapping[str, Any]) -> dict[str, ScoreRecord]:
        scores = {}
        for column, value in row.items() if self.metrics_matching else ():
            if value is not None and (match := re.fullmatch(self.metrics_matching, column)):
                scores[match[1]] = _converted(value, {})
        for name, about in self.metrics.items():
            values = [_at(row, path) for path in (about["value"], *about.get("also", ()))]
            if values[0] is not _MISSING and values[0] is not None:
                scores[name] = _lowest([_converted(value, about) for value in values])
        for name in self.metrics_each:
            members = _loaded(_at(row, name))
            if isinstance(members, Mapping):
                scores |= {one: _converted(value, {}) for one, value in members.items()}
            prefix = f"{name}."
            for column, value in row.items():
                if column.startswith(prefix) and value is not None:
                    scores[column.removeprefix(prefix)] = _converted(value, {})
        if self.metrics_list:
            about = self.metrics_list
            listed = _loaded(_at(row, about["in"]))
            for one in listed if isinstance(listed, list) else ():
                known = text(_at(one, about["name"])) if isinstance(one, Mapping) else None
                if known is not None:
                    score = _converted(_at(one, about["value"]), {})
                    explained = _at(one, about.get("explanation", ""))
                    score.explanation = explained if isinstance(explained, str) else None
                    scores[known] = score
        return scores


def _walk(value: Any, steps: Sequence[str], around: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects at the end of the steps, each with the object around its list."""
    if not steps:
        if isinstance(value, Mapping):
            yield {**around, **value}
        return
    step, *rest = steps
    if step == "[]":
        for one in value if isinstance(value, list) else ():
            yield from _walk(one, rest, around)
    elif step == "*":
        for key, one in value.items() if isinstance(value, Mapping) else ():
            yield from _walk(one, rest, {**around, _KEY: key})
    elif isinstance(value, Mapping):
        scalars = {k: v for k, v in value.items() if not isinstance(v, list | dict)}
        yield from _walk(value.get(step), rest, {**around, _PARENT: scalars})


def _at(row: object, path: str) -> Any:
    """The value at a path; a column of that very name comes first."""
    if not isinstance(row, Mapping):
        return _MISSING
    if path in row:
        return row[path]
    value: Any = row
    for name in path.split("."):
        value = _loaded(value)
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.lstrip("-").isdecimal():
            index = int(name)
            value = value[index] if -len(value) <= index < len(value) else _MISSING
        else:
            return _flattened(row, path)
    return value


def _flattened(row: Mapping[str, Any], path: str) -> Any:
    """The object that columns such as `inputs.question` are the members of."""
    prefix = f"{path}."
    members = {
        name.removeprefix(prefix): value
        for name, value in row.items()
        if name.startswith(prefix) and value is not None
    }
    return members or _MISSING


def _field(row: Mapping[str, Any], path: str) -> Any:
    """The value of a field: that of a path, of several joined by a template, or times a factor."""
    if "{" in path:
        parts = {one: text(_at(row, one)) for one in _FIELD.findall(path) if one}
        return _FIELD.sub(lambda match: parts[match[1]] or "", path)
    if "|" in path:
        values = (_field(row, one) for one in path.split("|"))
        return next((one for one in values if one is not _MISSING and one is not None), _MISSING)
    name, _, factor = path.partition("*")
    value = _at(row, path if not factor else name)
    if factor and _NUMBER.fullmatch(factor):
        known = number(value)
        if known is None and isinstance(value, str) and _NUMBER.fullmatch(value):
            known = float(value)
        return _MISSING if known is None else known * float(factor)
    if isinstance(value, Mapping) and len(value) == 1:
        return next(iter(value.values()))
    return value


def _converted(value: object, about: Mapping[str, Any]) -> ScoreRecord:
    """The score that a value is; a text that is no number stays as its label."""
    label = value if isinstance(value, str) else None
    if value in about.get("missing", ()):
        return ScoreRecord(None, label=label)
    if isinstance(value, str | int | float):
        value = about.get("values", {}).get(value, value)
    known: float | None
    if isinstance(value, bool):
        known = float(value)
    elif isinstance(value, str):
        is_number = _NUMBER.fullmatch(value.strip()) is not None
        known = float(value) if is_number else grade_of(value)
        label = None if is_number else label
    else:
        known = number(value)
    if known is not None:
        known = known * about.get("times", 1) + about.get("add", 0)
    return ScoreRecord(known, label=label)


def _lowest(scores: Sequence[ScoreRecord]) -> ScoreRecord:
    """The score with the lowest value, or without one; of equal ones the first."""
    return min(scores, key=lambda score: -inf if score.value is None else score.value)


def _loaded(value: object) -> Any:
    """A value, or what it is as JSON where a cell holds an object or a list as text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return parse(value)
        except ValueError:
            return value
    return value
