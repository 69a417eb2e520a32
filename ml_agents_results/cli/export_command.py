"""export: writes experiments to files for people, papers, notebooks and archives."""

from typing import TYPE_CHECKING, Annotated

import typer

from ml_agents_results.cli.database_options import DbPath, DbUrl, open_database
from ml_agents_results.cli.experiment_lookup import OptionalExperimentIds, every_id, resolve_ids
from ml_agents_results.cli.help_panels import OUTPUT
from ml_agents_results.cli.option_groups import grouped
from ml_agents_results.cli.option_values import completing, listed
from ml_agents_results.cli.output_options import Force
from ml_agents_results.cli.progress_bar import progress_bar
from ml_agents_results.cli.selection_options import SelectionOptions
from ml_agents_results.cli.statistics_options import Baseline, ComparisonOptions, Metric
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
    output: Annotated[
        str,
        typer.Option(
            "--output",
            metavar="FILE",
            help="File or folder to write, also in a store, as s3://bucket/file; `-` is standard "
            "output.",
            rich_help_panel=OUTPUT,
        ),
    ],
    experiment_ids: OptionalExperimentIds = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All experiments, in the order of their ids.")
    ] = False,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help=f"{', '.join(WRITERS)}, or one of another package; eee is Every Eval Ever. "
            "[default: the one that the output's extension selects]",
            autocompletion=completing(writer_names),
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART,...",
            help="Only these parts: summary, comparisons, runs, parsing, costs, failures, "
            "metadata. [default: all that the format has]",
            autocompletion=completing(_parts),
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    metadata: Annotated[
        bool,
        typer.Option(
            help="Write what describes the experiments: config, environment, dates.",
            rich_help_panel=OUTPUT,
        ),
    ] = True,
    chunk_size: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Runs handled at once; fewer need less memory.",
            rich_help_panel=OUTPUT,
        ),
    ] = 5000,
    samples: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Samples that an HTML report holds at most, the most telling ones first. "
            "[default: 300]",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    partition_by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN,...",
            help="Write a Parquet folder partitioned by these columns.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    selection: SelectionOptions,
    metric: Metric = None,
    baseline: Baseline = None,
    comparison: ComparisonOptions,
    force: Force = False,
    db_path: DbPath = None,
    db_url: DbUrl = None,
) -> None:
    """Write experiments to a file or folder, whole or not at all; figures as analyze and compare
    compute them.

    Other reports (latency, power, ranking, agreement, corrected, repeats) are written by: ml-agents
    analyze --report-type TYPE --output FILE.
    """
    from ml_agents_results.formats.exporting import export as write
    from ml_agents_results.repositories.run_repository import RunRepository

    filters = selection.filters()
    database = open_database(db_path, db_url)
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
