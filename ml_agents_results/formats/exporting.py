"""Experiments as files: one module per format, found by name here or in other packages.

Another package adds a format with an entry point in the group `ml_agents_results.exporters`: its
name is that of the format, its value a module (or object) like those here (see `Exporter`).
"""

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from ml_agents_results.errors import UsageError

if TYPE_CHECKING:
    from ml_agents_results.database.engine import Database
    from ml_agents_results.formats.snapshot import ExportOptions, Snapshot

ENTRY_POINTS = "ml_agents_results.exporters"
FORMATS = {
    "excel": "excel_workbook",
    "csv": "csv_writer",
    "json": "json_document",
    "jsonl": "jsonl_writer",
    "archive": "archive_writer",
    "parquet": "parquet_writer",
    "markdown": "markdown",
    "latex": "latex",
    "html": "html_report",
    "eee": "every_eval_ever_writer",
    "inspect": "inspect_writer",
}
SUFFIXES = {
    ".xlsx": "excel",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".mlar": "archive",
    ".parquet": "parquet",
    ".md": "markdown",
    ".tex": "latex",
    ".html": "html",
}


class Exporter(Protocol):
    """What a format offers. PARTS are those of `snapshot.PARTS` that it can write."""

    PARTS: tuple[str, ...]

    def write(self, snapshot: "Snapshot", file: BinaryIO, /) -> None:
        """Writes to one file."""


class FolderExporter(Exporter, Protocol):
    """A format that may also write a folder. FOLDER_ENTRY matches the names of what is in it."""

    FOLDER_ENTRY: str

    def is_folder(self, path: Path, options: "ExportOptions", /) -> bool:
        """Whether this output is a folder."""

    def write_folder(self, snapshot: "Snapshot", folder: Path, /) -> None:
        """Writes into an empty folder."""


def format_names() -> list[str]:
    """The formats that there are, those of other packages last."""
    others = (point.name for point in entry_points(group=ENTRY_POINTS))
    return list(dict.fromkeys((*FORMATS, *others)))


def find_exporter(name: str) -> Exporter:
    """The exporter of a format.

    Raises:
        UsageError: There is no such format; the hint lists those there are.
    """
    if name in FORMATS:
        return cast(Exporter, import_module(f"ml_agents_results.formats.{FORMATS[name]}"))
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return cast(Exporter, point.load())
    raise UsageError(
        f"there is no export format {name!r}", f"Choose one of: {', '.join(format_names())}"
    )


def format_of(path: str | Path) -> str:
    """The format that the ending of a file's name stands for.

    Raises:
        UsageError: None has that ending.
    """
    suffix = Path(path).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    raise UsageError(
        f"the ending of {path} names no export format",
        f"Name the format: {', '.join(format_names())}",
    )


def export(
    database: "Database",
    experiment_ids: str | Sequence[str],
    path: str | Path,
    format: str | None = None,
    *,
    include: Iterable[str] | None = None,
    metadata: bool = True,
    chunk_size: int = 5000,
    partition_by: Sequence[str] = (),
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Writes experiments to a file or folder, as of one moment, whole or not at all.

    Args:
        experiment_ids: Ids (or names, unique beginnings, `latest`) in the order to write them.
        path: `-` is standard output.
        format: One of `format_names()`; by default what the ending of `path` stands for.
        include: Parts to write: summary, comparisons, runs, parsing, costs, failures, metadata.
            By default all that the format has.
        metadata: False leaves the part `metadata` out.
        chunk_size: Runs handled at once, where a format or a server handles more than one.
        partition_by: Columns of runs that a Parquet folder is partitioned by.
        force: Whether an existing output may be replaced.
        progress: Called with the number of runs written since it was called before.

    Raises:
        NotFoundError: There is no such experiment.
        UsageError: There is no such format, or it has no such part.
        OutputError: The output exists and `force` is not set, or it cannot be written.
    """
    from ml_agents_results.formats.output_files import open_output, output_folder
    from ml_agents_results.formats.snapshot import ExportOptions, Snapshot
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository

    name = format or format_of(path)
    exporter = find_exporter(name)
    if chunk_size < 1:
        raise UsageError(f"the chunk size is {chunk_size}", "It must be at least 1.")
    if partition_by and not hasattr(exporter, "PARTITIONS"):
        raise UsageError(f"{name} cannot be partitioned", "Partition with the format parquet.")
    options = ExportOptions(
        include=_parts(name, exporter, include) - (frozenset() if metadata else {"metadata"}),
        chunk_size=chunk_size,
        partition_by=tuple(partition_by),
        progress=progress,
    )
    ids = (experiment_ids,) if isinstance(experiment_ids, str) else experiment_ids
    with database.read() as connection:
        experiments = ExperimentRepository(connection)
        found = dict.fromkeys(experiments.resolve(one) for one in ids)
        snapshot = Snapshot(connection, tuple(map(experiments.get, found)), options)
        if _is_folder(exporter, path, options):
            writer = cast(FolderExporter, exporter)
            with output_folder(path, writer.FOLDER_ENTRY, force=force) as folder:
                writer.write_folder(snapshot, folder)
            return
        with open_output(str(path), force=force) as file:
            exporter.write(snapshot, file)


def _parts(name: str, exporter: Exporter, include: Iterable[str] | None) -> frozenset[str]:
    chosen = frozenset(exporter.PARTS if include is None else include)
    if unknown := sorted(chosen - set(exporter.PARTS)):
        raise UsageError(
            f"the format {name} has no part {', '.join(unknown)}",
            f"It has: {', '.join(exporter.PARTS)}",
        )
    return chosen


def _is_folder(exporter: Exporter, path: str | Path, options: "ExportOptions") -> bool:
    decide = getattr(exporter, "is_folder", None)
    return decide is not None and str(path) != "-" and decide(Path(path), options)
