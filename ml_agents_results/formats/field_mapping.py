"""From the names in a file to the fields of a run: `--map`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import isfinite
from typing import Any, NamedTuple

from ml_agents_results.database.types import from_stored
from ml_agents_results.database.validation import check_id, refused
from ml_agents_results.errors import InvalidFileError, InvalidRecordError, UsageError
from ml_agents_results.formats.coercion import TYPED, at, cell, grade_of, number, text, time_of
from ml_agents_results.formats.column_names import meanings, wide_columns
from ml_agents_results.formats.grading import Grading
from ml_agents_results.formats.json_values import parse
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.metric_scales import describes_text
from ml_agents_results.formats.record_objects import scores_of
from ml_agents_results.formats.table_samples import TableSamples
from ml_agents_results.records import ParsingMetrics, RunRecord, ScoreRecord, canonical_approach
from ml_agents_results.repositories.score_rows import COLUMN_PREFIX

RUN_FIELDS = tuple(name for name in RunRecord.__dataclass_fields__)
METRIC_FIELDS = tuple(ParsingMetrics.__dataclass_fields__)
KNOWN = frozenset((*RUN_FIELDS, *METRIC_FIELDS))
_ANSWER_TEXTS = ("raw_output", "parsed_answer", "error")
_TEXTS = ("id", "sample_id", "input_text", "expected_answer", *_ANSWER_TEXTS)
_TELLING = frozenset((*_TEXTS, "sample_index", "is_correct", "score", "scores")) - {"id"}
"""A line that has none of these is not a run."""

_ANSWERS = {*_ANSWER_TEXTS, "is_correct", "score", "scores"}
_SHOWN = 10
_LATER = (
    "Import it without --metric; then choose among the metrics that it brings: ml-agents edit "
    "--experiment-id ID --primary METRIC"
)
_NUMBERS = 3
_LARGEST = 1000
"""Larger numbers are times, sizes or ids rather than grades."""

_GRADES = ("is_correct", "score")
_COUNTERS = ("", "Unnamed: 0")
"""The names that the row numbers of pandas have in CSV files."""

_EXPECTED = {
    "model": {"model", "approach_name"},
    "sample_id": {"sample_id", "sample_index"},
    "is_correct": {"is_correct", "score", "scores"},
}
"""Fields that comparisons need, each with those that do as well."""

_DERIVED = ("outcome", "input_fingerprint")
"""Columns of our own exports that follow from the others."""


class _Plan(NamedTuple):
    """What the columns of a line are.

    Attributes:
        plain: Column to the one field that it gives, unchanged.
        fields: Column to the fields that it gives, each with the factor to the field's unit.
        paths: The same for names inside of columns.
        metrics: Columns that are metrics: the name of each, and whether it is one of right and
            wrong.
        left_out: Columns to leave out.
    """

    plain: Mapping[str, str]
    fields: Mapping[str, Sequence[tuple[str, float]]]
    paths: Mapping[str, Sequence[tuple[str, float]]]
    metrics: Mapping[str, tuple[str, bool]]
    left_out: frozenset[str]


class FieldMapping:
    """Makes runs of lines whose names are the fields of runs, or those that people give to them;
    keeps the others in metadata_json.

    Args:
        convert: Makes the value of a field from a text of the file.

    Attributes:
        grading: The metrics that are columns of the lines.

    Raises:
        UsageError: `columns` or `constants` has a field that runs do not have.
    """

    def __init__(
        self,
        source: LogSource,
        options: ImportOptions,
        convert: Callable[[str, str], Any] | None = None,
    ) -> None:
        given = {**options.columns, **options.constants}
        if unknown := sorted(set(given) - KNOWN):
            raise UsageError(
                f"a run has no field {', '.join(unknown)}",
                f"--map takes FIELD=COLUMN; fields are: {', '.join(sorted(KNOWN))}",
            )
        self._source = source
        self._convert = convert or cell
        self._approach = options.approach
        self._constants = dict(options.constants)
        self._left_out = {field for field, column in options.columns.items() if not column}
        self._mapped = frozenset(options.columns)
        self._fields: dict[str, list[tuple[str, float]]] = {}
        for field, column in options.columns.items():
            if column:
                name, factor = _factor(column)
                self._fields.setdefault(name, []).append((field, factor))
        self._named = tuple(filter(None, (options.metric or "").split(",")))
        self._are_widened = bool(options.wide or options.columns)
        self._measured: dict[str, None] = {}
        self._is_graded = options.parsing != "none" or bool(options.grader or options.answer_kind)
        self._unseen = set(self._fields) | set(self._named)
        if self._is_graded:
            self._unseen.discard(options.grader or "exact")
        self._kept: dict[str, None] = {}
        self._filled: set[str] = set()
        self._numeric: set[str] = set()
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._samples = TableSamples(source, takes_ids="sample_index" in options.columns)
        self._has_unit = "*" in options.columns.get("execution_time_ms", "")
        self._looks_like_seconds = False
        self._has_answers = False
        self.grading = Grading(
            source, options, metric=next(iter(self._named), None), rule="the first in the file"
        )

    def record(self, line: Mapping[str, Any]) -> RunRecord:
        """The run of one line; absent and null are the same.

        Raises:
            InvalidRecordError: A value is of the wrong kind, or nothing in the line is known.
        """
        return self.scored(line)[0]

    def scored(self, line: Mapping[str, Any]) -> tuple[RunRecord, dict[str, ScoreRecord]]:
        """The run of one line, and its value of each metric that is a column; see `record`."""
        names = tuple(line)
        if (plan := self._plans.get(names)) is None:
            plan = self._plans[names] = self._planned(line)
            self._measured.update(dict.fromkeys(plan.metrics))
        values: dict[str, Any] = {}
        kept: dict[str, Any] = {}
        scores: dict[str, ScoreRecord] = {}
        plain, metrics = plan.plain, plan.metrics
        for column, value in line.items():
            if value is None:
                continue
            if (known := plain.get(column)) is not None:
                values[known] = value
            elif column in metrics:
                name, is_verdict = metrics[column]
                scores[name] = self._score(column, value, is_verdict)
            elif fields := plan.fields.get(column):
                for field, factor in fields:
                    values[field] = value if factor == 1 else self._scaled(field, value, factor)
            elif column not in plan.left_out:
                kept[column] = value
        for path, fields in plan.paths.items():
            value = at(line, path)
            if value is not None:
                self._unseen.discard(path)
                if path in plan.metrics:
                    name, is_verdict = plan.metrics[path]
                    scores[name] = self._score(path, value, is_verdict)
                for field, factor in fields:
                    values[field] = value if factor == 1 else self._scaled(field, value, factor)
        values.update(self._constants)
        if not scores and values.keys().isdisjoint(_TELLING):
            raise InvalidRecordError(
                "it has no column that is known for a question, an answer or a grade; its columns "
                f"are: {_named(names) or 'none'}",
                "Name those of the question, the answer and the grade: --map input_text=COLUMN "
                "--map raw_output=COLUMN --map is_correct=COLUMN",
            )
        return self._record(values, kept), scores

    def _planned(self, line: Mapping[str, Any]) -> _Plan:
        names = tuple(line)
        taken = self._mapped | set(self._constants)
        own = {name for name in names if name in KNOWN and name not in taken}
        unnamed = "sample_index" not in names and "experiment_id" not in names
        if unnamed or "id" in self._fields:
            # Of a table of samples it is theirs, and elsewhere what --map says.
            own.discard("id")
        if self._approach is not None:
            taken = taken | {"approach_name"}
        others = [one for one in names if one not in own and one not in self._fields]
        ours = [one for one in names if one.startswith(COLUMN_PREFIX)]
        prefixed = {one: from_stored(one.removeprefix(COLUMN_PREFIX)) for one in ours}
        unknown = [one for one in others if one not in prefixed]
        known, measured = meanings(unknown, taken | own, line)
        counters: set[str] = set()
        if "input_text" in {*own, *taken, *(field for field, _ in known.values())}:
            # What pandas counts are lines; the question says which are about the same sample.
            counters = {one for one in _COUNTERS if known.pop(one, ("", 1.0))[0] == "sample_id"}
        metrics = {column: False for column in (*measured, *self._named) if column in names}
        metrics |= dict.fromkeys(prefixed, False)
        fields: dict[str, list[tuple[str, float]]] = {}
        paths: dict[str, list[tuple[str, float]]] = {}
        for column, targets in self._fields.items():
            rest = []
            for field, factor in targets:
                if field in _GRADES and (column != field or self._is_graded):
                    metrics[column] = field == "is_correct"
                else:
                    rest.append((field, factor))
            if column in names:
                self._unseen.discard(column)
                if rest:
                    fields[column] = rest
            elif "." in column:
                paths[column] = rest
        for path in self._named:
            if path not in names and "." in path:
                metrics[path] = False
                paths.setdefault(path, [])
        for column, (field, factor) in known.items():
            if field in ("is_correct", "score"):
                metrics[column] = field == "is_correct"
            else:
                fields[column] = [(field, factor)]
                self._has_unit |= factor != 1.0
            self._source.choose("column", f"{field}={column}", "its name")
        self._unseen -= {*names, *prefixed.values()}
        if (metrics or self._is_graded) and "experiment_id" not in names:
            # Next to other metrics, also a grader's, the grade is one of them, and the first.
            metrics = {one: one == "is_correct" for one in _GRADES if one in own} | metrics
        for name in own - set(metrics):
            fields.setdefault(name, []).append((name, 1.0))
        named = {column: prefixed.get(column, column) for column in metrics}
        for column, is_verdict in metrics.items():
            about = {} if column in prefixed else {"column": column}
            self.grading.define(
                named[column], kind="binary" if is_verdict else None, definition=about
            )
        derived = _DERIVED if "experiment_id" in names else ()
        left_out = self._left_out.union(derived, counters) & set(names)
        chosen = {column: (named[column], metrics[column]) for column in metrics}
        for column in set(names) - left_out - fields.keys() - chosen.keys():
            value = number(line[column])
            if value is not None and abs(value) <= _LARGEST and not describes_text(column):
                self._numeric.add(column)
        given = {field for targets in fields.values() for field, _ in targets}
        self._filled |= taken | given
        self._has_answers |= bool(chosen) or not given.isdisjoint(_ANSWERS)
        plain = {
            column: targets[0][0]
            for column, targets in fields.items()
            if column not in chosen and len(targets) == 1 and targets[0][1] == 1
        }
        return _Plan(plain, fields, paths, chosen, frozenset(left_out))

    def _score(self, column: str, value: Any, is_verdict: bool) -> ScoreRecord:
        kind = type(value)
        if kind is bool:
            return ScoreRecord(1.0 if value else 0.0)
        if kind is float and not is_verdict and isfinite(value):
            return ScoreRecord(value)
        if isinstance(value, str):
            if is_verdict:
                return ScoreRecord(float(self._convert("is_correct", value)))
            try:
                return ScoreRecord(float(self._convert("score", value)))
            except InvalidRecordError:
                return ScoreRecord(grade_of(value), label=value)
        if is_verdict and value not in (True, False):
            raise refused(column, value, "true, false, 1 or 0: it is the grade")
        return ScoreRecord(number(value))

    def _scaled(self, field: str, value: Any, factor: float) -> Any:
        known = self._convert(field, value) if isinstance(value, str) else value
        return known * factor if number(known) is not None else known

    def _record(self, values: dict[str, Any], kept: dict[str, Any]) -> RunRecord:
        for name, value in values.items():
            kind = type(value)
            if kind is str:
                if name in TYPED:
                    values[name] = self._convert(name, value)
            elif name in _TEXTS:
                # Benchmarks often have numbers for answers and ids.
                values[name] = str(value) if kind is int or kind is float else text(value)
        if values.get("error") in ("", "[]", "{}"):
            del values["error"]
        if isinstance(time := values.get("execution_time_ms"), float):
            self._looks_like_seconds |= 0 < time < 100 and not self._has_unit
            values["execution_time_ms"] = round(time)
        if self._approach is not None:
            values.setdefault("approach_name", self._approach)
        if "approach_name" not in values:
            values["approach_name"] = "None"
            self._source.choose("approach", "None", "no approach is named")
        self._samples.number(values)
        if isinstance(values["approach_name"], str):
            values["approach_name"] = canonical_approach(values["approach_name"])
        for name in ("id", "experiment_id"):
            if name in values:
                check_id(name, values[name])
        if "created_at" in values:
            values["created_at"] = time_of(values["created_at"])
        metrics = {name: values.pop(name) for name in METRIC_FIELDS if name in values}
        if "parsing_metrics" in values:
            metrics |= _metrics(values["parsing_metrics"])
        if metrics:
            values["parsing_metrics"] = ParsingMetrics(**metrics)
        if "scores" in values and (scores := _scores(values.pop("scores"), kept)) is not None:
            values["scores"] = scores
        if "metadata_json" in values:
            values["metadata_json"] = _object(values["metadata_json"])
        if kept:
            self._kept.update(dict.fromkeys(kept))
            values["metadata_json"] = kept | values.get("metadata_json", {})
        values.setdefault("experiment_id", "")
        return RunRecord(**values)

    def finish(self) -> None:
        """Warns of the columns that runs have no field for.

        Raises:
            InvalidFileError: A column that was mapped never occurred.
        """
        if mapped := sorted(self._unseen & self._fields.keys()):
            raise InvalidFileError(
                f"{self._source.name} has no column {', '.join(map(repr, mapped))}",
                "Correct --map FIELD=COLUMN; columns are spelled as in the file.",
            )
        if self._unseen:
            metrics = ", ".join(self.grading.metrics)
            raise InvalidFileError(
                f"{self._source.name} has no metric {', '.join(map(repr, sorted(self._unseen)))}",
                f"Its metrics are: {metrics}" if metrics else _LATER,
            )
        self._samples.finish()
        if self._looks_like_seconds:
            self._source.warn(
                f"{self._source.name}: fractions of milliseconds below 100 look like seconds "
                "(if they are: --map execution_time_ms=COLUMN*1000)"
            )
        unread = [*self._kept, *self._measured]
        if (variants := wide_columns(unread)) and not self._are_widened:
            shown = [*variants.items()][:_SHOWN]
            options = " ".join(f"--wide {column}={name}" for column, name in shown)
            self._source.warn(
                f"{self._source.name}: {_named(list(variants))} look like columns of several "
                f"variants (if they are: {options})"
            )
        elif len(unread) > 1 and not (self._has_answers or self._are_widened):
            self._source.warn(
                f"{self._source.name}: no column is known to hold answers or grades (in one: "
                "--map raw_output=COLUMN; in one for each variant: --wide COLUMN=NAME)"
            )
        if self._kept:
            names = list(self._kept)
            numbers = ",".join([one for one in names if one in self._numeric][:_NUMBERS])
            hints = [f"for metrics of numbers: --metric {numbers}"] if numbers else []
            if self.grading.metrics or self._is_graded:
                self._filled.add("score")
            if missing := [field for field, kin in _EXPECTED.items() if not kin & self._filled]:
                hints.insert(
                    0,
                    f"no column is known for {', '.join(missing)}; to name one: --map "
                    f"{missing[0]}=COLUMN",
                )
            hint = f" ({'; '.join(hints)})" if hints else ""
            self._source.warn(
                f"{self._source.name}: runs have no field for {_named(names)}; "
                f"kept in metadata_json{hint}"
            )


def _named(names: Sequence[str]) -> str:
    """The first few of them."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _factor(column: str) -> tuple[str, float]:
    """A column and the factor of `COLUMN*FACTOR`."""
    name, star, factor = column.rpartition("*")
    if star and name:
        with suppress(ValueError):
            return name, float(factor)
    return column, 1.0


def _metrics(value: object) -> dict[str, Any]:
    metrics = _loaded("parsing_metrics", value)
    if not isinstance(metrics, dict) or not metrics.keys() <= {*METRIC_FIELDS}:
        raise refused("parsing_metrics", value, f"an object of {', '.join(METRIC_FIELDS)}")
    return metrics


def _scores(value: object, kept: dict[str, Any]) -> list[ScoreRecord] | None:
    """Scores of ours; what else a file calls so is kept."""
    loaded = value
    if isinstance(value, str):
        with suppress(ValueError):
            loaded = parse(value)
    if (scores := scores_of(loaded)) is None:
        kept["scores"] = value
    return scores


def _object(value: object) -> dict[str, Any]:
    loaded = _loaded("metadata_json", value)
    return loaded if isinstance(loaded, dict) else {"value": loaded}


def _loaded(field: str, value: object) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ValueError as error:
        raise refused(field, value, f"JSON ({error})") from error
