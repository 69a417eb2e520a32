"""A Parquet folder read by Spark: on this machine, or on the cluster whose master is named.

The workers tabulate parts of the runs by the same functions as this process would, and send back
what adds up; no run leaves them.
"""

import os
import pickle
import sys
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pyspark.cloudpickle
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ml_agents_results import records
from ml_agents_results.errors import DatabaseError
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.lake import arrow_columns
from ml_agents_results.repositories.lake.arrow_columns import KEYS, sql_column, tabulation_of
from ml_agents_results.repositories.lake.folder import Folder
from ml_agents_results.repositories.lake.lake_source import (
    VARIANT,
    LakeSource,
    passing,
    runs_view,
)
from ml_agents_results.repositories.run_source import RunReading, SplitBy
from ml_agents_results.statistics import (
    additive_sums,
    hard_samples,
    majority,
    pair_tabulation,
    run_columns,
    run_tabulation,
    sample_table,
    sample_tabulation,
    sorted_arrays,
    value_tabulation,
    variant_matrix,
)
from ml_agents_results.statistics.run_columns import OUTCOME_INDEX, Column, Result, Runs, field_of

PART_RUNS = 500_000
"""Runs that a worker holds at a time, on average."""

_SETTINGS = {
    # Names of folders are texts, even if they look like numbers or dates.
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
_HERE = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
"""Without a cluster, nobody else needs to reach the driver."""

# Spark treats each byte of a percent-encoded name as a character.
_FOLDER_NAME = "decode(encode({}, 'ISO-8859-1'), 'UTF-8')"

_OUTCOME = "CASE outcome {} END".format(
    " ".join(f"WHEN '{name}' THEN {index}" for name, index in OUTCOME_INDEX.items())
)
_MEMBER = "get_json_object(metadata_json, '$[\\'{}\\']')"
_SPLIT_BY: dict[SplitBy, str] = {
    "run": "id",
    "sample_index": "task, sample_index",
    "sample_id": "task, sample_id",
    "content": f"MIN(input_fingerprint) OVER (PARTITION BY {VARIANT}, task, sample_index)",
    "fingerprint": "input_fingerprint",
}


@contextmanager
def open_spark(folder: Folder, master: str) -> Iterator[LakeSource]:
    """A session for the time of the block; the workers read the folder under the same path."""
    modules = (
        *(records, run_columns, additive_sums, sorted_arrays, sample_table, run_tabulation),
        *(sample_tabulation, hard_samples, pair_tabulation, value_tabulation, variant_matrix),
        majority,
        arrow_columns,
    )
    for module in modules:
        # The workers need not have this package installed.
        pyspark.cloudpickle.register_pickle_by_value(module)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="pyspark")
        yield from _opened(folder, master)


def _opened(folder: Folder, master: str) -> Iterator[LakeSource]:
    session = _session(folder, master)
    source = SparkSource(folder, session, master)
    try:
        with source.explained():
            files = session.read.parquet(str(folder.path.absolute()))
            files.createOrReplaceTempView("files")
            view = runs_view("files", folder, "`", _FOLDER_NAME)
            session.sql(view).createOrReplaceTempView("runs")
        with source.with_experiments():
            yield source
    finally:
        session.stop()


class SparkSource(LakeSource):
    """The runs as a session reads them, on the workers of `master`."""

    def __init__(self, folder: Folder, session: SparkSession, master: str) -> None:
        super().__init__(folder)
        self.session = session
        self._master = master

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        with self.explained():
            rows: Sequence[Sequence[Any]] = self.session.sql(sql, args=list(values)).collect()
            return rows

    def reading(self, filters: Filters, _columns: Collection[Column]) -> RunReading:
        return SparkReading(self, filters)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """A block whose errors say what cannot be read, and where."""
        try:
            yield
        except (PySparkException, Py4JError) as error:
            raise _failure(self.folder, self._master, error) from error


class SparkReading:
    """The runs that pass, on the workers."""

    def __init__(self, source: SparkSource, filters: Filters) -> None:
        self._source = source
        self._filters = filters

    def tabulate(
        self,
        function: Callable[[Runs], Result],
        columns: Collection[Column],
        split_by: SplitBy = "run",
    ) -> Sequence[Result]:
        source, metric = self._source, self._source.metric
        if metric is not None:
            function = partial(run_columns.of_rescored, function, tuple(metric.ids), metric.binary)
            columns = {"value", *columns}
        every = sorted({*columns, "cost", "confidence"} if split_by == "run" else set(columns))
        parts = max(
            source.session.sparkContext.defaultParallelism, source.folder.runs // PART_RUNS + 1
        )
        chosen = ", ".join(
            f"{sql_column(name, _MEMBER, source.value)} AS {field_of(name)}" for name in every
        )
        condition, values = passing(self._filters)
        sql = (
            f"SELECT {', '.join(KEYS)}, repeat_index, {_OUTCOME} AS outcome, {chosen}, "
            f"pmod(hash({_SPLIT_BY[split_by]}), {parts}) AS part FROM runs WHERE {condition}"
        )
        with source.explained():
            frame = source.session.sql(sql, args=values)
            work = tabulation_of(function, every)
            rows = frame.groupBy("part").applyInArrow(work, "part int, result binary").collect()
        # In a fixed order, so that sums of fractions are the same each time.
        return [pickle.loads(row.result) for row in sorted(rows, key=lambda row: row.part)]


def _session(folder: Folder, master: str) -> SparkSession:
    builder = SparkSession.builder.master(master).appName("ml-agents")
    local = master.startswith("local")
    if local:
        # Else the workers are whichever python3 comes first, which may lack NumPy and PyArrow.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for name, value in (_SETTINGS | (_HERE if local else {})).items():
        builder = builder.config(name, value)
    with tempfile.TemporaryFile() as log:
        try:
            with _errors_to(log.fileno()):
                return builder.getOrCreate()
        except Exception as error:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            raise _failure(folder, master, error, lines[-1] if lines else None) from error


@contextmanager
def _errors_to(file: int) -> Iterator[None]:
    """Java begins with warnings that are of no use; it keeps the standard error it began with."""
    sys.stderr.flush()
    own = os.dup(2)
    os.dup2(file, 2)
    try:
        yield
    finally:
        os.dup2(own, 2)
        os.close(own)


def _failure(
    folder: Folder, master: str, error: Exception, reason: str | None = None
) -> DatabaseError:
    first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return DatabaseError(
        f"{folder} cannot be analysed by Spark on {master}: {reason or first_line}",
        "Check that Java 17 is installed, that the master runs, and that its workers can read "
        "the folder.",
    )
