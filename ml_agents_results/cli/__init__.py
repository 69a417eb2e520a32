"""The command line `ml-agents`.

`app` is a `typer.Typer`: `app.command` and `app.add_typer` add commands, and another app may embed
it by `add_typer(app, name=...)`.
"""

import gc
import os
import signal
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from ml_agents_results.cli.command_group import CommandGroup

app = typer.Typer(
    name="ml-agents",
    cls=CommandGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="--debug, anywhere on the line, adds a traceback to errors.",
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
    """Record, compare and export the results of LLM experiments."""


def _open_missing_streams() -> None:
    """Opens standard streams that are closed, or a database would get their file descriptors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))


def main() -> None:
    """Runs the command line of this process."""
    # Python looks for garbage after every 700 new objects, and imports alone leave 50,000.
    gc.set_threshold(10_000)
    _open_missing_streams()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # Whoever stops a container or a job is answered as a Ctrl-C is: drafts are removed.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows fewer characters than a model gets escapes for the others.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="ml-agents")
    finally:
        # Everything goes with the process: taking it apart first takes longer than most commands.
        # DuckDB would report what is left as its own leak.
        if "duckdb" not in sys.modules:
            gc.freeze()
