"""Snapshot: the experiments to export as of one moment, with the analyses that formats write."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from ml_agents_results.records import ExperimentRecord, ScoreRecord
from ml_agents_results.reports.paper_report import paper_comparison, paper_summary
from ml_agents_results.reports.report import Report
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS, RunRepository
from ml_agents_results.repositories.run_source import RunSource
from ml_agents_results.repositories.score_repository import ScoreRepository
from ml_agents_results.repositories.score_rows import scores_of_runs
from ml_agents_results.services.analysis_options import ALLOWANCES, AnalysisOptions
from ml_agents_results.services.comparison.baselines import is_called
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.cost import CostReport, CostService
from ml_agents_results.services.failures import FailureReport, FailureService
from ml_agents_results.services.latency import LatencyReport, LatencyService
from ml_agents_results.services.parsing import ParsingReport, ParsingService
from ml_agents_results.services.summary import SummaryReport, SummaryService
from ml_agents_results.statistics.choices import Contrasts

PARTS = ("summary", "comparisons", "runs", "parsing", "costs", "failures", "metadata")
"""The values of `--include`."""

MOST_VARIANTS_IN_PAIRS = 12
SAMPLES = 300
"""Samples that an HTML report holds unless others are asked for."""

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
        analysis: How the analyses are computed. Variants are compared whatever they differ in.
        baseline: The variant that the others are compared with.
        filters: Which runs are written and analysed.
        samples: How many samples the HTML report holds at most.
        progress: Called with the number of runs written since it was called before.
    """

    include: frozenset[str] = frozenset(PARTS)
    chunk_size: int = 5000
    partition_by: tuple[str, ...] = ()
    analysis: AnalysisOptions = field(default_factory=AnalysisOptions)
    baseline: str | None = None
    filters: Filters = field(default_factory=Filters)
    samples: int = SAMPLES
    progress: Callable[[int], None] | None = None


