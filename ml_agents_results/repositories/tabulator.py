"""Tabulator: the counts and sums of the runs that pass some filters."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import (
    HardSample,
    MethodCounts,
    PairCounts,
    PairedSums,
    Pairs,
    RunSums,
    SampleCounts,
    ValueSums,
    VariantCounts,
    VoteCounts,
    check_cluster,
)
from ml_agents_results.repositories.database_source import DatabaseSource
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_source import RunSource, SplitBy
from ml_agents_results.statistics import (
    hard_samples,
    majority,
    pair_tabulation,
    run_tabulation,
    sample_tabulation,
    value_tabulation,
    variant_matrix,
)
from ml_agents_results.statistics.additive_sums import Counts, add_counts, add_histograms, add_sums
from ml_agents_results.statistics.choices import Missing, PairingRule
from ml_agents_results.statistics.run_columns import (
    Cluster,
    Column,
    Measure,
    Result,
    Runs,
    of_numbers,
    of_pooled,
)
from ml_agents_results.statistics.value_tabulation import DifferenceSteps
from ml_agents_results.statistics.variant_matrix import VariantMatrix

_OF_PAIRS: tuple[Column, ...] = ("time_ms", "sample_index", "fingerprint")


def source_of(source: Connection | RunSource) -> RunSource:
    """A connection as a source of runs."""
    return source if isinstance(source, RunSource) else DatabaseSource(source)


class Tabulator:
    """Counts the runs of a source. Nothing is read twice.

    Args:
        source: A database's connection, or Parquet files (`repositories.lake`).
        missing: "exclude" leaves runs without a grade out, "incorrect" counts them as wrong.
        pairs: Whether variants will be paired: what that needs is then read at once.
        columns: Further columns that will be needed.
    """

    def __init__(
        self,
        source: Connection | RunSource,
        filters: Filters | None = None,
        missing: Missing = "exclude",
        *,
        pairs: bool = False,
        columns: Collection[Column] = (),
    ) -> None:
        self._source = source_of(source)
        self._filters = filters or Filters()
        self._missing = missing
        first: set[Column] = {"time_ms", *columns, *(_OF_PAIRS if pairs else ())}
        self._reading = self._source.reading(self._filters, first)
        self._numeric = False
        self._worst: float | None = None
        self._pool: tuple[str, ...] = ()

    def pool(self, experiments: Sequence[str]) -> int:
        """Counts from now on as if the runs of these experiments were repeats in the first one.

        Returns:
            How many samples would then have different questions.
        """
        self._pool = tuple(experiments)
        columns: list[Column] = ["sample_index", "fingerprint"]
        return sum(self._tabulate(sample_tabulation.several_contents, columns, "sample_index"))

    def as_numbers(self, worst: float | None = None) -> None:
        """Counts from now on for a numeric metric: runs that are right or wrong have the values 1
        and 0.

        Args:
            worst: The value of runs without one, where a missing grade counts as "incorrect".
        """
        self._numeric = True
        self._worst = worst if self._missing == "incorrect" else None

    def variants(self) -> Sequence[VariantCounts]:
        """The counts of every variant in every task, in the order of variants and tasks."""
        rows = add_sums(self._tabulate(run_tabulation.variant_counts, ["time_ms"]))
        counts = [VariantCounts(Variant(*v), task, *numbers) for (v, task), *numbers in rows]
        if self._missing == "incorrect":
            return [replace(row, graded_cost=row.total_cost) for row in counts]
        return counts

    def latencies(self, variant: Variant) -> tuple[list[int], list[int]]:
        """The distinct times of the variant in ms, ascending, and how often each occurs.

        Failed runs are left out: they end when they fail, not when the model has answered.
        """
        count = partial(run_tabulation.time_histogram, variant=variant)
        return add_histograms(self._tabulate(count, ["time_ms"]))

    def sums(
        self,
        variant: Variant,
        cluster: Cluster,
        measure: Measure,
        missing: Missing | None = None,
    ) -> list[RunSums]:
        """A measure of the variant's runs that count, by cluster; arguments as in `pairs`."""
        add = partial(
            run_tabulation.run_sums,
            variant=variant,
            missing=missing or self._missing,
            cluster=cluster,
            measure=measure,
        )
        columns: list[Column] = [measure, "sample_index", *columns_of_cluster(cluster)]
        parts = self._tabulate(add, columns, "sample_index")
        return [RunSums(*(label or (None, None)), *row) for label, *row in add_sums(parts)]

    def values(
        self, variant: Variant, cluster: Cluster = "task", origin: float = 0.0
    ) -> list[ValueSums]:
        """The values of the variant's samples less the origin, by cluster."""
        add = partial(
            value_tabulation.value_sums,
            variant=variant,
            missing=self._missing,
            cluster=cluster,
            origin=origin,
        )
        columns: list[Column] = ["value", "sample_index", *columns_of_cluster(cluster)]
        parts = self._tabulate(add, columns, "sample_index")
        return [ValueSums(*(label or (None, None)), *row) for label, *row in add_sums(parts)]

    def methods(self) -> list[MethodCounts]:
        """Runs by variant and parsing method; `confidence` is None."""
        counts = add_counts(self._tabulate(run_tabulation.method_counts, ["method"]))
        return _by_outcome({(v, m, None, o): n for (v, m, o), n in counts.items()})

    def confidences(self) -> list[MethodCounts]:
        """Runs by variant, parsing method and confidence."""
        columns: list[Column] = ["method", "confidence"]
        parts = self._tabulate(run_tabulation.confidence_counts, columns)
        return _by_outcome(add_counts(parts))

    def samples(self, cluster: Cluster = "task") -> dict[Variant, list[SampleCounts]]:
        """Numbers of samples by how often they were graded and correct, variant and cluster.

        Samples that were never graded are left out.
        """
        count = partial(sample_tabulation.sample_counts, missing=self._missing, cluster=cluster)
        columns: list[Column] = ["sample_index", *columns_of_cluster(cluster)]
        counts = add_counts(self._tabulate(count, columns, "sample_index"))
        samples: dict[Variant, list[SampleCounts]] = {}
        for (variant, task, group, graded, correct), number in counts.items():
            row = SampleCounts(task, group, graded, correct, number)
            samples.setdefault(Variant(*variant), []).append(row)
        return samples

    def partial_repeats(self) -> dict[Variant, int]:
        """By variant, how many samples have repeats with and repeats without a grade."""
        parts = self._tabulate(sample_tabulation.partial_repeats, ["sample_index"], "sample_index")
        return {Variant(*key[0]): n for key, n in add_counts(parts).items()}

    def pairs(
        self,
        candidate: Variant,
        baseline: Variant,
        *,
        rule: PairingRule = "sample_index",
        cluster: Cluster = "task",
        missing: Missing | None = None,
    ) -> Pairs:
        """The samples that both variants were graded on, by cluster and grades.

        Args:
            missing: Another meaning of a missing grade.
        """
        count = partial(
            pair_tabulation.pair_counts,
            candidate=candidate,
            baseline=baseline,
            missing=missing or self._missing,
            rule=rule,
            cluster=cluster,
        )
        parts = self._tabulate(count, _columns_of_pairs(rule, cluster), rule)
        counts = add_counts(part[0] for part in parts)
        return Pairs(
            [PairCounts(*row) for row in ((*labels, number) for labels, number in counts.items())],
            sum(part[1] for part in parts),
        )

    def paired(
        self,
        candidate: Variant,
        baseline: Variant,
        measure: Measure,
        *,
        rule: PairingRule = "sample_index",
        cluster: Cluster = "task",
        missing: Missing | None = None,
    ) -> list[PairedSums]:
        """A measure on the samples that have it on both sides, by cluster.

        Repeats of a sample are averaged first.
        """
        add = partial(
            pair_tabulation.paired_sums,
            candidate=candidate,
            baseline=baseline,
            missing=missing or self._missing,
            rule=rule,
            cluster=cluster,
            measure=measure,
        )
        columns: list[Column] = [measure, *_columns_of_pairs(rule, cluster)]
        parts = self._tabulate(add, columns, rule)
        return [PairedSums(*(label or (None, None)), *row) for label, *row in add_sums(parts)]

    def steps(
        self, candidate: Variant, baseline: Variant, *, rule: PairingRule = "sample_index"
    ) -> dict[str, DifferenceSteps]:
        """The differences of values on the shared samples, by task."""
        count = partial(
            value_tabulation.value_steps,
            candidate=candidate,
            baseline=baseline,
            missing=self._missing,
            rule=rule,
        )
        tasks: dict[str, list[DifferenceSteps]] = {}
        for part in self._tabulate(count, ["value", *_columns_of_pairs(rule, "task")], rule):
            for task, per_unit, counts, kept in part:
                tasks.setdefault(task, []).append(DifferenceSteps(per_unit, counts, kept))
        return {task: value_tabulation.add_steps(parts) for task, parts in tasks.items()}

    def patterns(self, variants: Sequence[Variant]) -> dict[str, int]:
        """The number of samples that each set of variants answered; "101": the first and the third.

        Only samples that every variant was graded on exactly once, all in one experiment.
        """
        count = partial(sample_tabulation.patterns, variants=variants, missing=self._missing)
        parts = self._tabulate(count, ["sample_index"], "sample_index")
        return {str(key[0]): number for key, number in add_counts(parts).items()}

    def repeated_outcomes(self) -> dict[tuple[Variant, str], tuple[int, ...]]:
        """By variant and outcome, the sums that `proportions.design_effect` takes."""
        parts = self._tabulate(
            sample_tabulation.repeated_outcomes, ["sample_index"], "sample_index"
        )
        return {
            (Variant(*variant), outcome): tuple(sums)
            for (variant, outcome), *sums in add_sums(parts)
        }

    def hard_samples(self, limit: int = 20) -> Sequence[HardSample]:
        """The samples with the smallest share of correct answers over all variants, hardest
        first; across experiments by their content."""
        find = partial(hard_samples.hard_samples, limit=limit)
        experiments = {row.variant.experiment_id for row in self.variants()}
        together: SplitBy = "content" if len(experiments) > 1 else "sample_index"
        parts = self._tabulate(find, ["sample_index", "fingerprint"], together)
        rows = hard_samples.hardest_first((row for part in parts for row in part), limit)
        return [HardSample(*row) for row in rows]

    def duplicate_contents(self) -> int:
        """The number of questions, with expected answers, that several samples share."""
        columns: list[Column] = ["sample_index", "fingerprint"]
        return sum(self._tabulate(sample_tabulation.duplicate_contents, columns, "fingerprint"))

    def votes(self, cluster: Cluster = "task") -> dict[Variant, list[VoteCounts]]:
        """Numbers of samples by their answers and how these were graded, variant and cluster."""
        count = partial(majority.vote_counts, missing=self._missing, cluster=cluster)
        columns: list[Column] = ["sample_index", "answer", *columns_of_cluster(cluster)]
        counts = add_counts(self._tabulate(count, columns, "sample_index"))
        votes: dict[Variant, list[VoteCounts]] = {}
        for (variant, task, group, answered, of_sample), number in counts.items():
            row = VoteCounts(task, group, answered, of_sample, number)
            votes.setdefault(Variant(*variant), []).append(row)
        return votes

    def matrix(
        self, variants: Sequence[Variant], rule: PairingRule, cluster: Cluster = "task"
    ) -> VariantMatrix:
        """What all variants have on the samples that they share."""
        read = partial(
            variant_matrix.variant_matrix,
            variants=variants,
            missing=self._missing,
            rule=rule,
            cluster=cluster,
            numeric=self._numeric,
        )
        return variant_matrix.joined(self._tabulate(read, _columns_of_pairs(rule, cluster), rule))

    def sample_bounds(self) -> dict[tuple[Variant, str], tuple[int, float, float]]:
        """By variant and task, how many samples were asked, and the sums of their shares of right
        answers if runs without a grade were wrong, and if they were right."""
        parts = self._tabulate(sample_tabulation.sample_bounds, ["sample_index"], "sample_index")
        rows = add_sums(parts)
        return {(Variant(*v), task): (n, low, high) for (v, task), n, low, high in rows}

    def pair_bounds(
        self, candidate: Variant, baseline: Variant, rule: PairingRule
    ) -> dict[str, tuple[int, float, float]]:
        """By task, the same of the differences of samples asked on both sides; of pairs by content
        for all tasks at once."""
        find = partial(
            pair_tabulation.pair_bounds, candidate=candidate, baseline=baseline, rule=rule
        )
        parts = self._tabulate(find, _columns_of_pairs(rule, "task"), rule)
        return {task: (n, low, high) for task, n, low, high in add_sums(parts)}

    def sample_identity(self, variants: Sequence[Variant]) -> tuple[bool, bool]:
        """Whether ids of samples identify one sample of a task in every variant, and whether the
        variants have the same id at the same index. For variants of which every run has an id."""
        find = partial(sample_tabulation.sample_identity, variants=variants)
        parts = self._tabulate(find, ["sample_index", "sample_id"], "sample_id")
        return all(part[0] for part in parts), all(part[1] for part in parts)

    def first_ids(self, variant: Variant, number: int = 3) -> list[str]:
        """The first ids of a variant's samples, after the name of their task where they have
        one."""
        find = partial(sample_tabulation.first_ids, variant=variant, number=number)
        parts = self._tabulate(find, ["sample_index", "sample_id"], "sample_id")
        return [name for part in parts for name in part][:number]

    def has_sample_ids(self, variant: Variant) -> bool:
        """Whether every sample of the variant carries the data set's own id."""
        experiments = self._pool if variant.experiment_id in self._pool else ()
        return all(
            self._source.has_sample_ids(variant._replace(experiment_id=name), self._filters)
            for name in experiments or (variant.experiment_id,)
        )

    def _tabulate(
        self,
        function: Callable[[Runs], Result],
        columns: Collection[Column],
        split_by: SplitBy = "run",
    ) -> Sequence[Result]:
        if self._numeric:
            function = partial(of_numbers, function, self._worst)
            columns = {"value", *columns}
        if self._pool:
            function = partial(of_pooled, function, self._pool)
        return self._reading.tabulate(function, columns, split_by)


def columns_of_cluster(cluster: Cluster) -> tuple[Column, ...]:
    """The columns to read for samples or runs grouped by the cluster."""
    if cluster in ("task", "sample"):
        return ()
    check_cluster(cluster)
    return ("fingerprint",) if cluster == "input_fingerprint" else (cluster,)


def _columns_of_pairs(rule: PairingRule, cluster: Cluster) -> tuple[Column, ...]:
    own: tuple[Column, ...] = ("sample_id",) if rule == "sample_id" else ()
    return ("sample_index", "fingerprint", *own, *columns_of_cluster(cluster))


def _by_outcome(counts: Counts) -> list[MethodCounts]:
    groups: dict[Any, list[int]] = {}
    for (variant, method, confidence, outcome), number in counts.items():
        group = groups.setdefault((variant, method, confidence), [0, 0, 0])
        group[{"correct": 0, "wrong": 1}.get(outcome, 2)] += number
    return [
        MethodCounts(Variant(*variant), method, confidence, *numbers)
        for (variant, method, confidence), numbers in groups.items()
    ]
