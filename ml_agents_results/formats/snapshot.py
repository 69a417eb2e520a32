"""Snapshot: the experiments to export as of one moment, with the analyses that formats write."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from ml_agents_results.records import ExperimentRecord, ScoreRecord
from ml_agents_results.reports.paper_report import paper_comparison, paper_summary
from ml_agents_results.reports.report import Report
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS, RunRepository
from ml_agents_results.repositories.score_repository import ScoreRepository
from ml_agents_results.services.analysis_options import ALLOWANCES, AnalysisOptions
from ml_agents_results.services.comparison.comparison_service import Comparison, ComparisonService
from ml_agents_results.services.cost import CostReport, CostService
from ml_agents_results.services.failures import FailureReport, FailureService
from ml_agents_results.services.latency import LatencyReport, LatencyService
from ml_agents_results.services.parsing import ParsingReport, ParsingService
from ml_agents_results.services.summary import SummaryReport, SummaryService

PARTS = ("summary", "comparisons", "runs", "parsing", "costs", "failures", "metadata")
"""The values of `--include`."""

MOST_VARIANTS_IN_PAIRS = 12
MOST_ROWS_AT_ONCE = 500
"""Rows fetched at once: more would take memory without being faster."""


_ID_AT = RECORD_COLUMNS.index("id")


@dataclass(frozen=True)
class ExportOptions:
    """How to export.

    Attributes:
        include: Parts to write, of PARTS.
        chunk_size: Runs handled at once, where a format or a server handles more than one.
        partition_by: Columns of runs that a Parquet folder is partitioned by.
        metric: What the analyses are about; None for the primary one of the experiments.
        progress: Called with the number of runs written since it was called before.
    """

    include: frozenset[str] = frozenset(PARTS)
    chunk_size: int = 5000
    partition_by: tuple[str, ...] = ()
    metric: str | None = None
    progress: Callable[[int], None] | None = None


@dataclass(frozen=True)
class Snapshot:
    """Experiments in the requested order; everything is read over one connection."""

    connection: Connection
    experiments: Sequence[ExperimentRecord]
    options: ExportOptions

    @property
    def experiment_ids(self) -> tuple[str, ...]:
        return tuple(experiment.id for experiment in self.experiments)

    def includes(self, part: str) -> bool:
        return part in self.options.include

    def single(self) -> Iterator["Snapshot"]:
        """A snapshot of each experiment alone."""
        for experiment in self.experiments:
            yield Snapshot(self.connection, (experiment,), self.options)

    def rows(self) -> Iterator[Sequence[Any]]:
        """The runs as `RunRepository.stream` gives them, experiment by experiment."""
        runs = RunRepository(self.connection)
        size, progress = min(self.options.chunk_size, MOST_ROWS_AT_ONCE), self.options.progress
        for experiment in self.experiments:
            stream = runs.stream(experiment.id, size)
            yield from stream if progress is None else _counted(stream, progress)

    def scored_rows(self) -> Iterator[tuple[Sequence[Any], Sequence[ScoreRecord]]]:
        """The rows with the scores of their runs."""
        for single in self.single():
            [experiment] = single.experiments
            scores = ScoreRepository(self.connection).list(experiment.id)
            grouped = groupby(scores, itemgetter(0))
            scored, of_run = next(grouped, (None, iter(())))
            for row in single.rows():
                if row[_ID_AT] != scored:
                    yield row, ()
                    continue
                yield row, [score for _, score in of_run]
                scored, of_run = next(grouped, (None, iter(())))

    def _analysis(self) -> AnalysisOptions:
        return AnalysisOptions(metric=self.options.metric, allow=ALLOWANCES)

    @cached_property
    def accuracy(self) -> SummaryReport:
        """By variant and by task."""
        return SummaryService(self.connection, self.filters, self._analysis()).report(by_task=True)

    @cached_property
    def comparison(self) -> Comparison | None:
        """Against the baseline, also by task; None for fewer than two variants."""
        if len(self.accuracy.variants) < 2:
            return None
        service = ComparisonService(self.connection, self.filters, self._analysis())
        return service.compare(self.experiment_ids, by_task=len(self.accuracy.tasks) > 1)

    @cached_property
    def all_pairs(self) -> Comparison | None:
        """All pairs of variants; `comparison` where those are the same or too many."""
        if not 2 < len(self.accuracy.variants) <= MOST_VARIANTS_IN_PAIRS:
            return self.comparison
        every = replace(self._analysis(), contrasts="all-pairs")
        service = ComparisonService(self.connection, self.filters, every)
        return service.compare(self.experiment_ids, by_task=len(self.accuracy.tasks) > 1)

    @property
    def paper(self) -> Report:
        """The variants, with their differences where comparisons are exported, and the tasks."""
        if not self.includes("comparisons") or self.comparison is None:
            return paper_summary(self.accuracy)
        return paper_comparison(self.comparison, self.all_pairs)

    @cached_property
    def costs(self) -> CostReport:
        return CostService(self.connection, self.filters).report()

    @cached_property
    def latency(self) -> LatencyReport:
        return LatencyService(self.connection, self.filters).report()

    @cached_property
    def parsing(self) -> ParsingReport:
        return ParsingService(self.connection, self.filters).report()

    @cached_property
    def failures(self) -> FailureReport:
        return FailureService(self.connection, self.filters).report()

    @property
    def filters(self) -> Filters:
        return Filters(experiment_id=self.experiment_ids)


def _counted(
    rows: Iterator[Sequence[Any]], progress: Callable[[int], None], every: int = 500
) -> Iterator[Sequence[Any]]:
    number = 0
    for number, row in enumerate(rows, 1):
        if number % every == 0:
            progress(every)
        yield row
    progress(number % every)
