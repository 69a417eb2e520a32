"""Figures of a comparison by a numeric metric, in its own unit."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import PairedSums, VariantCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.averages import TaskShare
from ml_agents_results.services.comparison.comparison_figures import Figures
from ml_agents_results.services.comparison.comparison_rows import (
    ComparisonRow,
    DifferenceEstimate,
)
from ml_agents_results.services.comparison.paired import (
    PairedEstimate,
    estimate_values,
    paired_row,
    sums_of_differences,
)
from ml_agents_results.services.comparison.shared_samples import Contrast, Sides, Variants
from ml_agents_results.services.comparison.unpaired import SHARED, unpaired_row
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.services.numeric_summary import (
    Values,
    estimate_mean,
    grouped_values,
    numeric_summary,
    values_of,
)
from ml_agents_results.services.sample_clusters import cluster_column
from ml_agents_results.services.variant_summary import VariantSummary
from ml_agents_results.statistics.difference_sums import DifferenceSums, MarginTest
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.numeric_difference import (
    difference_test,
    effect_size,
    value_margin_test,
)
from ml_agents_results.statistics.two_samples import difference_of_means
from ml_agents_results.statistics.value_tabulation import DifferenceSteps, add_steps

FEW_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class _Shared:
    """The shared samples of two variants: sums by cluster and by task, and the steps by task."""

    by_cluster: Sequence[PairedSums]
    by_task: Sequence[PairedSums]
    steps: dict[str, DifferenceSteps]


class NumericFigures(Figures):
    """Means, and differences of means."""

    def __init__(
        self,
        tabulator: Tabulator,
        variants: Variants,
        options: AnalysisOptions,
        metric: ChosenMetric,
    ) -> None:
        _refuse_choices_of_grades(options)
        super().__init__(tabulator, variants, options, metric)
        self._values = grouped_values(tabulator, variants.names, options)
        self._by_task: dict[Variant, Values] = {}
        self._shared: dict[tuple[Variant, Variant], _Shared] = {}
        self._rows: dict[tuple[Variant, Variant, str | None, float], DifferenceEstimate] = {}

    def summary(self, variant: Variant) -> VariantSummary:
        times = self._tabulator.latencies(variant)
        parts, values = self._variants.parts(variant), self._values[variant]
        return numeric_summary(parts, values, self._options, self._metric, times)

    def summary_in_task(self, part: VariantCounts) -> VariantSummary:
        values = self._in_task(part.variant, part.task)
        return numeric_summary([part], values, self._options, self._metric, within_task=True)

    def _in_task(self, variant: Variant, task: str) -> Values:
        values = self._values[variant]
        if values.ungrouped:
            if variant not in self._by_task:
                self._by_task[variant] = values_of(self._tabulator, variant, "task")
            values = self._by_task[variant]
        return values.within(task)

    def sums(self, contrast: Contrast) -> DifferenceSums:
        return sums_of_differences(self._read(contrast).by_task)

    def _independent_p(self, contrast: Contrast) -> float | None:
        steps = add_steps(self._read(contrast).steps.values())
        sums = self.sums(contrast)
        return difference_test(sums, steps.counts, steps.kept, self._options.test).p_value

    def _means(self, contrast: Contrast, row: ComparisonRow) -> list[Estimate]:
        """Without intervals, which are those of other samples."""
        return [
            Estimate(mean, "mean of the samples compared", level=self._options.confidence)
            for mean in (row.candidate_mean, row.baseline_mean)
        ]

    def _share(self, contrast: Contrast, row: DifferenceEstimate, task: str) -> TaskShare:
        if self._options.unpaired:
            return TaskShare(task, row, DifferenceSums(0))
        rows = [own for own in self._read(contrast).by_task if own.task == task]
        return TaskShare(task, row, sums_of_differences(rows))

    def _read(self, contrast: Contrast) -> _Shared:
        key, rule = (contrast.candidate, contrast.baseline), contrast.rule
        if key not in self._shared:
            by_task = self._tabulator.paired(*key, "value", rule=rule)
            by_cluster: Sequence[PairedSums] = by_task
            if (cluster := cluster_column(self._options)) != "task":
                by_cluster = self._tabulator.paired(*key, "value", rule=rule, cluster=cluster)
            steps = self._tabulator.steps(*key, rule=rule)
            self._shared[key] = _Shared(by_cluster, by_task, steps)
        return self._shared[key]

    def _estimate(
        self, contrast: Contrast, sides: Sides, level: float, task: str | None = None
    ) -> DifferenceEstimate:
        key = (contrast.candidate, contrast.baseline, task, level)
        if key not in self._rows:
            # Tables and averages need the same rows, whose tests take time.
            make = self._unpaired if self._options.unpaired else self._paired
            self._rows[key] = make(contrast, sides, level, task)
        return self._rows[key]

    def _paired(
        self, contrast: Contrast, sides: Sides, level: float, task: str | None
    ) -> DifferenceEstimate:
        shared, higher = self._read(contrast), self._metric.higher_is_better
        rows = shared.by_cluster
        if task is not None:
            alone = any(row.group is None for row in rows)
            rows = [row for row in (shared.by_task if alone else rows) if row.task == task]
        repeats = {
            n for r in contrast.in_task(task) for n in (r.candidate_graded, r.baseline_graded)
        }
        found = estimate_values(
            rows,
            add_steps(one for name, one in shared.steps.items() if task in (None, name)),
            self._metric.span,
            self._options,
            level,
            within_task=task is not None,
            repeated=bool(repeats - {1}),
        )
        n, t = found.sums.n, found.mean.interval(level)
        above, below = sum(row.above for row in rows), sum(row.below for row in rows)
        few = n < FEW_SAMPLES and found.mean.n_clusters is None
        codes = (("few_samples", few), ("no_differences", not found.sums.differing))
        return paired_row(
            contrast,
            found,
            sides,
            self._options,
            totals=(sum(row.candidate for row in rows), sum(row.baseline for row in rows)),
            margin=self._margin(found),
            null_clusters=sum(row.pairs for row in rows if row.group is None),
            unequal=len(repeats) > 1,
            warnings=[code for code, holds in codes if holds],
            metric=self._metric.name,
            metric_kind="numeric",
            better=above if higher else below,
            equal=n - above - below,
            worse=below if higher else above,
            effect_size=effect_size(found.sums),
            t_ci_low=t.low,
            t_ci_high=t.high,
            p_value_t=found.mean.p_value() if t.is_defined else None,
        )

    def _unpaired(
        self, contrast: Contrast, sides: Sides, level: float, task: str | None
    ) -> DifferenceEstimate:
        values = [
            self._values[variant] if task is None else self._in_task(variant, task)
            for variant in (contrast.candidate, contrast.baseline)
        ]
        bounds = self._metric.bounds
        (one, method, first), (two, _, second) = (
            estimate_mean(own, self._options, bounds, within_task=task is not None, level=level)
            for own in values
        )
        found = difference_of_means(one, two, bounds is not None)
        shared = (SHARED,) if sides.graded and sides.graded.pairs else ()
        return unpaired_row(
            contrast,
            found,
            found.interval,
            sides,
            self._options,
            samples=[own.samples for own in values],
            means=[one.estimate, two.estimate],
            test="Welch's t",
            method=method,
            warnings=[*first, *second, *shared, *sides.warnings],
            metric=self._metric.name,
            metric_kind="numeric",
        )

    def _margin(self, found: PairedEstimate) -> MarginTest | None:
        margin = self._options.margin
        if margin is None or not found.interval.is_defined:
            return None
        return value_margin_test(
            found.sums,
            found.design,
            margin,
            self._metric.span,
            self._options.confidence,
            higher_is_better=self._metric.higher_is_better,
        )


def _refuse_choices_of_grades(options: AnalysisOptions) -> None:
    """Raises UsageError for what applies to right and wrong only."""
    for name, value, default in (
        ("--interval", options.interval, "wilson"),
        ("--difference-interval", options.difference_interval, "bonett-price"),
    ):
        if value != default:
            raise UsageError(
                f"{name} {value} is for metrics of right and wrong, and this one is numeric",
                f"Leave out {name}.",
            )
