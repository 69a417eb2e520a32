"""view: shows the results in the browser."""

from collections.abc import Sequence

import typer

from ml_agents_results.cli.database_options import DatabaseOptions
from ml_agents_results.cli.experiment_lookup import OPTIONAL_EXPERIMENT, resolve_id
from ml_agents_results.cli.help_panels import SERVER
from ml_agents_results.cli.option_groups import Names, flag, grouped, option
from ml_agents_results.errors import UsageError


@grouped
def view(
    context: typer.Context,
    experiment_id: Names = OPTIONAL_EXPERIMENT,
    port: int | None = option(
        "N",
        "Port to listen on; 0 takes any. [default: 8765, else the next free one]",
        panel=SERVER,
        min=0,
        max=65535,
    ),
    host: str = option(
        "ADDRESS",
        "Address to listen on. Only this machine reaches the default.",
        default="127.0.0.1",
        panel=SERVER,
    ),
    trusted_host: Names = option(
        "NAME", "A further name that the viewer is reached by; may be repeated.", panel=SERVER
    ),
    annotator: Names = option(
        "NAME",
        "A person who gets a link of their own, and grades under this name; may be repeated.",
        panel=SERVER,
    ),
    read_only: bool = flag("--read-only", "Disable grading.", panel=SERVER),
    no_open: bool = flag("--no-open", "Print the link and open no browser.", panel=SERVER),
    *,
    where: DatabaseOptions,
) -> None:
    """Show the results in the browser, live, and grade answers by keyboard."""
    from urllib.parse import urlencode

    from ml_agents_results.viewer.server import serve

    database = where.current()
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
