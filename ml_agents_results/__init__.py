"""Records, resumes, compares and exports LLM reasoning experiments."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_agents_results.config import DatabaseConfig, ExperimentConfig
    from ml_agents_results.database.manager import DatabaseManager
    from ml_agents_results.database.models import Experiment, Metric, ParsingMetric, Run, Score
    from ml_agents_results.experiments.approaches import approach
    from ml_agents_results.experiments.runner import ExperimentRunner
    from ml_agents_results.formats.csv_migration import migrate_from_csv
    from ml_agents_results.processor import ResultsProcessor
    from ml_agents_results.records import (
        ExperimentRecord,
        MetricRecord,
        ParsingMetrics,
        RunRecord,
        ScoreRecord,
        StandardResponse,
    )
    from ml_agents_results.repositories.claim_repository import ClaimRepository
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository
    from ml_agents_results.repositories.metric_repository import MetricRepository
    from ml_agents_results.repositories.parsing_metrics_repository import ParsingMetricsRepository
    from ml_agents_results.repositories.run_repository import RunRepository
    from ml_agents_results.repositories.score_repository import ScoreRepository
    from ml_agents_results.services.analysis_options import AnalysisOptions

    __version__: str

__all__ = [
    "AnalysisOptions",
    "ClaimRepository",
    "DatabaseConfig",
    "DatabaseManager",
    "Experiment",
    "ExperimentConfig",
    "ExperimentRecord",
    "ExperimentRepository",
    "ExperimentRunner",
    "Metric",
    "MetricRecord",
    "MetricRepository",
    "ParsingMetric",
    "ParsingMetrics",
    "ParsingMetricsRepository",
    "ResultsProcessor",
    "Run",
    "RunRecord",
    "RunRepository",
    "Score",
    "ScoreRecord",
    "ScoreRepository",
    "StandardResponse",
    "__version__",
    "approach",
    "migrate_from_csv",
]

_MODULES = {
    "AnalysisOptions": "services.analysis_options",
    "ClaimRepository": "repositories.claim_repository",
    "DatabaseConfig": "config",
    "DatabaseManager": "database.manager",
    "Experiment": "database.models",
    "ExperimentConfig": "config",
    "ExperimentRecord": "records",
    "ExperimentRepository": "repositories.experiment_repository",
    "ExperimentRunner": "experiments.runner",
    "Metric": "database.models",
    "MetricRecord": "records",
    "MetricRepository": "repositories.metric_repository",
    "ParsingMetric": "database.models",
    "ParsingMetrics": "records",
    "ParsingMetricsRepository": "repositories.parsing_metrics_repository",
    "ResultsProcessor": "processor",
    "Run": "database.models",
    "RunRecord": "records",
    "RunRepository": "repositories.run_repository",
    "Score": "database.models",
    "ScoreRecord": "records",
    "ScoreRepository": "repositories.score_repository",
    "StandardResponse": "records",
    "approach": "experiments.approaches.own",
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
