"""Which runs of a variant depend on each other, for figures that are not accuracies."""

from collections.abc import Collection, Sequence

import numpy as np

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import VariantCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.sample_clusters import (
    Sums,
    cluster_column,
    cluster_method,
    refuse_null_cluster,
    sums_by_cluster,
)
from ml_agents_results.statistics.choices import Missing
from ml_agents_results.statistics.ratings import numbered
from ml_agents_results.statistics.run_columns import Array, Cluster, Measure


def dependence(
    parts: Collection[VariantCounts], options: AnalysisOptions, *, repeated: bool
) -> tuple[Cluster | None, str]:
    """What runs are clustered by, if they are, and in words the unit treated as independent."""
    if options.cluster != "none" and (options.cluster or len({part.task for part in parts}) > 1):
        return cluster_column(options), cluster_method(options)
    if repeated:
        return "sample", "clustered by sample (CR2)"
    return None, "independent samples"


def independence_warnings(
    parts: Collection[VariantCounts], options: AnalysisOptions
) -> tuple[str, ...]:
    """Says, where figures are clustered, that others of the report are not: `independent_runs`."""
    cluster, _ = dependence(parts, options, repeated=any(part.repeated for part in parts))
    return () if cluster is None else ("independent_runs",)


def cluster_sums(
    tabulator: Tabulator,
    variant: Variant,
    cluster: Cluster,
    measure: Measure,
    options: AnalysisOptions,
    missing: Missing | None = None,
) -> list[Sums]:
    """Of the variant's clusters the runs, the sum of the measure, and how many runs are correct;
    those of a family of tasks together.

    Raises:
        UsageError: A sample has no value to cluster by.
    """
    sums = tabulator.sums(variant, cluster, measure, missing)
    rows = [(row, (row.runs, row.total, row.correct)) for row in sums]
    if cluster == "sample":
        return [own for _, own in rows]
    refuse_null_cluster(sum(row.group is None for row in sums), cluster, options)
    clusters, alone = sums_by_cluster(rows, options)
    return [*alone, *clusters.values()]


def cluster_numbers(
    tasks: Sequence[str],
    task: Array,
    labels: Sequence[str | None],
    group: Array,
    sample: Array,
    options: AnalysisOptions,
) -> Array:
    """The number of each row's cluster, from 0; those of a family of tasks are one.

    Args:
        task: Of each row, an index in `tasks`.
        group: Of each row, an index in `labels`, the values that are clustered by.
        sample: The number of each row's sample, from 0: its own cluster where it has no value.

    Raises:
        UsageError: A row has no value to cluster by.
    """
    cluster = cluster_column(options)
    if cluster == "task":
        names = [options.cluster_of(name, name) for name in tasks]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return np.array([numbers[name] for name in names])[task]
    alone = np.array([label is None for label in labels])[group]
    refuse_null_cluster(int(alone.sum()), cluster, options)
    within = np.zeros(len(task), int) if options.across_tasks else task
    return numbered(np.where(alone, 0, within), group, np.where(alone, sample + 1, 0))
