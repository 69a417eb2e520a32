"""Summary report: how accurate each variant is, how long it took and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.asked_samples import (
    AskedSamples,
    IncompleteExperiment,
    incomplete_experiments,
)
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.services.numeric_summary import grouped_values, numeric_summary, values_of
from ml_agents_results.services.repeated_answers import VariantRepeats, variant_repeats
from ml_agents_results.services.result_rows import Row, variant_frame
from ml_agents_results.services.sample_clusters import (
    cells_of,
    sample_cells,
)
from ml_agents_results.services.variant_summary import (
    VariantSummary,
    bounds_of_samples,
    by_variant,
    variant_summary,
)

if TYPE_CHECKING:
    import pandas as pd


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
    incomplete: Sequence[IncompleteExperiment] = ()

    def to_dict(self) -> dict[str, Any]:
        tasks = [
            {"task": task, "variants": [variant.to_dict() for variant in variants]}
            for task, variants in self.tasks
        ]
        return {**Row.to_dict(self), "tasks": tasks}

    def to_frame(self) -> "pd.DataFrame":
        """One row per variant, the columns of VariantSummary."""
        return variant_frame(self.variants)


class SummaryService(AnalysisService):
    """How accurate, fast and expensive each variant is."""

    def report(self, *, by_task: bool = False) -> SummaryReport:
        """Every variant that has runs, in the order of their names."""
        metric = self._metric()
        tabulator = self._tabulator(metric=metric)
        every = tabulator.variants()
        numeric = metric.numeric_experiments(every)
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
            for variant, parts in by_variant(counts).items()
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
            variant_repeats(variant, of_variant, self._options, mixed.get(variant, 0))
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

    def _add_numeric(
        self,
        tabulator: Tabulator,
        metric: ChosenMetric,
        whole: list[VariantSummary],
        tasks: dict[str, list[VariantSummary]] | None,
    ) -> None:
        """Adds the variants of a numeric metric."""
        self._count_as_numbers(tabulator, metric)
        parts = by_variant(
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
