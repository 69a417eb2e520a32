"""Which repository counts fastest: selects, or columns that numpy counts."""

from sqlalchemy import Connection, select

from ml_agents_results.database.models import Run
from ml_agents_results.repositories.analysis import AnalysisRepository
from ml_agents_results.repositories.counts import Missing
from ml_agents_results.repositories.filters import Filters

FEW = 5000
"""Runs that selects count in less time than numpy takes to import."""


def analysis(
    connection: Connection,
    filters: Filters | None = None,
    missing: Missing = "exclude",
    *,
    pairs: bool = False,
    costs: bool = False,
) -> AnalysisRepository:
    """The repository that counts fastest on this connection.

    Args:
        pairs: Whether variants will be paired: what that needs then comes with the first pass.
        costs: Whether their costs will be paired: the first pass then brings them, not their sums.
    """
    if connection.dialect.name not in ("sqlite", "postgresql") or (
        not pairs and _are_few(connection, filters or Filters())
    ):
        return AnalysisRepository(connection, filters, missing)
    from ml_agents_results.repositories.column_analysis import ColumnAnalysis

    return ColumnAnalysis(connection, filters, missing, pairs=pairs, costs=costs)


def _are_few(connection: Connection, filters: Filters) -> bool:
    """Whether the experiments have no more than `FEW` runs; other filters may take long."""
    chosen = Filters(experiment_id=filters.experiment_id)
    beyond = select(Run.experiment_id).where(*chosen.conditions()).offset(FEW).limit(1)
    return connection.execute(beyond).first() is None
