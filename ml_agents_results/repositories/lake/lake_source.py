"""The common base of DuckDB and Spark: views of the files, and counts over texts in SQL that both
understand."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import Connection, create_engine, select
from sqlalchemy.pool import StaticPool

from ml_agents_results.database.models import Base, Metric
from ml_agents_results.errors import InvalidRecordError, UsageError
from ml_agents_results.records import ExperimentRecord, Variant
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.lake.folder import (
    PARSING_COLUMNS,
    RUN_COLUMNS,
    Folder,
    sql_type,
)
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_source import RunReading, StoredMetric
from ml_agents_results.repositories.text_patterns import (
    ANSWER_MARKER,
    ERROR_CHARACTERS,
    LENGTHS,
    LONGER,
    ChangedSample,
    ParsingSums,
    SliceCounts,
    TextPatterns,
)
from ml_agents_results.statistics.run_columns import Column

VARIANT = "experiment_id, approach_name, provider, model"


class LakeSource(ABC):
    """Runs in the view `runs` of an engine.

    Attributes:
        folder: Where they come from.
        connection: To a database in memory with the experiments of these runs, and their metrics.
        metric: The metric to read, if it is not the primary one.
        value: The column of the view with its values.
    """

    connection: Connection

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.metric: StoredMetric | None = None
        self.value = "score"

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Runs SQL with `?` for each value."""

    @abstractmethod
    def reading(self, filters: Filters, columns: Collection[Column]) -> RunReading:
        """The runs that pass."""

    def of_metric(self, metric: StoredMetric) -> Self:
        if metric.author is not None:
            raise UsageError(
                "Parquet files have one value of each metric, and not who gave it",
                "Analyse the database that the files come from.",
            )
        row_id = next(iter(metric.ids.values()))
        name = self.connection.scalar(select(Metric.name).where(Metric.id == row_id))
        names: list[str | None] = [*self.folder.scores]
        if name not in names:
            raise UsageError(
                f"some of the files have no column with the values of {name}",
                "Export all experiments to a folder of their own.",
            )
        source = copy(self)
        source.metric, source.value = metric, _score_column(names.index(name))
        return source

    def has_sample_ids(self, variant: Variant, filters: Filters) -> bool:
        condition, values = passing(filters)
        sql = f"SELECT id FROM runs WHERE {_OF_VARIANT} AND sample_id IS NULL AND {condition}"
        return not self.rows(f"{sql} LIMIT 1", [*variant, *values])

    def first_recorded(self, variants: Collection[Variant]) -> Mapping[Variant, datetime]:
        first = "MIN_BY(created_at, (task, sample_index, repeat_index))"
        rows = self.rows(f"SELECT {VARIANT}, {first} FROM runs GROUP BY {VARIANT}")
        times = {Variant(*row[:4]): row[4].replace(tzinfo=UTC) for row in rows}
        return {one: times[one] for one in variants if one in times}

    def recorded_runs(self, experiment_id: str) -> int:
        sql = "SELECT COUNT(*) FROM runs WHERE experiment_id = ?"
        return int(self.rows(sql, [experiment_id])[0][0])

    def text_patterns(self, filters: Filters) -> TextPatterns:
        return LakePatterns(self.rows, filters)

    @contextmanager
    def with_experiments(self) -> Iterator[Self]:
        """This source with its `connection` for the time of the block.

        An export without metadata has the ids of its runs only.
        """
        experiments = list(self.folder.experiments)
        if not experiments:
            sql = "SELECT experiment_id, MIN(created_at) FROM runs GROUP BY experiment_id"
            experiments = [
                ExperimentRecord(name, status="completed", created_at=moment.replace(tzinfo=UTC))
                for name, moment in self.rows(sql)
            ]
        engine = create_engine("sqlite://", poolclass=StaticPool)
        Base.metadata.create_all(engine)
        with engine.begin() as self.connection:
            for experiment in experiments:
                ExperimentRepository(self.connection).save(replace(experiment, metrics=None))
                for metric in experiment.metrics or ():
                    # What an export puts otherwise stays unknown.
                    with suppress(InvalidRecordError):
                        MetricRepository(self.connection, experiment.id).save(metric)
            yield self
        engine.dispose()


def _score_column(index: int) -> str:
    """The column of the view `runs` with the values of a metric."""
    return f"score_{index}"


def runs_view(source: str, folder: Folder, quote: str, named: str = "{}") -> str:
    """The view `runs`; values that folders are named after are texts by themselves.

    Args:
        quote: What names of columns stand in.
        named: How such a text is read, where the engine needs help.
    """

    def column(name: str) -> str:
        if name == "created_at":
            return "CAST(created_at AS TIMESTAMP) AS created_at"
        if name not in folder.partitions:
            return name
        if (kind := sql_type(name)) != "VARCHAR":
            return f"CAST({name} AS {kind}) AS {name}"
        text = named.format(name)
        return f"COALESCE({text}, '') AS {name}" if name == "task" else f"{text} AS {name}"

    scores = (
        f"{quote}{name.replace(quote, quote * 2)}{quote} AS {_score_column(index)}"
        for index, name in enumerate(folder.scores.values())
    )
    columns = (*map(column, (*RUN_COLUMNS, *PARSING_COLUMNS)), *scores)
    return f"SELECT {', '.join(columns)} FROM {source}"


