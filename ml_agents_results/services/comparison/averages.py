"""One figure over all tasks: every sample weighs the same (micro), or every task (macro)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_agents_results.records import Variant
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.summary import VariantSummary
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.macro_averages import (
    TaskValue,
    macro_accuracy,
    macro_difference,
)

STANDARD_ERRORS = ("random", "fixed")
"""Of a macro average: for tasks like these, and for these very tasks."""


@dataclass(frozen=True, slots=True)
class PooledDifference:
    """One estimand over tasks.

    `micro` weighs every sample alike. `macro-random` and `macro-fixed` weigh every task alike;
    the one takes the tasks for a sample of tasks like these, the other speaks of these only.
    """

    estimand: str
    baseline: Variant
    candidate: Variant
    tasks: int
    candidate_mean: Estimate
    baseline_mean: Estimate
    difference: Estimate

    def to_dict(self) -> dict[str, Any]:
        return {
            "estimand": self.estimand,
            "baseline": self.baseline._asdict(),
            "candidate": self.candidate._asdict(),
            "tasks": self.tasks,
            "candidate_mean": self.candidate_mean.to_dict(),
            "baseline_mean": self.baseline_mean.to_dict(),
            "difference": self.difference.to_dict(),
        }


Task = tuple[str, Sequence[VariantSummary], Sequence[ComparisonRow]]
"""A task with the variants and the comparisons within it."""


def micro(
    pair: ComparisonRow, variants: Mapping[Variant, VariantSummary], tasks: Sequence[Task]
) -> PooledDifference:
    """The comparison over all tasks in the shape of the macro averages."""
    two = (pair.candidate, pair.baseline)
    level = pair.confidence_level
    return PooledDifference(
        estimand="micro",
        baseline=pair.baseline,
        candidate=pair.candidate,
        tasks=sum(
            (row.candidate, row.baseline) == two and row.difference is not None
            for _, _, rows in tasks
            for row in rows
        ),
        candidate_mean=_as_estimate(variants[pair.candidate], level),
        baseline_mean=_as_estimate(variants[pair.baseline], level),
        difference=Estimate(
            estimate=pair.difference,
            method=f"{pair.interval_method}, {pair.method}",
            se=pair.se,
            ci_low=pair.ci_low,
            ci_high=pair.ci_high,
            level=level,
            n_samples=pair.candidate_samples,
            n_clusters=pair.n_clusters,
            dof=pair.dof,
            p_value=pair.p_value,
            p_adjusted=pair.p_value_adjusted,
            family_size=pair.family_size,
            denominators=pair.denominators,
            warnings=pair.warnings,
            null_reason=pair.null_reason,
        ),
    )


def macro(
    pair: ComparisonRow, tasks: Sequence[Task], options: AnalysisOptions
) -> list[PooledDifference]:
    """Macro averages over tasks (or families of tasks), from the rows of each task."""
    accuracies: dict[Variant, list[TaskValue]] = {pair.candidate: [], pair.baseline: []}
    differences = []
    for task, variants, pairs in tasks:
        family = options.family(task) if options.families else None
        for variant in variants:
            if variant.variant in accuracies and variant.accuracy is not None:
                accuracies[variant.variant].append(
                    TaskValue(variant.accuracy, variant.se, variant.samples, family)
                )
        differences += [
            TaskValue(row.difference, row.se, row.candidate_samples, family)
            for row in pairs
            if (row.candidate, row.baseline) == (pair.candidate, pair.baseline)
            and row.difference is not None
        ]
    return [
        PooledDifference(
            estimand=f"macro-{se}",
            baseline=pair.baseline,
            candidate=pair.candidate,
            tasks=len(differences),
            candidate_mean=macro_accuracy(accuracies[pair.candidate], se, options.confidence),
            baseline_mean=macro_accuracy(accuracies[pair.baseline], se, options.confidence),
            difference=macro_difference(differences, se, options.confidence),
        )
        for se in STANDARD_ERRORS
    ]


def _as_estimate(variant: VariantSummary, level: float) -> Estimate:
    return Estimate(
        estimate=variant.accuracy,
        method=f"{variant.interval_method}, {variant.method}",
        se=variant.se,
        ci_low=variant.ci_low,
        ci_high=variant.ci_high,
        level=level,
        n_samples=variant.samples,
        n_runs=variant.graded,
        n_clusters=variant.n_clusters,
        dof=variant.dof,
        warnings=variant.warnings,
        null_reason=variant.null_reason,
    )
