"""The command line. Commands import what they need when they run: `--help` costs nothing else."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from ml_agents_results.cli import (
    analysis,
    care,
    database,
    experiments,
    exporting,
    grade,
    importing,
    run,
)
from ml_agents_results.cli.failures import Commands

app = typer.Typer(
    name="ml-agents",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="With --debug, errors show where in the program they arose.",
)

app.command("run")(run.run)
app.command("resume")(run.resume)
app.command("grade")(grade.grade)
app.command("analyze")(analysis.analyze)
app.command("compare")(analysis.compare)
app.command("export")(exporting.export)
app.command("import")(importing.import_)
app.command("list")(experiments.list_)
app.command("show")(experiments.show)
app.command("delete")(experiments.delete)
app.command("db-init")(database.db_init)
app.command("db-migrate")(database.db_migrate)
app.command("db-backup")(care.db_backup)
app.command("db-restore")(care.db_restore)
app.command("db-check")(care.db_check)
app.command("db-repair")(care.db_repair)
app.command("db-stats")(database.db_stats)


def _version(wanted: bool) -> None:
    if wanted:
        from ml_agents_results import __version__

        typer.echo(f"ml-agents {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Keeps, compares and exports the results of LLM reasoning experiments."""


def main() -> None:
    """Runs the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows fewer characters than a model gets escapes for the others.
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="ml-agents")
