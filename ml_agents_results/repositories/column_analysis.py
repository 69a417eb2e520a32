"""The same counts by columns: the database hands columns over, numpy counts.

SQLite and PostgreSQL give a column of a task as one text (`aggregate_strings`), for a tenth of a
microsecond a run. An aggregate costs them half of that, and joining two arms ten times as much; so
one pass over the covering index is enough for an arm, however much is asked about it. What is
paired by other rules than the place in the data set is left to the selects.
"""

from collections.abc import Iterator, Sequence
from functools import partial, reduce
from threading import Lock
from typing import Any, Self

import numpy as np
from sqlalchemy import Connection, func, null, select

from ml_agents_results.database.models import Run
from ml_agents_results.records import Arm
from ml_agents_results.repositories.analysis import ARM, AnalysisRepository
from ml_agents_results.repositories.columns import (
    LETTERS,
    NO_FINGERPRINT,
    Array,
    Columns,
    Samples,
    firsts,
    matched,
    parsed,
    selected,
    tabulated,
    united,
)
from ml_agents_results.repositories.counts import (
    ArmCounts,
    GradedCosts,
    HardSample,
    Missing,
    PairCounts,
    PairedSums,
    PairingRule,
    Pairs,
    SampleCounts,
)
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.views import ahead, arms_of, by_two, on_each

HELD_RUNS = 4_000_000
"""Runs whose columns are kept, at 25 bytes a run at most; those of further arms are read again."""

SPLIT_UP_TO = 8
"""Experiments whose arms are read one by one: to find an arm takes a query."""


