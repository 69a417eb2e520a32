"""Options that select runs by approach, provider, model, task, parsing method and time."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_agents_results.cli.help_panels import SELECTION
from ml_agents_results.cli.option_values import listed

if TYPE_CHECKING:
    from ml_agents_results.repositories.filters import Filters

Approaches = Annotated[
    list[str] | None,
    typer.Option(
        "--approach",
        metavar="NAME,...",
        help="Only these approaches; with commas or repeated, as all of these.",
        rich_help_panel=SELECTION,
    ),
]
Providers = Annotated[
    list[str] | None,
    typer.Option(
        "--provider", metavar="NAME,...", help="Only these providers.", rich_help_panel=SELECTION
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", metavar="NAME,...", help="Only these models.", rich_help_panel=SELECTION
    ),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", metavar="NAME,...", help="Only these tasks.", rich_help_panel=SELECTION),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--parsing-method",
        metavar="NAME,...",
        help="Only runs parsed by these methods.",
        rich_help_panel=SELECTION,
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TIME",
        help="Only runs recorded at or after this time (ISO 8601; UTC unless it has an offset).",
        rich_help_panel=SELECTION,
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="TIME",
        help="Only runs recorded before this time.",
        rich_help_panel=SELECTION,
    ),
]


def filters_of(**given: Any) -> "Filters":
    """Filters from options, whose lists may contain commas."""
    from ml_agents_results.repositories.filters import Filters

    chosen = {}
    for name, value in given.items():
        if isinstance(value, list) and name != "experiment_id":
            value = listed(value)
        chosen[name] = value or None
    return Filters.of(chosen)
