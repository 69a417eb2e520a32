"""Records, resumes, compares and exports LLM reasoning experiments."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_agents_results.config import DatabaseConfig, ExperimentConfig
    from ml_agents_results.database.manager import DatabaseManager
    from ml_agents_results.database.models import Experiment, ParsingMetric, Run
    from ml_agents_results.experiments.runner import ExperimentRunner
    from ml_agents_results.formats.csv_migration import migrate_from_csv
    from ml_agents_results.processor import ResultsProcessor
    from ml_agents_results.records import (
        ExperimentRecord,
        ParsingMetrics,
        RunRecord,
        StandardResponse,
    )
    from ml_agents_results.repositories.claim_repository import ClaimRepository
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository
    from ml_agents_results.repositories.parsing_metrics_repository import ParsingMetricsRepository
    from ml_agents_results.repositories.run_repository import RunRepository

    __version__: str

__all__ = [
    "ClaimRepository",
    "DatabaseConfig",
    "DatabaseManager",
    "Experiment",
    "ExperimentConfig",
    "ExperimentRecord",
    "ExperimentRepository",
    "ExperimentRunner",
    "ParsingMetric",
    "ParsingMetrics",
    "ParsingMetricsRepository",
    "ResultsProcessor",
    "Run",
    "RunRecord",
    "RunRepository",
    "StandardResponse",
    "__version__",
    "migrate_from_csv",
]

_MODULES = {
    "ClaimRepository": "repositories.claim_repository",
    "DatabaseConfig": "config",
    "DatabaseManager": "database.manager",
    "Experiment": "database.models",
    "ExperimentConfig": "config",
    "ExperimentRecord": "records",
    "ExperimentRepository": "repositories.experiment_repository",
    "ExperimentRunner": "experiments.runner",
    "ParsingMetric": "database.models",
    "ParsingMetrics": "records",
    "ParsingMetricsRepository": "repositories.parsing_metrics_repository",
    "ResultsProcessor": "processor",
    "Run": "database.models",
    "RunRecord": "records",
    "RunRepository": "repositories.run_repository",
    "StandardResponse": "records",
    "migrate_from_csv": "formats.csv_migration",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: `ml-agents --help` needs none of them.
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("ml-agents-results")
        except PackageNotFoundError:
            return "unknown (not installed)"
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
