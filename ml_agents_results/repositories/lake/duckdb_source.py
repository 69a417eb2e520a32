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
from ml_agents_results.repositories.lake.lake_source import (
    LakeSource,
    experiments_of,
    passing,
    runs_view,
)
from ml_agents_results.repositories.run_source import RunsInMemory, StoredMetric
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
        query = partial(_query, connection, folder)
        for name, value in (
            ("memory_limit", MEMORY),
            ("temp_directory", spill),
            ("TimeZone", "UTC"),
        ):
            query(f"SET {name} = '{value}'", [])
        view = runs_view(_source(folder), folder, '"')
        query(f"CREATE VIEW runs AS {view}", [])
        with experiments_of(folder, query) as experiments:
            yield LakeSource(
                query,
                experiments,
                list(folder.scores),
                lambda filters, columns, value, metric: RunsInMemory(
                    partial(_read, connection, folder, filters, value, metric), columns
                ),
            )


def _source(folder: Folder) -> str:
    pattern = glob.escape(str(folder.path))
    if folder.path.is_dir():
        pattern += "/**/*.parquet"
    quoted = pattern.replace("'", "''")
    if not folder.partitions:
        return f"read_parquet('{quoted}', hive_partitioning = false)"
    types = ", ".join(f"'{name}': VARCHAR" for name in folder.partitions)
    return f"read_parquet('{quoted}', hive_partitioning = true, hive_types = {{{types}}})"


def _read(
    connection: "duckdb.DuckDBPyConnection",
    folder: Folder,
    filters: Filters,
    value: str,
    metric: StoredMetric | None,
    columns: Collection[Column],
) -> Runs:
    """One row for each variant and task, each column a list."""
    lists = {"outcome": _OUTCOME}
    for name in columns:
        lists[field_of(name)] = sql_column(name, _MEMBER, value)
    if "fingerprint" in lists:
        lists["fingerprint"] = _FINGERPRINT
    selected = (*_TOTALS.values(), *(f"LIST({sql})" for sql in lists.values()))
    condition, values = passing(filters)
    keys = ", ".join(KEYS)
    sql = f"SELECT {keys}, {', '.join(selected)} FROM runs WHERE {condition} GROUP BY {keys}"
    try:
        table: Any = connection.sql(sql, params=values).to_arrow_table()
    except duckdb.Error as error:
        raise _failure(folder, error) from error
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
    if metric is not None:
        runs.rescore(metric.ids, binary=metric.binary)
    return runs


def _query(
    connection: "duckdb.DuckDBPyConnection", folder: Folder, sql: str, values: Sequence[Any]
) -> Sequence[Sequence[Any]]:
    try:
        return connection.execute(sql, values).fetchall()
    except duckdb.Error as error:
        raise _failure(folder, error) from error


def _failure(folder: Folder, error: Exception) -> DatabaseError:
    first_line = str(error).splitlines()[0]
    return DatabaseError(
        f"{folder} cannot be analysed by DuckDB: {first_line}",
        "Check the files, or export them anew; --debug shows more.",
    )
