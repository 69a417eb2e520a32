"""Analysis service: the base of the services of all reports."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from ml_agents_results.records import ExperimentRecord, Variant
from ml_agents_results.repositories.counts import VariantCounts
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_source import RunSource
from ml_agents_results.repositories.tabulator import Tabulator, source_of
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.baselines import recorded_order
from ml_agents_results.services.metric_choice import ChosenMetric, chosen_metric
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
        metric: ChosenMetric | None = None,
    ) -> Tabulator:
        """Counts what is there now; with other filters, another meaning of a missing grade, or
        another metric."""
        source = self._source
        if metric is not None:
            source = source if metric.stored is None else source.of_metric(metric.stored)
            # Values are averaged by sample before anything else.
            columns = {*columns, "value", "sample_index"} if metric.numeric else columns
        return Tabulator(
            source,
            filters or self._filters,
            missing or self._options.missing,
            pairs=pairs,
            columns=columns,
        )

    def _metric(self, experiment_ids: Sequence[str] | None = None) -> ChosenMetric:
        """The metric of these experiments, or of those that pass the filters.

        Raises:
            NotFoundError: An experiment has no metric of the name that the options give.
        """
        ids = experiment_ids or self._experiment_ids
        return chosen_metric(self._source, ids, self._options.metric)

    def _count_as_numbers(self, tabulator: Tabulator, metric: ChosenMetric) -> None:
        """Counts from now on for the metric; runs without a value are the worst where the options
        say so. Raises UsageError where they do, and there is no worst value."""
        incorrect = self._options.missing == "incorrect"
        tabulator.as_numbers(metric.worst() if incorrect else None)

    def _counted(
        self, tabulator: Tabulator, metric: ChosenMetric
    ) -> tuple[Sequence[VariantCounts], ChosenMetric, bool]:
        """The counts by one metric, the metric, and whether it counts as a number: where it is one
        for any variant, it is for all."""
        counts = tabulator.variants()
        if not metric.numeric_experiments(counts):
            return counts, metric, False
        metric = metric.of_scores({p.variant.experiment_id for p in counts if p.scored})
        self._count_as_numbers(tabulator, metric)
        return tabulator.variants(), metric, True

    def _in_recorded_order(
        self, variants: Sequence[Variant], experiment_ids: Sequence[str] = ()
    ) -> list[Variant]:
        """The variants as their experiments recorded them.

        Args:
            experiment_ids: The order of the experiments. [default: that of the variants]
        """
        ids = list(dict.fromkeys([*experiment_ids, *(one.experiment_id for one in variants)]))
        records = {one: self._experiment(one) for one in {v.experiment_id for v in variants}}
        return recorded_order(variants, ids, records, self._source.first_recorded(variants))

    @property
    def _experiment_ids(self) -> Sequence[str]:
        """Those that pass the filters."""
        named = self._filters.experiment_id
        return ExperimentRepository(self._source.connection).ids() if named is None else named

    def _experiment(self, experiment_id: str) -> ExperimentRecord:
        """Raises NotFoundError where there is no such experiment."""
        return ExperimentRepository(self._source.connection).get(experiment_id)
