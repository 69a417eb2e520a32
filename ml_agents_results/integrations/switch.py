"""The switch of all integrations: where they record, if they do."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_agents_results.config import DatabaseConfig

SWITCH = "ML_AGENTS_RECORD"
LOSSES = "ML_AGENTS_RECORD_LOSSES"
"""Names the file in which a command under `ml-agents record` says that something was lost."""


def is_on() -> bool:
    """Whether the environment asks integrations to record."""
    return os.environ.get(SWITCH, "") not in ("", "0")


def recording_database(named: str | None = None) -> "DatabaseConfig":
    """The database that a file, a URL or `1` names; by default, that the switch names."""
    from ml_agents_results.config import DatabaseConfig

    named = named or os.environ.get(SWITCH, "1")
    if named == "1":
        return DatabaseConfig.resolve(None, None)
    if "://" in named:
        return DatabaseConfig.resolve(None, named)
    return DatabaseConfig.resolve(named, None)


def note_loss() -> None:
    """Lets `ml-agents record` end with another code if its command ends well."""
    if path := os.environ.get(LOSSES):
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes long to load
            file.write("1")
