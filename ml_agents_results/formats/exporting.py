"""Exporting: experiments to a file or folder, as of one moment, whole or not at all."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ml_agents_results.errors import UsageError
from ml_agents_results.formats.registry import FolderWriter, Writer, find_writer, format_of

if TYPE_CHECKING:
    from ml_agents_results.database.engine import Database
    from ml_agents_results.formats.snapshot import ExportOptions
    from ml_agents_results.repositories.filters import Filters
    from ml_agents_results.services.analysis_options import AnalysisOptions

_ANALYSED = frozenset(("summary", "comparisons", "parsing", "costs", "failures"))
_COMPARING = frozenset(("comparisons", "costs"))
"""Parts with figures that are computed."""

_OF_COMPARISONS = (
    *("difference_interval", "test", "correction", "margin", "contrasts", "simultaneous"),
    *("unpaired", "pair_by"),
)
"""Fields of AnalysisOptions that change comparisons only."""

_WITH_ACCURACY = ("eee", "inspect")
"""Formats that write accuracies with the runs."""


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
    analysis: "AnalysisOptions | None" = None,
    baseline: str | None = None,
    filters: "Filters | Mapping[str, Any] | None" = None,
    samples: int | None = None,
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
        analysis: How the analyses are computed.
        baseline: The variant that the others are compared with.
        filters: Which runs are written and analysed, as for `Filters.of`.
        samples: How many samples the HTML report holds at most; by default 300.
        force: Whether an existing output may be replaced.
        progress: Called with the number of runs written since it was called before.

    Raises:
        NotFoundError: There is no such experiment.
        UsageError: There is no such format, it has no such part, or what was chosen does not
            apply to it.
        OutputError: The output exists and `force` is not set, or it cannot be written.
    """
    from ml_agents_results.formats.output_files import open_output, output_folder
    from ml_agents_results.formats.snapshot import SAMPLES, ExportOptions, Snapshot
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository
    from ml_agents_results.repositories.filters import Filters
    from ml_agents_results.services.analysis_options import AnalysisOptions

    name = format or format_of(path)
    writer = find_writer(name)
    if chunk_size < 1:
        raise UsageError(f"the chunk size is {chunk_size}", "It must be at least 1.")
    if samples is not None and name != "html":
        raise UsageError(f"{name} holds all samples, or none", "Leave --samples out.")
    if partition_by and not hasattr(writer, "PARTITIONS"):
        raise UsageError(f"{name} cannot be partitioned", "Partition with the format parquet.")
    options = ExportOptions(
        include=_parts(name, writer, include) - (frozenset() if metadata else {"metadata"}),
        chunk_size=chunk_size,
        partition_by=tuple(partition_by),
        analysis=analysis or AnalysisOptions(),
        baseline=baseline,
        filters=Filters.of(filters),
        samples=SAMPLES if samples is None else samples,
        progress=progress,
    )
    _refuse_inapplicable(name, options)
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


def _refuse_inapplicable(name: str, options: "ExportOptions") -> None:
    """Raises UsageError for options that would change nothing of what is written."""
    from ml_agents_results.repositories.filters import Filters
    from ml_agents_results.services.analysis_options import AnalysisOptions

    if name == "archive" and options.filters != Filters():
        raise UsageError(
            "an archive holds whole experiments, so filters do not apply",
            "Leave them out, or export to another format, such as jsonl.",
        )
    usual, compares = AnalysisOptions(), options.include & _COMPARING
    chosen = [
        option.name
        for option in fields(AnalysisOptions)
        if getattr(options.analysis, option.name) != getattr(usual, option.name)
        and not (compares if option.name in _OF_COMPARISONS else _analyses(name, options.include))
    ]
    if options.baseline is not None and not compares:
        chosen.append("baseline")
    if chosen:
        one = chosen[0].replace("_", "-")
        raise UsageError(
            f"{name} with {', '.join(sorted(options.include)) or 'no parts'} has no figure that "
            f"{one} would change",
            "Leave the option out, or export to excel, json, html, markdown or latex.",
        )


def _analyses(name: str, include: Collection[str]) -> bool:
    return name in _WITH_ACCURACY or bool(_ANALYSED.intersection(include))


def _is_folder(writer: Writer, path: str | Path, options: "ExportOptions") -> bool:
    decide = getattr(writer, "is_folder", None)
    return decide is not None and str(path) != "-" and decide(Path(path), options)
