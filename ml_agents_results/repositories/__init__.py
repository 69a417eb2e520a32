"""Repositories: the SQL, on a Session or a Connection of the caller's, who alone commits."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_agents_results.repositories.claim_repository import (
        ClaimRepository,
        ScoreClaimRepository,
    )
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository
    from ml_agents_results.repositories.metric_repository import MetricRepository
    from ml_agents_results.repositories.parsing_metrics_repository import ParsingMetricsRepository
    from ml_agents_results.repositories.queue_repository import QueueRepository
    from ml_agents_results.repositories.run_repository import RunRepository
    from ml_agents_results.repositories.score_repository import ScoreRepository

__all__ = [
    "ClaimRepository",
    "ExperimentRepository",
    "MetricRepository",
    "ParsingMetricsRepository",
    "QueueRepository",
    "RunRepository",
    "ScoreClaimRepository",
    "ScoreRepository",
]

_MODULES = {
    "ClaimRepository": "claim_repository",
    "ExperimentRepository": "experiment_repository",
    "MetricRepository": "metric_repository",
    "ParsingMetricsRepository": "parsing_metrics_repository",
    "QueueRepository": "queue_repository",
    "RunRepository": "run_repository",
    "ScoreClaimRepository": "claim_repository",
    "ScoreRepository": "score_repository",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: modules of this package need few of the others.
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
