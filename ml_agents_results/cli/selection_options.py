"""Options that select runs by approach, provider, model, task, parsing method and time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_agents_results.cli.help_panels import SELECTION
from ml_agents_results.cli.option_groups import Names, option
from ml_agents_results.cli.option_values import listed

if TYPE_CHECKING:
    from ml_agents_results.repositories.filters import Filters

APPROACHES = option(
    "NAME,...", "Only these approaches; with commas or repeated, as all of these.", "--approach",
    panel=SELECTION,
)  # fmt: skip
MODELS = option("NAME,...", "Only these models.", "--model", panel=SELECTION)
TASKS = option("NAME,...", "Only these tasks.", "--task", panel=SELECTION)


@dataclass
class SelectionOptions:
    """Which runs a command is about."""

    approach: Names = APPROACHES
    provider: Names = option("NAME,...", "Only these providers.", panel=SELECTION)
    model: Names = MODELS
    task: Names = TASKS
    parsing_method: Names = option(
        "NAME,...", "Only runs parsed by these methods.", panel=SELECTION
    )
    created_from: str | None = option(
        "TIME",
        "Only runs recorded at or after this time (ISO 8601; UTC unless it has an offset).",
        "--from",
        panel=SELECTION,
    )
    created_to: str | None = option(
        "TIME", "Only runs recorded before this time.", "--to", panel=SELECTION
    )

    def filters(self, experiment_ids: list[str] | None = None) -> "Filters":
        """The filters that these options name, within the experiments."""
        chosen = vars(self) | {"approach_name": self.approach, "experiment_id": experiment_ids}
        del chosen["approach"]
        return filters_of(**chosen)


def filters_of(**given: Any) -> "Filters":
    """Filters from options, whose lists may contain commas."""
    from ml_agents_results.repositories.filters import Filters

    chosen = {}
    for name, value in given.items():
        if isinstance(value, list) and name != "experiment_id":
            value = listed(value)
        chosen[name] = value or None
    return Filters.of(chosen)
