"""export: writes experiments to files for people, papers, notebooks and archives."""

from typing import TYPE_CHECKING

from ml_agents_results.cli.database_options import DatabaseOptions
from ml_agents_results.cli.experiment_lookup import OPTIONAL_EXPERIMENTS, every_id, resolve_ids
from ml_agents_results.cli.help_panels import OUTPUT
from ml_agents_results.cli.option_groups import Names, flag, grouped, option
from ml_agents_results.cli.option_values import completing, listed
from ml_agents_results.cli.output_options import FORCE
from ml_agents_results.cli.progress_bar import progress_bar
from ml_agents_results.cli.selection_options import SelectionOptions
from ml_agents_results.cli.statistics_options import BASELINE, METRIC, ComparisonOptions
from ml_agents_results.errors import UsageError
from ml_agents_results.formats.registry import WRITERS, writer_names
from ml_agents_results.reports.terminal import say

if TYPE_CHECKING:
    from sqlalchemy import Connection


def _parts() -> tuple[str, ...]:
    from ml_agents_results.formats.snapshot import PARTS

    return PARTS


@grouped
def export(
    *,
    output: str = option(
        "FILE",
        "File or folder to write, also in a store, as s3://bucket/file; `-` is standard output.",
        default=...,
        panel=OUTPUT,
    ),
    experiment_ids: Names = OPTIONAL_EXPERIMENTS,
    everything: bool = flag("--all", "All experiments, in the order of their ids."),
    format: str | None = option(
        "FORMAT",
        f"{', '.join(WRITERS)}, or one of another package; eee is Every Eval Ever. [default: the "
        "one that the output's extension selects]",
        autocompletion=completing(writer_names),
    ),
    include: Names = option(
        "PART,...",
        "Only these parts: summary, comparisons, runs, parsing, costs, failures, metadata. "
        "[default: all that the format has]",
        panel=OUTPUT,
        autocompletion=completing(_parts),
    ),
    metadata: bool = option(
        None,
        "Write what describes the experiments: config, environment, dates.",
        default=True,
        panel=OUTPUT,
    ),
    chunk_size: int = option(
        "N", "Runs handled at once; fewer need less memory.", default=5000, panel=OUTPUT, min=1
    ),
    samples: int | None = option(
        "N",
        "Most samples in an HTML report; the most telling come first. [default: 300]",
        panel=OUTPUT,
        min=0,
    ),
    partition_by: Names = option(
        "COLUMN,...", "Write a Parquet folder partitioned by these columns.", panel=OUTPUT
    ),
    selection: SelectionOptions,
    metric: str | None = METRIC,
    baseline: str | None = BASELINE,
    comparison: ComparisonOptions,
    force: bool = FORCE,
    where: DatabaseOptions,
) -> None:
    """Write experiments to a file or folder, whole or not at all; figures as analyze and compare
    compute them.

    Other reports (latency, power, ranking, agreement, corrected, repeats) are written by: ml-agents
    analyze --report-type TYPE --output FILE.
    """
    from ml_agents_results.formats.exporting import export as write
    from ml_agents_results.repositories.run_repository import RunRepository

    filters = selection.filters()
    database = where.current()
    with database.read() as connection:
        ids = _chosen(connection, experiment_ids or [], everything)
        repository = RunRepository(connection)
        total = sum(repository.count(experiment, filters) for experiment in ids)
    with progress_bar("Writing runs", total) as advance:
        write(
            database,
            ids,
            output,
            format,
            include=listed(include) or None,
            metadata=metadata,
            chunk_size=chunk_size,
            samples=samples,
            partition_by=listed(partition_by),
            analysis=comparison.analysis(metric=metric),
            baseline=baseline,
            filters=filters,
            force=force,
            progress=advance,
        )
    if output != "-":
        say(f"Wrote {output}.")


def _chosen(connection: "Connection", named: list[str], everything: bool) -> list[str]:
    if everything == bool(named):
        raise UsageError(
            "--all and --experiment-id cannot be combined"
            if everything
            else "no experiment is named",
            "Give --experiment-id ID,... or --all.",
        )
    return every_id(connection) if everything else resolve_ids(connection, named)
