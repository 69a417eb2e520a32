"""view: shows the results in the browser."""

from collections.abc import Sequence
from typing import Annotated

import typer

from ml_agents_results.cli.database_options import DbPath, DbUrl, open_database
from ml_agents_results.cli.experiment_lookup import OptionalExperimentId, resolve_id
from ml_agents_results.cli.help_panels import SERVER
from ml_agents_results.errors import UsageError


def view(
    context: typer.Context,
    experiment_id: OptionalExperimentId = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="N",
            help="Port to listen on; 0 takes any. [default: 8765, else the next free one]",
            rich_help_panel=SERVER,
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on. Only this machine reaches the default.",
            rich_help_panel=SERVER,
        ),
    ] = "127.0.0.1",
    trusted_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A further name that the viewer is reached by; may be repeated.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    annotator: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A person who gets a link of their own, and grades under this name; may be "
            "repeated.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Let nobody grade.", rich_help_panel=SERVER)
    ] = False,
    no_open: Annotated[
        bool,
        typer.Option(
            "--no-open", help="Print the link and open no browser.", rich_help_panel=SERVER
        ),
    ] = False,
    db_path: DbPath = None,
    db_url: DbUrl = None,
) -> None:
    """Show the results in the browser, live, and grade answers by keyboard."""
    from urllib.parse import urlencode

    from ml_agents_results.viewer.server import serve

    database = open_database(db_path, db_url)
    path = "/"
    if experiment_id:
        with database.read() as connection:
            path = "/experiment?" + urlencode({"id": resolve_id(connection, experiment_id)})
    serve(
        database,
        host=host,
        port=port,
        read_only=read_only,
        open_browser=not no_open,
        trusted_hosts=trusted_host or (),
        annotators=_names(annotator or ()),
        path=path,
        debug=getattr(context.obj, "debug", False),
    )


def _names(annotators: Sequence[str]) -> list[str]:
    names = [name.strip() for name in annotators]
    if not all(names) or len(set(names)) < len(names):
        raise UsageError("--annotator names a person twice or nobody", "One name for each.")
    return names
