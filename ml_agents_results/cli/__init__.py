"""The command line. A command, and what it needs, is imported when it is called for: starting costs
nothing else."""

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from ml_agents_results.cli.error_messages import Commands
from ml_agents_results.cli.parameters import Command

_FUNCTIONS = {
    "run": "run_commands.run",
    "resume": "run_commands.resume",
    "grade": "grade_command.grade",
    "analyze": "analysis_commands.analyze",
    "compare": "analysis_commands.compare",
    "export": "export_command.export",
    "import": "import_command.import_",
    "list": "experiment_commands.list_",
    "show": "experiment_commands.show",
    "delete": "experiment_commands.delete",
    "db-init": "database_commands.db_init",
    "db-migrate": "database_commands.db_migrate",
    "db-backup": "maintenance_commands.db_backup",
    "db-restore": "maintenance_commands.db_restore",
    "db-check": "maintenance_commands.db_check",
    "db-repair": "maintenance_commands.db_repair",
    "db-stats": "database_commands.db_stats",
}
"""Each command's function in this package, in the order of the help."""


class _Made(Mapping[str, Any]):
    """The commands by name, each made when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_FUNCTIONS)

    def __len__(self) -> int:
        return len(_FUNCTIONS)


@cache
def _command(name: str) -> Any:
    module, function = _FUNCTIONS[name].split(".")
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name, cls=Command)(getattr(import_module(f"{__name__}.{module}"), function))
    return typer.main.get_command(alone)


class _Program(Commands):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": _Made()})


app = typer.Typer(
    name="ml-agents",
    cls=_Program,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="With --debug, errors show where in the program they arose.",
)


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


def _open_missing_streams() -> None:
    """A database must not get the number of a stream that was closed before us."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))


def main() -> None:
    """Runs the command line of this process."""
    # Python looks for garbage after every 700 new objects, and imports alone leave 50,000.
    gc.set_threshold(10_000)
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows fewer characters than a model gets escapes for the others.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="ml-agents")
    finally:
        # All goes with the process. To take it apart first takes longer than most commands. DuckDB
        # would report whatever is left as its own leak.
        if "duckdb" not in sys.modules:
            gc.freeze()
