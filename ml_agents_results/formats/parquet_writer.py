"""Parquet: typed columns for pandas, polars and DuckDB, as one file or a partitioned folder."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ml_agents_results.database.models import PARSING_COLUMNS
from ml_agents_results.database.types import from_stored
from ml_agents_results.errors import OutputError, UsageError
from ml_agents_results.formats.json_encoding import WIDTH, json_bytes
from ml_agents_results.formats.metric_columns import MetricColumns
from ml_agents_results.formats.record_objects import described_object
from ml_agents_results.formats.snapshot import ExportOptions, Snapshot
from ml_agents_results.reports.columns import COLUMNS
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS

if TYPE_CHECKING:
    import pyarrow

PARTS = ("runs", "metadata")
PARTITIONS = (
    *("experiment_id", "approach_name", "provider", "model", "task", "repeat_index"),
    *("parsing_method", "is_correct"),
)
FOLDER_ENTRY = rf"({'|'.join(PARTITIONS)})=.*"
_FOR_ANALYSES = ("input_fingerprint", "outcome")
"""What analyses need of the texts, so that they need not read them."""

COLUMN_NAMES = (*RECORD_COLUMNS, *PARSING_COLUMNS, *_FOR_ANALYSES)
EXPERIMENTS = "experiments"
"""The key of the file's metadata under which the experiments are described."""

BATCH_CHARACTERS = 32 * 1024 * 1024
GROUP_BYTES = 4 * 1024 * 1024
"""The least that a row group has, unless it is the last. Writers hold some ten times as much."""
"""Texts that are gathered before they are written, however few the runs."""

_COMPRESSION = "zstd"
_LONG_AT = tuple(
    RECORD_COLUMNS.index(name) for name in ("input_text", "raw_output", "metadata_json")
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def is_folder(_path: Path, options: ExportOptions) -> bool:
    return bool(options.partition_by)


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes one file. Lone surrogates, which Parquet cannot hold, become U+FFFD."""
    arrow = arrow_library()
    from pyarrow import parquet

    schema = _schema(arrow, snapshot)
    # The library closes the file it is given.
    with (
        arrow.PythonFile(_KeptOpen(file), mode="w") as kept,
        parquet.ParquetWriter(kept, schema, compression=_COMPRESSION) as writer,
    ):
        for group in _row_groups(arrow, schema, snapshot):
            writer.write_batch(group)


def write_folder(snapshot: Snapshot, folder: Path) -> None:
    """Writes a folder that is partitioned as Hive does it: `approach_name=None/model=m/...`."""
    arrow = arrow_library()
    from pyarrow import dataset

    columns = snapshot.options.partition_by
    if unknown := [name for name in columns if name not in PARTITIONS]:
        raise UsageError(
            f"runs cannot be partitioned by {', '.join(unknown)}",
            f"Choose among: {', '.join(PARTITIONS)}",
        )
    schema = _schema(arrow, snapshot)
    # Folders are named after values: as dictionaries they would be read back as numbers.
    fields = [arrow.field(name, _plain_type(arrow, name)) for name in columns]
    try:
        dataset.write_dataset(
            arrow.RecordBatchReader.from_batches(schema, _row_groups(arrow, schema, snapshot)),
            folder,
            format="parquet",
            file_options=dataset.ParquetFileFormat().make_write_options(compression=_COMPRESSION),
            partitioning=dataset.partitioning(arrow.schema(fields), flavor="hive"),
            basename_template="part-{i}.parquet",
            use_threads=False,
            max_partitions=10_000,
            existing_data_behavior="overwrite_or_ignore",
        )
    except arrow.ArrowInvalid as error:
        raise OutputError(
            f"the runs cannot be partitioned: {error}", "Partition by fewer columns."
        ) from error


class _KeptOpen:
    """A file that the writer cannot close: it still has to be synced."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.closed = False

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.closed = True


def arrow_library() -> Any:
    """pyarrow; raises UsageError if it is not installed."""
    try:
        import pyarrow
    except ImportError as error:
        raise UsageError(
            "Parquet needs the package pyarrow",
            "Install it with: pip install 'ml-agents-results[parquet]'",
        ) from error
    return pyarrow


def _plain_type(arrow: Any, name: str) -> Any:
    kind = COLUMNS[name].kind
    if name.endswith(("_index", "_tokens", "_ms", "_attempts")):
        return arrow.int32()
    if kind in ("number", "usd"):
        return arrow.float64()
    if kind == "flag":
        return arrow.bool_()
    return arrow.timestamp("us", tz="UTC") if kind == "time" else arrow.string()


def _schema(arrow: Any, snapshot: Snapshot) -> "pyarrow.Schema":
    fields = [
        arrow.field(
            name,
            _plain_type(arrow, name),
            metadata={"description": COLUMNS[name].meaning},
        )
        for name in COLUMN_NAMES
    ]
    fields += [
        arrow.field(name, arrow.float64(), metadata={"description": "value of a metric"})
        for name in MetricColumns(snapshot.experiments).names
    ]
    facts = {}
    if snapshot.includes("metadata"):
        facts[EXPERIMENTS] = json_bytes(list(map(described_object, snapshot.experiments)))
    return arrow.schema(fields, metadata=facts)


def _row_groups(arrow: Any, schema: "pyarrow.Schema", snapshot: Snapshot) -> Iterator[Any]:
    """Batches joined to what is written, and read, together: each costs a description of all
    columns, which a writer holds until the end."""
    waiting: list[Any] = []
    size = 0
    for batch in _batches(arrow, schema, snapshot):
        waiting.append(batch)
        size += batch.nbytes
        if size >= GROUP_BYTES:
            yield arrow.concat_batches(waiting)
            waiting, size = [], 0
    if waiting:
        yield arrow.concat_batches(waiting)


def _batches(arrow: Any, schema: "pyarrow.Schema", snapshot: Snapshot) -> Iterator[Any]:
    rows: list[Sequence[Any]] = []
    size = 0
    metrics = MetricColumns(snapshot.experiments)
    for row, scores in snapshot.scored_rows(_FOR_ANALYSES):
        rows.append((*row, *metrics.values(row, scores)))
        for index in _LONG_AT:
            size += len(row[index] or "")
        if len(rows) == snapshot.options.chunk_size or size > BATCH_CHARACTERS:
            yield _batch(arrow, schema, rows)
            rows, size = [], 0
    if rows:
        yield _batch(arrow, schema, rows)


def _batch(arrow: Any, schema: "pyarrow.Schema", rows: Sequence[Sequence[Any]]) -> Any:
    columns = list(zip(*rows, strict=True))
    del columns[WIDTH]
    return arrow.record_batch(
        [
            arrow.array(_texts(values) if field.type == arrow.string() else values, field.type)
            for field, values in zip(schema, columns, strict=True)
        ],
        schema=schema,
    )


def _texts(values: Sequence[str | None]) -> Sequence[str | None]:
    if not any(value is not None and "\ufdd0" in value for value in values):
        return values
    return [None if value is None else without_surrogates(from_stored(value)) for value in values]


def without_surrogates(text: str) -> str:
    """The text with U+FFFD for lone surrogates, which UTF-8 cannot hold."""
    return _SURROGATE.sub("\ufffd", text)
