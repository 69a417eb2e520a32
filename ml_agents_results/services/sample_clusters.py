"""Clusters: what samples and runs are grouped by, their sums, and the accuracy over them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import add
from typing import Protocol, TypeVar

import numpy as np

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import SampleCounts, VariantCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.statistics.choices import Missing
from ml_agents_results.statistics.cluster_robust import ClusteredMean, clustered_mean
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.proportions import accuracy
from ml_agents_results.statistics.ratings import numbered
from ml_agents_results.statistics.repeats import repeated_accuracy
from ml_agents_results.statistics.run_columns import Array, Cluster, Measure


def sample_cells(
    tabulator: Tabulator, counts: Sequence[VariantCounts], options: AnalysisOptions
) -> dict[Variant, list[SampleCounts]]:
    """The graded samples of each variant, by task and by what the options cluster by.

    Raises:
        UsageError: A sample has no value to cluster by.
    """
    cluster = cluster_column(options)
    cells: dict[Variant, list[SampleCounts]] = {part.variant: [] for part in counts}
    if cluster == "task" and not any(part.repeated for part in counts):
        for part in counts:
            cells[part.variant] += _single_cells(part, options)
    else:
        cells |= tabulator.samples(cluster)
        for of_variant in cells.values():
            refuse_null_cluster(null_clusters(of_variant), cluster, options)
    return cells


def cluster_column(options: AnalysisOptions) -> Cluster:
    """What samples are grouped by, whether or not errors are clustered by it."""
    return "task" if options.cluster in (None, "none") else options.cluster


def null_clusters(cells: "Iterable[Cell]") -> int:
    """How many samples have no value to cluster by."""
    return sum(cell.samples for cell in cells if cell.group is None)


def refuse_null_cluster(samples: int, cluster: str, options: AnalysisOptions) -> None:
    """Raises UsageError where samples have no value to cluster by and the options do not say that
    each is a cluster of its own."""
    if samples and options.null_cluster == "error":
        raise UsageError(
            f"{samples} samples have no {cluster} to cluster by",
            "Cluster by another column, or give --null-cluster singleton (each is a cluster of its "
            "own) or --cluster none.",
        )


def cells_of(cells: Iterable[SampleCounts]) -> dict[str, list[SampleCounts]]:
    """The samples of each task."""
    tasks: dict[str, list[SampleCounts]] = {}
    for cell in cells:
        tasks.setdefault(cell.task, []).append(cell)
    return tasks


def _single_cells(part: VariantCounts, options: AnalysisOptions) -> list[SampleCounts]:
    wrong = part.wrong + part.scored
    if options.missing == "incorrect":
        wrong = part.runs - part.correct
    cells = [
        SampleCounts(part.task, part.task, 1, right, samples)
        for right, samples in ((1, part.correct), (0, wrong))
    ]
    return [cell for cell in cells if cell.samples]


class OfTask(Protocol):
    """Samples or sums of one task and one value of what is clustered by."""

    @property
    def task(self) -> str | None: ...
    @property
    def group(self) -> str | None: ...


def clusters_apply(
    rows: Collection[OfTask], options: AnalysisOptions, *, within_task: bool = False
) -> bool:
    """Whether errors are clustered: as asked for, else where there is more than one task.

    That is decided on the tasks, whatever families they belong to: with one family left, there is
    one cluster. Within a task, its samples are independent unless they are clustered by something
    else that differs there.
    """
    if within_task:
        if options.cluster in (None, "none", "task"):
            return False
        groups = {row.group for row in rows}
        return len(groups) > 1 or None in groups
    if options.cluster is None:
        return len({row.task for row in rows}) > 1
    return options.cluster != "none"


def cluster_method(options: AnalysisOptions) -> str:
    name = options.cluster or "task"
    if name == "task" and options.families:
        name = "task family"
    return f"clustered by {name} (CR2)"


Sums = tuple[float, ...]
"""Of some samples or runs: how many there are, and sums of their values."""


def sums_by_cluster(
    rows: Iterable[tuple[OfTask, Sums]], options: AnalysisOptions
) -> tuple[dict[tuple[str, str], Sums], list[Sums]]:
    """The sums of each cluster, and of each sample without one."""
    clusters: dict[tuple[str, str], Sums] = {}
    alone: list[Sums] = []
    for row, own in rows:
        cluster = options.cluster_of(row.task, row.group)
        if cluster is None:
            alone.append(own)
        elif (known := clusters.get(cluster)) is None:
            clusters[cluster] = own
        else:
            clusters[cluster] = tuple(map(add, known, own))
    return clusters, alone


def mean_over_clusters(
    rows: Iterable[tuple[OfTask, Sums]], options: AnalysisOptions
) -> ClusteredMean:
    """The mean with the error between clusters, from how many there are in each row, the sum of
    their values and (or not) the sum of the squares."""
    clusters, alone = sums_by_cluster(rows, options)
    columns = list(zip(*clusters.values(), *alone, strict=True))
    return clustered_mean(*columns) if columns else clustered_mean((), ())


class Cell(OfTask, Protocol):
    """Samples of a cluster that are alike."""

    @property
    def samples(self) -> int: ...


CellT = TypeVar("CellT", bound=Cell)


def weighted(
    cells: Iterable[CellT], value: Callable[[CellT], float]
) -> Iterator[tuple[CellT, Sums]]:
    """Of each cell the samples and the sums of a value of each and of its square; samples without a
    cluster one by one."""
    for cell in cells:
        x, n = value(cell), cell.samples
        if cell.group is None:
            yield from [(cell, (1, x, x * x))] * n
        else:
            yield cell, (n, n * x, n * x * x)


def share_right(cell: SampleCounts) -> float:
    """The share of right answers to a sample."""
    return cell.correct / cell.graded


def repeat_counts(cells: Iterable[SampleCounts]) -> dict[tuple[int, int], int]:
    """How many samples were graded how often and right how often."""
    counts: dict[tuple[int, int], int] = {}
    for cell in cells:
        key = (cell.graded, cell.correct)
        counts[key] = counts.get(key, 0) + cell.samples
    return dict(sorted(counts.items()))


def sums_of_shares(cells: Sequence[SampleCounts]) -> tuple[int, float, float]:
    """How many samples there are, and the sums of their shares of right answers and of the squares
    of these."""
    shares = [(cell.samples, share_right(cell)) for cell in cells]
    return (
        sum(n for n, _ in shares),
        sum(n * share for n, share in shares),
        sum(n * share * share for n, share in shares),
    )


def estimate_accuracy(
    cells: Sequence[SampleCounts], options: AnalysisOptions, *, within_task: bool = False
) -> tuple[Estimate, str]:
    """The mean over samples with the error that clusters and repeats ask for, and its method.

    Raises:
        UsageError: The interval that was chosen is for independent samples only.
    """
    repeated = any(cell.graded > 1 for cell in cells)
    if clusters_apply(cells, options, within_task=within_task):
        refuse_interval(options, "samples in clusters")
        return clustered_accuracy(cells, options=options), cluster_method(options)
    if repeated:
        refuse_interval(options, "samples with repeats")
        counts = repeat_counts(cells)
        return repeated_accuracy(counts, options.confidence), "repeats averaged by sample"
    correct = sum(cell.samples for cell in cells if cell.correct)
    samples = sum(cell.samples for cell in cells)
    return accuracy(correct, samples, options.interval, options.confidence), "independent samples"


def refuse_interval(options: AnalysisOptions, what: str) -> None:
    """Raises UsageError for an interval that is for independent samples only."""
    if options.interval != "wilson":
        raise UsageError(
            f"the interval {options.interval} is not for {what}",
            "Leave --interval out: Wilson's is adjusted to what the samples are worth. "
            "--cluster none takes all samples as independent.",
        )


def clustered_accuracy(
    cells: Sequence[SampleCounts],
    value: Callable[[int, int], float] | None = None,
    *,
    options: AnalysisOptions,
) -> Estimate:
    """The mean over samples of a value of each, with the error between clusters.

    Args:
        value: Of a sample, from how often it was graded and right; the share of right answers by
            default.
    """
    own = share_right if value is None else (lambda cell: value(cell.graded, cell.correct))
    runs = sum(cell.graded * cell.samples for cell in cells)
    mean = mean_over_clusters(weighted(cells, own), options)
    estimate = mean.as_accuracy(runs, options.confidence)
    if len({cell.graded for cell in cells}) > 1:
        return replace(estimate, warnings=(*estimate.warnings, "unequal_epochs"))
    return estimate


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
