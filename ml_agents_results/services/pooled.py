"""One figure over all tasks: every sample weighs the same (micro), or every task (macro)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_agents_results.records import Arm
from ml_agents_results.services.accuracy import ArmResult
from ml_agents_results.services.pairs import PairResult
from ml_agents_results.services.settings import Settings
from ml_agents_results.services.statistics.estimate import Estimate
from ml_agents_results.services.statistics.pooling import (
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
    baseline: Arm
    treatment: Arm
    tasks: int
    treatment_accuracy: Estimate
    baseline_accuracy: Estimate
    difference: Estimate

    def to_dict(self) -> dict[str, Any]:
        return {
            "estimand": self.estimand,
            "baseline": self.baseline._asdict(),
            "treatment": self.treatment._asdict(),
            "tasks": self.tasks,
            "treatment_accuracy": self.treatment_accuracy.to_dict(),
            "baseline_accuracy": self.baseline_accuracy.to_dict(),
            "difference": self.difference.to_dict(),
        }


Task = tuple[str, Sequence[ArmResult], Sequence[PairResult]]
"""A task with the arms and the comparisons within it."""


def micro(
    pair: PairResult, arms: Mapping[Arm, ArmResult], tasks: Sequence[Task]
) -> PooledDifference:
    """The comparison over all tasks in the shape of the macro averages."""
    two = (pair.treatment, pair.baseline)
    level = pair.confidence_level
    return PooledDifference(
        estimand="micro",
        baseline=pair.baseline,
        treatment=pair.treatment,
        tasks=sum(
            (row.treatment, row.baseline) == two and row.difference is not None
            for _, _, rows in tasks
            for row in rows
        ),
        treatment_accuracy=_as_estimate(arms[pair.treatment], level),
        baseline_accuracy=_as_estimate(arms[pair.baseline], level),
        difference=Estimate(
            estimate=pair.difference,
            method=f"{pair.interval_method}, {pair.method}",
            se=pair.difference_se,
            ci_low=pair.difference_ci_low,
            ci_high=pair.difference_ci_high,
            level=level,
            n_samples=pair.treatment_samples,
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


def macro(pair: PairResult, tasks: Sequence[Task], settings: Settings) -> list[PooledDifference]:
    """The averages over tasks (by family where there are), from the arms and pairs within each."""
    accuracies: dict[Arm, list[TaskValue]] = {pair.treatment: [], pair.baseline: []}
    differences = []
    for task, arms, pairs in tasks:
        family = settings.family(task) if settings.families else None
        for arm in arms:
            if arm.arm in accuracies and arm.accuracy is not None:
                accuracies[arm.arm].append(
                    TaskValue(arm.accuracy, arm.accuracy_se, arm.samples, family)
                )
        differences += [
            TaskValue(row.difference, row.difference_se, row.treatment_samples, family)
            for row in pairs
            if (row.treatment, row.baseline) == (pair.treatment, pair.baseline)
            and row.difference is not None
        ]
    return [
        PooledDifference(
            estimand=f"macro-{se}",
            baseline=pair.baseline,
            treatment=pair.treatment,
            tasks=len(differences),
            treatment_accuracy=macro_accuracy(accuracies[pair.treatment], se, settings.confidence),
            baseline_accuracy=macro_accuracy(accuracies[pair.baseline], se, settings.confidence),
            difference=macro_difference(differences, se, settings.confidence),
        )
        for se in STANDARD_ERRORS
    ]


def _as_estimate(arm: ArmResult, level: float) -> Estimate:
    return Estimate(
        estimate=arm.accuracy,
        method=f"{arm.interval_method}, {arm.method}",
        se=arm.accuracy_se,
        ci_low=arm.accuracy_ci_low,
        ci_high=arm.accuracy_ci_high,
        level=level,
        n_samples=arm.samples,
        n_runs=arm.graded,
        n_clusters=arm.n_clusters,
        dof=arm.dof,
        warnings=arm.warnings,
        null_reason=arm.null_reason,
    )
