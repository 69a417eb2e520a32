"""The same counts as the analysis queries make, in plain Python over all runs."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log
from statistics import fmean
from typing import Any

from ml_agents_results.records import RunRecord, Variant

START = datetime(2026, 1, 1, tzinfo=UTC)
TASKS = ("sums", "Words", "")
Group = tuple[str, str | None]
"""A task and a cluster in it."""

Cell = tuple[str, str | None, int, int, int, int]
Sums = dict[Group, tuple[float, ...]]


def generate(seed: int) -> list[RunRecord]:
    """Runs of two experiments that share samples in part, with everything that goes wrong."""
    chance = random.Random(seed)
    runs: list[RunRecord] = []
    for experiment, first in (("a", 0), ("b", 4)):
        for approach, repeats in (("None", 1), ("ChainOfThought", 1), ("own", 3)):
            for task in TASKS:
                for index in range(first, first + 20):
                    if chance.random() < 0.15:
                        continue
                    for repeat in range(chance.randint(1, repeats)):
                        run = RunRecord(
                            experiment,
                            approach,
                            index,
                            provider="p",
                            model=chance.choice(["m"] * 9 + ["n"]) if repeats == 1 else "m",
                            task=task,
                            repeat_index=repeat,
                            # The two data sets have the samples in another order.
                            sample_id=f"id{(index * 7) % 24 if experiment == 'b' else index}",
                            # Some questions occur several times, one has two answer keys.
                            input_text=f"question {index % 6}",
                            expected_answer=chance.choice("AAAAAAB"),
                            created_at=START + timedelta(minutes=len(runs)),
                        )
                        _answer(run, chance)
                        runs.append(run)
    return runs


def _answer(run: RunRecord, chance: random.Random) -> None:
    run.score = chance.choice([None, 0.1 + 0.2, chance.uniform(-1, 1) / 3])
    run.cost_estimate = chance.choice([None, 0.0, chance.random()])
    run.execution_time_ms = chance.choice([None, 0, chance.randrange(1, 50), 7])
    kind = chance.random()
    if kind < 0.1:
        run.error = "HTTP 500"
        return
    run.raw_output = "text"
    if kind < 0.2:
        return
    run.parsed_answer = "A"
    run.parsing_confidence = chance.choice([None, chance.random()])
    run.parsing_method = chance.choice([None, "regex", "manual"])
    if kind > 0.3:
        run.is_correct = chance.random() < 0.6


def outcome(run: RunRecord) -> str:
    if run.error is not None:
        return "failed"
    if run.is_correct is not None:
        return "correct" if run.is_correct else "wrong"
    if run.score is not None:
        return "scored"
    if run.parsed_answer is None and run.finish_reason == "length":
        return "truncated"
    if run.parsed_answer is None and run.finish_reason in ("content_filter", "refusal"):
        return "refused"
    return "unparsed" if run.parsed_answer is None and run.raw_output is not None else "ungraded"


@dataclass
class Sample:
    """The runs of one variant on one sample, and what identifies it under a rule of pairing."""

    place: Any
    group: Group
    graded: int
    correct: int
    fingerprint: tuple[str | None, str | None]
    times: list[int]
    costs: list[float]
    scores: list[float]


class Recount:
    def __init__(self, runs: Iterable[RunRecord], missing: str) -> None:
        self.runs = list(runs)
        self.missing = missing

    def counted(self, run: RunRecord) -> bool:
        return self.missing == "incorrect" or run.is_correct is not None

    def variants(self) -> dict[tuple[Variant, str], dict[str, float]]:
        groups: dict[tuple[Variant, str], list[RunRecord]] = defaultdict(list)
        for run in self.runs:
            groups[run.variant, run.task].append(run)
        return {key: self._variant(groups[key]) for key in sorted(groups)}

    def _variant(self, runs: list[RunRecord]) -> dict[str, float]:
        outcomes = Counter(map(outcome, runs))
        times = [
            run.execution_time_ms
            for run in runs
            if run.error is None and run.execution_time_ms is not None
        ]
        priced = [(run, run.cost_estimate) for run in runs if run.cost_estimate is not None]
        graded = [cost for run, cost in priced if self.counted(run)]
        correct = [cost for run, cost in priced if run.is_correct]
        rated = [run.parsing_confidence for run in runs if run.parsing_confidence is not None]
        graded_kinds = ("correct", "wrong", "scored", "failed")
        kinds = (*graded_kinds, "truncated", "refused", "unparsed", "ungraded")
        return {
            "runs": len(runs),
            **{kind: outcomes[kind] for kind in kinds},
            "repeated": sum(run.repeat_index > 0 for run in runs),
            "timed": len(times),
            "priced": len(priced),
            "priced_correct": len(correct),
            "rated": len(rated),
            "total_time_ms": sum(times),
            "total_cost": sum(cost for _, cost in priced),
            "graded_cost": sum(graded),
            "total_confidence": sum(rated),
        }

    def run_sums(self, variant: Variant, measure: str) -> dict[str, tuple[float, ...]]:
        """By task: runs that count and have the measure, correct ones, sum, squares, sum of the
        correct ones."""
        groups: dict[str, list[RunRecord]] = defaultdict(list)
        for run in self.of(variant):
            groups[run.task].append(run)
        found: dict[str, tuple[float, ...]] = {}
        for task in sorted(groups):
            known = [
                (value, run.is_correct is True)
                for run in groups[task]
                if (value := getattr(run, measure)) is not None and self.counted(run)
            ]
            values = [value for value, _ in known]
            right = [value for value, correct in known if correct]
            squares = sum(value * value for value in values)
            if known:
                found[task] = (len(values), len(right), sum(values), squares, sum(right))
        return found

    def of(self, variant: Variant) -> list[RunRecord]:
        return [run for run in self.runs if run.variant == variant]

    def samples(self, variant: Variant, rule: str, group: str) -> list[Sample]:
        groups: dict[tuple[str, Any], list[RunRecord]] = defaultdict(list)
        for run in self.of(variant):
            own = run.sample_id if rule == "sample_id" else run.sample_index
            groups[run.task, own].append(run)
        samples = []
        occurrences: Counter[Any] = Counter()
        for key in sorted(groups):
            runs = groups[key]
            prints = min((fingerprint_of(run), question(run)) for run in runs)
            place: Any = key
            if rule == "content":
                occurrences[prints] += 1
                place = (prints, occurrences[prints])
            samples.append(
                Sample(
                    place,
                    (key[0], max(cluster(run, group) for run in runs)),
                    sum(map(self.counted, runs)),
                    sum(run.is_correct is True for run in runs),
                    prints[1],
                    [
                        run.execution_time_ms
                        for run in runs
                        if run.error is None and run.execution_time_ms is not None
                    ],
                    [
                        run.cost_estimate
                        for run in runs
                        if self.counted(run) and run.cost_estimate is not None
                    ],
                    [run.score for run in runs if self.counted(run) and run.score is not None],
                )
            )
        return samples

    def pairs(
        self, candidate: Variant, baseline: Variant, rule: str, group: str
    ) -> tuple[Counter[Cell], int]:
        others = {sample.place: sample for sample in self.samples(baseline, rule, group)}
        cells: Counter[Cell] = Counter()
        mismatched = 0
        for one in self.samples(candidate, rule, group):
            two = others.get(one.place)
            if two is None or not one.graded or not two.graded:
                continue
            cells[*one.group, one.graded, one.correct, two.graded, two.correct] += 1
            mismatched += one.fingerprint != two.fingerprint
        return cells, mismatched

    def latency(self, candidate: Variant, baseline: Variant, rule: str, group: str) -> Sums:
        others = {sample.place: sample for sample in self.samples(baseline, rule, group)}
        ratios = defaultdict(list)
        for one in self.samples(candidate, rule, group):
            two = others.get(one.place)
            if two is None or not one.times or not two.times:
                continue
            first, second = (sum(each.times) / len(each.times) for each in (one, two))
            if first > 0 and second > 0:
                ratios[one.group].append((log(first), log(second)))
        return summed(ratios)

    def costs(self, candidate: Variant, baseline: Variant, rule: str, group: str) -> Sums:
        return self.differences(candidate, baseline, rule, group, "costs")

    def differences(
        self, candidate: Variant, baseline: Variant, rule: str, group: str, name: str
    ) -> Sums:
        others = {sample.place: sample for sample in self.samples(baseline, rule, group)}
        differences = defaultdict(list)
        for one in self.samples(candidate, rule, group):
            two = others.get(one.place)
            if two is not None and getattr(one, name) and getattr(two, name):
                x, y = (fmean(getattr(sample, name)) for sample in (one, two))
                differences[one.group].append((x, y))
        return summed(differences)

    def patterns(self, variants: Sequence[Variant]) -> Counter[str]:
        counts: Counter[str] = Counter()
        places = {(run.task, run.sample_index) for run in self.runs}
        for task, index in places:
            bits = []
            for variant in variants:
                runs = [
                    run
                    for run in self.of(variant)
                    if (run.task, run.sample_index) == (task, index) and self.counted(run)
                ]
                if len(runs) == 1:
                    bits.append("1" if runs[0].is_correct else "0")
            if len(bits) == len(variants):
                counts["".join(bits)] += 1
        return counts


def summed(groups: Mapping[Group, Sequence[tuple[float, float]]]) -> Sums:
    """The fields of PairedSums after the group, from the values of both sides."""
    return {
        group: (
            len(values),
            sum(x > y for x, y in values),
            sum(x < y for x, y in values),
            sum(x for x, _ in values),
            sum(y for _, y in values),
            sum(x * x for x, _ in values),
            sum(y * y for _, y in values),
            sum(x * y for x, y in values),
            sum(x - y for x, y in values),
            sum((x - y) ** 2 for x, y in values),
        )
        for group, values in groups.items()
    }


def question(run: RunRecord) -> tuple[str | None, str | None]:
    return run.input_text, run.expected_answer


def fingerprint_of(run: RunRecord) -> str:
    """Only for an order: where the repeats of a sample differ, the smallest fingerprint stands."""
    from ml_agents_results.database.digests import input_fingerprint

    return input_fingerprint(*question(run)) or ""


def cluster(run: RunRecord, group: str) -> str:
    values = {"task": run.task, "sample_id": run.sample_id or ""}
    return values.get(group) or (fingerprint_of(run) if group == "input_fingerprint" else "")
