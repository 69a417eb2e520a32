"""Did it help? Arms compared on the samples they share, with error bars, tests and corrections."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Arm, ExperimentRecord
from ml_agents_results.repositories.analysis import (
    AnalysisRepository,
    ArmCounts,
    PairCounts,
    PairingRule,
)
from ml_agents_results.repositories.experiments import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.accuracy import (
    ArmResult,
    Cell,
    arm_result,
    sample_cells,
    task_cells,
)
from ml_agents_results.services.pairing import Differences, contrasts, pairing_rule
from ml_agents_results.services.pairs import PairResult, Sides, compare_pair, correct_family
from ml_agents_results.services.settings import Settings
from ml_agents_results.services.statistics.estimate import Estimate
from ml_agents_results.services.statistics.omnibus import CochranQ, cochrans_q
from ml_agents_results.services.statistics.pooling import (
    TaskValue,
    macro_accuracy,
    macro_difference,
)

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """The arms and their comparisons within one task."""

    task: str
    arms: Sequence[ArmResult]
    pairs: Sequence[PairResult]

    def to_dict(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "arms": [arm.to_dict() for arm in self.arms],
            "pairs": [pair.to_dict() for pair in self.pairs],
        }


@dataclass(frozen=True, slots=True)
class PooledDifference:
    """One estimand over tasks. `micro` weighs every sample alike, `macro` every task."""

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


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that `compare` says. See docs/statistics for the meaning of each figure."""

    experiment_ids: Sequence[str]
    confidence_level: float
    arms: Sequence[ArmResult]
    pairs: Sequence[PairResult]
    tasks: Sequence[TaskComparison]
    micro: Sequence[PooledDifference]
    macro: Sequence[PooledDifference]
    cochrans_q: CochranQ | None
    warnings: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """The document of `compare --json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "experiment_ids": list(self.experiment_ids),
            "confidence_level": self.confidence_level,
            "arms": [arm.to_dict() for arm in self.arms],
            "pairs": [pair.to_dict() for pair in self.pairs],
            "tasks": [task.to_dict() for task in self.tasks],
            "micro": [row.to_dict() for row in self.micro],
            "macro": [row.to_dict() for row in self.macro],
            "cochrans_q": self.cochrans_q and asdict(self.cochrans_q),
            "warnings": list(self.warnings),
        }

    def to_frame(self) -> "pd.DataFrame":
        """One row a comparison, over all tasks (`task` is empty) and then in each task.

        Columns: task, the parts of both arms as baseline_approach_name, treatment_model and so
        on, then the fields of PairResult but for the nested ones.
        """
        import pandas as pd

        rows = [("", pair) for pair in self.pairs]
        rows += [(task.task, pair) for task in self.tasks for pair in task.pairs]
        return pd.DataFrame([{"task": task, **_flat(pair)} for task, pair in rows])


class ComparisonService:
    """Compares arms on the samples they share."""

    def __init__(
        self,
        connection: Connection,
        filters: Filters | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings or Settings()
        self._filters = filters or Filters()
        self._repository = AnalysisRepository(connection, self._filters, self._settings.missing)
        self._experiments = ExperimentRepository(connection)

    def compare(
        self,
        experiment_ids: Sequence[str],
        *,
        baseline: str | None = None,
        by_task: bool = False,
    ) -> Comparison:
        """The arms of the experiments, compared as the settings say.

        Args:
            baseline: The arm to compare with; by default the one with approach None, else the
                first arm of the first experiment.

        Raises:
            NotFoundError: There is no such experiment.
            UsageError: There are fewer than two arms, or no arm fits `baseline`.
        """
        ids = list(dict.fromkeys(experiment_ids))
        records = {name: self._experiments.get(name) for name in ids}
        counts = [part for part in self._repository.arms() if part.arm.experiment_id in records]
        arms = _Arms.of(counts, task_cells(self._repository, counts, self._settings))
        if len(arms.names) < 2:
            raise UsageError(
                f"there is nothing to compare: {len(arms.names)} arm in {', '.join(ids)}",
                "An arm is one approach with one model in one experiment; name further "
                "experiments, or loosen the filters.",
            )
        chosen = contrasts(arms.names, ids, baseline, self._settings.contrasts)
        contrasted = [self._contrast(*pair, records, arms) for pair in chosen]
        cells = sample_cells(self._repository, counts, self._settings)
        results = {
            arm: arm_result(
                arms.parts(arm), cells[arm], self._settings, self._repository.latencies(arm)
            )
            for arm in arms.names
        }
        pairs = correct_family(
            [
                compare_pair(
                    contrast.treatment,
                    contrast.baseline,
                    Differences.of(contrast.by_cluster),
                    arms.sides(contrast),
                    self._settings,
                )
                for contrast in contrasted
            ],
            self._settings,
        )
        tasks = self._by_task(contrasted, arms) if by_task else []
        return Comparison(
            experiment_ids=ids,
            confidence_level=self._settings.confidence,
            arms=list(results.values()),
            pairs=pairs,
            tasks=tasks,
            micro=[_micro(pair, results, len(arms.tasks)) for pair in pairs] if by_task else [],
            macro=[self._macro(pair, tasks) for pair in pairs] if by_task else [],
            cochrans_q=self._omnibus(arms),
            warnings=_document_warnings(pairs),
        )

    def _contrast(
        self,
        treatment: Arm,
        baseline: Arm,
        records: Mapping[str, ExperimentRecord],
        arms: "_Arms",
    ) -> "_Contrast":
        rule = pairing_rule(self._repository, records, treatment, baseline)
        repeated = arms.repeated(treatment) or arms.repeated(baseline)
        found = self._repository.pairs(treatment, baseline, rule=rule, repeated=repeated)
        by_cluster = found.counts
        cluster = self._settings.cluster
        if cluster not in (None, "none", "task"):
            by_cluster = self._repository.pairs(
                treatment, baseline, rule=rule, group=cluster, repeated=repeated
            ).counts
            if without := sum(row.samples for row in by_cluster if row.group is None):
                raise UsageError(
                    f"{without} samples have no {cluster} to cluster by",
                    "Cluster by another column, or give --cluster none.",
                )
        return _Contrast(treatment, baseline, rule, found.counts, by_cluster, found.mismatched)

    def _by_task(self, contrasted: Sequence["_Contrast"], arms: "_Arms") -> list[TaskComparison]:
        rows = [
            (
                task,
                compare_pair(
                    contrast.treatment,
                    contrast.baseline,
                    Differences.of([row for row in contrast.by_task if row.group == task]),
                    arms.sides(contrast, task),
                    self._settings,
                    clustered=False,
                ),
            )
            for task in arms.tasks
            for contrast in contrasted
        ]
        corrected = correct_family([pair for _, pair in rows], self._settings)
        return [
            TaskComparison(
                task,
                [
                    arm_result([part], arms.cells(part), self._settings, clustered=False)
                    for part in arms.counts
                    if part.task == task
                ],
                [pair for (name, _), pair in zip(rows, corrected, strict=True) if name == task],
            )
            for task in arms.tasks
        ]

    def _macro(self, pair: PairResult, tasks: Sequence[TaskComparison]) -> PooledDifference:
        confidence = self._settings.confidence
        accuracies: dict[Arm, list[TaskValue]] = {pair.treatment: [], pair.baseline: []}
        differences = []
        for task in tasks:
            for arm in task.arms:
                if arm.arm in accuracies and arm.accuracy is not None:
                    accuracies[arm.arm].append(
                        TaskValue(arm.accuracy, arm.accuracy_se, arm.samples)
                    )
            differences += [
                TaskValue(row.difference, row.difference_se, row.pairs)
                for row in task.pairs
                if (row.treatment, row.baseline) == (pair.treatment, pair.baseline)
                and row.difference is not None
            ]
        return PooledDifference(
            estimand="macro",
            baseline=pair.baseline,
            treatment=pair.treatment,
            tasks=len(differences),
            treatment_accuracy=macro_accuracy(accuracies[pair.treatment], confidence=confidence),
            baseline_accuracy=macro_accuracy(accuracies[pair.baseline], confidence=confidence),
            difference=macro_difference(differences, confidence=confidence),
        )

    def _omnibus(self, arms: "_Arms") -> CochranQ | None:
        """Whether more than two arms of one experiment differ at all."""
        one_experiment = len({arm.experiment_id for arm in arms.names}) == 1
        if len(arms.names) < 3 or not one_experiment or any(map(arms.repeated, arms.names)):
            return None
        return cochrans_q(self._repository.patterns(arms.names))


@dataclass(frozen=True, slots=True)
class _Contrast:
    """The shared samples of two arms, tabulated by task and by what errors are clustered by."""

    treatment: Arm
    baseline: Arm
    rule: PairingRule
    by_task: Sequence[PairCounts]
    by_cluster: Sequence[PairCounts]
    mismatched: int


@dataclass(frozen=True, slots=True)
class _Arms:
    """What is known of each arm by itself."""

    counts: Sequence[ArmCounts]
    names: Sequence[Arm]
    tasks: Sequence[str]
    samples: Mapping[tuple[Arm, str], Sequence[Cell]]

    @classmethod
    def of(
        cls, counts: Sequence[ArmCounts], samples: Mapping[tuple[Arm, str], Sequence[Cell]]
    ) -> "_Arms":
        names = list(dict.fromkeys(part.arm for part in counts))
        return cls(counts, names, sorted({part.task for part in counts}), samples)

    def parts(self, arm: Arm, task: str | None = None) -> list[ArmCounts]:
        return [part for part in self.counts if part.arm == arm and task in (None, part.task)]

    def cells(self, part: ArmCounts) -> Sequence[Cell]:
        return self.samples.get((part.arm, part.task), ())

    def repeated(self, arm: Arm) -> bool:
        return any(part.repeats > 1 for part in self.parts(arm))

    def sides(self, contrast: _Contrast, task: str | None = None) -> Sides:
        graded, asked = [], []
        for arm in (contrast.treatment, contrast.baseline):
            parts = self.parts(arm, task)
            graded.append(sum(cell.samples for part in parts for cell in self.cells(part)))
            asked.append(graded[-1] if self.repeated(arm) else sum(part.runs for part in parts))
        pairs = sum(row.samples for row in contrast.by_task if task in (None, row.group))
        return Sides(
            treatment_samples=graded[0],
            baseline_samples=graded[1],
            missing_pairs=max(0, max(asked) - pairs),
            mismatched=contrast.mismatched if task is None else 0,
            rule=contrast.rule,
        )


def _micro(pair: PairResult, arms: Mapping[Arm, ArmResult], tasks: int) -> PooledDifference:
    return PooledDifference(
        estimand="micro",
        baseline=pair.baseline,
        treatment=pair.treatment,
        tasks=tasks,
        treatment_accuracy=_as_estimate(arms[pair.treatment]),
        baseline_accuracy=_as_estimate(arms[pair.baseline]),
        difference=Estimate(
            estimate=pair.difference,
            method=f"{pair.interval_method}, {pair.method}",
            se=pair.difference_se,
            ci_low=pair.difference_ci_low,
            ci_high=pair.difference_ci_high,
            level=pair.confidence_level,
            n_samples=pair.pairs,
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


def _as_estimate(arm: ArmResult) -> Estimate:
    return Estimate(
        estimate=arm.accuracy,
        method=f"{arm.interval_method}, {arm.method}",
        se=arm.accuracy_se,
        ci_low=arm.accuracy_ci_low,
        ci_high=arm.accuracy_ci_high,
        n_samples=arm.samples,
        n_runs=arm.graded,
        n_clusters=arm.n_clusters,
        dof=arm.dof,
        warnings=arm.warnings,
        null_reason=arm.null_reason,
    )


def _document_warnings(pairs: Sequence[PairResult]) -> list[str]:
    """What is not only a matter of one row."""
    warnings = []
    for pair in pairs:
        if pair.treatment.model != pair.baseline.model:
            warnings.append(
                f"{pair.treatment} and {pair.baseline} differ in more than the approach: "
                "the model is another one"
            )
    return warnings


def _flat(pair: PairResult) -> dict[str, Any]:
    nested = ("baseline", "treatment", "denominators", "warnings", "difference_bounds")
    values = {name: value for name, value in pair.to_dict().items() if name not in nested}
    for side, arm in (("baseline", pair.baseline), ("treatment", pair.treatment)):
        values |= {f"{side}_{name}": part for name, part in arm._asdict().items()}
    return {**values, "warnings": ", ".join(pair.warnings)}
