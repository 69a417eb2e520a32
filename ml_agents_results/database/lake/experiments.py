"""The experiments of a Parquet folder: as its files describe them, or as its runs imply."""

from typing import Any

from sqlalchemy import func, select

from ml_agents_results.database.lake.folder import EXPERIMENT_COLUMNS, Folder
from ml_agents_results.database.lake.rendering import LakeConnection
from ml_agents_results.database.models import Run


def described(lake: LakeConnection, folder: Folder) -> list[tuple[Any, ...]]:
    """Rows of EXPERIMENT_COLUMNS; an export without metadata has the ids of its runs only."""
    if folder.experiments:
        return list(folder.experiments.values())
    found = lake.execute(
        select(Run.experiment_id, func.min(Run.created_at).label("created_at")).group_by(
            Run.experiment_id
        )
    )
    rows = []
    for row in found:
        experiment_id, created_at = tuple(row)
        known = {"id": experiment_id, "created_at": created_at, "updated_at": created_at}
        known |= {"status": "completed", "config_json": "{}", "environment_json": "{}"}
        rows.append(tuple(known.get(name) for name in EXPERIMENT_COLUMNS))
    return rows
