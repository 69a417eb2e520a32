"""The switch of all integrations: where they record, if they do."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_agents_results.config import DatabaseConfig

SWITCH = "ML_AGENTS_RECORD"


def is_on() -> bool:
    """Whether the environment asks integrations to record."""
    return os.environ.get(SWITCH, "") not in ("", "0")


def recording_database() -> "DatabaseConfig":
    """The database that the switch names."""
    from ml_agents_results.config import DatabaseConfig

    named = os.environ.get(SWITCH, "1")
    if named == "1":
        return DatabaseConfig.resolve(None, None)
    if "://" in named:
        return DatabaseConfig.resolve(None, named)
    return DatabaseConfig.resolve(named, None)
