"""Repeats report: majorities, passes, the spread of seeds, and what more of them would add."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ml_agents_results.errors import NothingToCompareError, UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import VoteCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.comparison.pairing import common_rule
from ml_agents_results.services.result_rows import Row, VariantRow
from ml_agents_results.services.sample_clusters import (
    cluster_column,
    cluster_method,
    clusters_apply,
    mean_over_clusters,
    null_clusters,
    refuse_null_cluster,
    weighted,
)
from ml_agents_results.statistics.bounded_mean import mean_of_values
from ml_agents_results.statistics.cluster_robust import ClusteredMean, sample_mean
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.majority import Votes, asked, majority_share, right
from ml_agents_results.statistics.proportions import accuracy
from ml_agents_results.statistics.repeats import (
    VarianceSplit,
    all_right,
    some_right,
    variance_split,
)
from ml_agents_results.statistics.variance_components import Components, components

Level = Literal["experiment", "approach", "model"]
"""What is a sample of seeds, prompts or models, and not of interest one by one."""

LEVELS: dict[Level, str] = {
    "experiment": "experiment_id",
    "approach": "approach_name",
    "model": "model",
}
SIZES = (1, 2, 3, 4, 5, 8, 10, 16, 20)
"""The numbers of answers that shares are given for, next to the largest there is."""

MOST = 32
"""Answers beyond which no majority is computed."""


@dataclass(frozen=True, slots=True)
class SharesOfAnswers(Row):
    """Of k answers to a sample: is the most frequent right, is one, are all? Next to the accuracy
    of single answers, all on the `samples` that have at least k of them.

    Attributes:
        majority: None where no answers are recorded, only grades.
    """

    k: int
    samples: int
    excluded: int
    single: Estimate
    majority: Estimate | None
    some: Estimate
    every: Estimate


@dataclass(frozen=True, slots=True)
class MorePrecise(Row):
    """Half-widths of the interval of the mean, in its unit: now, and for a larger study.

    `seeds` is for a study with twice as many of them. `repeats` and `endless_repeats` are None
    where the variance between samples (or clusters) is estimated below 0: what would be left of
    the error is not known.
    """

    now: float
    repeats: float | None
    endless_repeats: float | None
    samples: float
    seeds: float | None = None


@dataclass(frozen=True, slots=True)
class RepeatedVariant(VariantRow):
    """A variant that was asked some samples more than once.

    Attributes:
        shares: By number of answers.
        more: What twice the repeats, endless ones, or twice the samples would buy.
    """

    samples: int
    runs: int
    method: str
    shares: tuple[SharesOfAnswers, ...]
    variance: VarianceSplit
    more: MorePrecise | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PooledVariant(Row):
    """Variants that differ in one part only, as seeds of one.

    Attributes:
        name: What they share.
        seeds: Their values of that part.
        components: None for fewer than two samples that all share.
        these, new: The interval of the mean for these seeds, and for seeds like these.
        more: For seeds like these.
    """

    name: str
    level: Level
    seeds: tuple[str, ...]
    samples: int
    components: Components | None
    these: tuple[float, float] | None
    new: tuple[float, float] | None
    more: MorePrecise | None


@dataclass(frozen=True, slots=True)
class RepeatsReport(Row):
    metric: str
    numeric: bool
    confidence_level: float
    variants: Sequence[RepeatedVariant]
    pooled: Sequence[PooledVariant]


class RepeatsService(AnalysisService):
    """Studies answers to the same samples: repeats of a variant, and seeds of several."""

    def report(self, *, pool: Level | None = None) -> RepeatsReport:
        """Variants with repeats, and with `pool` the variants that differ in that part only.

        Raises:
            NothingToCompareError: No sample was asked twice.
            UsageError: The metric is numeric and nothing is pooled.
        """
        metric = self._metric()
        tabulator = self._tabulator(metric=metric, pairs=pool is not None)
        if pool is None and metric.numeric_experiments(tabulator.variants()):
            raise UsageError(
                f"{metric.name} is numeric, and majorities are of right and wrong answers",
                "Components of variance are of any metric: --pool experiment",
            )
        counts, metric, numeric = self._counted(tabulator, metric)
        names = list(dict.fromkeys(part.variant for part in counts))
        variants = []
        if not numeric:
            votes = tabulator.votes(cluster_column(self._options))
            variants = [
                self._variant(name, votes[name])
                for name in names
                if any(asked(row.votes) > 1 for row in votes.get(name, ()))
            ]
        pooled = [] if pool is None else self._pooled(tabulator, names, pool, numeric=numeric)
        if not (variants if pool is None else pooled):
            raise NothingToCompareError(
                "no sample was asked more than once"
                if pool is None
                else f"no variants differ in their {pool} only",
                "Ask again with: ml-agents run --repeats 5; seeds in several experiments are "
                "joined by --pool experiment.",
            )
        return RepeatsReport(metric.name, numeric, self._options.confidence, variants, pooled)

    def _variant(self, name: Variant, rows: Sequence[VoteCounts]) -> RepeatedVariant:
        clustered = clusters_apply(rows, self._options)
        if clustered:
            refuse_null_cluster(null_clusters(rows), cluster_column(self._options), self._options)
        most = max(asked(row.votes) for row in rows)
        sizes = sorted({k for k in SIZES if k < most} | {most})
        answered = sum(row.samples * row.answered for row in rows)
        samples = sum(row.samples for row in rows)
        table: dict[tuple[int, int], int] = {}
        for row in rows:
            key = (asked(row.votes), right(row.votes))
            table[key] = table.get(key, 0) + row.samples
        split = variance_split(table)
        runs = sum(n * count for (n, _), count in table.items())
        mean = self._mean(rows, _single, clustered=clustered)
        shares = tuple(
            self._shares(
                rows, k, clustered=clustered, majority=answered * 2 > samples and k <= MOST
            )
            for k in sizes
        )
        warnings = [code for share in shares[:1] for code in share.single.warnings]
        if answered * 2 <= samples:
            warnings.append("no_answers")
        if any(0 < good < count for row in rows for count, good in row.votes[0]):
            warnings.append("mixed_grades")
        if len({n for n, _ in table}) > 1:
            warnings.append("unequal_epochs")
        more = self._more(mean, split.within, table)
        if more is not None and more.repeats is None:
            warnings.append("negative_component")
        return RepeatedVariant(
            variant=name,
            samples=samples,
            runs=runs,
            method=cluster_method(self._options) if clustered else "repeats averaged by sample",
            shares=shares,
            variance=split,
            more=more,
            warnings=tuple(dict.fromkeys(warnings)),
        )

    def _shares(
        self, rows: Sequence[VoteCounts], k: int, *, clustered: bool, majority: bool
    ) -> SharesOfAnswers:
        enough = [row for row in rows if asked(row.votes) >= k]
        runs = sum(row.samples * asked(row.votes) for row in enough)

        def share(value: Callable[[Votes], float], most: int = runs) -> Estimate:
            mean = self._mean(enough, value, clustered=clustered)
            if mean.mean is None:
                return accuracy(0, 0, "wilson", self._options.confidence)
            return mean.as_accuracy(most, self._options.confidence)

        def voted(votes: Votes) -> float:
            return majority_share(votes, k)

        chosen = None
        if majority and k == 1:
            chosen = share(voted)
        elif majority:
            mean = self._mean(enough, voted, clustered=clustered)
            chosen = mean_of_values(mean, runs, (0.0, 1.0), self._options.confidence)
        used = sum(row.samples for row in enough)
        some, every = some_right(k), all_right(k)
        return SharesOfAnswers(
            k=k,
            samples=used,
            excluded=sum(row.samples for row in rows) - used,
            single=share(_single),
            majority=chosen,
            some=share(lambda votes: some(asked(votes), right(votes))),
            every=share(lambda votes: every(asked(votes), right(votes))),
        )

    def _mean(
        self, rows: Sequence[VoteCounts], value: Callable[[Votes], float], *, clustered: bool
    ) -> ClusteredMean:
        def own(row: VoteCounts) -> float:
            return value(row.votes)

        if clustered:
            return mean_over_clusters(weighted(rows, own), self._options)
        valued = [(row.samples, own(row)) for row in rows]
        return sample_mean(
            sum(n for n, _ in valued),
            math.fsum(n * x for n, x in valued),
            math.fsum(n * x * x for n, x in valued),
        )

    def _more(
        self, mean: ClusteredMean, within: float | None, table: dict[tuple[int, int], int]
    ) -> MorePrecise | None:
        """Only what repeats of a sample vary by falls with their number."""
        if mean.se is None or mean.dof is None or within is None:
            return None
        often = {n for n, _ in table}
        samples = sum(table.values())
        repeats = samples / sum(count / n for (n, _), count in table.items() if n in often)
        chance = within / samples / repeats
        now = mean.se**2
        negative = now < chance

        def half(variance: float) -> float:
            level = replace(mean, se=math.sqrt(variance))
            interval = level.interval(self._options.confidence)
            if interval.low is None or interval.high is None:
                return 0.0
            return (interval.high - interval.low) / 2.0

        return MorePrecise(
            now=half(now),
            repeats=None if negative else half(now - chance / 2.0),
            endless_repeats=None if negative else half(now - chance),
            samples=half(now / 2.0),
        )

    def _pooled(
        self, tabulator: Tabulator, names: Sequence[Variant], pool: Level, *, numeric: bool
    ) -> list[PooledVariant]:
        field = LEVELS[pool]
        arms: dict[Variant, list[Variant]] = {}
        for name in names:
            arms.setdefault(name._replace(**{field: ""}), []).append(name)
        return [
            self._arm(tabulator, arm, own, pool, numeric=numeric)
            for arm, own in arms.items()
            if len(own) > 1
        ]

    def _arm(
        self,
        tabulator: Tabulator,
        arm: Variant,
        own: Sequence[Variant],
        pool: Level,
        *,
        numeric: bool,
    ) -> PooledVariant:
        records = {one: self._experiment(one) for one in {name.experiment_id for name in own}}
        rule = common_rule(tabulator, records, own, own[0], self._options.pair_by)
        matrix = tabulator.matrix(own, rule)
        found = within = None
        if len(matrix) > 1:
            k = matrix.graded
            s = matrix.values * k
            if not numeric and np.any(k > 1):
                within = float((s * (1.0 - s / k)).sum() / (k - 1).sum())
            found = components(matrix.values, k.astype(float), within)
        level = self._options.confidence
        return PooledVariant(
            name=" / ".join(filter(None, arm)),
            level=pool,
            seeds=tuple(getattr(name, LEVELS[pool]) for name in own),
            samples=len(matrix),
            components=found,
            these=None if found is None else found.interval(level, new_seeds=False),
            new=None if found is None else found.interval(level, new_seeds=True),
            more=None if found is None else _more_of(found, level),
        )


def _more_of(found: Components, level: float) -> MorePrecise | None:
    interval = found.interval(level, new_seeds=True)
    if interval is None or not found.se_new:
        return None
    quantile = (interval[1] - interval[0]) / 2.0 / found.se_new
    n, seeds, repeats = found.samples, found.seeds, found.repeats

    def half(samples: int, of_seeds: int, often: float) -> float:
        return quantile * found.predicted_se(samples, of_seeds, often, new_seeds=True)

    return MorePrecise(
        now=quantile * found.se_new,
        repeats=half(n, seeds, 2 * repeats),
        endless_repeats=half(n, seeds, 1e9),
        samples=half(2 * n, seeds, repeats),
        seeds=half(n, 2 * seeds, repeats),
    )


def _single(votes: Votes) -> float:
    return right(votes) / asked(votes)
