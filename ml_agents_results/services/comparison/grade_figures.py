"""Figures of a comparison by right and wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import PairCounts, SampleCounts, VariantCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.averages import (
    PooledDifference,
    TaskShare,
    macro_rows,
    micro_rows,
)
from ml_agents_results.services.comparison.comparison_rows import (
    ComparisonRow,
    DifferenceEstimate,
)
from ml_agents_results.services.comparison.correction import judged
from ml_agents_results.services.comparison.paired import estimate_paired
from ml_agents_results.services.comparison.paired_differences import Differences
from ml_agents_results.services.comparison.shared_samples import Contrast, Sides, Variants
from ml_agents_results.services.comparison.unpaired import estimate_unpaired, mean_of_samples
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.services.sample_clusters import clusters_apply, estimate_accuracy
from ml_agents_results.services.summary import VariantSummary, variant_summary
from ml_agents_results.statistics.difference_sums import DifferenceSums, check_margin

Cells = Mapping[Variant, Sequence[SampleCounts]]
"""The samples of each variant, by cluster and by how often they were graded and right."""


class GradeFigures:
    """Accuracies, and differences of accuracies.

    Args:
        cells: Over all tasks.
    """

    def __init__(
        self,
        tabulator: Tabulator,
        variants: Variants,
        options: AnalysisOptions,
        metric: ChosenMetric,
        cells: Cells,
    ) -> None:
        check_margin(options.margin)
        self._tabulator = tabulator
        self._variants = variants
        self._options = options
        self._metric = metric
        self._cells = cells
        self._shares: dict[tuple[Variant, Variant], list[TaskShare]] = {}

    def summary(self, variant: Variant) -> VariantSummary:
        """A variant over all its tasks."""
        return variant_summary(
            self._variants.parts(variant),
            self._cells[variant],
            self._options,
            self._tabulator.latencies(variant),
            bounds=self._variants.bounds,
            metric=self._metric.name_in(variant.experiment_id),
        )

    def summary_in_task(self, part: VariantCounts) -> VariantSummary:
        """A variant in one task."""
        return variant_summary(
            [part],
            self._variants.cells(part),
            self._options,
            within_task=True,
            bounds=self._variants.bounds,
            metric=self._metric.name_in(part.variant.experiment_id),
        )

    def pairs(self, contrasted: Sequence[Contrast]) -> list[ComparisonRow]:
        """The comparisons over all tasks, judged together."""
        sides = [(contrast, self._variants.sides(contrast)) for contrast in contrasted]
        return self._judged(
            lambda level: [self._estimate(one, self._cells, side, level) for one, side in sides]
        )

    def by_task(self, contrasted: Sequence[Contrast]) -> list[list[ComparisonRow]]:
        """The comparisons in each task, all judged together."""
        tasks = self._variants.tasks
        cells = {task: self._in_task(task) for task in tasks}
        rows = self._judged(
            lambda level: [
                self._estimate(one, cells[task], self._variants.sides(one, task), level, task)
                for task in tasks
                for one in contrasted
            ]
        )
        each = len(contrasted)
        return [rows[index * each : (index + 1) * each] for index in range(len(tasks))]

    def sums(self, contrast: Contrast) -> DifferenceSums:
        """The sums of the differences over all tasks."""
        return Differences.of(contrast.in_task(None), self._options).sums

    def over_samples(
        self, contrasted: Sequence[Contrast], pairs: Sequence[ComparisonRow]
    ) -> list[PooledDifference]:
        """Every comparison with all samples weighted alike."""
        means = [
            [estimate_accuracy(side, self._options)[0] for side in self._sides(one, self._cells)]
            for one in contrasted
        ]
        return micro_rows(pairs, list(map(self._in_tasks, contrasted)), means, self._options)

    def over_tasks(
        self, contrasted: Sequence[Contrast], pairs: Sequence[ComparisonRow]
    ) -> list[PooledDifference]:
        """Every comparison with all tasks (or families) weighted alike."""
        return macro_rows(pairs, list(map(self._in_tasks, contrasted)), self._options)

    def _judged(
        self, estimates: Callable[[float], Sequence[DifferenceEstimate]]
    ) -> list[ComparisonRow]:
        rows = judged(estimates, self._options)
        return [replace(row, metric=self._metric.name) for row in rows]

    def _in_task(self, task: str) -> Cells:
        parts = self._variants.in_task(task)
        return {part.variant: self._variants.cells(part) for part in parts}

    def _estimate(
        self,
        contrast: Contrast,
        cells: Cells,
        sides: Sides,
        level: float,
        task: str | None = None,
    ) -> DifferenceEstimate:
        two = (contrast.candidate, contrast.baseline)
        within_task = task is not None
        if self._options.unpaired:
            return estimate_unpaired(
                contrast,
                (cells.get(two[0], ()), cells.get(two[1], ())),
                sides,
                self._options,
                within_task=within_task,
                level=level,
            )
        differences = Differences.of(contrast.in_task(task), self._options, within_task=within_task)
        return estimate_paired(*two, differences, sides, self._options, level=level)

    def _sides(
        self, contrast: Contrast, cells: Cells
    ) -> tuple[Sequence[SampleCounts], Sequence[SampleCounts]]:
        """The samples that a comparison is about: of the candidate and of the baseline."""
        if self._options.unpaired:
            return cells.get(contrast.candidate, ()), cells.get(contrast.baseline, ())
        return contrast.candidate_cells, contrast.baseline_cells

    def _in_tasks(self, contrast: Contrast) -> list[TaskShare]:
        """The comparison in each task that both variants have."""
        key = (contrast.candidate, contrast.baseline)
        if key not in self._shares:
            parts = contrast.by_task()
            shares = (self._share(contrast, parts, task) for task in self._variants.tasks)
            self._shares[key] = [share for share in shares if share.row.difference is not None]
        return self._shares[key]

    def _share(
        self, contrast: Contrast, parts: Mapping[str, Sequence[PairCounts]], task: str
    ) -> TaskShare:
        own = replace(contrast, shared=parts.get(task, ()))
        cells, sides = self._in_task(task), self._variants.sides(contrast, task)
        row = self._estimate(own, cells, sides, self._options.confidence, task)
        differences = Differences.of(own.shared, self._options, within_task=True)
        one, two = (_own_error(side, self._options) for side in self._sides(own, cells))
        return TaskShare(task, row, differences.steps, differences.per_unit, (one, two))


def _own_error(cells: Sequence[SampleCounts], options: AnalysisOptions) -> float | None:
    """The error of an accuracy in a task: 0 where nothing varies, None for a single sample.

    Of independent samples it is sd / sqrt(n), which is unbiased in small tasks.
    """
    if sum(cell.samples for cell in cells) < 2:
        return None
    if clusters_apply(cells, options, within_task=True):
        return estimate_accuracy(cells, options, within_task=True)[0].se or 0.0
    return mean_of_samples(cells).se or 0.0
