"""Raters: who measured the same runs, a metric or one author of its scores, and their values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml_agents_results.errors import NotFoundError
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_source import RunSource, StoredMetric
from ml_agents_results.repositories.score_repository import ScoreRepository
from ml_agents_results.repositories.tabulator import columns_of_cluster
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.metric_choice import ChosenMetric, chosen_metric
from ml_agents_results.services.sample_clusters import (
    cluster_column,
    cluster_method,
    cluster_numbers,
)
from ml_agents_results.statistics.ratings import Ratings, ratings_of
from ml_agents_results.statistics.run_columns import Array, Column, Runs


@dataclass(frozen=True, slots=True)
class Rater:
    """A metric, or one author of its scores: `NAME@AUTHOR`."""

    name: str
    metric: ChosenMetric

    @property
    def numeric(self) -> bool:
        return self.metric.numeric


def find_rater(source: RunSource, experiment_ids: Sequence[str], name: str) -> Rater:
    """The metric of that name, or where there is none the author of its scores after the last @.

    Raises:
        NotFoundError: There is no such metric, or it has no score by the author.
    """
    metric_name, at, author = name.rpartition("@")
    try:
        return Rater(name, chosen_metric(source, experiment_ids, name))
    except NotFoundError:
        if not at:
            raise
    metric = chosen_metric(source, experiment_ids, metric_name)
    known = authors_of(source, experiment_ids, metric_name)
    if author not in known:
        raise NotFoundError(
            f"{metric_name!r} has no scores by {author!r}",
            f"It has scores by: {', '.join(filter(None, known)) or 'nobody in particular'}",
        )
    return author_of(source, metric, metric_name, author)


def author_of(source: RunSource, metric: ChosenMetric, name: str, author: str) -> Rater:
    """One author of a metric's scores."""
    rows = {}
    for experiment_id in metric.records:
        row = MetricRepository(source.connection, experiment_id).row_id(name)
        if row is not None:
            rows[experiment_id] = row
    binary = all(record.kind == "binary" for record in metric.records.values())
    stored = StoredMetric(rows, binary, author)
    return Rater(f"{name}@{author}", replace(metric, stored=stored))


def authors_of(source: RunSource, experiment_ids: Sequence[str], metric: str) -> Sequence[str]:
    """Who scored by the metric, in the order of their names."""
    return ScoreRepository(source.connection).authors(experiment_ids, metric)


def read_ratings(
    source: RunSource, filters: Filters, raters: Sequence[Rater], options: AnalysisOptions
) -> Ratings:
    """The values of all raters for the runs that pass, one row per run.

    Raises:
        UsageError: The source does not say who gave a value (Parquet files).
    """
    cluster = cluster_column(options)
    columns = {"value", "sample_index", "repeat_index", *columns_of_cluster(cluster)}
    read = []
    for rater in raters:
        stored = rater.metric.stored
        own = source if stored is None else source.of_metric(stored)
        read.append(_whole(own, filters, columns))
    return ratings_of(read, cluster)


def _whole(source: RunSource, filters: Filters, columns: set[Column]) -> Runs:
    (runs,) = source.reading(filters, columns).tabulate(lambda runs: runs, columns, "sample_index")
    return runs


def clusters_of(ratings: Ratings, options: AnalysisOptions) -> tuple[Array | None, str]:
    """The number of each row's cluster, and in words what is treated as independent.

    What the options cluster by; without a choice tasks where there are several, else samples where
    some have more than one row.

    Raises:
        UsageError: A row has no value to cluster by.
    """
    if options.cluster != "none" and (options.cluster or len(np.unique(ratings.task)) > 1):
        numbers = cluster_numbers(
            ratings.tasks, ratings.task, ratings.labels, ratings.group, ratings.samples, options
        )
        return numbers, cluster_method(options)
    samples = ratings.samples
    if len(np.unique(samples)) < len(samples):
        return samples, "clustered by sample"
    return None, "independent runs"
