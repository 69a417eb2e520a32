"""Cost report: what answers cost, what a correct one costs, and which variants are worth it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_agents_results.records import Variant
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.comparison.baselines import contrasts
from ml_agents_results.services.comparison.paired import PairedEstimate, estimate_grades
from ml_agents_results.services.comparison.paired_differences import Differences, mean_difference
from ml_agents_results.services.comparison.shared_samples import ContrastReader, Variants
from ml_agents_results.services.result_rows import Row, TwoVariantRow, VariantRow, variant_frame
from ml_agents_results.services.sample_clusters import (
    cluster_column,
    cluster_sums,
    dependence,
    estimate_accuracy,
    sample_cells,
)
from ml_agents_results.statistics.cluster_robust import clustered_mean, sample_mean
from ml_agents_results.statistics.cost_ratios import (
    ParetoPoint,
    clustered_cost_per_correct,
    cost_increment,
    cost_per_correct,
    pareto_front,
)
from ml_agents_results.statistics.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd


MOST_FAILED_COST = 0.05
"""Share of the money for runs without a grade above which a report says so."""

FEW_CORRECT = 10
"""Correct answers below which a cost per correct answer has no interval that holds."""


@dataclass(frozen=True, slots=True)
class VariantCost(VariantRow):
    """The costs of a variant in USD. A run without a cost counts as unknown, never as free.

    `total_cost`, `mean_cost` and `cost_per_correct` are over all runs that have a cost, failed and
    ungraded ones too: they were paid for and gave no right answer. `graded_cost_per_correct` is
    over the graded ones only, `failed_cost_share` the share of the money that the others cost.
    `on_pareto_front` says that no other variant is at least as accurate, as cheap per run and as
    fast, and better in one of these; None where that is not known.
    `method` names the unit that errors treat as independent: runs, or the clusters that they
    belong to; repeats of a sample are a cluster. `dof` are those of `mean_cost_se`.
    """

    runs: int
    priced: int
    price_coverage: float
    total_cost: float | None
    mean_cost: float | None
    mean_cost_se: float | None
    cost_per_correct: float | None
    cost_per_correct_se: float | None
    cost_per_correct_ci_low: float | None
    cost_per_correct_ci_high: float | None
    graded_cost_per_correct: float | None
    failed_cost_share: float | None
    accuracy: float | None
    mean_execution_time_ms: float | None
    on_pareto_front: bool | None
    null_reason: str | None
    warnings: tuple[str, ...]
    method: str
    n_clusters: int | None
    dof: float | None


@dataclass(frozen=True, slots=True)
class CostComparison(TwoVariantRow):
    """What the candidate costs more than the baseline per sample, in USD.

    `cost_difference` is over the shared samples that have a cost on both sides, graded or not, with
    the paired t interval; `method` names the unit that it treats as independent.
    `cost_increment` is what one more correct answer costs: `cost_difference` per point of
    `accuracy_difference`; None where the accuracies do not differ clearly (`null_reason`).
    """

    samples: int
    cost_difference: float | None
    cost_difference_ci_low: float | None
    cost_difference_ci_high: float | None
    cost_difference_se: float | None
    accuracy_difference: float | None
    accuracy_difference_ci_low: float | None
    accuracy_difference_ci_high: float | None
    cost_increment: float | None
    null_reason: str | None
    method: str
    n_clusters: int | None
    dof: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CostReport(Row):
    """Costs by variant, and of variants against the baseline."""

    confidence_level: float
    variants: Sequence[VariantCost]
    comparisons: Sequence[CostComparison]

    def to_frame(self) -> "pd.DataFrame":
        """One row per variant, the columns of VariantCost."""
        return variant_frame(self.variants)


class CostService(AnalysisService):
    """What each variant costs, and how much more than the baseline."""

    def report(self, *, baseline: str | None = None, pairs: bool = True) -> CostReport:
        """Every variant that has runs, and the variants with costs against the baseline.

        Args:
            pairs: Whether variants are compared, which takes longer than all the rest.
        """
        tabulator = self._tabulator(pairs=pairs, columns=["cost"])
        counts = tabulator.variants()
        variants = Variants(counts, sample_cells(tabulator, counts, self._options), self._options)
        rows = [self._variant(variant, variants, tabulator) for variant in variants.names]
        priced = [row.variant for row in rows if row.mean_cost is not None]
        front = pareto_front(
            [ParetoPoint(row.accuracy, row.mean_cost, row.mean_execution_time_ms) for row in rows]
        )
        return CostReport(
            self._options.confidence,
            [
                replace(row, on_pareto_front=on if priced else None)
                for row, on in zip(rows, front, strict=True)
            ],
            self._pairs(priced, baseline, variants, tabulator) if pairs else [],
        )

    def _pairs(
        self,
        priced: Sequence[Variant],
        baseline: str | None,
        variants: Variants,
        tabulator: Tabulator,
    ) -> list[CostComparison]:
        ids = list(dict.fromkeys(variant.experiment_id for variant in priced))
        ordered = self._in_recorded_order(priced)
        chosen = contrasts(ordered, baseline, self._options.contrasts)
        records = {name: self._experiment(name) for name in ids}
        reader = ContrastReader(tabulator, self._options, records, self._metric(ids))
        rows = []
        for pair in chosen:
            contrast = reader.read(*pair, variants)
            costs, method = mean_difference(
                tabulator.paired(
                    *pair,
                    "cost",
                    rule=contrast.rule,
                    cluster=cluster_column(self._options),
                    missing="incorrect",
                ),
                self._options,
                repeated=any(map(variants.repeated, pair)),
            )
            shared = Differences.of(contrast.shared, self._options)
            rows.append(
                _pair_cost(
                    pair,
                    estimate_grades(shared, self._options, self._options.confidence),
                    costs.as_difference(self._options.confidence, bounds=None),
                    method,
                )
            )
        return rows

    def _variant(self, variant: Variant, variants: Variants, tabulator: Tabulator) -> VariantCost:
        parts = variants.parts(variant)
        cells = [cell for part in parts for cell in variants.cells(part)]

        def total(name: str, rows: Sequence[Any] = parts) -> Any:
            return sum(getattr(row, name) for row in rows)

        runs, priced, timed = total("runs"), total("priced"), total("timed")
        cluster, method = dependence(parts, self._options, repeated=variants.repeated(variant))
        if cluster is not None:
            sums = cluster_sums(tabulator, variant, cluster, "cost", self._options, "incorrect")
            mean = clustered_mean([n for n, *_ in sums], [total for _, total, _ in sums])
            ratio = clustered_cost_per_correct(sums, self._options.confidence)
        else:
            graded = tabulator.sums(variant, "task", "cost", "incorrect")
            n, cost, squares = (total(name, graded) for name in ("runs", "total", "squares"))
            mean = sample_mean(n, cost, squares)
            ratio = cost_per_correct(
                n,
                cost,
                squares,
                total("correct", graded),
                total("correct_total", graded),
                confidence=self._options.confidence,
            )
        few = 0 < total("correct") < FEW_CORRECT
        warnings = [*ratio.warnings]
        graded_cost = sum(row.total for row in tabulator.sums(variant, "task", "cost", "exclude"))
        spent, right = total("total_cost"), total("priced_correct")
        failed_share = 1.0 - graded_cost / spent if spent else None
        if failed_share is not None and failed_share > MOST_FAILED_COST:
            warnings.append("failed_costs")
        if few:
            warnings.append("few_correct")
        if priced < runs:
            warnings.append("cost_coverage" if priced else "no_costs")
        return VariantCost(
            variant=variant,
            runs=runs,
            priced=priced,
            price_coverage=priced / runs,
            total_cost=total("total_cost") if priced else None,
            mean_cost=mean.mean,
            mean_cost_se=mean.se or None,
            cost_per_correct=ratio.estimate,
            cost_per_correct_se=ratio.se,
            cost_per_correct_ci_low=None if few else ratio.ci_low,
            cost_per_correct_ci_high=None if few else ratio.ci_high,
            graded_cost_per_correct=graded_cost / right if right else None,
            failed_cost_share=failed_share,
            accuracy=estimate_accuracy(cells, self._options)[0].estimate,
            mean_execution_time_ms=total("total_time_ms") / timed if timed else None,
            on_pareto_front=None,
            null_reason="no_costs"
            if not priced
            else ratio.null_reason or ("few_correct" if few else None),
            warnings=tuple(warnings),
            method=method,
            n_clusters=mean.n_clusters,
            dof=mean.dof,
        )


def _pair_cost(
    pair: tuple[Variant, Variant], accuracy: PairedEstimate, cost: Estimate, method: str
) -> CostComparison:
    difference, interval = accuracy.sums.mean, accuracy.interval
    increment = None
    if cost.estimate is not None and difference is not None:
        increment = cost_increment(cost.estimate, difference, interval)
    return CostComparison(
        baseline=pair[1],
        candidate=pair[0],
        samples=cost.n_samples,
        cost_difference=cost.estimate,
        cost_difference_ci_low=cost.ci_low,
        cost_difference_ci_high=cost.ci_high,
        cost_difference_se=cost.se,
        accuracy_difference=difference,
        accuracy_difference_ci_low=interval.low,
        accuracy_difference_ci_high=interval.high,
        cost_increment=increment.value if increment else None,
        null_reason=increment.null_reason if increment else "no_shared_samples",
        method=method,
        n_clusters=cost.n_clusters,
        dof=cost.dof,
        warnings=cost.warnings,
    )
