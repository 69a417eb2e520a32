"""Comparison figures: the tables and averages that grades and numbers have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import VariantCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.averages import AveragedPair, TaskAverages, TaskShare
from ml_agents_results.services.comparison.comparison_rows import (
    ComparisonRow,
    DifferenceEstimate,
)
from ml_agents_results.services.comparison.correction import judged
from ml_agents_results.services.comparison.shared_samples import Contrast, Sides, Variants
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.services.variant_summary import VariantSummary
from ml_agents_results.statistics.difference_sums import DifferenceSums
from ml_agents_results.statistics.estimate import Estimate


class Figures(ABC):
    """The figures of a comparison, of grades (`GradeFigures`) or of numbers (`NumericFigures`)."""

    def __init__(
        self,
        tabulator: Tabulator,
        variants: Variants,
        options: AnalysisOptions,
        metric: ChosenMetric,
    ) -> None:
        self._tabulator = tabulator
        self._variants = variants
        self._options = options
        self._metric = metric

    @abstractmethod
    def summary(self, variant: Variant) -> VariantSummary:
        """A variant over all its tasks."""

    @abstractmethod
    def summary_in_task(self, part: VariantCounts) -> VariantSummary:
        """A variant in one task."""

    @abstractmethod
    def sums(self, contrast: Contrast) -> DifferenceSums:
        """The sums of the differences of all shared samples."""

    @abstractmethod
    def _estimate(
        self, contrast: Contrast, sides: Sides, level: float, task: str | None = None
    ) -> DifferenceEstimate:
        """A comparison in one task or in all, with an interval of the level."""

    @abstractmethod
    def _share(self, contrast: Contrast, row: DifferenceEstimate, task: str) -> TaskShare:
        """What a task adds to averages, from its row."""

    @abstractmethod
    def _means(self, contrast: Contrast, row: ComparisonRow) -> Sequence[Estimate]:
        """The means of the candidate and of the baseline on the samples of a row."""

    @abstractmethod
    def _independent_p(self, contrast: Contrast) -> float | None:
        """The p value of all shared samples, taken as independent."""

    def pairs(self, contrasted: Sequence[Contrast]) -> list[ComparisonRow]:
        """The comparisons over all tasks, judged together."""
        return self._judged(self._table(contrasted))

    def by_task(self, contrasted: Sequence[Contrast]) -> list[list[ComparisonRow]]:
        """The comparisons in each task, all judged together."""
        tables = [self._table(contrasted, task) for task in self._variants.tasks]
        rows = self._judged(lambda level: [row for table in tables for row in table(level)])
        each = len(contrasted)
        return [rows[index * each : (index + 1) * each] for index in range(len(tables))]

    def averages(
        self, contrasted: Sequence[Contrast], pairs: Sequence[ComparisonRow]
    ) -> TaskAverages:
        """The comparisons over all tasks, every sample or every task weighing the same."""
        unpaired = self._options.unpaired
        averaged = [
            AveragedPair(
                row,
                self._shares(contrast),
                self._means(contrast, row),
                DifferenceSums(0) if unpaired else self.sums(contrast),
                None if unpaired else self._independent_p(contrast),
            )
            for contrast, row in zip(contrasted, pairs, strict=True)
        ]
        return TaskAverages(averaged, self._options, self._metric)

    def _shares(self, contrast: Contrast) -> list[TaskShare]:
        """The comparison in each task that both variants have."""
        level = self._options.confidence
        rows = [
            (self._estimate(contrast, self._variants.sides(contrast, task), level, task), task)
            for task in self._variants.tasks
        ]
        return [
            self._share(contrast, row, task) for row, task in rows if row.difference is not None
        ]

    def _table(
        self, contrasted: Sequence[Contrast], task: str | None = None
    ) -> Callable[[float], list[DifferenceEstimate]]:
        """The estimates of one table, as a function of the level of their intervals."""
        sides = [(one, self._variants.sides(one, task)) for one in contrasted]
        return lambda level: [self._estimate(*one, level, task) for one in sides]

    def _judged(
        self, estimates: Callable[[float], Sequence[DifferenceEstimate]]
    ) -> list[ComparisonRow]:
        return judged(estimates, self._options, higher_is_better=self._metric.higher_is_better)
