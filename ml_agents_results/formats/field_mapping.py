"""From the names in a file to the fields of a run: `--map`."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ml_agents_results.database.validation import check_id, refused
from ml_agents_results.errors import InvalidFileError, InvalidRecordError, UsageError
from ml_agents_results.formats.coercion import text, time_of
from ml_agents_results.formats.json_values import parse
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.score_fields import scores_of
from ml_agents_results.records import ParsingMetrics, RunRecord, ScoreRecord, canonical_approach

RUN_FIELDS = tuple(name for name in RunRecord.__dataclass_fields__)
METRIC_FIELDS = tuple(ParsingMetrics.__dataclass_fields__)
KNOWN = frozenset((*RUN_FIELDS, *METRIC_FIELDS))
_METRIC_NAMES = frozenset(METRIC_FIELDS)
_TEXTS = (
    "id",
    "sample_id",
    "input_text",
    "expected_answer",
    "raw_output",
    "parsed_answer",
    "error",
)
_SHOWN = 10
_OVERRIDABLE = (
    "sample_id",
    "input_text",
    "expected_answer",
    "raw_output",
    "parsed_answer",
    "task",
    "approach_name",
)
_ABSENT = object()


class FieldMapping:
    """Makes runs of lines whose names are the fields of runs; keeps the others in metadata_json.

    Args:
        convert: Makes the value of a field from a value of the file that is not None.

    Raises:
        UsageError: `columns` has a field that runs do not have.
    """

    def __init__(
        self,
        source: LogSource,
        options: ImportOptions,
        convert: Callable[[str, Any], Any] | None = None,
    ) -> None:
        if unknown := sorted(set(options.columns) - KNOWN):
            raise UsageError(
                f"a run has no field {', '.join(unknown)}",
                f"--map takes FIELD=COLUMN; fields are: {', '.join(sorted(KNOWN))}",
            )
        self._source = source
        self._convert = convert
        self._approach = options.approach
        self._fields: dict[str, list[str]] = {}
        for field, column in options.columns.items():
            self._fields.setdefault(column, []).append(field)
        self._unseen = set(self._fields)
        self._plain = KNOWN - set(options.columns) - set(self._fields)
        self._kept: dict[str, None] = {}

    def record(self, line: Mapping[str, Any]) -> RunRecord:
        """The run of one line; absent and null are the same.

        Raises:
            InvalidRecordError: A required field is missing, or a value is of the wrong kind.
        """
        values: dict[str, Any] = {}
        kept: dict[str, Any] = {}
        for column, value in line.items():
            if column in self._fields:
                self._unseen.discard(column)
            if value is None:
                continue
            if column in self._plain:
                values[column] = value
            elif fields := self._fields.get(column):
                values.update(dict.fromkeys(fields, value))
            else:
                kept[column] = value
        return self._record(values, kept)

    def _record(self, values: dict[str, Any], kept: dict[str, Any]) -> RunRecord:
        if self._convert is not None:
            values = {name: self._convert(name, value) for name, value in values.items()}
        if self._approach is not None:
            values.setdefault("approach_name", self._approach)
        missing = [name for name in ("approach_name", "sample_index") if name not in values]
        if missing:
            raise InvalidRecordError(
                f"there is no {' and no '.join(f'`{name}`' for name in missing)}",
                "If the file has it under another name: "
                + " ".join(f"--map {name}=COLUMN" for name in missing)
                + ("; or name one for all: --approach NAME" if "approach_name" in missing else ""),
            )
        if isinstance(values["approach_name"], str):
            values["approach_name"] = canonical_approach(values["approach_name"])
        for name in _TEXTS:
            # Benchmarks often have numbers for answers and ids.
            if type(values.get(name)) in (int, float):
                values[name] = str(values[name])
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
        if self._unseen:
            raise InvalidFileError(
                f"{self._source.name} has no {', '.join(sorted(self._unseen))}",
                "Correct --map FIELD=COLUMN; columns are spelled as in the file.",
            )
        if self._kept:
            names = list(self._kept)
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            self._source.warn(
                f"{self._source.name}: runs have no field for {', '.join(names[:_SHOWN])}{more}; "
                "kept in metadata_json"
            )


def _metrics(value: object) -> dict[str, Any]:
    metrics = _loaded("parsing_metrics", value)
    if not isinstance(metrics, dict) or not metrics.keys() <= _METRIC_NAMES:
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


class Overrides:
    """Fields of runs that `--map FIELD=PATH` takes from elsewhere in the samples of a log.

    A path is a name, and names of inner objects after a dot: `doc.question`.

    Raises:
        UsageError: A field cannot be taken from elsewhere.
    """

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        if unfit := sorted(set(options.columns) - set(_OVERRIDABLE)):
            raise UsageError(
                f"{', '.join(unfit)} of this format cannot be mapped",
                f"--map takes FIELD=PATH; fields are: {', '.join(_OVERRIDABLE)}",
            )
        self._source = source
        self._paths = {field: path.split(".") for field, path in options.columns.items()}
        self._unseen = dict(options.columns)

    def apply(self, run: RunRecord, sample: Mapping[str, Any]) -> None:
        """Sets those fields that the sample has."""
        for field, path in self._paths.items():
            value: Any = sample
            for name in path:
                value = value.get(name, _ABSENT) if isinstance(value, Mapping) else _ABSENT
            if value is not _ABSENT and (known := text(value)) is not None:
                setattr(run, field, known)
                self._unseen.pop(field, None)

    def finish(self) -> None:
        """Raises InvalidFileError if a path led nowhere in all samples."""
        if self._unseen:
            raise InvalidFileError(
                f"{self._source.name} has no {', '.join(sorted(self._unseen.values()))}",
                "Correct --map FIELD=PATH; names are spelled as in the file.",
            )
