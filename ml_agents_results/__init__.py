"""Keeps, resumes, compares and exports LLM reasoning experiments."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_agents_results.config import DatabaseConfig, ExperimentConfig
    from ml_agents_results.database.manager import DatabaseManager
    from ml_agents_results.experiments.runner import ExperimentRunner
    from ml_agents_results.formats.csv_migration import migrate_from_csv
    from ml_agents_results.processor import ResultsProcessor
    from ml_agents_results.records import RunRecord, StandardResponse

    __version__: str

__all__ = [
    "DatabaseConfig",
    "DatabaseManager",
    "ExperimentConfig",
    "ExperimentRunner",
    "ResultsProcessor",
    "RunRecord",
    "StandardResponse",
    "__version__",
    "migrate_from_csv",
]

_MODULES = {
    "DatabaseConfig": "config",
    "DatabaseManager": "database.manager",
    "ExperimentConfig": "config",
    "ExperimentRunner": "experiments.runner",
    "ResultsProcessor": "processor",
    "RunRecord": "records",
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
