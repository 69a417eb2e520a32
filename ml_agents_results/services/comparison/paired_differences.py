"""Paired differences: what two variants differ by on the samples that they share."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_agents_results.repositories.counts import PairCounts, PairedSums
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.sample_clusters import (
    cluster_column,
    cluster_method,
    clusters_apply,
    mean_over_clusters,
    refuse_null_cluster,
    weighted,
)
from ml_agents_results.statistics.cluster_robust import ClusteredMean, sample_mean
from ml_agents_results.statistics.difference_sums import DifferenceSums
from ml_agents_results.statistics.paired_table import PairedTable

Grades = tuple[int, int, int, int]
"""Of a sample: how often it was graded and correct, by the candidate and by the baseline."""


@dataclass(frozen=True, slots=True)
class Differences:
    """The shared samples of two variants.

    Attributes:
        counts: By cluster and by how often they were graded and right on both sides.
        shares: The sums of the shares of right answers, candidate and baseline.
        steps: How many samples have each difference of these, in steps of 1 / `per_unit`.
        clustered: Whether the error is clustered.
        table: The 2x2 table, where every sample was graded once on both sides.
        unequal: Whether samples were graded a different number of times.
    """

    counts: Sequence[PairCounts]
    shares: tuple[float, float]
    steps: Mapping[int, int]
    per_unit: int
    table: PairedTable | None
    unequal: bool
    clustered: bool

    @classmethod
    def of(
        cls, counts: Sequence[PairCounts], options: AnalysisOptions, *, within_task: bool = False
    ) -> "Differences":
        samples: dict[Grades, int] = {}
        for row in counts:
            grades = (
                row.candidate_graded,
                row.candidate_correct,
                row.baseline_graded,
                row.baseline_correct,
            )
            samples[grades] = samples.get(grades, 0) + row.samples
        asked = {graded for one, _, two, _ in samples for graded in (one, two)}
        per_unit = math.lcm(*asked)
        steps: dict[int, int] = {}
        for (one, right, two, other), count in samples.items():
            step = right * (per_unit // one) - other * (per_unit // two)
            steps[step] = steps.get(step, 0) + count
        return cls(
            counts=counts,
            shares=(
                sum(g[1] / g[0] * count for g, count in samples.items()),
                sum(g[3] / g[2] * count for g, count in samples.items()),
            ),
            steps=dict(sorted(steps.items())),
            per_unit=per_unit,
            table=None if asked - {1} else _table(samples),
            unequal=len(asked) > 1,
            clustered=clusters_apply(counts, options, within_task=within_task),
        )

    @property
    def sums(self) -> DifferenceSums:
        """The sums over all samples."""
        return DifferenceSums.of_steps(self.steps, self.per_unit)

    @property
    def samples(self) -> int:
        return sum(self.steps.values())

    def mean(self, options: AnalysisOptions) -> ClusteredMean:
        """The mean difference with its error, clustered or not."""
        if self.clustered and self.counts:
            return mean_over_clusters(weighted(self.counts, _difference), options)
        sums = self.sums
        return sample_mean(sums.n, sums.total, sums.squares)


def _difference(row: PairCounts) -> float:
    candidate = row.candidate_correct / row.candidate_graded
    return candidate - row.baseline_correct / row.baseline_graded


def _table(samples: Mapping[Grades, int]) -> PairedTable:
    cells = ((1, 1), (1, 0), (0, 1), (0, 0))
    return PairedTable(*(samples.get((1, one, 1, two), 0) for one, two in cells))


def mean_difference(
    rows: Sequence[PairedSums], options: AnalysisOptions, *, repeated: bool
) -> tuple[ClusteredMean, str]:
    """The mean over the shared samples, and in words the unit that its error treats as independent.

    Raises:
        UsageError: A sample has no value to cluster by.
    """
    if rows and clusters_apply(rows, options):
        alone = sum(row.group is None for row in rows)
        refuse_null_cluster(alone, cluster_column(options), options)
        sums = ((row, (row.pairs, row.difference)) for row in rows)
        return mean_over_clusters(sums, options), cluster_method(options)
    mean = sample_mean(
        sum(row.pairs for row in rows),
        sum(row.difference for row in rows),
        sum(row.difference_squares for row in rows),
    )
    return mean, "repeats averaged by sample" if repeated else "independent samples"
