"""Decides whether a salvaged row is authentic: what was recorded, unchanged.

The digest of a row covers its content, not its key. Keys are in several indexes, too: if all of
them contradict the table, it is the table that is damaged.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

from ml_agents_results.database.digests import covered
from ml_agents_results.database.maintenance.recovery.sqlite_pages import Value
from ml_agents_results.database.maintenance.row_checks import is_time, verified
from ml_agents_results.database.sqlite import quoted

_FRACTIONS = {
    *("parsing_confidence", "cost_estimate", "score", "confidence_score"),
    *("lower", "upper", "value"),
}
_STATUSES = ("running", "completed", "failed")
_ARBITERS = {
    "runs": ("ix_runs_analysis", "id"),
    "experiments": ("idx_runs_experiment_approach", "experiment_id"),
}
"""Indexes that repeat the keys, and the name of the id in each."""


class IndexLookup:
    """Looks rows up in the indexes of a file; one that cannot be read contradicts nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._unique = {table: self._unique_keys(table) for table in _ARBITERS}

    def contradict(self, table: str, rowid: int, values: Mapping[str, Any]) -> bool:
        """Whether the indexes know of no row with this key."""
        if table == "scores":
            # Its digest does not cover the value.
            known = {name: values[name] for name in ("metric_id", "value", "run_id", "author")}
            return not self._knows("scores INDEXED BY ix_scores_metric_id_value_run_id", known)
        keys = self._unique.get(table, {})
        if all(
            self._knows(f"{table} INDEXED BY {index}", {**_chosen(values, columns), "rowid": rowid})
            for index, columns in keys.items()
        ):
            return False
        index, name = _ARBITERS[table]
        known = {name: values["id"]}
        if table == "runs":
            known |= {column: values[column] for columns in keys.values() for column in columns}
        return not self._knows(f"runs INDEXED BY {index}", known)

    def contradict_time(self, rowid: int, created_at: object) -> bool:
        """Whether the index has another time for a run."""
        known = {"created_at": created_at, "rowid": rowid}
        return not self._knows("runs INDEXED BY idx_runs_created_at", known)

    def _knows(self, source: str, values: Mapping[str, Any]) -> bool:
        conditions = " AND ".join(f"{name} IS ?" for name in values)
        try:
            cursor = self._connection.execute(
                f"SELECT 1 FROM {source} WHERE {conditions}", tuple(values.values())
            )
            return cursor.fetchone() is not None
        except (sqlite3.Error, OverflowError):
            return True

    def _unique_keys(self, table: str) -> dict[str, list[str]]:
        run = self._connection.execute
        try:
            return {
                name: [column for _, _, column in run(f"PRAGMA index_info({quoted(name)})")]
                for _, name, unique, *_ in run(f"PRAGMA index_list({quoted(table)})").fetchall()
                if unique
            }
        except sqlite3.Error:
            return {}


def _chosen(values: Mapping[str, Any], columns: list[str]) -> dict[str, Any]:
    return {column: values[column] for column in columns}


def is_recorded(table: str, columns: list[str], values: list[Value]) -> bool:
    """Whether a row has the digest that it was recorded with; true if it had none."""
    if (names := covered(table, columns)) is None:
        return True
    named = dict(zip(columns, values, strict=True))
    for name in _FRACTIONS & named.keys():
        # Numbers without a fraction are stored as integers.
        if isinstance(number := named[name], int):
            named[name] = float(number)
    if table == "runs" and not is_time(named["created_at"]):
        return False
    content = [named[name] for name in names]
    if named["content_digest"] is None and table == "scores":
        return not any(value is not None for value in content)
    return verified(names, content, named["content_digest"])


def fits(table: str, columns: list[str], values: list[Value]) -> bool:
    """Whether a row of an orphaned page is one of this table."""
    if len(values) != len(columns):
        return False
    if table == "scores":
        kinds = (str, int, str)
        if not all(isinstance(value, kind) for value, kind in zip(values, kinds, strict=False)):
            return False
    if "content_digest" in columns:
        return is_recorded(table, columns, values)
    named = dict(zip(columns, values, strict=True))
    if table == "experiments":
        return named["status"] in _STATUSES and isinstance(named["id"], str)
    return table == "parsing_metrics" and named["id"] is None and isinstance(named["run_id"], str)
