"""What the database knows of two arms: the samples they share, and what each has beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ml_agents_results.records import Arm, ExperimentRecord
from ml_agents_results.repositories.analysis import AnalysisRepository
from ml_agents_results.repositories.counts import ArmCounts, PairCounts, PairingRule
from ml_agents_results.services.accuracy import Cell, denominators, refuse_null_cluster
from ml_agents_results.services.pairing import Differences, differing, pairing_rule
from ml_agents_results.services.settings import Settings
from ml_agents_results.services.statistics.denominators import coverage_warnings
from ml_agents_results.services.statistics.paired import PairedTable


@dataclass(frozen=True, slots=True)
class Sides:
    """What is known of two arms beside their shared samples.

    Attributes:
        treatment_samples, baseline_samples: The arm's own samples that count.
        graded: The samples graded on both sides, whatever a missing grade counts as; None where
            samples have repeats.
        missing_pairs: Samples asked on some side and not graded on both.
        mismatched: Pairs whose question or expected answer differs.
        warnings: What makes the two arms hard to compare.
    """

    treatment_samples: int
    baseline_samples: int
    graded: PairedTable | None
    missing_pairs: int
    mismatched: int
    rule: PairingRule
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contrast:
    """The shared samples of two arms: those that count by task and by what errors are clustered
    by, those graded on both sides, and how many were asked on both sides by task."""

    treatment: Arm
    baseline: Arm
    rule: PairingRule
    by_task: Sequence[PairCounts]
    by_cluster: Sequence[PairCounts]
    graded: Sequence[PairCounts]
    asked: Mapping[str | None, int]
    mismatched: int
    warnings: tuple[str, ...]


class Arms:
    """What is known of each arm by itself."""

    def __init__(
        self,
        counts: Sequence[ArmCounts],
        samples: Mapping[tuple[Arm, str], Sequence[Cell]],
    ) -> None:
        self.counts = counts
        self.names = list(dict.fromkeys(part.arm for part in counts))
        self.tasks = sorted({part.task for part in counts})
        self._samples = samples
        self._parts: dict[Arm, dict[str, ArmCounts]] = {}
        for part in counts:
            self._parts.setdefault(part.arm, {})[part.task] = part

    def parts(self, arm: Arm, task: str | None = None) -> list[ArmCounts]:
        """The counts of the arm in each of its tasks, or in one."""
        parts = self._parts[arm]
        if task is None:
            return list(parts.values())
        return [parts[task]] if task in parts else []

    def in_task(self, task: str) -> list[ArmCounts]:
        """The counts of every arm that was asked something in the task."""
        return [part for arm in self.names for part in self.parts(arm, task)]

    def cells(self, part: ArmCounts) -> Sequence[Cell]:
        return self._samples.get((part.arm, part.task), ())

    def repeated(self, arm: Arm) -> bool:
        return any(part.repeats > 1 for part in self._parts[arm].values())

    def samples(self, arm: Arm, task: str | None = None) -> int:
        """The arm's samples that count."""
        return sum(cell.samples for part in self.parts(arm, task) for cell in self.cells(part))

    def runs(self, arm: Arm, task: str | None = None) -> int:
        return sum(part.runs for part in self.parts(arm, task))

    def complete(self, arm: Arm) -> bool:
        """Whether every run of the arm is graded."""
        return denominators(self.parts(arm)).coverage == 1

    def sides(self, contrast: Contrast, task: str | None = None) -> Sides:
        """What is known of two arms beside their shared samples, in all tasks or in one."""
        two = (contrast.treatment, contrast.baseline)
        graded = Differences.of([row for row in contrast.graded if task in (None, row.group)]).table
        asked = sum(n for group, n in contrast.asked.items() if task in (None, group))
        union = sum(self.runs(arm, task) for arm in two) - asked
        coverage = coverage_warnings(*(denominators(self.parts(arm, task)) for arm in two))
        return Sides(
            treatment_samples=self.samples(contrast.treatment, task),
            baseline_samples=self.samples(contrast.baseline, task),
            graded=None if any(map(self.repeated, two)) else graded,
            missing_pairs=0 if graded is None else max(0, union - graded.pairs),
            mismatched=contrast.mismatched if task is None else 0,
            rule=contrast.rule,
            warnings=(*contrast.warnings, *coverage),
        )


class ContrastReader:
    """Fetches contrasts for the experiments and settings of one comparison."""

    def __init__(
        self,
        repository: AnalysisRepository,
        settings: Settings,
        experiments: Mapping[str, ExperimentRecord],
    ) -> None:
        self._settings = settings
        self._experiments = experiments
        self._counted = repository.counting(settings.missing)
        self._graded = repository.counting("exclude")
        self._asked = repository.counting("incorrect")

    def read(self, treatment: Arm, baseline: Arm, arms: Arms) -> Contrast:
        """The shared samples of two arms.

        Raises:
            UsageError: A shared sample has no value to cluster by.
        """
        rule = pairing_rule(self._counted, self._experiments, treatment, baseline)
        repeated = arms.repeated(treatment) or arms.repeated(baseline)

        def pairs(repository: AnalysisRepository, group: str = "task") -> Sequence[PairCounts]:
            return repository.pairs(treatment, baseline, rule=rule, group=group).counts

        found = self._counted.pairs(treatment, baseline, rule=rule)
        by_cluster = graded = found.counts
        cluster = self._settings.cluster
        if cluster not in (None, "none", "task"):
            by_cluster = pairs(self._counted, cluster)
            without = sum(row.samples for row in by_cluster if row.group is None)
            refuse_null_cluster(without, cluster, self._settings)
        elif self._settings.families:
            by_cluster = [
                replace(row, group=self._settings.family(row.group)) for row in found.counts
            ]
        asked = _by_group(found.counts)
        # Where every run is graded, the counts at hand say it all.
        if not repeated and not (arms.complete(treatment) and arms.complete(baseline)):
            if self._settings.missing == "incorrect":
                graded = pairs(self._graded)
            else:
                asked = _by_group(pairs(self._asked))
        return Contrast(
            treatment=treatment,
            baseline=baseline,
            rule=rule,
            by_task=found.counts,
            by_cluster=by_cluster,
            graded=graded,
            asked=asked,
            mismatched=found.mismatched,
            warnings=differing(self._experiments, treatment, baseline),
        )


def _by_group(counts: Sequence[PairCounts]) -> dict[str | None, int]:
    samples: dict[str | None, int] = {}
    for row in counts:
        samples[row.group] = samples.get(row.group, 0) + row.samples
    return samples
