"""Options that name experiments, and the ids they stand for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml_agents_results.cli.option_groups import option
from ml_agents_results.cli.option_values import require_utf8
from ml_agents_results.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

EXPERIMENT, OPTIONAL_EXPERIMENT = (
    option(
        "ID",
        "An experiment: its id, the unique beginning of its id, its name, or `latest`.",
        *("--experiment-id", "--experiment-ids"),
        default=default,
    )
    for default in (..., None)
)
EXPERIMENTS, OPTIONAL_EXPERIMENTS = (
    option(
        "ID,...",
        "Experiments: ids, unique beginnings of ids, names, or `latest`; with commas or repeated.",
        *("--experiment-ids", "--experiment-id"),
        default=default,
    )
    for default in (..., None)
)


def resolve_ids(connection: "Connection", values: Sequence[str]) -> list[str]:
    """The ids of the experiments that are named, each once, in the order they were given.

    Raises:
        NotFoundError: One is unknown or ambiguous; the hint names the nearest.
        UsageError: None is named.
    """
    ids: dict[str, None] = {}
    for value in values:
        for reference in _references(connection, value):
            ids[_resolve(connection, reference)] = None
    if not ids:
        raise _no_reference()
    return list(ids)


def resolve_id(connection: "Connection", values: Sequence[str]) -> str:
    """The id of the one experiment that is named; see `resolve_ids`.

    Raises:
        UsageError: Several are named.
    """
    first, *others = resolve_ids(connection, values)
    if others:
        raise UsageError(
            f"this command takes one experiment, not {len(others) + 1}",
            f"Call it for each, beginning with: --experiment-id {first}",
        )
    return first


def every_id(connection: "Connection") -> list[str]:
    """The ids of all experiments, sorted.

    Raises:
        NotFoundError: There are none.
    """
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository

    if not (ids := ExperimentRepository(connection).ids()):
        raise NotFoundError(
            "the database holds no experiments", "Import some with: ml-agents import FILE"
        )
    return list(ids)


def _references(connection: "Connection", value: str) -> list[str]:
    """The parts of a comma list, unless the whole is the name of an experiment."""
    if "," in value:
        try:
            _resolve(connection, value)
        except NotFoundError:
            return [part.strip() for part in value.split(",") if part.strip()]
    return [value]


def _resolve(connection: "Connection", value: str) -> str:
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository

    # Every id begins with nothing: an empty shell variable must not mean the only experiment.
    if not value.strip():
        raise _no_reference()
    require_utf8(value)
    return ExperimentRepository(connection).resolve(value)


def _no_reference() -> UsageError:
    return UsageError("no experiment is named", "See: ml-agents list")
