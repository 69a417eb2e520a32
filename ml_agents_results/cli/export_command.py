"""export: experiments as files for people, papers, notebooks and archives."""

from typing import TYPE_CHECKING, Annotated

import typer

from ml_agents_results.cli.shared import (
    DbPath,
    DbUrl,
    Force,
    OptionalExperimentIds,
    Output,
    every_id,
    listed,
    open_database,
    progress,
    resolve_ids,
)
from ml_agents_results.errors import UsageError
from ml_agents_results.reports.terminal import say

if TYPE_CHECKING:
    from sqlalchemy import Connection


def export(
    output: Output,
    experiment_ids: OptionalExperimentIds = None,
    everything: Annotated[bool, typer.Option("--all", help="Every experiment, by id.")] = False,
    format: Annotated[
        str | None,
        typer.Option(
            help="csv, json, jsonl, excel, parquet, markdown, latex, html, archive, inspect or eee "
            "(Every Eval Ever). [default: what the output's ending stands for]"
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART,...",
            help="Only these parts: summary, comparisons, runs, parsing, costs, failures, "
            "metadata. [default: all that the format has]",
        ),
    ] = None,
    metadata: Annotated[
        bool, typer.Option(help="Whether to write what describes the experiments.")
    ] = True,
    chunk_size: Annotated[
        int, typer.Option(min=1, help="Runs handled at once; fewer need less memory.")
    ] = 5000,
    partition_by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN,...", help="Write a Parquet folder partitioned by these."),
    ] = None,
    force: Force = False,
    db_path: DbPath = None,
    db_url: DbUrl = None,
) -> None:
    """Write experiments to a file or folder, whole or not at all."""
    from ml_agents_results.formats.exporting import export as write
    from ml_agents_results.repositories.run_repository import RunRepository

    database = open_database(db_path, db_url)
    with database.read() as connection:
        ids = _chosen(connection, experiment_ids or [], everything)
        total = sum(map(RunRepository(connection).count, ids))
    with progress("Writing runs", total) as advance:
        write(
            database,
            ids,
            output,
            format,
            include=listed(include) or None,
            metadata=metadata,
            chunk_size=chunk_size,
            partition_by=listed(partition_by),
            force=force,
            progress=advance,
        )
    if output != "-":
        say(f"Wrote {output}.")


def _chosen(connection: "Connection", named: list[str], everything: bool) -> list[str]:
    if everything == bool(named):
        raise UsageError(
            "--all and --experiment-id name other experiments"
            if everything
            else "no experiment is named",
            "Give --experiment-id ID,... or --all.",
        )
    return every_id(connection) if everything else resolve_ids(connection, named)
