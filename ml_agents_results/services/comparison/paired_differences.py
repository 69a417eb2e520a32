"""By how much times and costs of two variants differ on shared samples, and how sure that is."""

from collections.abc import Sequence

from ml_agents_results.repositories.counts import PairedSums
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


def mean_difference(
    rows: Sequence[PairedSums], options: AnalysisOptions, *, repeated: bool
) -> tuple[ClusteredMean, str]:
    """The mean over the shared samples, and in words what its error takes for independent.

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
