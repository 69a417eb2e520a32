"""A folder of Parquet files: checked to be one of our exports, and its tables."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ml_agents_results.database.models import ParsingMetric, Run
from ml_agents_results.database.types import UtcTimestamp, from_stored
from ml_agents_results.errors import InvalidFileError, NotFoundError
from ml_agents_results.records import ExperimentRecord, ExperimentStatus, MetricRecord
from ml_agents_results.repositories.score_rows import COLUMN_PREFIX

if TYPE_CHECKING:
    import pyarrow

_UNUSED = (
    "content_digest",
    # Exports from before revision 0005 do not have them.
    *("finish_reason", "reasoning_text", "reasoning_tokens", "cached_tokens"),
)
RUN_COLUMNS = tuple(name for name in Run.__table__.columns.keys() if name not in _UNUSED)  # noqa: SIM118
PARSING_COLUMNS = tuple(
    name
    for name in ParsingMetric.__table__.columns.keys()  # noqa: SIM118
    if name not in ("id", "run_id", *_UNUSED)
)
_TYPES = {int: "INTEGER", float: "DOUBLE", bool: "BOOLEAN"}
_HINT = (
    "Write such a folder with: ml-agents export --all --format parquet "
    "--partition-by experiment_id,approach_name --output FOLDER"
)


def sql_type(name: str) -> str:
    """The type of a column, as both engines call it."""
    for table in (Run, ParsingMetric):
        if (column := table.__table__.columns.get(name)) is not None:
            if isinstance(column.type, UtcTimestamp):
                return "TIMESTAMP"
            return _TYPES.get(column.type.python_type, "VARCHAR")
    raise AssertionError(name)


class Folder:
    """The files of a lake, checked before any engine reads them.

    Attributes:
        partitions: The columns that the names of folders hold.
        runs: How many there are in all files.
        experiments: Those that the files describe.
        scores: The columns with the values of metrics that all files have, by the metric's name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        files = self._found()
        described = {file: _described(file) for file in files}
        self.runs = sum(runs for runs, _ in described.values())
        self.partitions = self._partitions(files[0])
        experiments: dict[str, ExperimentRecord] = {}
        self.scores: Mapping[str, str] = {}
        for file, (_, schema) in described.items():
            self._check(file, schema, files[0])
            experiments |= {one.id: one for one in _experiments(file, schema)}
            known = _score_columns(schema)
            self.scores = {
                name: column
                for name, column in (known if file == files[0] else self.scores).items()
                if name in known
            }
        self.experiments = experiments.values()

    def __str__(self) -> str:
        return str(self.path)

    def _found(self) -> list[Path]:
        if self.path.is_file():
            return [self.path]
        if not self.path.is_dir():
            raise NotFoundError(f"there is no folder {self.path}", _HINT)
        files = sorted(
            file
            for file in self.path.rglob("*.parquet")
            if not any(part.startswith((".", "_")) for part in file.relative_to(self.path).parts)
        )
        if not files:
            raise InvalidFileError(f"{self.path} holds no Parquet files", _HINT)
        return files

    def _partitions(self, file: Path) -> tuple[str, ...]:
        folders = file.relative_to(self.path).parts[:-1] if file != self.path else ()
        return tuple(folder.partition("=")[0] for folder in folders)

    def _check(self, file: Path, schema: "pyarrow.Schema", first: Path) -> None:
        """Columns and their types are those of our export; folders are named alike."""
        if self._partitions(file) != self.partitions:
            raise InvalidFileError(
                f"{self.path} mixes several exports: {first.relative_to(self.path)} and "
                f"{file.relative_to(self.path)} are partitioned in other ways",
                "Name one of them, or export all experiments to a folder of their own.",
            )
        wrong = []
        for name in (*RUN_COLUMNS, *PARSING_COLUMNS):
            expected = sql_type(name)
            if name in self.partitions:
                continue
            if name not in schema.names:
                wrong.append(f"it has no column {name}")
            elif (actual := _type_of(schema.field(name).type)) != expected:
                wrong.append(f"its column {name} is {actual}, not {expected}")
        if wrong:
            further = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise InvalidFileError(f"{file} is not an export of runs: {wrong[0]}{further}", _HINT)


def _described(file: Path) -> tuple[int, "pyarrow.Schema"]:
    """How many runs a file has, and its columns."""
    import pyarrow
    from pyarrow import parquet

    try:
        metadata = parquet.read_metadata(file)
        schema = metadata.schema.to_arrow_schema()
        # Names are decoded when they are asked for.
        schema.names  # noqa: B018
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InvalidFileError(f"{file} cannot be read as Parquet: {error}", _HINT) from error
    return metadata.num_rows, schema


def _type_of(kind: "pyarrow.DataType") -> str:
    from pyarrow import types

    if types.is_string(kind) or types.is_large_string(kind):
        return "VARCHAR"
    if types.is_integer(kind):
        return "INTEGER"
    if types.is_floating(kind):
        return "DOUBLE"
    if types.is_boolean(kind):
        return "BOOLEAN"
    return "TIMESTAMP" if types.is_timestamp(kind) and kind.tz else str(kind)


def _score_columns(schema: "pyarrow.Schema") -> dict[str, str]:
    """The columns with the values of metrics, by the metric's name."""
    return {
        from_stored(field.name.removeprefix(COLUMN_PREFIX)): field.name
        for field in schema
        if field.name.startswith(COLUMN_PREFIX) and _type_of(field.type) == "DOUBLE"
    }


def _experiments(file: Path, schema: "pyarrow.Schema") -> list[ExperimentRecord]:
    """What an export says in the metadata of a file about its experiments."""
    try:
        known = json.loads((schema.metadata or {}).get(b"experiments", b"[]"))
    except (ValueError, RecursionError) as error:
        raise InvalidFileError(f"{file} describes no experiments: {error}", _HINT) from error
    listed = known if isinstance(known, list) else [known]
    if not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in listed):
        raise InvalidFileError(f"{file} describes no experiments", _HINT)
    return list(map(_experiment, listed))


def _experiment(described: dict[str, Any]) -> ExperimentRecord:
    """What exports leave out, or put otherwise, stays unknown."""
    experiment = ExperimentRecord(described["id"], status="completed")
    for name, kind in _KINDS.items():
        value = described.get(name.removesuffix("_json"))
        if isinstance(value, kind):
            setattr(experiment, name, value)
    if described.get("status") in get_args(ExperimentStatus):
        experiment.status = described["status"]
    try:
        created = datetime.fromisoformat(described["created_at"])
    except (KeyError, TypeError, ValueError):
        created = datetime.fromtimestamp(0, UTC)
    experiment.created_at = created if created.tzinfo else created.replace(tzinfo=UTC)
    names = {field.name for field in fields(MetricRecord)}
    metrics = described.get("metrics")
    experiment.metrics = [
        MetricRecord(**{name: value for name, value in one.items() if name in names})
        for one in (metrics if isinstance(metrics, list) else [])
        if isinstance(one, dict) and "name" in one
    ]
    return experiment


_KINDS = {"name": str, "description": str, "config_json": dict, "environment_json": dict}
