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
    refuse_null_cluster,
)
from ml_agents_results.statistics.cluster_robust import (
    ClusteredMean,
    clustered_mean,
    sample_mean,
)
from ml_agents_results.statistics.difference_sums import DifferenceSums
from ml_agents_results.statistics.mcnemar import PairedTable

Grades = tuple[int, int, int, int]
"""Of a sample: how often it was graded and correct, by the candidate and by the baseline."""


@dataclass(frozen=True, slots=True)
class Differences:
    """The shared samples of two variants.

    Attributes:
        groups: Per cluster how many samples there are, the sum of the differences of their shares
            of right answers (candidate minus baseline), and the sum of the squares.
        shares: The sums of those shares, candidate and baseline.
        steps: How many samples have each difference, in steps of 1 / `per_unit`.
        ungrouped: How many samples without a cluster have each difference.
        clustered: Whether the error is clustered.
        table: The 2x2 table, where every sample was graded once on both sides.
        unequal: Whether samples were graded a different number of times.
    """

    groups: Mapping[tuple[str, str], tuple[int, float, float]]
    shares: tuple[float, float]
    steps: Mapping[int, int]
    per_unit: int
    ungrouped: Mapping[float, int]
    table: PairedTable | None
    unequal: bool
    clustered: bool

    @classmethod
    def of(
        cls, counts: Sequence[PairCounts], options: AnalysisOptions, *, within_task: bool = False
    ) -> "Differences":
        groups: dict[tuple[str, str], tuple[int, float, float]] = {}
        samples: dict[Grades, int] = {}
        ungrouped: dict[float, int] = {}
        for row in counts:
            grades = (
                row.candidate_graded,
                row.candidate_correct,
                row.baseline_graded,
                row.baseline_correct,
            )
            samples[grades] = samples.get(grades, 0) + row.samples
            difference = grades[1] / grades[0] - grades[3] / grades[2]
            cluster = options.cluster_of(row.task, row.group)
            if cluster is None:
                ungrouped[difference] = ungrouped.get(difference, 0) + row.samples
                continue
            n, total, squares = groups.get(cluster, (0, 0.0, 0.0))
            groups[cluster] = (
                n + row.samples,
                total + row.samples * difference,
                squares + row.samples * difference * difference,
            )
        asked = {graded for one, _, two, _ in samples for graded in (one, two)}
        per_unit = math.lcm(*asked)
        steps: dict[int, int] = {}
        for (one, right, two, other), count in samples.items():
            step = right * (per_unit // one) - other * (per_unit // two)
            steps[step] = steps.get(step, 0) + count
        return cls(
            groups=groups,
            shares=(
                sum(g[1] / g[0] * count for g, count in samples.items()),
                sum(g[3] / g[2] * count for g, count in samples.items()),
            ),
            steps=dict(sorted(steps.items())),
            per_unit=per_unit,
            ungrouped=ungrouped,
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

    def clusters(self) -> list[tuple[int, float, float]]:
        """The three sums of every cluster; a sample without one is one of its own."""
        grouped = list(self.groups.values())
        for value, count in sorted(self.ungrouped.items()):
            grouped += [(1, value, value * value)] * count
        return grouped


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
    if not rows or not clusters_apply(rows, options):
        sums = (sum(row.pairs for row in rows), *_sums(rows))
        return sample_mean(
            *sums
        ), "repeats averaged by sample" if repeated else "independent samples"
    alone = [row for row in rows if row.group is None]
    refuse_null_cluster(len(alone), cluster_column(options), options)
    clusters: dict[tuple[str, str], list[PairedSums]] = {}
    for row in rows:
        name = options.cluster_of(row.task, row.group)
        if name is not None:
            clusters.setdefault(name, []).append(row)
    parts = [*clusters.values(), *([row] for row in alone)]
    mean = clustered_mean(
        [sum(row.pairs for row in part) for part in parts], [_sums(part)[0] for part in parts]
    )
    return mean, cluster_method(options)


def _sums(rows: Sequence[PairedSums]) -> tuple[float, float]:
    return sum(row.difference for row in rows), sum(row.difference_squares for row in rows)
