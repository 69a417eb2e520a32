"""Which arms are compared with which, and what makes two samples the same one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Arm, ExperimentRecord, canonical_approach
from ml_agents_results.repositories.analysis import AnalysisRepository, PairCounts, PairingRule
from ml_agents_results.services.statistics.paired import PairedTable


def find_arm(arms: Sequence[Arm], name: str) -> Arm:
    """The arm meant by an approach, a model, or any number of its parts joined by `/`.

    Raises:
        UsageError: None or several arms fit; the hint lists them.
    """
    parts = name.split("/")
    fitting = [arm for arm in arms if _fits(arm, name, parts)]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(map(str, fitting or arms))
    problem = "several arms are" if fitting else "no arm is"
    raise UsageError(f"{problem} called {name!r}", f"Choose one of: {listed}")


def _fits(arm: Arm, name: str, parts: Sequence[str]) -> bool:
    if name == str(arm) or name in (arm.experiment_id, arm.provider, arm.model):
        return True
    if canonical_approach(name) == arm.approach_name:
        return True
    values = {*arm, *(piece for value in arm for piece in value.split("/"))}
    return len(parts) > 1 and all(
        part in values or canonical_approach(part) in values for part in parts
    )


def contrasts(
    arms: Sequence[Arm], experiment_ids: Sequence[str], baseline: str | None, kind: str
) -> list[tuple[Arm, Arm]]:
    """(treatment, baseline) of every comparison, in a stable order.

    The baseline is the arm of that name, else the one with approach None, else the first arm of
    the first experiment.
    """
    if len(arms) < 2:
        return []
    order = {experiment: place for place, experiment in enumerate(experiment_ids)}
    ranked = sorted(arms, key=lambda arm: (order.get(arm.experiment_id, len(order)), arm))
    if baseline is None:
        first = next((arm for arm in ranked if arm.approach_name == "None"), ranked[0])
    else:
        first = find_arm(arms, baseline)
    ranked = [first, *(arm for arm in ranked if arm != first)]
    if kind == "all-pairs":
        return [(later, earlier) for earlier, later in combinations(ranked, 2)]
    return [(arm, first) for arm in ranked[1:]]


def pairing_rule(
    repository: AnalysisRepository,
    experiments: Mapping[str, ExperimentRecord],
    treatment: Arm,
    baseline: Arm,
) -> PairingRule:
    """How samples of two arms are told to be the same; never by the question's text alone."""
    if treatment.experiment_id == baseline.experiment_id:
        return "sample_index"
    prints = {
        (experiments[arm.experiment_id].environment_json.get("dataset") or {}).get("fingerprint")
        for arm in (treatment, baseline)
    }
    if len(prints) == 1 and None not in prints:
        return "sample_index"
    if repository.has_sample_ids(treatment) and repository.has_sample_ids(baseline):
        return "sample_id"
    return "content"


@dataclass(frozen=True, slots=True)
class Differences:
    """The shared samples of two arms: per group how many there are, the sum of the differences of
    their shares of right answers (treatment minus baseline), and the sum of the squares."""

    groups: Mapping[str | None, tuple[int, float, float]]
    table: PairedTable | None
    """The 2x2 table, where every sample was graded once on both sides."""

    @classmethod
    def of(cls, counts: Sequence[PairCounts]) -> "Differences":
        groups: dict[str | None, tuple[int, float, float]] = {}
        cells = {(1, 1): 0, (1, 0): 0, (0, 1): 0, (0, 0): 0}
        single = True
        for row in counts:
            difference = (
                row.treatment_correct / row.treatment_graded
                - row.baseline_correct / row.baseline_graded
            )
            n, total, squares = groups.get(row.group, (0, 0.0, 0.0))
            groups[row.group] = (
                n + row.samples,
                total + row.samples * difference,
                squares + row.samples * difference * difference,
            )
            if row.treatment_graded == row.baseline_graded == 1:
                cells[row.treatment_correct, row.baseline_correct] += row.samples
            else:
                single = False
        return cls(groups, PairedTable(*cells.values()) if single else None)

    @property
    def samples(self) -> int:
        return sum(n for n, _, _ in self.groups.values())

    @property
    def sums(self) -> tuple[int, float, float]:
        """The three sums over all groups."""
        return (
            self.samples,
            sum(total for _, total, _ in self.groups.values()),
            sum(squares for _, _, squares in self.groups.values()),
        )
