"""Exporting: experiments to a file or folder, as of one moment, whole or not at all."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ml_agents_results.errors import UsageError
from ml_agents_results.formats.registry import FolderWriter, Writer, find_writer, format_of

if TYPE_CHECKING:
    from ml_agents_results.database.engine import Database
    from ml_agents_results.formats.snapshot import ExportOptions


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
    metric: str | None = None,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Writes experiments to a file or folder, as of one moment, whole or not at all.

    Args:
        experiment_ids: Ids (or names, unique beginnings, `latest`) in the order to write them.
        path: `-` is standard output.
        format: One of `registry.writer_names()`; by default the one that the extension of `path`
            selects.
        include: Parts to write: summary, comparisons, runs, parsing, costs, failures, metadata.
            By default all that the format has.
        metadata: False leaves the part `metadata` out.
        chunk_size: Runs handled at once, where a format or a server handles more than one.
        partition_by: Columns of runs that a Parquet folder is partitioned by.
        metric: What the analyses are about; by default the primary metric of the experiments.
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
    writer = find_writer(name)
    if chunk_size < 1:
        raise UsageError(f"the chunk size is {chunk_size}", "It must be at least 1.")
    if partition_by and not hasattr(writer, "PARTITIONS"):
        raise UsageError(f"{name} cannot be partitioned", "Partition with the format parquet.")
    options = ExportOptions(
        include=_parts(name, writer, include) - (frozenset() if metadata else {"metadata"}),
        chunk_size=chunk_size,
        partition_by=tuple(partition_by),
        metric=metric,
        progress=progress,
    )
    ids = (experiment_ids,) if isinstance(experiment_ids, str) else experiment_ids
    with database.read() as connection:
        experiments = ExperimentRepository(connection)
        resolved = dict.fromkeys(experiments.resolve(known) for known in ids)
        snapshot = Snapshot(connection, tuple(map(experiments.get, resolved)), options)
        if _is_folder(writer, path, options):
            folder_writer = cast(FolderWriter, writer)
            with output_folder(path, folder_writer.FOLDER_ENTRY, force=force) as folder:
                folder_writer.write_folder(snapshot, folder)
            return
        with open_output(str(path), force=force) as file:
            writer.write(snapshot, file)


def _parts(name: str, writer: Writer, include: Iterable[str] | None) -> frozenset[str]:
    chosen = frozenset(writer.PARTS if include is None else include)
    if unknown := sorted(chosen - set(writer.PARTS)):
        raise UsageError(
            f"the format {name} has no part {', '.join(unknown)}",
            f"It has: {', '.join(writer.PARTS)}",
        )
    return chosen


def _is_folder(writer: Writer, path: str | Path, options: "ExportOptions") -> bool:
    decide = getattr(writer, "is_folder", None)
    return decide is not None and str(path) != "-" and decide(Path(path), options)
