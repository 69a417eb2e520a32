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
from operator import itemgetter
from pathlib import Path
from typing import Any, get_args

from ml_agents_results.errors import InvalidFileError, UsageError
from ml_agents_results.formats.coercion import grade_of, number, text
from ml_agents_results.formats.json_values import parse
from ml_agents_results.formats.log_source import Parsing
from ml_agents_results.formats.recipes import FOLDER, NAMES
from ml_agents_results.records import MetricKind, MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.yaml_text import load_yaml

_KEY, _PARENT = "$key", "^"
_PLACE = re.compile(r"\{([^{}]+)\}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_STEP = re.compile(r"[^.\[\]]+|\[\]")
_MISSING = object()
_FIELDS = frozenset(RunRecord.__dataclass_fields__) - {"scores", "parsing_metrics", "id"}
_KEYS = {
    "about": str,
    "recognised_by": list,
    "repeats": bool,
    "rows": str,
    "lists": dict,
    "failures_only": dict,
    "fields": dict,
    "set": dict,
    "file_name": dict,
    "metrics": dict,
    "metrics_each": list,
    "metrics_list": dict,
    "metrics_matching": str,
    "grader": str,
    "parsing": str,
}
_METRIC_KEYS = {"value", "values", "missing", "add", "times", "scale", "lower_is_better", "kind"}
_LIST_KEYS = {"in", "name", "value", "explanation"}
_HINT = "docs/recipes.md has the keys; to begin with, copy a recipe of the package"


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
            for place in self.rows.split("|"):
                yield from _walk(document, _STEP.findall(place), {})

    def _of_lists(self, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        seen = set()
        for name, said in self.lists.items():
            for identity in document.get(name) or ():
                if isinstance(identity, str | int) and identity not in seen:
                    seen.add(identity)
                    yield {"id": identity, "list": name, **said}

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
            if (found := re.search(pattern, stem)) is not None:
                values[name] = found[1]
        paths = {**self.fields, **overrides}
        for name, path in paths.items():
            if path and (value := _field(row, path)) is not _MISSING and value is not None:
                values[name] = value
        scores = self._scores(row)
        used = {
            one.partition("*")[0].strip("{}") for path in paths.values() for one in path.split("|")
        }
        used |= {*(str(one["value"]) for one in self.metrics.values())}
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
            if value is not None and (found := re.fullmatch(self.metrics_matching, column)):
                scores[found[1]] = _converted(value, {})
        for name, about in self.metrics.items():
            value = _at(row, about["value"])
            if value is not _MISSING and value is not None:
                scores[name] = _converted(value, about)
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


def find_recipe(name: str) -> TableRecipe:
    """The recipe of this name, or in this file.

    Raises:
        UsageError: There is none.
        InvalidFileError: It is not a recipe.
    """
    if name in NAMES:
        return _packaged(name)
    path = Path(name)
    if not path.is_file():
        raise UsageError(
            f"there is no recipe {name!r}, and no file of that name",
            f"Recipes are: {', '.join(NAMES)}",
        )
    try:
        return _checked(path.stem, load_yaml(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InvalidFileError(f"{name} is not a recipe: {error}", _HINT) from error


def fitting_recipe(names: Collection[str], *, document: bool) -> TableRecipe | None:
    """The recipe of the package that recognises these columns or members by most of them."""
    fitting = [
        (recipe.fit(names), recipe)
        for recipe in map(_packaged, NAMES)
        if recipe.is_document == document
    ]
    most, recipe = max(fitting, key=itemgetter(0))
    return recipe if most else None


def _packaged(name: str) -> TableRecipe:
    if name not in _CACHE:
        source = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
        _CACHE[name] = _checked(name, load_yaml(source))
    return _CACHE[name]


_CACHE: dict[str, TableRecipe] = {}


def _checked(name: str, given: object) -> TableRecipe:
    """Raises ValueError where a key is unknown or a value of another kind."""
    if not isinstance(given, dict):
        raise ValueError("it is not an object of keys")
    for key, value in given.items():
        if key not in _KEYS:
            raise ValueError(f"it has no key {key!r}; keys are {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]):
            raise ValueError(f"{key} must be a {_KEYS[key].__name__}")
    known = dict(given)
    for part in ("fields", "set", "file_name"):
        if unknown := sorted(set(known.get(part, ())) - _FIELDS):
            raise ValueError(f"{part}: a run has no field {', '.join(map(str, unknown))}")
    metrics = {
        one: about if isinstance(about, dict) else {"value": about}
        for one, about in known.get("metrics", {}).items()
    }
    for one, about in metrics.items():
        if unknown := sorted(set(about) - _METRIC_KEYS):
            raise ValueError(f"metric {one}: unknown {', '.join(map(str, unknown))}")
        if not isinstance(about.get("value"), str):
            raise ValueError(f"metric {one}: `value` must name its path")
        if about.get("kind") not in (None, *get_args(MetricKind)):
            raise ValueError(f"metric {one}: kind is {' or '.join(get_args(MetricKind))}")
        scale = about.get("scale", [0, 1])
        if not (isinstance(scale, list) and len(scale) == 2 and None not in map(number, scale)):
            raise ValueError(f"metric {one}: scale is a list of two numbers")
    listed = known.get("metrics_list", {})
    if listed and not {"in", "name", "value"} <= set(listed) <= _LIST_KEYS:
        raise ValueError(f"metrics_list has the keys {', '.join(sorted(_LIST_KEYS))}")
    matching = known.get("metrics_matching")
    for pattern in (*known.get("file_name", {}).values(), *filter(None, [matching])):
        if _groups(str(pattern)) != 1:
            raise ValueError(f"{pattern!r} is not a regular expression with one group")
    if known.get("parsing") not in (None, *get_args(Parsing)):
        raise ValueError(f"parsing is one of {', '.join(get_args(Parsing))}")
    told = known.get("recognised_by", [])
    layouts = told if told and all(isinstance(one, list) for one in told) else [told]
    return TableRecipe(
        name=name,
        about=known.get("about", name),
        recognised_by=[list(map(str, one)) for one in layouts if one],
        repeats=known.get("repeats", False),
        rows=known.get("rows", ""),
        lists=known.get("lists", {}),
        failures_only=known.get("failures_only", {}),
        fields={one: str(path) for one, path in known.get("fields", {}).items()},
        constants=known.get("set", {}),
        file_name={one: str(pattern) for one, pattern in known.get("file_name", {}).items()},
        metrics=metrics,
        metrics_each=list(map(str, known.get("metrics_each", ()))),
        metrics_list={one: str(path) for one, path in listed.items()},
        metrics_matching=known.get("metrics_matching", ""),
        grader=known.get("grader"),
        parsing=known.get("parsing"),
    )


def _groups(pattern: str) -> int:
    try:
        return re.compile(pattern).groups
    except re.error:
        return 0


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
        parts = {one: text(_at(row, one)) for one in _PLACE.findall(path) if one}
        return _PLACE.sub(lambda found: parts[found[1]] or "", path)
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


def _loaded(value: object) -> Any:
    """A value, or what it is as JSON where a cell holds an object or a list as text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return parse(value)
        except ValueError:
            return value
    return value
