"""Options that analyze and compare share: which runs, compared with what, under which settings."""

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
    typer.Option("--parsing-method", metavar="NAME,...", help="Only runs parsed like this."),
]
From = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Only runs made at or after (UTC).")
]
To = Annotated[
    str | None, typer.Option("--to", metavar="TIME", help="Only runs made before (UTC).")
]
Baseline = Annotated[
    str | None,
    typer.Option(
        metavar="VARIANT",
        help="The variant to compare with: an approach, a model, or several parts with slashes. "
        "[default: the approach None, else the first variant]",
    ),
]
Interval = Annotated[
    str,
    typer.Option(help="Of an accuracy: wilson, jeffreys, clopper-pearson or bayes-uniform."),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        help="What errors are clustered by: task, sample_id, input_fingerprint or none. "
        "[default: task where there is more than one]"
    ),
]
NullCluster = Annotated[
    str,
    typer.Option(
        help="Samples without a value to cluster by: error, or singleton (a cluster of its own)."
    ),
]
GroupMap = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help='Tasks that are variants of one another, as JSON: {"task": "family", ...}. Errors are '
        "clustered by family; macro averages take the mean of each family first.",
    ),
]
Missing = Annotated[
    str, typer.Option(help="Runs without a grade: exclude them, or count them as incorrect.")
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", help="Print every table, row and note, the methods and what columns mean."
    ),
]
Confidence = Annotated[float, typer.Option(help="Level of all intervals, between 0 and 1.")]


def filters_of(**given: Any) -> "Filters":
    """Filters from options; lists may hold commas."""
    from ml_agents_results.repositories.filters import Filters

    chosen = {}
    for name, value in given.items():
        if isinstance(value, list) and name != "experiment_id":
            value = listed(value)
        chosen[name] = value or None
    return Filters.of(chosen)


def families_in(path: Path | None) -> dict[str, str]:
    """The families of tasks that a file names."""
    import json

    from ml_agents_results.errors import UsageError

    if path is None:
        return {}
    hint = 'Write it like {"tracking_three": "tracking", "tracking_five": "tracking"}.'
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint) from error
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}", hint) from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise UsageError(f"{path} does not map tasks to families", hint)
    return found
