"""The same counts by columns: the database hands columns over, numpy counts.

SQLite and PostgreSQL give a column of a task as one text (`aggregate_strings`), for a tenth of a
microsecond a run. An aggregate costs them half of that, and joining two variants ten times as
much; so
one pass over the covering index is enough for a variant, however much is asked about it. What is
paired by other rules than the place in the data set is left to the selects.
"""

from collections.abc import Iterator, Sequence
from functools import partial, reduce
from threading import Lock
from typing import Any, Self

import numpy as np
from sqlalchemy import Connection, func, null, select

from ml_agents_results.database.models import Run
from ml_agents_results.records import Variant
from ml_agents_results.repositories.analysis import VARIANT, AnalysisRepository
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
    GradedCosts,
    HardSample,
    Missing,
    PairCounts,
    PairedSums,
    PairingRule,
    Pairs,
    SampleCounts,
    VariantCounts,
)
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.views import ahead, by_two, on_each, variants_of

HELD_RUNS = 4_000_000
"""Runs whose columns are kept, at most 25 bytes each; further variants are read again."""

SPLIT_UP_TO = 8
"""Experiments whose variants are read one by one: to find a variant takes a query."""


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
        self._variants: list[Variant] | None = None
        self._held: dict[Variant, dict[str, Columns]] = {}
        self._first: dict[str, Columns] = {}
        self._runs = 0
        self._holding = Lock()

    def counting(self, missing: Missing) -> Self:
        other = super().counting(missing)
        other._pairs, other._costs = self._pairs, self._costs
        other._variants, other._held = self._variants, self._held
        return other

    def variants(self) -> Sequence[VariantCounts]:
        self._held.clear()
        self._first.clear()
        self._runs = 0

        def counted(view: Connection, variant: Variant | None) -> list[VariantCounts]:
            parts = self._parts(view, variant, paired=self._pairs, costs=self._costs)
            return [self._hold(*part) for part in parts]

        counts = [
            part
            for of_variant in on_each(self._connection, counted, self._jobs())
            for part in of_variant
        ]
        self._variants = list(dict.fromkeys(part.variant for part in counts))
        return counts

    def _jobs(self) -> Sequence[Variant | None]:
        """What one thread reads at a time: a variant, or all (None)."""
        experiments = self._filters.experiment_id
        if not by_two(self._connection) or experiments is None or len(experiments) > SPLIT_UP_TO:
            return [None]
        return [
            variant
            for experiment in sorted(set(experiments))
            for variant in variants_of(self._connection, experiment)
            if self._filters.passes(variant)
        ]

    def _hold(self, counts: VariantCounts, columns: Columns) -> VariantCounts:
        """Keeps the columns as long as there is room."""
        with self._holding:
            self._runs += counts.runs
            if self._runs > HELD_RUNS:
                self._held.pop(counts.variant, None)
            else:
                first = self._first.setdefault(counts.task, columns)
                self._held.setdefault(counts.variant, {})[counts.task] = columns.sharing(first)
        return counts

    def _parts(
        self, view: Connection, variant: Variant | None, *, paired: bool, costs: bool
    ) -> Iterator[tuple[VariantCounts, Columns]]:
        """The runs by task, of one variant or of every variant."""
        keys = (*VARIANT, Run.task) if variant is None else (Run.task,)
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
            .where(*(self._filters.conditions() if variant is None else self._of_variant(variant)))
            .group_by(*keys)
            .order_by(*keys)
            .execution_options(yield_per=1)
        )
        # A loop would hold the texts of one task while those of the next are made.
        one_by_one = iter(rows.fetchone, None)
        if variant is not None:
            return map(partial(self._counts, variant), one_by_one)
        return ahead(one_by_one, lambda row: self._counts(Variant(*row[:4]), row[4:]))

    def _counts(self, variant: Variant, row: Sequence[Any]) -> tuple[VariantCounts, Columns]:
        task, repeats, rated, confidence, priced, correct, total_cost, graded_cost = row[:8]
        runs = parsed(row[8:])
        if len(runs.cost):
            # The sums cost the database less than the column, and NumPy nothing beside it.
            graded = runs.graded_costs(task, self._missing)
            correct, graded_cost = graded.correct, graded.cost
            priced, total_cost = np.count_nonzero(runs.cost == runs.cost), np.nansum(runs.cost)
        outcomes = np.bincount(runs.outcome, minlength=128)
        timed = runs.timed()
        counts = VariantCounts(
            variant=variant,
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

    def graded_costs(self, variant: Variant) -> Sequence[GradedCosts]:
        of_variant = self._of(variant, paired=False, costs=True)
        return [runs.graded_costs(task, self._missing) for task, runs in of_variant.items()]

    def latencies(self, variant: Variant) -> tuple[list[int], list[int]]:
        of_variant = self._of(variant, paired=False)
        timed = (runs.timed() for runs in of_variant.values())
        times = np.concatenate([np.array([], np.int32), *timed])
        # As np.unique would, without another copy of the variant.
        times.sort()
        starts = firsts(times)
        return times[starts].tolist(), np.diff(starts, append=len(times)).tolist()

    def samples(self, group: str = "task") -> Iterator[SampleCounts]:
        if group != "task":
            yield from super().samples(group)
            return
        for variant in self._names():
            for task, runs in self._of(variant).items():
                samples = Samples(runs, self._missing)
                known = samples.graded > 0
                for row in tabulated(samples.graded[known], samples.correct[known]):
                    yield SampleCounts(variant, task, *row)

    def pairs(
        self,
        candidate: Variant,
        baseline: Variant,
        *,
        rule: PairingRule = "sample_index",
        group: str = "task",
    ) -> Pairs:
        if rule != "sample_index" or group != "task":
            return super().pairs(candidate, baseline, rule=rule, group=group)
        counts: list[PairCounts] = []
        mismatched = 0
        for task, one, two, i, j in self._shared(candidate, baseline):
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
        candidate: Variant,
        baseline: Variant,
        *,
        rule: PairingRule = "sample_index",
        group: str = "task",
    ) -> Sequence[PairedSums]:
        if rule != "sample_index" or group != "task":
            return super().paired_latency(candidate, baseline, rule=rule, group=group)
        found = []
        for task, one, two, i, j in self._shared(candidate, baseline):
            first, second = one.time_ms()[i], two.time_ms()[j]
            timed = (first > 0) & (second > 0)
            found += _sums(task, np.log(first[timed] / second[timed]))
        return found

    def paired_costs(
        self,
        candidate: Variant,
        baseline: Variant,
        *,
        rule: PairingRule = "sample_index",
        group: str = "task",
    ) -> Sequence[PairedSums]:
        if rule != "sample_index" or group != "task":
            return super().paired_costs(candidate, baseline, rule=rule, group=group)
        found = []
        for task, one, two, i, j in self._shared(candidate, baseline, costs=True):
            differences = one.cost()[i] - two.cost()[j]
            found += _sums(task, differences[~np.isnan(differences)])
        return found

    def patterns(self, variants: Sequence[Variant]) -> dict[str, int]:
        found: dict[str, int] = {}
        of_variants = [self._of(variant) for variant in variants]
        for task in set.intersection(*map(set, of_variants)):
            every = [Samples(of_variant[task], self._missing) for of_variant in of_variants]
            once = [samples.index[samples.graded == 1] for samples in every]
            shared = reduce(lambda one, two: matched(one, two)[0], once)
            right = [
                samples.correct[matched(samples.index, shared)[1]] + ord("0") for samples in every
            ]
            bits = np.stack(right, axis=1).astype(np.uint8).view(f"S{len(variants)}")
            for pattern, count in zip(*np.unique(bits, return_counts=True), strict=True):
                name = pattern.decode()
                found[name] = found.get(name, 0) + int(count)
        return dict(sorted(found.items()))

    def hard_samples(self, limit: int = 20) -> Sequence[HardSample]:
        parts: dict[str, list[Samples]] = {}
        for variant in self._names():
            for task, runs in self._of(variant).items():
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
        for variant in self._names():
            for task, runs in self._of(variant).items():
                contents.setdefault((variant.experiment_id, task), []).append(runs)
        experiments: dict[str, list[Array]] = {}
        for (experiment, _), of_variants in contents.items():
            # Variants that were asked the same share one list.
            parts = {id(runs.fingerprint): runs for runs in of_variants}.values()
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
        self, candidate: Variant, baseline: Variant, *, costs: bool = False
    ) -> Iterator[tuple[str, Samples, Samples, Array, Array]]:
        """By task: the samples of both variants, and where the shared ones stand in each."""
        first, second = (self._of(variant, costs=costs) for variant in (candidate, baseline))
        for task in sorted(first.keys() & second.keys()):
            one, two = (Samples(runs[task], self._missing) for runs in (first, second))
            _, i, j = matched(one.index, two.index)
            yield task, one, two, i, j

    def _names(self) -> list[Variant]:
        if self._variants is not None:
            return self._variants
        rows = self._connection.execute(
            select(*VARIANT).where(*self._filters.conditions()).distinct().order_by(*VARIANT)
        )
        return [Variant(*row) for row in rows]

    def _of(
        self, variant: Variant, *, paired: bool = True, costs: bool = False
    ) -> dict[str, Columns]:
        """The columns of a variant by task: those at hand, or read now."""
        held = self._held.get(variant)
        if held is not None and self._pairs >= paired and self._costs >= costs:
            return held
        parts = self._parts(self._connection, variant, paired=paired, costs=costs)
        return {counts.task: columns for counts, columns in parts}


def _sums(task: str, values: Array) -> list[PairedSums]:
    """The sums of a task's differences; nothing where there are none."""
    if not len(values):
        return []
    squares = float((values * values).sum())
    above, below = int((values > 0).sum()), int((values < 0).sum())
    return [PairedSums(task, len(values), float(values.sum()), squares, above, below)]
