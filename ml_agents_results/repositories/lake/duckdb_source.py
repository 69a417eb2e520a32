"""A Parquet folder read by DuckDB, on this machine."""

import glob
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import duckdb

from ml_agents_results.errors import DatabaseError
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.lake.arrow_columns import (
    KEYS,
    decoded,
    require_values,
    sql_column,
)
from ml_agents_results.repositories.lake.folder import Folder
from ml_agents_results.repositories.lake.lake_source import LakeSource, passing, runs_view
from ml_agents_results.repositories.run_source import RunReading, RunsInMemory
from ml_agents_results.statistics.run_columns import (
    NO_FINGERPRINT,
    OUTCOME_INDEX,
    Column,
    Fields,
    Runs,
    assembled,
    field_of,
)

MEMORY = "1500MB"
"""The memory that DuckDB may use before it spills to disk."""

_FINGERPRINT = f"COALESCE(CAST('0x' || input_fingerprint AS UBIGINT), {NO_FINGERPRINT})"
_MEMBER = "json_extract_string(metadata_json, '$.\"{}\"')"
_OUTCOME = "CAST(CASE outcome {} END AS UTINYINT)".format(
    " ".join(f"WHEN '{name}' THEN {index}" for name, index in OUTCOME_INDEX.items())
)
_GRADED = "outcome IN ('correct', 'wrong')"
_TOTALS = {
    "repeated": "COUNT(*) FILTER (WHERE repeat_index > 0)",
    "priced": "COUNT(cost_estimate)",
    "priced_correct": "COUNT(cost_estimate) FILTER (WHERE outcome = 'correct')",
    "total_cost": "COALESCE(SUM(cost_estimate), 0)",
    "graded_cost": f"COALESCE(SUM(cost_estimate) FILTER (WHERE {_GRADED}), 0)",
    "rated": "COUNT(parsing_confidence)",
    "total_confidence": "COALESCE(SUM(parsing_confidence), 0)",
}


@contextmanager
def open_duckdb(folder: Folder) -> Iterator[LakeSource]:
    """The runs of a folder for the time of the block."""
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        source = DuckDbSource(folder, connection)
        for name, value in (
            ("memory_limit", MEMORY),
            ("temp_directory", spill),
            ("TimeZone", "UTC"),
            # It would go to stdout, in between what is asked for.
            ("enable_progress_bar", "false"),
        ):
            source.rows(f"SET {name} = '{value}'")
        view = runs_view(_files(folder), folder, '"')
        source.rows(f"CREATE VIEW runs AS {view}")
        with source.with_experiments():
            yield source


def _files(folder: Folder) -> str:
    pattern = glob.escape(str(folder.path))
    if folder.path.is_dir():
        pattern += "/**/*.parquet"
    quoted = pattern.replace("'", "''")
    if not folder.partitions:
        return f"read_parquet('{quoted}', hive_partitioning = false)"
    types = ", ".join(f"'{name}': VARCHAR" for name in folder.partitions)
    return f"read_parquet('{quoted}', hive_partitioning = true, hive_types = {{{types}}})"


class DuckDbSource(LakeSource):
    """The runs as one connection of DuckDB reads them."""

    def __init__(self, folder: Folder, connection: "duckdb.DuckDBPyConnection") -> None:
        super().__init__(folder)
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        with self._explained():
            return self._connection.execute(sql, values).fetchall()

    def reading(self, filters: Filters, columns: Collection[Column]) -> RunReading:
        columns = columns if self.metric is None else {"value", *columns}
        return RunsInMemory(partial(self._read, filters), columns)

    def _read(self, filters: Filters, columns: Collection[Column]) -> Runs:
        """From one row for each variant and task, each column a list."""
        lists = {"outcome": _OUTCOME}
        for name in columns:
            lists[field_of(name)] = sql_column(name, _MEMBER, self.value)
        if "fingerprint" in lists:
            lists["fingerprint"] = _FINGERPRINT
        selected = (*_TOTALS.values(), *(f"LIST({sql})" for sql in lists.values()))
        condition, values = passing(filters)
        keys = ", ".join(KEYS)
        sql = f"SELECT {keys}, {', '.join(selected)} FROM runs WHERE {condition} GROUP BY {keys}"
        with self._explained():
            table: Any = self._connection.sql(sql, params=values).to_arrow_table()
        for index, name in enumerate(KEYS):
            require_values(name, table[index])
        first = len(KEYS) + len(_TOTALS)

        def parts() -> Iterator[tuple[Any, str, Fields, dict[str, Any]]]:
            for row in range(table.num_rows):
                *variant, task = (table[i][row].as_py() for i in range(len(KEYS)))
                fields = {
                    name: decoded(name, table[i][row].values) for i, name in enumerate(lists, first)
                }
                totals = {name: table[i][row].as_py() for i, name in enumerate(_TOTALS, len(KEYS))}
                yield tuple(variant), task, fields, totals

        runs = assembled(parts())
        if self.metric is not None:
            runs.rescore(self.metric.ids, binary=self.metric.binary)
        return runs

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            first_line = str(error).splitlines()[0]
            raise DatabaseError(
                f"{self.folder} cannot be analysed by DuckDB: {first_line}",
                "Check the files, or export them anew; --debug shows more.",
            ) from error
