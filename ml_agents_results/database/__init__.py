"""The database itself: models, connections, migrations and maintenance."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_agents_results.database.engine import Database
    from ml_agents_results.database.manager import DatabaseManager
    from ml_agents_results.database.models import (
        Base,
        Experiment,
        Metric,
        ParsingMetric,
        Run,
        Score,
    )

__all__ = [
    "Base",
    "Database",
    "DatabaseManager",
    "Experiment",
    "Metric",
    "ParsingMetric",
    "Run",
    "Score",
]

_MODULES = {
    "Base": "models",
    "Database": "engine",
    "DatabaseManager": "manager",
    "Experiment": "models",
    "Metric": "models",
    "ParsingMetric": "models",
    "Run": "models",
    "Score": "models",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: modules of this package need few of the others.
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