def passing(filters: Filters, table: str = "runs") -> tuple[str, list[Any]]:
    """The condition that runs of `table` pass, with its parameters."""
    conditions, values = ["TRUE"], []
    for name in ("created_from", "created_to"):
        if (moment := getattr(filters, name)) is not None:
            sign = ">=" if name == "created_from" else "<"
            conditions.append(f"{table}.created_at {sign} CAST(? AS TIMESTAMP)")
            values.append(moment.astimezone(UTC).replace(tzinfo=None).isoformat(" "))
    for name in ("experiment_id", "approach_name", "provider", "model", "task", "parsing_method"):
        if (names := getattr(filters, name)) is not None:
            marks = ", ".join("?" * len(names)) or "NULL"
            conditions.append(f"{table}.{name} IN ({marks})")
            values += names
    return " AND ".join(conditions), values


_OF_VARIANT = " AND ".join(f"{name} = ?" for name in Variant._fields)


Rows = Callable[[str, Sequence[Any]], Sequence[Sequence[Any]]]


class LakePatterns:
    """TextPatterns of Parquet files."""

    def __init__(self, rows: Rows, filters: Filters) -> None:
        self._rows = rows
        self._filters = filters
        self._passing, self._values = passing(filters)

    def parsing_sums(self) -> Sequence[ParsingSums]:
        known = " OR ".join(f"{name} IS NOT NULL" for name in PARSING_COLUMNS)
        rows = self._rows(
            f"SELECT {VARIANT}, parsing_method, COUNT(*), "
            "COUNT(parsing_attempts), COALESCE(SUM(parsing_attempts), 0), "
            "COUNT(fallback_used), COALESCE(SUM(CASE WHEN fallback_used THEN 1 ELSE 0 END), 0), "
            "COUNT(extraction_time_ms), COALESCE(SUM(extraction_time_ms), 0), "
            f"COUNT(error_details) FROM runs WHERE ({known}) AND {self._passing} "
            f"GROUP BY {VARIANT}, parsing_method ORDER BY {VARIANT}, parsing_method",
            self._values,
        )
        return [ParsingSums(Variant(*row[:4]), row[4], *map(int, row[5:])) for row in rows]

    def text_slices(self) -> Sequence[SliceCounts]:
        bins = " ".join(f"WHEN n <= {limit} THEN '{name}'" for limit, name in LENGTHS)
        length = f"CASE {bins} ELSE '{LONGER}' END"
        marker = (
            f"CASE WHEN LOWER(raw_output) LIKE '%{ANSWER_MARKER}%' "
            f"THEN 'has ''{ANSWER_MARKER}''' ELSE 'lacks ''{ANSWER_MARKER}''' END"
        )
        return [*self._slices("output_length", length), *self._slices("answer_marker", marker)]

    def _slices(self, dimension: str, value: str) -> list[SliceCounts]:
        rows = self._rows(
            f"SELECT {VARIANT}, {value} AS value, "
            "SUM(CASE WHEN outcome = 'correct' THEN 1 ELSE 0 END), COUNT(*) "
            "FROM (SELECT *, LENGTH(COALESCE(raw_output, '')) AS n FROM runs "
            f"WHERE outcome IN ('correct', 'wrong') AND {self._passing}) AS graded "
            f"GROUP BY {VARIANT}, value ORDER BY {VARIANT}, value",
            self._values,
        )
        return [
            SliceCounts(Variant(*row[:4]), dimension, row[4], int(row[5]), row[6]) for row in rows
        ]

    def errors(self, variants: Iterable[Variant]) -> Iterable[tuple[Variant, str, int]]:
        rows = self._rows(
            f"SELECT {VARIANT}, SUBSTR(error, 1, {ERROR_CHARACTERS}) AS kind, COUNT(*) FROM runs "
            f"WHERE outcome = 'failed' AND {self._passing} GROUP BY {VARIANT}, kind "
            f"ORDER BY {VARIANT}, kind",
            self._values,
        )
        wanted = set(variants)
        counted = ((Variant(*row[:4]), row[4], row[5]) for row in rows)
        return (row for row in counted if row[0] in wanted)

    def changed(
        self, candidate: Variant, baseline: Variant, *, improved: bool, limit: int = 20
    ) -> Sequence[ChangedSample]:
        right, wrong = ("one", "two") if improved else ("two", "one")
        same = (f"one.{name} = two.{name}" for name in ("task", "sample_index", "repeat_index"))
        of_both = (f"{side}.{name} = ?" for side in ("one", "two") for name in Variant._fields)
        condition, values = passing(self._filters, "one")
        rows = self._rows(
            "SELECT one.task, one.sample_index, one.repeat_index, one.id, two.id FROM runs AS one "
            f"JOIN runs AS two ON {' AND '.join(same)} WHERE {' AND '.join(of_both)} "
            f"AND {right}.outcome = 'correct' AND {wrong}.outcome = 'wrong' AND {condition} "
            f"ORDER BY one.task, one.sample_index, one.repeat_index LIMIT {limit:d}",
            [*candidate, *baseline, *values],
        )
        return [ChangedSample(*row) for row in rows]

    def conflicting_targets(self) -> int:
        rows = self._rows(
            "SELECT COUNT(*) FROM (SELECT experiment_id, input_text FROM runs "
            f"WHERE input_text IS NOT NULL AND expected_answer IS NOT NULL AND {self._passing} "
            "GROUP BY experiment_id, input_text HAVING COUNT(DISTINCT expected_answer) > 1) "
            "AS several",
            self._values,
        )
        return int(rows[0][0])
