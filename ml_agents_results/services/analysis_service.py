"""Analysis: what the services of all reports share."""

from collections.abc import Collection

from sqlalchemy import Connection

from ml_agents_results.records import ExperimentRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_source import RunSource
from ml_agents_results.repositories.tabulator import Tabulator, source_of
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.statistics.choices import Missing
from ml_agents_results.statistics.run_columns import Column


class AnalysisService:
    """A report on the runs that pass some filters.

    Args:
        source: A connection, in whose transaction the service reads, or exported Parquet files.
        filters: Which runs; all by default.
        options: How figures are computed.
    """

    def __init__(
        self,
        source: Connection | RunSource,
        filters: Filters | None = None,
        options: AnalysisOptions | None = None,
    ) -> None:
        self._source = source_of(source)
        self._filters = filters or Filters()
        self._options = options or AnalysisOptions()

    def _tabulator(
        self,
        *,
        filters: Filters | None = None,
        missing: Missing | None = None,
        pairs: bool = False,
        columns: Collection[Column] = (),
    ) -> Tabulator:
        """Counts what is there now; with other filters, or another meaning of a missing grade."""
        return Tabulator(
            self._source,
            filters or self._filters,
            missing or self._options.missing,
            pairs=pairs,
            columns=columns,
        )

    def _experiment(self, experiment_id: str) -> ExperimentRecord:
        """Raises NotFoundError where there is no such experiment."""
        return ExperimentRepository(self._source.connection).get(experiment_id)