class ColumnAnalysis(AnalysisRepository):
    """As AnalysisRepository, on databases."""

    def __init__(
        self,
        connection: Connection,
        filters: Filters | None = None,
        missing: Missing = "exclude",
        *,
        pairs: bool = False,
        costs: bool = False,
    ) -> None:
        super().__init__(connection, filters, missing)
        self._pairs = pairs
        self._costs = costs
        self._arms: list[Arm] | None = None
        self._held: dict[Arm, dict[str, Columns]] = {}
        self._first: dict[str, Columns] = {}
        self._runs = 0
        self._holding = Lock()

    def counting(self, missing: Missing) -> Self:
        other = super().counting(missing)
        other._pairs, other._costs = self._pairs, self._costs
        other._arms, other._held = self._arms, self._held
        return other

    def arms(self) -> Sequence[ArmCounts]:
        self._held.clear()
        self._first.clear()
        self._runs = 0

        def counted(view: Connection, arm: Arm | None) -> list[ArmCounts]:
            parts = self._parts(view, arm, paired=self._pairs, costs=self._costs)
            return [self._hold(*part) for part in parts]

        counts = [
            part for of_arm in on_each(self._connection, counted, self._jobs()) for part in of_arm
        ]
        self._arms = list(dict.fromkeys(part.arm for part in counts))
        return counts

    def _jobs(self) -> Sequence[Arm | None]:
        """What one thread reads at a time: an arm, or all (None)."""
        experiments = self._filters.experiment_id
        if not by_two(self._connection) or experiments is None or len(experiments) > SPLIT_UP_TO:
            return [None]
        return [
            arm
            for experiment in sorted(set(experiments))
            for arm in arms_of(self._connection, experiment)
            if self._filters.passes(arm)
        ]

    def _hold(self, counts: ArmCounts, columns: Columns) -> ArmCounts:
        """Keeps the columns as long as there is room."""
        with self._holding:
            self._runs += counts.runs
            if self._runs > HELD_RUNS:
                self._held.pop(counts.arm, None)
            else:
                first = self._first.setdefault(counts.task, columns)
                self._held.setdefault(counts.arm, {})[counts.task] = columns.sharing(first)
        return counts

    def _parts(
        self, view: Connection, arm: Arm | None, *, paired: bool, costs: bool
    ) -> Iterator[tuple[ArmCounts, Columns]]:
        """The runs by task, of one arm or of every arm."""
        keys = (*ARM, Run.task) if arm is None else (Run.task,)
        confidence = Run.parsing_confidence
        rows = view.execute(
            select(
                *keys,
                func.max(Run.repeat_index) + 1,
                func.count(confidence),
                func.sum(confidence),
                *([null()] * 4 if costs else self._cost_sums()),
                *selected(view.dialect.name, paired=paired, costs=costs),
            )
            .where(*(self._filters.conditions() if arm is None else self._of_arm(arm)))
            .group_by(*keys)
            .order_by(*keys)
            .execution_options(yield_per=1)
        )
        # A loop would hold the texts of one task while those of the next are made.
        one_by_one = iter(rows.fetchone, None)
        if arm is not None:
            return map(partial(self._counts, arm), one_by_one)
        return ahead(one_by_one, lambda row: self._counts(Arm(*row[:4]), row[4:]))

    def _counts(self, arm: Arm, row: Sequence[Any]) -> tuple[ArmCounts, Columns]:
        task, repeats, rated, confidence, priced, correct, total_cost, graded_cost = row[:8]
        runs = parsed(row[8:])
        if len(runs.cost):
            # The sums cost the database less than the column, and NumPy nothing beside it.
            graded = runs.graded_costs(task, self._missing)
            correct, graded_cost = graded.correct, graded.cost
            priced, total_cost = np.count_nonzero(runs.cost == runs.cost), np.nansum(runs.cost)
        outcomes = np.bincount(runs.outcome, minlength=128)
        timed = runs.timed()
        counts = ArmCounts(
            arm=arm,
            task=task,
            runs=len(runs.outcome),
            **{name: int(outcomes[ord(letter)]) for name, letter in LETTERS.items()},
            repeats=int(repeats),
            timed=len(timed),
            priced=int(priced),
            priced_correct=int(correct),
            rated=int(rated),
            total_time_ms=float(timed.sum()),
            total_cost=float(total_cost or 0),
            graded_cost=float(graded_cost or 0),
            total_confidence=float(confidence or 0),
        )
        return counts, runs

    def graded_costs(self, arm: Arm) -> Sequence[GradedCosts]:
        of_arm = self._of(arm, paired=False, costs=True)
        return [runs.graded_costs(task, self._missing) for task, runs in of_arm.items()]

    def latencies(self, arm: Arm) -> tuple[list[int], list[int]]:
        of_arm = self._of(arm, paired=False)
        timed = (runs.timed() for runs in of_arm.values())
        times = np.concatenate([np.array([], np.int32), *timed])
        # As np.unique would, without another copy of the arm.
        times.sort()
        starts = firsts(times)
        return times[starts].tolist(), np.diff(starts, append=len(times)).tolist()

    def samples(self, group: str = "task") -> Iterator[SampleCounts]:
        if group != "task":
            yield from super().samples(group)
            return
        for arm in self._names():
            for task, runs in self._of(arm).items():
                samples = Samples(runs, self._missing)
                known = samples.graded > 0
                for row in tabulated(samples.graded[known], samples.correct[known]):
                    yield SampleCounts(arm, task, *row)

    def pairs(
        self,
        treatment: Arm,
        baseline: Arm,
        *,
        rule: PairingRule = "sample_index",
        group: str = "task",
    ) -> Pairs:
        if rule != "sample_index" or group != "task":
            return super().pairs(treatment, baseline, rule=rule, group=group)
        counts: list[PairCounts] = []
        mismatched = 0
        for task, one, two, i, j in self._shared(treatment, baseline):
            both = (one.graded[i] > 0) & (two.graded[j] > 0)
            grades = (one.graded[i], one.correct[i], two.graded[j], two.correct[j])
            counts += [PairCounts(task, *row) for row in tabulated(*(n[both] for n in grades))]
            first, second = one.fingerprint()[i][both], two.fingerprint()[j][both]
            known = np.maximum(first, second) != NO_FINGERPRINT
            differ = known & (first != second)
            mismatched += int(differ.sum())
        return Pairs(counts, mismatched)

    def paired_latency(
        self,
        treatment: Arm,
        baseline: Arm,
        *,
        rule: PairingRule = "sample_index",
        group: str = "task",
    ) -> Sequence[PairedSums]:
        if rule != "sample_index" or group != "task":
            return super().paired_latency(treatment, baseline, rule=rule, group=group)
        found = []
        for task, one, two, i, j in self._shared(treatment, baseline):
            first, second = one.time_ms()[i], two.time_ms()[j]
            timed = (first > 0) & (second > 0)
            found += _sums(task, np.log(first[timed] / second[timed]))
        return found

    def paired_costs(
        self,
        treatment: Arm,
        baseline: Arm,
        *,
        rule: PairingRule = "sample_index",
        group: str = "task",
    ) -> Sequence[PairedSums]:
        if rule != "sample_index" or group != "task":
            return super().paired_costs(treatment, baseline, rule=rule, group=group)
        found = []
        for task, one, two, i, j in self._shared(treatment, baseline, costs=True):
            differences = one.cost()[i] - two.cost()[j]
            found += _sums(task, differences[~np.isnan(differences)])
        return found

    def patterns(self, arms: Sequence[Arm]) -> dict[str, int]:
        found: dict[str, int] = {}
        of_arms = [self._of(arm) for arm in arms]
        for task in set.intersection(*map(set, of_arms)):
            every = [Samples(of_arm[task], self._missing) for of_arm in of_arms]
            once = [samples.index[samples.graded == 1] for samples in every]
            shared = reduce(lambda one, two: matched(one, two)[0], once)
            right = [
                samples.correct[matched(samples.index, shared)[1]] + ord("0") for samples in every
            ]
            bits = np.stack(right, axis=1).astype(np.uint8).view(f"S{len(arms)}")
            for pattern, count in zip(*np.unique(bits, return_counts=True), strict=True):
                name = pattern.decode()
                found[name] = found.get(name, 0) + int(count)
        return dict(sorted(found.items()))

    def hard_samples(self, limit: int = 20) -> Sequence[HardSample]:
        parts: dict[str, list[Samples]] = {}
        for arm in self._names():
            for task, runs in self._of(arm).items():
                parts.setdefault(task, []).append(Samples(runs, "exclude"))
        hardest: list[HardSample] = []
        for task, samples in parts.items():
            index = reduce(united, (each.index for each in samples))
            graded, correct = np.zeros((2, len(index)), int)
            for each in samples:
                place = matched(index, each.index)[1]
                graded[place] += each.graded
                correct[place] += each.correct
            asked = graded > 0
            index, graded, correct = index[asked], graded[asked], correct[asked]
            order = np.lexsort((index, -graded, correct / graded))[:limit]
            hardest += [
                HardSample(task, *row)
                for row in zip(*(c[order].tolist() for c in (index, graded, correct)), strict=True)
            ]
        hardest.sort(key=lambda s: (s.correct / s.graded, -s.graded, s.task, s.sample_index))
        return hardest[:limit]

    def duplicate_contents(self) -> int:
        contents: dict[tuple[str, str], list[Columns]] = {}
        for arm in self._names():
            for task, runs in self._of(arm).items():
                contents.setdefault((arm.experiment_id, task), []).append(runs)
        experiments: dict[str, list[Array]] = {}
        for (experiment, _), of_arms in contents.items():
            # Arms that were asked the same share one list.
            parts = {id(runs.fingerprint): runs for runs in of_arms}.values()
            fingerprint = np.concatenate([runs.fingerprint for runs in parts])
            index = np.concatenate([runs.sample_index for runs in parts])
            if np.any(index[1:] <= index[:-1]):
                order = np.lexsort((fingerprint, index))
                fingerprint, index = fingerprint[order], index[order]
                new = (fingerprint[1:] != fingerprint[:-1]) | (index[1:] != index[:-1])
                fingerprint = fingerprint[np.concatenate([[True], new])]
            experiments.setdefault(experiment, []).append(
                fingerprint[fingerprint != NO_FINGERPRINT]
            )
        return sum(
            int((np.unique(np.concatenate(parts), return_counts=True)[1] > 1).sum())
            for parts in experiments.values()
        )

    def _shared(
        self, treatment: Arm, baseline: Arm, *, costs: bool = False
    ) -> Iterator[tuple[str, Samples, Samples, Array, Array]]:
        """By task: the samples of both arms, and where the shared ones stand in each."""
        first, second = (self._of(arm, costs=costs) for arm in (treatment, baseline))
        for task in sorted(first.keys() & second.keys()):
            one, two = (Samples(runs[task], self._missing) for runs in (first, second))
            _, i, j = matched(one.index, two.index)
            yield task, one, two, i, j

    def _names(self) -> list[Arm]:
        if self._arms is not None:
            return self._arms
        rows = self._connection.execute(
            select(*ARM).where(*self._filters.conditions()).distinct().order_by(*ARM)
        )
        return [Arm(*row) for row in rows]

    def _of(self, arm: Arm, *, paired: bool = True, costs: bool = False) -> dict[str, Columns]:
        """The columns of an arm by task: those at hand, or read now."""
        held = self._held.get(arm)
        if held is not None and self._pairs >= paired and self._costs >= costs:
            return held
        parts = self._parts(self._connection, arm, paired=paired, costs=costs)
        return {counts.task: columns for counts, columns in parts}


def _sums(task: str, values: Array) -> list[PairedSums]:
    """The sums of a task's differences; nothing where there are none."""
    if not len(values):
        return []
    squares = float((values * values).sum())
    above, below = int((values > 0).sum()), int((values < 0).sum())
    return [PairedSums(task, len(values), float(values.sum()), squares, above, below)]
