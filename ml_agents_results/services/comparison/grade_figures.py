"""Figures of a comparison by right and wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import SampleCounts, VariantCounts
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
    estimate_grades,
    paired_row,
)
from ml_agents_results.services.comparison.paired_differences import Differences
from ml_agents_results.services.comparison.shared_samples import Contrast, Sides, Variants
from ml_agents_results.services.comparison.unpaired import estimate_unpaired, mean_of_samples
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.services.sample_clusters import (
    clusters_apply,
    estimate_accuracy,
    null_clusters,
)
from ml_agents_results.services.variant_summary import VariantSummary, variant_summary
from ml_agents_results.statistics.denominators import missing_pair_bounds
from ml_agents_results.statistics.difference_sums import (
    DifferenceSums,
    check_margin,
    margin_test,
)
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.paired_table import (
    PairedTable,
    conditional_odds_ratio,
    phi_correlation,
    probability_of_superiority,
    unpaired_z_p,
)
from ml_agents_results.statistics.sign_flip import sign_flip

FEW_DISCORDANT = 20
"""Effective discordant samples below which an interval may cover less than it says."""


class GradeFigures(Figures):
    """Accuracies, and differences of accuracies.

    Args:
        cells: Over all tasks, the samples of each variant, by cluster and by how often they were
            graded and right.
    """

    def __init__(
        self,
        tabulator: Tabulator,
        variants: Variants,
        options: AnalysisOptions,
        metric: ChosenMetric,
        cells: Mapping[Variant, Sequence[SampleCounts]],
    ) -> None:
        check_margin(options.margin)
        super().__init__(tabulator, variants, options, metric)
        self._cells = cells

    def summary(self, variant: Variant) -> VariantSummary:
        return variant_summary(
            self._variants.parts(variant),
            self._cells[variant],
            self._options,
            self._tabulator.latencies(variant),
            bounds=self._variants.bounds,
            metric=self._metric.name_in(variant.experiment_id),
        )

    def summary_in_task(self, part: VariantCounts) -> VariantSummary:
        return variant_summary(
            [part],
            self._variants.cells(part),
            self._options,
            within_task=True,
            bounds=self._variants.bounds,
            metric=self._metric.name_in(part.variant.experiment_id),
        )

    def sums(self, contrast: Contrast) -> DifferenceSums:
        return Differences.of(contrast.shared, self._options).sums

    def _independent_p(self, contrast: Contrast) -> float | None:
        return sign_flip(Differences.of(contrast.shared, self._options).steps).p_mid

    def _means(self, contrast: Contrast, row: ComparisonRow) -> list[Estimate]:
        return [estimate_accuracy(side, self._options)[0] for side in self._samples(contrast, None)]

    def _share(self, contrast: Contrast, row: DifferenceEstimate, task: str) -> TaskShare:
        shared = Differences.of(contrast.in_task(task), self._options, within_task=True)
        one, two = (_own_error(side, self._options) for side in self._samples(contrast, task))
        return TaskShare(task, row, shared.sums, (one, two))

    def _samples(
        self, contrast: Contrast, task: str | None
    ) -> tuple[Sequence[SampleCounts], Sequence[SampleCounts]]:
        """The samples that a comparison is about: of the candidate and of the baseline."""
        if not self._options.unpaired:
            return contrast.cells(task)
        one, two = (
            self._cells.get(variant, ())
            if task is None
            else [
                cell
                for part in self._variants.parts(variant, task)
                for cell in self._variants.cells(part)
            ]
            for variant in (contrast.candidate, contrast.baseline)
        )
        return one, two

    def _estimate(
        self, contrast: Contrast, sides: Sides, level: float, task: str | None = None
    ) -> DifferenceEstimate:
        options, within_task = self._options, task is not None
        if options.unpaired:
            cells = self._samples(contrast, task)
            return estimate_unpaired(
                contrast,
                cells,
                sides,
                options,
                level,
                metric=self._metric.name,
                within_task=within_task,
            )
        shared = Differences.of(contrast.in_task(task), options, within_task=within_task)
        found = estimate_grades(shared, options, level)
        margin = None
        if options.margin is not None and found.interval.is_defined:
            margin = margin_test(found.sums, options.margin, options.confidence, found.design)
        return paired_row(
            contrast,
            found,
            sides,
            options,
            totals=shared.shares,
            margin=margin,
            null_clusters=null_clusters(shared.counts),
            unequal=shared.unequal,
            warnings=_discordance(found),
            metric=self._metric.name,
            difference_bounds=_bounds(sides),
            **_of_table(shared.table, found.clustered),
        )


def _discordance(found: PairedEstimate) -> list[str]:
    if not found.sums.differing:
        return ["no_discordant"]
    few = found.sums.squares / found.design.effect < FEW_DISCORDANT
    return ["few_discordant"] if few else []


def _bounds(sides: Sides) -> tuple[float, float] | None:
    if sides.graded is None:
        return sides.bounds
    table = sides.graded
    return missing_pair_bounds(table.improved, table.regressed, table.pairs, sides.missing_pairs)


def _of_table(table: PairedTable | None, clustered: bool) -> dict[str, Any]:
    """The fields that only a 2x2 table can give."""
    if table is None:
        return {}
    return {
        "both_correct": table.both_correct,
        "regressed": table.regressed,
        "improved": table.improved,
        "neither_correct": table.neither_correct,
        "discordance": table.discordance,
        "odds_ratio": conditional_odds_ratio(table),
        "phi": phi_correlation(table),
        "p_value_unpaired": unpaired_z_p(
            table.candidate_correct, table.pairs, table.baseline_correct, table.pairs
        ),
        "probability_of_superiority": None if clustered else probability_of_superiority(table),
    }


def _own_error(cells: Sequence[SampleCounts], options: AnalysisOptions) -> float | None:
    """The error of an accuracy in a task: 0 where nothing varies, None for a single sample.

    Of independent samples it is sd / sqrt(n), which is unbiased in small tasks.
    """
    if sum(cell.samples for cell in cells) < 2:
        return None
    if clusters_apply(cells, options, within_task=True):
        return estimate_accuracy(cells, options, within_task=True)[0].se or 0.0
    return mean_of_samples(cells).se or 0.0
