"""Sources of runs: the columns that analyses read, from whichever store holds the runs.

Each store has one source (`RunSource`): `DatabaseSource` for SQLite and PostgreSQL, those of
Parquet files in `repositories.lake`. A source opens a `RunReading` of the runs that pass some
filters, and a reading applies a function of the tabulation (`statistics`) to them: to all at once
if the runs are read into this process, to parts of them if others compute.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from sqlalchemy import Connection

from ml_agents_results.records import Variant
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.text_patterns import TextPatterns
from ml_agents_results.statistics.run_columns import Column, Result, Runs

SplitBy = Literal["run", "sample_index", "sample_id", "content", "fingerprint"]
"""Runs that a function needs together: any, or all with the same key. The content of a sample
is the smallest fingerprint of its runs."""


@dataclass(frozen=True, slots=True)
class StoredMetric:
    """A metric that is not the primary one, and so has its values in `scores`.

    Attributes:
        ids: The row of the metric in `metrics`, by experiment. Runs of other experiments keep the
            values that stand on them.
        binary: Whether several authors give the majority; else the mean.
        author: Whose scores alone are read; those of all where it is None.
    """

    ids: Mapping[str, int]
    binary: bool
    author: str | None = None


class RunReading(Protocol):
    """The runs that pass some filters."""

    def tabulate(
        self,
        function: Callable[[Runs], Result],
        columns: Collection[Column],
        split_by: SplitBy = "run",
    ) -> Sequence[Result]:
        """The result of the function for each part of the runs.

        Args:
            function: One of the tabulation (`statistics`), its other arguments bound.
            columns: The columns it reads besides the outcome and the totals.
            split_by: Runs that share this key are in one part.
        """


@runtime_checkable
class RunSource(Protocol):
    """A store of runs, as analyses see it.

    Attributes:
        connection: To the database that has the experiments of these runs.
    """

    connection: Connection

    def of_metric(self, metric: StoredMetric) -> "RunSource":
        """The same runs with the values and the outcomes of another metric."""

    def reading(self, filters: Filters, columns: Collection[Column]) -> RunReading:
        """The runs that pass; `columns` are those that will be needed, as far as is known."""

    def has_sample_ids(self, variant: Variant, filters: Filters) -> bool:
        """Whether every run of the variant carries the data set's own id of its sample."""

    def first_recorded(self, variants: Collection[Variant]) -> Mapping[Variant, datetime]:
        """When the run of each variant's first sample was recorded."""

    def recorded_runs(self, experiment_id: str) -> int:
        """How many runs the experiment has, whatever the filters."""

    def text_patterns(self, filters: Filters) -> TextPatterns:
        """The counts that need the texts."""


class RunsInMemory:
    """A reading of a store that this process reads itself: once, and again if further columns
    turn out to be needed."""

    def __init__(
        self, read: Callable[[Collection[Column]], Runs], columns: Collection[Column]
    ) -> None:
        self._read = read
        self._columns = set(columns)
        self._runs: Runs | None = None

    def tabulate(
        self,
        function: Callable[[Runs], Result],
        columns: Collection[Column],
        split_by: SplitBy = "run",
    ) -> Sequence[Result]:
        if self._runs is None or not self._columns.issuperset(columns):
            self._columns.update(columns)
            self._runs = None
            self._runs = self._read(self._columns)
        return [function(self._runs)]


class SharedReads:
    """A source for several analyses of one moment: what one of them has read serves the others.

    Args:
        source: Where the runs are.
        columns: All that the analyses need, which is read at once.
    """

    def __init__(self, source: RunSource, columns: Collection[Column]) -> None:
        self.connection = source.connection
        self._source = source
        self._columns = columns
        self._of_metrics: list[tuple[StoredMetric, SharedReads]] = []
        self._readings: list[tuple[Filters, RunReading]] = []

    def of_metric(self, metric: StoredMetric) -> "SharedReads":
        for known, source in self._of_metrics:
            if known == metric:
                return source
        source = SharedReads(self._source.of_metric(metric), self._columns)
        self._of_metrics.append((metric, source))
        return source

    def reading(self, filters: Filters, columns: Collection[Column]) -> RunReading:
        for known, reading in self._readings:
            if known == filters:
                return reading
        reading = self._source.reading(filters, {*self._columns, *columns})
        self._readings.append((filters, reading))
        return reading

    def has_sample_ids(self, variant: Variant, filters: Filters) -> bool:
        return self._source.has_sample_ids(variant, filters)

    def first_recorded(self, variants: Collection[Variant]) -> Mapping[Variant, datetime]:
        return self._source.first_recorded(variants)

    def recorded_runs(self, experiment_id: str) -> int:
        return self._source.recorded_runs(experiment_id)

    def text_patterns(self, filters: Filters) -> TextPatterns:
        return self._source.text_patterns(filters)
