"""Options that select runs by approach, provider, model, task, parsing method and time."""

from dataclasses import dataclass
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


@dataclass
class SelectionOptions:
    """Which runs a command is about."""

    approach: Approaches = None
    provider: Providers = None
    model: Models = None
    task: Tasks = None
    parsing_method: Methods = None
    created_from: From = None
    created_to: To = None

    def filters(self, experiment_ids: list[str] | None = None) -> "Filters":
        """The filters that these options name, within the experiments."""
        return filters_of(
            experiment_id=experiment_ids,
            approach_name=self.approach,
            provider=self.provider,
            model=self.model,
            task=self.task,
            parsing_method=self.parsing_method,
            created_from=self.created_from,
            created_to=self.created_to,
        )


def filters_of(**given: Any) -> "Filters":
    """Filters from options, whose lists may contain commas."""
    from ml_agents_results.repositories.filters import Filters

    chosen = {}
    for name, value in given.items():
        if isinstance(value, list) and name != "experiment_id":
            value = listed(value)
        chosen[name] = value or None
    return Filters.of(chosen)
