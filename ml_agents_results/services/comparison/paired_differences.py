"""Paired differences: what two variants differ by on the samples that they share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_agents_results.repositories.counts import PairCounts, PairedSums
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.summary import (
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
from ml_agents_results.statistics.mcnemar import PairedTable


@dataclass(frozen=True, slots=True)
class Differences:
    """The shared samples of two variants.

    Attributes:
        groups: Per group how many samples there are, the sum of the differences of their shares of
            right answers (candidate minus baseline), and the sum of the squares.
        shares: The sums of those shares, candidate and baseline.
        values: How many samples have each difference.
        ungrouped: The same of the samples whose group is None.
        table: The 2x2 table, where every sample was graded once on both sides.
        unequal: Whether samples were graded a different number of times.
    """

    groups: Mapping[str | None, tuple[int, float, float]]
    shares: tuple[float, float]
    values: Mapping[float, int]
    ungrouped: Mapping[float, int]
    table: PairedTable | None
    unequal: bool

    @classmethod
    def of(cls, counts: Sequence[PairCounts]) -> "Differences":
        groups: dict[str | None, tuple[int, float, float]] = {}
        values: dict[float, int] = {}
        ungrouped: dict[float, int] = {}
        cells = {(1, 1): 0, (1, 0): 0, (0, 1): 0, (0, 0): 0}
        repeats = set()
        candidate = baseline = 0.0
        for row in counts:
            one = row.candidate_correct / row.candidate_graded
            two = row.baseline_correct / row.baseline_graded
            difference = one - two
            candidate += row.samples * one
            baseline += row.samples * two
            values[difference] = values.get(difference, 0) + row.samples
            if row.group is None:
                ungrouped[difference] = ungrouped.get(difference, 0) + row.samples
            n, total, squares = groups.get(row.group, (0, 0.0, 0.0))
            groups[row.group] = (
                n + row.samples,
                total + row.samples * difference,
                squares + row.samples * difference * difference,
            )
            repeats |= {row.candidate_graded, row.baseline_graded}
            if row.candidate_graded == row.baseline_graded == 1:
                cells[row.candidate_correct, row.baseline_correct] += row.samples
        table = None if repeats - {1} else PairedTable(*cells.values())
        shares = (candidate, baseline)
        return cls(groups, shares, values, ungrouped, table, len(repeats) > 1)

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

    def clusters(self) -> list[tuple[int, float, float]]:
        """The three sums of every cluster; a sample whose group is None is one of its own."""
        grouped = [sums for group, sums in self.groups.items() if group is not None]
        for value, count in sorted(self.ungrouped.items()):
            grouped += [(1, value, value * value)] * count
        return grouped

    def each(self) -> list[float]:
        """The difference of every sample, in ascending order."""
        return [value for value, count in sorted(self.values.items()) for _ in range(count)]


def mean_difference(
    rows: Sequence[PairedSums], options: AnalysisOptions, *, repeated: bool
) -> tuple[ClusteredMean, str]:
    """The mean over the shared samples, and in words the unit that its error treats as independent.

    Raises:
        UsageError: A sample has no value to cluster by.
    """
    by_task = cluster_column(options) == "task"
    named = [(options.family(row.group) if by_task else row.group, row) for row in rows]
    if not rows or not clusters_apply({name for name, _ in named}, options):
        sums = (sum(row.pairs for row in rows), *_sums(rows))
        return sample_mean(
            *sums
        ), "repeats averaged by sample" if repeated else "independent samples"
    alone = [row for row in rows if row.group is None]
    refuse_null_cluster(len(alone), cluster_column(options), options)
    clusters: dict[str, list[PairedSums]] = {}
    for name, row in named:
        if name is not None:
            clusters.setdefault(name, []).append(row)
    parts = [*clusters.values(), *([row] for row in alone)]
    mean = clustered_mean(
        [sum(row.pairs for row in part) for part in parts], [_sums(part)[0] for part in parts]
    )
    return mean, cluster_method(options)


def _sums(rows: Sequence[PairedSums]) -> tuple[float, float]:
    return sum(row.difference for row in rows), sum(row.difference_squares for row in rows)
