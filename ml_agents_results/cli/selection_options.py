"""Options that analyze and compare share: selection of runs, baseline, statistics."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_agents_results.cli.shared import listed

if TYPE_CHECKING:
    from ml_agents_results.repositories.filters import Filters

Approaches = Annotated[
    list[str] | None, typer.Option("--approach", metavar="NAME,...", help="Only these approaches.")
]
Providers = Annotated[
    list[str] | None, typer.Option("--provider", metavar="NAME,...", help="Only these providers.")
]
Models = Annotated[
    list[str] | None, typer.Option("--model", metavar="NAME,...", help="Only these models.")
]
Tasks = Annotated[
    list[str] | None, typer.Option("--task", metavar="NAME,...", help="Only these tasks.")
]
Methods = Annotated[
    list[str] | None,
    typer.Option("--parsing-method", metavar="NAME,...", help="Only runs parsed by these methods."),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="Only runs recorded at or after this time (UTC)."),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="TIME", help="Only runs recorded before this time (UTC)."),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        metavar="VARIANT",
        help="The variant to compare against: an approach, a model, or several parts joined by "
        "slashes. "
        "[default: the approach None, else the first variant]",
    ),
]
Interval = Annotated[
    str,
    typer.Option(
        help="Interval for accuracies: wilson, jeffreys, clopper-pearson or bayes-uniform."
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        help="Unit to cluster standard errors by: task, sample_id, input_fingerprint or none. "
        "[default: task if there is more than one]"
    ),
]
NullCluster = Annotated[
    str,
    typer.Option(
        help="Samples without a value to cluster by: error, or singleton (each its own cluster)."
    ),
]
GroupMap = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help='Families of related tasks, as JSON: {"task": "family", ...}. Errors are clustered by '
        "family; macro averages take the mean of each family first.",
    ),
]
Missing = Annotated[
    str, typer.Option(help="Runs without a grade: exclude them, or count them as incorrect.")
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", help="Print all tables, rows and notes, the methods and what columns mean."
    ),
]
Confidence = Annotated[
    float, typer.Option(help="Confidence level of all intervals, between 0 and 1.")
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


def families_in(path: Path | None) -> dict[str, str]:
    """Reads a JSON file that maps tasks to families."""
    import json

    from ml_agents_results.errors import UsageError

    if path is None:
        return {}
    hint = 'For example: {"tracking_three": "tracking", "tracking_five": "tracking"}'
    try:
        families = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint) from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}", hint) from error
    if not isinstance(families, dict) or not all(
        isinstance(name, str) for name in families.values()
    ):
        raise UsageError(f"{path} does not map tasks to families", hint)
    return families
