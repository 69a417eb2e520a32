"""Which runs of a variant depend on each other, for figures that are not accuracies."""

from collections.abc import Collection, Iterable

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import RunSums
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.summary import (
    cluster_column,
    cluster_method,
    clusters_apply,
    refuse_null_cluster,
)
from ml_agents_results.statistics.run_columns import Cluster, Measure


def dependence(
    tasks: Collection[str], options: AnalysisOptions, *, repeated: bool
) -> tuple[Cluster | None, str]:
    """What runs are clustered by, if they are, and in words the unit treated as independent."""
    if clusters_apply({options.family(task) for task in tasks}, options):
        return cluster_column(options), cluster_method(options)
    if repeated:
        return "sample", "clustered by sample (CR2)"
    return None, "independent samples"


def cluster_sums(
    tabulator: Tabulator,
    variant: Variant,
    cluster: Cluster,
    measure: Measure,
    options: AnalysisOptions,
) -> list[RunSums]:
    """The sums of the variant's clusters; those of a family of tasks together.

    Raises:
        UsageError: A sample has no value to cluster by.
    """
    sums = tabulator.sums(variant, cluster, measure)
    if cluster == "sample":
        return sums
    refuse_null_cluster(sum(row.group is None for row in sums), cluster, options)
    return of_families(sums, options) if cluster == "task" else sums


def of_families(tasks: Iterable[RunSums], options: AnalysisOptions) -> list[RunSums]:
    """The sums of tasks, those of a family added."""
    families: dict[str | None, list[RunSums]] = {}
    for row in tasks:
        families.setdefault(options.family(row.group), []).append(row)
    return [
        RunSums(
            family,
            sum(row.runs for row in rows),
            sum(row.correct for row in rows),
            sum(row.total for row in rows),
            sum(row.squares for row in rows),
            sum(row.correct_total for row in rows),
        )
        for family, rows in families.items()
    ]
