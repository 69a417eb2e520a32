"""Which runs of a variant depend on each other, for figures that are not accuracies."""

from collections.abc import Collection, Iterable

from ml_agents_results.records import Variant
from ml_agents_results.repositories.dependence import ClusterSums, DependenceRepository
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.summary import cluster_method, clusters_apply, refuse_null_cluster


class Dependence:
    """How errors are computed, and the sums by cluster that they need."""

    def __init__(self, repository: DependenceRepository, options: AnalysisOptions) -> None:
        self._repository = repository
        self._options = options
        self._sums: dict[str, dict[Variant, list[ClusterSums]]] = {}

    def choose(self, tasks: Collection[str], *, repeated: bool) -> tuple[str | None, str]:
        """What runs are clustered by, if they are, and in words what is taken for independent."""
        if clusters_apply({self._options.family(task) for task in tasks}, self._options):
            return self._options.cluster or "task", cluster_method(self._options)
        if repeated:
            return "sample", "clustered by sample (CR2)"
        return None, "independent samples"

    def sums(self, variant: Variant, cluster: str) -> list[ClusterSums]:
        """The sums of the variant's clusters; those of a family of tasks together.

        Raises:
            UsageError: A sample has no value to cluster by.
        """
        if cluster not in self._sums:
            self._sums[cluster] = self._repository.sums(cluster)
        found = self._sums[cluster].get(variant, [])
        if cluster == "sample":
            return found
        refuse_null_cluster(sum(row.group is None for row in found), cluster, self._options)
        return found if cluster != "task" else self.families(found)

    def families(self, tasks: Iterable[ClusterSums]) -> list[ClusterSums]:
        """The sums of tasks, those of a family added."""
        families: dict[str | None, list[ClusterSums]] = {}
        for row in tasks:
            families.setdefault(self._options.family(row.group), []).append(row)
        return [
            ClusterSums(
                family,
                sum(row.priced for row in rows),
                sum(row.cost for row in rows),
                sum(row.priced_correct for row in rows),
                sum(row.rated for row in rows),
                sum(row.confidence for row in rows),
                sum(row.rated_correct for row in rows),
            )
            for family, rows in families.items()
        ]
