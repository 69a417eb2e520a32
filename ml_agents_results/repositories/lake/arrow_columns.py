"""Runs from Arrow. NumPy and PyArrow are all it needs: Spark's workers run it as it stands."""

import pickle
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.records import HIGHEST_COST
from ml_agents_results.statistics.run_columns import (
    METADATA,
    NAMED,
    Array,
    Fields,
    Key,
    Runs,
    assembled,
    field_of,
)

KEYS = ("experiment_id", "approach_name", "provider", "model", "task")

REQUIRED = (*KEYS, "outcome", "sample_index", "repeat_index")
"""What every run has a value for."""

SQL_COLUMNS = {
    "time_ms": "COALESCE(execution_time_ms, -1)",
    "cost": "cost_estimate",
    "confidence": "parsing_confidence",
    "method": "parsing_method",
    "sample_index": "sample_index",
    "repeat_index": "repeat_index",
    "sample_id": "sample_id",
    "answer": "parsed_answer",
    "fingerprint": "COALESCE(input_fingerprint, 'ffffffffffffffff')",
}
"""The SQL, for both engines, of what is read for each column of Columns."""


def sql_column(name: str, member: str, value: str) -> str:
    """The SQL that a column is read by.

    Args:
        value: The column with the value of the metric.
        member: How the engine reads a member of metadata, with `{}` for its name.
    """
    if name.startswith(METADATA):
        return member.format(name.removeprefix(METADATA))
    return value if name == "value" else SQL_COLUMNS[name]


def decoded(name: str, values: Any) -> Any:
    """A field of Columns from the Arrow array that was read for it.

    Raises:
        InvalidFileError: Runs lack what every run has.
    """
    require_values(name, values)
    if name == "cost":
        costs = values.to_numpy(zero_copy_only=False)
        if np.any((costs < 0) | (costs > HIGHEST_COST)):
            raise InvalidFileError(
                "the files are damaged: they hold costs that are none", "Export them again."
            )
        return costs
    if name in NAMED:
        return values.to_pylist()
    if name == "fingerprint" and not str(values.type).startswith("uint"):
        digits = "".join(values.to_pylist())
        return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)
    return values.to_numpy(zero_copy_only=False)


def require_values(name: str, values: Any) -> None:
    """Raises InvalidFileError if runs lack what every run has: damaged pages read as NULL."""
    if name in REQUIRED and values.null_count:
        raise InvalidFileError(
            f"the files are damaged: {values.null_count} runs have no {name}", "Export them again."
        )


def runs_of_rows(table: Any, columns: Collection[str]) -> Runs:
    """Runs from one row each: KEYS, `outcome` (an index in OUTCOMES), `repeat_index`, and
    `columns`."""
    for name in REQUIRED:
        if name in table.column_names:
            require_values(name, table[name])
    codes = [table[name].combine_chunks().dictionary_encode() for name in KEYS]
    indexes = [code.indices.to_numpy(zero_copy_only=False) for code in codes]
    sizes = [max(len(code.dictionary), 1) for code in codes]
    group = np.ravel_multi_index(tuple(indexes), sizes)
    order = np.argsort(group, kind="stable")
    groups, starts = np.unique(group[order], return_index=True)
    table = table.take(order)

    def parts() -> Iterator[tuple[Key, str, Fields, dict[str, Any]]]:
        for number, start, end in zip(groups, starts, [*starts[1:], len(order)], strict=True):
            indexes = np.unravel_index(number, sizes)
            *variant, task = (
                c.dictionary[int(i)].as_py() for c, i in zip(codes, indexes, strict=True)
            )
            rows = table.slice(int(start), int(end - start)).combine_chunks()
            fields = {
                field_of(name): decoded(field_of(name), rows[field_of(name)].combine_chunks())
                for name in columns
            }
            fields["outcome"] = rows["outcome"].combine_chunks().to_numpy().astype(np.uint8)
            repeats: Array = rows["repeat_index"].combine_chunks().to_numpy()
            yield tuple(variant), task, fields, {"repeated": int(np.count_nonzero(repeats))}

    return assembled(parts())


def tabulation_of(function: Callable[[Runs], Any], columns: Collection[str]) -> Any:
    """The function that a worker applies to a part of the runs: one row, `part` and `result`."""
    import pyarrow

    # Spark infers from the types what the function takes and returns.
    def tabulate(table: pyarrow.Table) -> pyarrow.Table:
        part = table["part"].combine_chunks()[:1]
        result = pickle.dumps(function(runs_of_rows(table, columns)))
        return pyarrow.table({"part": part, "result": pyarrow.array([result], pyarrow.binary())})

    return tabulate