@dataclass(frozen=True)
class Snapshot:
    """Experiments in the requested order; everything is read over one connection.

    Attributes:
        source: What analyses read the runs from, if not from the connection.
        run_ids: The runs that are written, in this order; None for all that pass.
    """

    connection: Connection
    experiments: Sequence[ExperimentRecord]
    options: ExportOptions
    source: RunSource | None = None
    run_ids: Iterable[str] | None = None

    @property
    def experiment_ids(self) -> tuple[str, ...]:
        return tuple(experiment.id for experiment in self.experiments)

    def includes(self, part: str) -> bool:
        return part in self.options.include

    def single(self) -> Iterator["Snapshot"]:
        """A snapshot of each experiment alone; a baseline of another one does not apply to it."""
        for experiment in self.experiments:
            own = Snapshot(self.connection, (experiment,), self.options, run_ids=self.run_ids)
            name = self.options.baseline
            if name is not None and len(self.experiments) > 1:
                variants = [row.variant for row in own.accuracy.variants]
                if not any(is_called(variant, name) for variant in variants):
                    own = replace(own, options=replace(self.options, baseline=None))
            yield own

    def rows(self, further: Sequence[str] = ()) -> Iterator[Sequence[Any]]:
        """The runs as `RunRepository.stream` gives them, experiment by experiment."""
        runs = RunRepository(self.connection)
        size, progress = min(self.options.chunk_size, MOST_ROWS_AT_ONCE), self.options.progress
        for experiment in self.experiments:
            stream = runs.stream(experiment.id, size, self.options.filters, None, further)
            yield from stream if progress is None else _counted(stream, progress)

    def scored_rows(
        self, further: Sequence[str] = ()
    ) -> Iterator[tuple[Sequence[Any], Sequence[ScoreRecord]]]:
        """The rows with the scores of their runs."""
        if self.run_ids is not None:
            yield from self._listed_rows(self.run_ids, further)
            return
        for single in self.single():
            [experiment] = single.experiments
            scores = ScoreRepository(self.connection).list(experiment.id, self.options.filters)
            grouped = groupby(scores, itemgetter(0))
            scored, of_run = next(grouped, (None, iter(())))
            for row in single.rows(further):
                if row[_ID_AT] != scored:
                    yield row, ()
                    continue
                yield row, [score for _, score in of_run]
                scored, of_run = next(grouped, (None, iter(())))

    def _listed_rows(
        self, run_ids: Iterable[str], further: Sequence[str]
    ) -> Iterator[tuple[Sequence[Any], Sequence[ScoreRecord]]]:
        runs, remaining = RunRepository(self.connection), iter(run_ids)
        [experiment] = self.experiments
        while some := list(islice(remaining, MOST_ROWS_AT_ONCE)):
            stream = runs.stream(experiment.id, ids=some, further=further)
            rows = {row[_ID_AT]: row for row in stream}
            scores = scores_of_runs(self.connection, some)
            yield from ((rows[one], scores.get(one, ())) for one in some if one in rows)

    @property
    def _scope(self) -> tuple[Connection | RunSource, Filters, AnalysisOptions]:
        source = self.source or self.connection
        return source, self.filters, replace(self.options.analysis, allow=ALLOWANCES)

    @cached_property
    def accuracy(self) -> SummaryReport:
        """By variant and by task."""
        return SummaryService(*self._scope).report(by_task=True)

    @cached_property
    def further(self) -> Sequence[SummaryReport]:
        """The same for each metric that the analyses are not about, over the experiments that have
        it."""
        source, filters, options = self._scope
        names = {
            metric.name: [one.id for one in self.experiments if _measures(one, metric.name)]
            for experiment in self.experiments
            for metric in experiment.metrics or ()
            if metric.name != options.metric and not (metric.is_primary and options.metric is None)
        }
        return [
            SummaryService(
                source,
                replace(filters, experiment_id=tuple(ids)),
                replace(options, metric=name),
            ).report(by_task=True)
            for name, ids in names.items()
        ]

    @cached_property
    def comparison(self) -> Comparison | None:
        """Against the baseline, also by task; None for fewer than two variants."""
        if len(self.accuracy.variants) < 2:
            return None
        return self._compared(self.options.analysis.contrasts)

    def _compared(self, chosen: Contrasts) -> Comparison:
        source, filters, options = self._scope
        service = ComparisonService(source, filters, replace(options, contrasts=chosen))
        return service.compare(
            self.experiment_ids,
            baseline=self.options.baseline,
            by_task=len(self.accuracy.tasks) > 1,
        )

    @cached_property
    def all_pairs(self) -> Comparison | None:
        """All pairs of variants; `comparison` where those are the same or too many."""
        if not 2 < len(self.accuracy.variants) <= MOST_VARIANTS_IN_PAIRS:
            return self.comparison
        return self._compared("all-pairs")

    @property
    def paper(self) -> Report:
        """The variants, with their differences where comparisons are exported, and the tasks."""
        if not self.includes("comparisons") or self.comparison is None:
            return paper_summary(self.accuracy)
        return paper_comparison(self.comparison, self.all_pairs)

    @cached_property
    def costs(self) -> CostReport:
        return CostService(*self._scope).report(baseline=self.options.baseline)

    @cached_property
    def latency(self) -> LatencyReport:
        return LatencyService(*self._scope).report(baseline=self.options.baseline)

    @cached_property
    def parsing(self) -> ParsingReport:
        return ParsingService(*self._scope).report()

    @cached_property
    def failures(self) -> FailureReport:
        return FailureService(*self._scope).report()

    @property
    def filters(self) -> Filters:
        return replace(self.options.filters, experiment_id=self.experiment_ids)


def _measures(experiment: ExperimentRecord, name: str) -> bool:
    return any(metric.name == name for metric in experiment.metrics or ())


def _counted(
    rows: Iterator[Sequence[Any]], progress: Callable[[int], None], every: int = 500
) -> Iterator[Sequence[Any]]:
    number = 0
    for number, row in enumerate(rows, 1):
        if number % every == 0:
            progress(every)
        yield row
    progress(number % every)
