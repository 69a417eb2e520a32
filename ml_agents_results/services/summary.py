"""How accurate is each variant, how long did it take and what did it cost?"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import SampleCounts, VariantCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.metric_choice import UNNAMED, ChosenMetric
from ml_agents_results.services.repeated_answers import (
    Over,
    VariantRepeats,
    variant_repeats,
)
from ml_agents_results.services.result_rows import Row, VariantRow, variant_frame
from ml_agents_results.services.sample_clusters import (
    cells_of,
    clustered_accuracy,
    clusters_apply,
    estimate_accuracy,
    null_clusters,
    sample_cells,
)
from ml_agents_results.statistics.denominators import (
    Denominators,
    coverage_warnings,
    mean_bounds,
    missing_bounds,
)
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.quantiles import points_of_histogram

if TYPE_CHECKING:
    import pandas as pd

    from ml_agents_results.services.asked_samples import IncompleteExperiment


@dataclass(frozen=True, slots=True)
class VariantSummary(VariantRow):
    """One variant, over all its tasks or in one of them.

    `mean` is in the unit of `metric`; of right and wrong it is the accuracy, a fraction. `sd` is
    the standard deviation over samples. Times are ms, costs USD.
    `method` names the unit that `se` and the
    interval treat as independent: samples, or the tasks (or other clusters) that they belong to.
    `cost_per_correct` is the cost of all runs, failed ones too, per correct one. `accuracy_bounds`
    is the accuracy if every run without a grade were wrong, and if every one were right.
    `null_clusters` samples had nothing to be clustered by and are clusters of their own.
    `planned` are the runs that the experiment planned for the variant; `samples_asked` of
    `samples_expected` samples were asked, those that any variant was asked or that were planned.
    """

    metric: str
    runs: int
    graded: int
    scored: int
    failed: int
    truncated: int
    refused: int
    unparsed: int
    ungraded: int
    correct: int | None
    mean: float | None
    accuracy: float | None
    ci_low: float | None
    ci_high: float | None
    se: float | None
    sd: float | None
    interval_method: str
    mean_execution_time_ms: float | None
    median_execution_time_ms: float | None
    p95_execution_time_ms: float | None
    total_cost: float | None
    cost_per_correct: float | None
    mean_parsing_confidence: float | None
    method: str
    samples: int
    n_clusters: int | None
    dof: float | None
    accuracy_bounds: tuple[float, float] | None
    null_reason: str | None
    warnings: tuple[str, ...]
    null_clusters: int = 0
    planned: int | None = None
    samples_asked: int | None = None
    samples_expected: int | None = None

    @property
    def numeric(self) -> bool:
        """Whether the metric is a number, not right or wrong."""
        return self.correct is None


@dataclass(frozen=True, slots=True)
class SummaryReport(Row):
    """The variants of an analysis, and the same by task where that was asked for.

    `repeats` has a row for each variant that was asked some sample more than once, `incomplete` one
    for each experiment with fewer runs than were planned.
    """

    confidence_level: float
    variants: Sequence[VariantSummary]
    tasks: Sequence[tuple[str, Sequence[VariantSummary]]] = ()
    repeats: Sequence[VariantRepeats] = ()
    incomplete: "Sequence[IncompleteExperiment]" = ()

    def to_dict(self) -> dict[str, Any]:
        tasks = [
            {"task": task, "variants": [variant.to_dict() for variant in variants]}
            for task, variants in self.tasks
        ]
        return {**Row.to_dict(self), "tasks": tasks}

    def to_frame(self) -> "pd.DataFrame":
        """One row a variant, the columns of VariantSummary."""
        return variant_frame(self.variants)


class SummaryService(AnalysisService):
    """How accurate, fast and expensive each variant is."""

    def report(self, *, by_task: bool = False) -> SummaryReport:
        """Every variant that has runs, in the order of their names."""
        from ml_agents_results.services.asked_samples import AskedSamples, incomplete_experiments
        from ml_agents_results.services.numeric_summary import numeric_experiments

        metric = self._metric()
        tabulator = self._tabulator(metric=metric)
        every = tabulator.variants()
        numeric = numeric_experiments(metric, every)
        counts = [part for part in every if part.variant.experiment_id not in numeric]
        graded = {part.variant for part in counts}
        every_cell = sample_cells(tabulator, counts, self._options)
        cells = {variant: own for variant, own in every_cell.items() if variant in graded}
        bounds = bounds_of_samples(tabulator, every)
        whole = [
            variant_summary(
                parts,
                cells[variant],
                self._options,
                tabulator.latencies(variant),
                metric=metric.name_in(variant.experiment_id),
                bounds=bounds,
            )
            for variant, parts in _by_variant(counts).items()
        ]
        tasks: dict[str, list[VariantSummary]] = {}
        if by_task:
            in_task = {variant: cells_of(of_variant) for variant, of_variant in cells.items()}
            for part in counts:
                cell = in_task[part.variant].get(part.task, [])
                tasks.setdefault(part.task, []).append(
                    variant_summary(
                        [part],
                        cell,
                        self._options,
                        within_task=True,
                        bounds=bounds,
                        metric=metric.name_in(part.variant.experiment_id),
                    )
                )
        repeated = {
            variant: of_variant
            for variant, of_variant in cells.items()
            if any(cell.graded > 1 for cell in of_variant)
        }
        mixed = tabulator.partial_repeats() if repeated else {}
        repeats = [
            variant_repeats(
                variant,
                of_variant,
                self._options.confidence,
                self._over(of_variant),
                mixed.get(variant, 0),
            )
            for variant, of_variant in repeated.items()
        ]
        for one in {chosen.name: chosen for chosen in numeric.values()}.values():
            self._add_numeric(tabulator, one, whole, tasks if by_task else None)
        records = {name: self._experiment(name) for name in {v.experiment_id for v in every_cell}}
        asked = AskedSamples(every, bounds, records, self._filters)
        return SummaryReport(
            self._options.confidence,
            [asked.counted(row) for row in sorted(whole, key=lambda row: row.variant)],
            [
                (task, [asked.counted(row, task) for row in sorted(rows, key=lambda r: r.variant)])
                for task, rows in sorted(tasks.items())
            ],
            repeats,
            incomplete_experiments(self._source, records.values()),
        )

    def _over(self, cells: Sequence[SampleCounts]) -> Over | None:
        if not clusters_apply(cells, self._options):
            return None
        return partial(clustered_accuracy, options=self._options)

    def _add_numeric(
        self,
        tabulator: Tabulator,
        metric: ChosenMetric,
        whole: list[VariantSummary],
        tasks: dict[str, list[VariantSummary]] | None,
    ) -> None:
        """Adds the variants of a numeric metric."""
        from ml_agents_results.services.numeric_summary import (
            count_as_numbers,
            grouped_values,
            numeric_summary,
            values_of,
        )

        count_as_numbers(tabulator, metric, self._options)
        parts = _by_variant(
            part for part in tabulator.variants() if part.variant.experiment_id in metric.names
        )
        grouped = grouped_values(tabulator, list(parts), self._options)
        for variant, of_variant in parts.items():
            times = tabulator.latencies(variant)
            values = grouped[variant]
            whole.append(numeric_summary(of_variant, values, self._options, metric, times))
            if tasks is None:
                continue
            by_task = values if not values.ungrouped else values_of(tabulator, variant, "task")
            for part in of_variant:
                own = by_task.within(part.task)
                tasks.setdefault(part.task, []).append(
                    numeric_summary([part], own, self._options, metric, within_task=True)
                )


SampleBounds = Mapping[tuple[Variant, str], tuple[int, float, float]]
"""By variant and task: samples, and the sums of the bounds of their shares of right answers."""


def bounds_of_samples(tabulator: Tabulator, counts: Sequence[VariantCounts]) -> SampleBounds | None:
    """The bounds where some sample was asked more than once; else counts of runs say it all."""
    return tabulator.sample_bounds() if any(part.repeated for part in counts) else None


def _by_variant(counts: Iterable[VariantCounts]) -> dict[Variant, list[VariantCounts]]:
    variants: dict[Variant, list[VariantCounts]] = {}
    for part in counts:
        variants.setdefault(part.variant, []).append(part)
    return variants


def variant_summary(
    parts: Sequence[VariantCounts],
    cells: Sequence[SampleCounts],
    options: AnalysisOptions,
    latencies: tuple[Sequence[int], Sequence[int]] | None = None,
    *,
    within_task: bool = False,
    bounds: SampleBounds | None = None,
    metric: str = UNNAMED,
) -> VariantSummary:
    """One variant from its counts by task and its samples by group.

    Args:
        bounds: Those of the shares of samples, where samples have repeats.
    """
    estimate, method = estimate_accuracy(cells, options, within_task=within_task)
    nulls = null_clusters(cells) if estimate.n_clusters is not None else 0
    total = denominators(parts)
    priced_correct = sum(part.priced_correct for part in parts)
    return VariantSummary(
        metric=metric,
        correct=total.correct,
        mean=estimate.estimate,
        accuracy=estimate.estimate,
        sd=_deviation(cells),
        cost_per_correct=sum(part.total_cost for part in parts) / priced_correct
        if priced_correct
        else None,
        accuracy_bounds=mean_bounds(
            bounds.get((part.variant, part.task), (0, 0.0, 0.0)) for part in parts
        )
        if bounds
        else missing_bounds(total.correct, total.graded, total.total),
        method=method,
        warnings=(
            *estimate.warnings,
            *(("null_clusters",) if nulls else ()),
            *coverage_warnings(total),
        ),
        null_clusters=nulls,
        **of_estimate(estimate),
        **of_counts(parts, latencies),
    )


def of_estimate(estimate: Estimate) -> dict[str, Any]:
    """The fields of a VariantSummary that the estimate of its mean gives."""
    return {
        "ci_low": estimate.ci_low,
        "ci_high": estimate.ci_high,
        "se": estimate.se,
        "interval_method": estimate.method,
        "samples": estimate.n_samples,
        "n_clusters": estimate.n_clusters,
        "dof": estimate.dof,
        "null_reason": estimate.null_reason,
    }


def of_counts(
    parts: Sequence[VariantCounts], latencies: tuple[Sequence[int], Sequence[int]] | None
) -> dict[str, Any]:
    """The fields of a VariantSummary that its counts by task and its times give."""
    total = denominators(parts)
    timed = sum(part.timed for part in parts)
    rated = sum(part.rated for part in parts)
    median, p95 = points_of_histogram(*(latencies or ((), ())), (0.5, 0.95))
    return dict(  # noqa: C408 - the fields of a dataclass
        variant=parts[0].variant,
        runs=total.total,
        graded=total.graded,
        scored=sum(part.scored for part in parts),
        failed=total.failed,
        truncated=total.truncated,
        refused=total.refused,
        unparsed=total.unparsed,
        ungraded=total.ungraded,
        mean_execution_time_ms=sum(part.total_time_ms for part in parts) / timed if timed else None,
        median_execution_time_ms=median,
        p95_execution_time_ms=p95,
        total_cost=sum(part.total_cost for part in parts)
        if any(part.priced for part in parts)
        else None,
        mean_parsing_confidence=sum(part.total_confidence for part in parts) / rated
        if rated
        else None,
    )


def _deviation(cells: Sequence[SampleCounts]) -> float | None:
    """The standard deviation of the samples' shares of right answers."""
    shares = [(cell.samples, cell.correct / cell.graded) for cell in cells]
    return deviation(
        sum(n for n, _ in shares),
        sum(n * share for n, share in shares),
        sum(n * share * share for n, share in shares),
    )


def deviation(n: int, total: float, squares: float) -> float | None:
    """The standard deviation of n values from their sums; None for fewer than two."""
    if n < 2:
        return None
    spread = squares - total * total / n
    return math.sqrt(spread / (n - 1)) if spread > 1e-12 * squares else 0.0


def denominators(parts: Sequence[VariantCounts]) -> Denominators:
    """The runs of a variant by class, summed over its tasks."""
    return Denominators(
        correct=sum(part.correct for part in parts),
        graded=sum(part.correct + part.wrong + part.scored for part in parts),
        failed=sum(part.failed for part in parts),
        truncated=sum(part.truncated for part in parts),
        refused=sum(part.refused for part in parts),
        unparsed=sum(part.unparsed for part in parts),
        ungraded=sum(part.ungraded for part in parts),
    )
