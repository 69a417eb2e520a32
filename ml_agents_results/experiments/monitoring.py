"""Monitor: looks at a running experiment after every sample, and says when it is decided.

A sample counts when all variants have answered it in all repeats, and all samples before it in
the order of the plan: which samples are there must not depend on how they were answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ml_agents_results.database.engine import Database
from ml_agents_results.experiments.plan import Plan
from ml_agents_results.records import MetricRecord, RunRecord
from ml_agents_results.repositories.claim_repository import RunKey
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.statistics.anytime import anytime_p, confidence_sequence, e_value
from ml_agents_results.statistics.difference_sums import DifferenceSums

ALPHA = 0.05
FIRST_LINE = 50
"""Samples after which the first line is shown; then after twice as many, and so on."""


@dataclass
class ContrastSums:
    """A candidate against the baseline, over the samples so far."""

    candidate: str
    baseline: str
    samples: int = 0
    total: float = 0.0
    squares: float = 0.0
    absolute: float = 0.0
    improved: int = 0
    regressed: int = 0
    largest_e_value: float = 1.0

    def add(self, difference: float) -> None:
        """Counts a sample."""
        difference = 0.0 if abs(difference) < 1e-12 else difference
        self.samples += 1
        self.total += difference
        self.squares += difference * difference
        self.absolute += abs(difference)
        self.improved += difference > 0.0
        self.regressed += difference < 0.0
        evidence = e_value(self.improved, self.regressed)
        self.largest_e_value = max(self.largest_e_value, evidence)

    @property
    def sums(self) -> DifferenceSums:
        differing = self.improved + self.regressed
        return DifferenceSums(self.samples, self.total, self.squares, self.absolute, differing)


@dataclass(frozen=True)
class Look:
    """What a contrast says so far, at the level .95 for all contrasts at once.

    Attributes:
        samples: Those with a value on both sides; `planned` are all.
        p_anytime: Of the largest e-value so far, for all contrasts (Bonferroni); None where samples
            are not simply right or wrong.
        decided: Whether the difference was clear at some look: by the confidence sequence, and
            where there is one by the p value.
    """

    candidate: str
    baseline: str
    samples: int
    planned: int
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p_anytime: float | None
    decided: bool

    def __str__(self) -> str:
        known = (
            f"{self.candidate} against {self.baseline}, {self.samples} of {self.planned} samples"
        )
        if self.difference is None:
            return f"{known}: nothing yet"
        text = f"{known}: {self.difference:+.3f}"
        if self.ci_low is not None and self.ci_high is not None:
            text += f" [{self.ci_low:+.3f}, {self.ci_high:+.3f}] at every look"
        if not self.decided:
            return f"{text}; not decided"
        better = self.candidate if self.difference > 0.0 else self.baseline
        return f"{text}; decided: {better} is better"


class Monitor:
    """Looks at the variants of a shuffled plan, each against the baseline: the first one with the
    approach `None`, else the first.

    Args:
        metric: What the runs are graded by.
    """

    def __init__(self, plan: Plan, metric: MetricRecord) -> None:
        self._plan = plan
        self._simple = metric.kind == "binary" and plan.repeats == 1
        bounded = metric.lower is not None and metric.upper is not None
        self._span = (metric.upper or 0.0) - (metric.lower or 0.0) if bounded else None
        self._values: dict[int, float | None] = {}
        self._each = len(plan.variants) * plan.repeats
        self._next = 0
        self._line = FIRST_LINE
        self._decided: set[int] = set()
        first = plan.approaches.index("None") if "None" in plan.approaches else 0
        self._baseline = first
        self._contrasts = {
            index: ContrastSums(title, plan.titles[first])
            for index, title in enumerate(plan.titles)
            if index != first
        }

    @property
    def is_waiting(self) -> bool:
        """Whether runs are there that do not count yet: others before them are missing."""
        return bool(self._values)

    def load(self, database: Database, experiment_id: str) -> None:
        """Takes the runs that are recorded, by any process, as if they came in now."""
        with database.read() as connection:
            for *key, is_correct, score in RunRepository(connection).values(experiment_id):
                self._take(RunKey(*key), is_correct, score)
        self._advance()

    def add(self, run: RunRecord) -> None:
        """Takes a run that was saved."""
        key = RunKey(*run.variant[1:], run.task, run.sample_index, run.repeat_index)
        self._take(key, run.is_correct, run.score)
        self._advance()

    @property
    def decided(self) -> bool:
        """Whether every contrast is."""
        return len(self._decided) == len(self._contrasts)

    def line_due(self) -> bool:
        """Whether enough samples came in since the last line to show another."""
        if self._next < self._line:
            return False
        while self._line <= self._next:
            self._line *= 2
        return True

    def looks(self) -> Sequence[Look]:
        """What every contrast says now."""
        return [self._look(index) for index in self._contrasts]

    def _look(self, index: int) -> Look:
        contrast, tests = self._contrasts[index], len(self._contrasts)
        sums, planned = contrast.sums, len(self._plan.questions)
        pseudo = None
        if not self._simple and sums.differing:
            pseudo = (sums.squares / sums.differing) ** 0.5
        interval = confidence_sequence(
            sums, 1.0 - ALPHA / tests, span=self._span, pseudo=pseudo, planned=planned
        )
        p_value = None
        if self._simple:
            p_value = min(1.0, tests * anytime_p(contrast.largest_e_value))
        clear = interval.excludes(0.0) and (p_value is None or p_value <= ALPHA)
        return Look(
            contrast.candidate,
            contrast.baseline,
            contrast.samples,
            planned,
            sums.mean,
            interval.low,
            interval.high,
            p_value,
            # What was clear once stays so: the level is that of ever being wrong.
            clear or index in self._decided,
        )

    def _take(self, key: RunKey, is_correct: bool | None, score: float | None) -> None:
        cell = self._plan.cell(key)
        if cell is not None and cell >= self._next * self._each:
            self._values[cell] = score if is_correct is None else float(is_correct)

    def _advance(self) -> None:
        """Counts the samples that are complete now."""
        while self._next < len(self._plan.questions):
            cells = range(self._next * self._each, (self._next + 1) * self._each)
            if not all(cell in self._values for cell in cells):
                break
            self._count([self._values.pop(cell) for cell in cells])
            self._next += 1

    def _count(self, values: Sequence[float | None]) -> None:
        """Counts a sample: of every repeat a value of each variant."""
        variants = len(self._contrasts) + 1
        means = []
        for index in range(variants):
            known = [value for value in values[index::variants] if value is not None]
            means.append(sum(known) / len(known) if known else None)
        baseline = means[self._baseline]
        for index, contrast in self._contrasts.items():
            mean = means[index]
            if mean is not None and baseline is not None:
                contrast.add(mean - baseline)
                if self._look(index).decided:
                    self._decided.add(index)
