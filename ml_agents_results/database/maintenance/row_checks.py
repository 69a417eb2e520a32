"""Checks of every stored row: its references, kinds of values, primary value and digest."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Boolean, Connection, Float, Integer, text

from ml_agents_results.database.digests import COVERED, covered, digest_of, input_fingerprint
from ml_agents_results.database.maintenance.check_report import CheckReport
from ml_agents_results.database.models import PARENTS, Base
from ml_agents_results.database.sqlite import quoted
from ml_agents_results.database.types import JsonList, JsonText, UtcTimestamp

_BATCH = 2000


_IDS = {"scores": "run_id", "score_claims": "run_id", "queue_items": "run_id"}
"""Columns that identify a row of a table without an id."""


_STORED_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?")


class _Rows:
    """Reads tables of either engine.

    Attributes:
        loosely_typed: Whether a column may hold values of any kind.
    """

    loosely_typed = False

    def columns(self, table: str) -> list[str]:
        raise NotImplementedError

    def tables(self) -> list[str]:
        raise NotImplementedError

    def select(self, statement: str) -> Iterator[Sequence[Any]]:
        raise NotImplementedError

    def orphans(self, table: str, column: str, parent: str) -> int:
        statement = (
            f"SELECT COUNT(*) FROM {table} WHERE {column} IS NULL OR NOT EXISTS "
            f"(SELECT 1 FROM {parent} WHERE {parent}.id = {table}.{column})"
        )
        return int(next(iter(self.select(statement)))[0])


class FileRows(_Rows):
    loosely_typed = True

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def columns(self, table: str) -> list[str]:
        return [
            str(row[1]) for row in self._connection.execute(f"PRAGMA table_info({quoted(table)})")
        ]

    def tables(self) -> list[str]:
        return [
            str(row[0])
            for row in self._connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        ]

    def select(self, statement: str) -> Iterator[Sequence[Any]]:
        return self._connection.execute(statement)


class ServerRows(_Rows):
    def __init__(self, connection: Connection) -> None:
        from sqlalchemy import inspect

        self._connection = connection
        self._inspector = inspect(connection)

    def columns(self, table: str) -> list[str]:
        return [str(column["name"]) for column in self._inspector.get_columns(table)]

    def tables(self) -> list[str]:
        return self._inspector.get_table_names()

    def select(self, statement: str) -> Iterator[Sequence[Any]]:
        result = self._connection.execute(
            text(statement), execution_options={"stream_results": True, "max_row_buffer": _BATCH}
        )
        return (tuple(row) for row in result)


def check_rows(rows: _Rows, report: CheckReport) -> None:
    tables = rows.tables()
    for table in tables:
        _attempt(report, table, lambda table=table: _count(rows, table, report))
    for table in filter(tables.__contains__, PARENTS):
        _attempt(report, table, lambda table=table: _orphans(rows, table, report))
    if "runs" not in tables or "content_digest" not in rows.columns("runs"):
        return
    for table in filter(tables.__contains__, Base.metadata.tables):
        _attempt(report, table, lambda table=table: _values(rows, table, report))
    for table in tables:
        _attempt(report, table, lambda table=table: _kinds(rows, table, report))
    if {"metrics", "scores"} <= set(tables):
        _attempt(report, "scores", lambda: _primary_values(rows, report))
    # Before 0004, when experiments had no digests, those of runs were computed differently.
    if "content_digest" in rows.columns("experiments"):
        for table in filter(tables.__contains__, COVERED):
            _attempt(report, table, lambda table=table: _digests(rows, table, report))


def _attempt(report: CheckReport, table: str, step: Any) -> None:
    try:
        step()
    except sqlite3.Error as error:
        report.add("damage", table, f"{table} cannot be read to its end: {error}")


def _count(rows: _Rows, table: str, report: CheckReport) -> None:
    report.tables[table] = int(next(iter(rows.select(f"SELECT COUNT(*) FROM {quoted(table)}")))[0])


def _orphans(rows: _Rows, table: str, report: CheckReport) -> None:
    for column, parent in PARENTS[table]:
        if number := rows.orphans(table, column, parent):
            report.add("orphans", table, f"{number} rows of {table} belong to no {parent}")


def _values(rows: _Rows, table: str, report: CheckReport) -> None:
    present = rows.columns(table)
    forms = {
        column.name: (what, fits)
        for kind, what, fits in _FORMS
        for column in Base.metadata.tables[table].columns
        if isinstance(column.type, kind) and column.name in present
    }
    if not forms:
        return
    wrong: dict[str, list[str]] = {}
    for row in rows.select(f"SELECT {', '.join((_identity(table), *forms))} FROM {table}"):
        for (name, (_, fits)), value in zip(forms.items(), row[1:], strict=True):
            if value is not None and not fits(value):
                wrong.setdefault(name, []).append(str(row[0]))
    for name, ids in wrong.items():
        message = f"{name} of {len(ids)} rows of {table} is not {forms[name][0]}"
        report.add("invalid", table, message, ids)


def _identity(table: str) -> str:
    """The column that identifies a row in a report."""
    return _IDS.get(table) or next(iter(Base.metadata.tables[table].primary_key)).name


def _kinds(rows: _Rows, table: str, report: CheckReport) -> None:
    """Values of another kind than their column's, which SQLite stores as they come."""
    if not rows.loosely_typed or table not in Base.metadata.tables:
        return
    present = rows.columns(table)
    for column in Base.metadata.tables[table].columns:
        if column.name not in present:
            continue
        numeric = isinstance(column.type, Integer | Float | Boolean)
        kinds = "'integer', 'real'" if numeric else "'text'"
        if isinstance(column.type, Integer):
            kinds = "'integer'"
        wrong = [
            str(row[0])
            for row in rows.select(
                f"SELECT {_identity(table)} FROM {table} "
                f"WHERE typeof({column.name}) NOT IN ({kinds}, 'null')"
            )
        ]
        if wrong:
            what = "number" if numeric else "text"
            message = f"{column.name} of {len(wrong)} rows of {table} is not a {what}"
            report.add("invalid", table, message, wrong)


def _primary_values(rows: _Rows, report: CheckReport) -> None:
    """Runs whose value is not what the scores of their primary metric give together."""
    correct = "CASE WHEN r.is_correct THEN 1 WHEN NOT r.is_correct THEN 0 END"
    majority = "CASE WHEN avg(s.value) > 0.5 THEN 1 WHEN avg(s.value) < 0.5 THEN 0 END"
    differing = [
        str(row[0])
        for row in rows.select(
            "SELECT r.id FROM scores s JOIN runs r ON r.id = s.run_id "
            "JOIN metrics m ON m.id = s.metric_id AND m.is_primary "
            f"WHERE s.value IS NOT NULL GROUP BY r.id, m.kind, r.score, r.error, {correct} "
            "HAVING CASE WHEN r.error IS NOT NULL THEN r.score IS NOT NULL "
            f"WHEN m.kind = 'binary' THEN coalesce({correct}, -1) <> coalesce({majority}, -1) "
            "ELSE r.score IS NULL OR abs(r.score - avg(s.value)) > 1e-9 * (1 + abs(r.score)) END"
        )
    ]
    if differing:
        report.add(
            "content",
            "scores",
            f"the value of {len(differing)} runs is not that of their primary scores",
            differing,
        )


def _is_json(value: object, kind: type) -> bool:
    try:
        return isinstance(json.loads(str(value)), kind)
    except (ValueError, RecursionError):
        return False


def is_time(value: object) -> bool:
    """Whether a value is a time in the stored form."""
    return not isinstance(value, str | bytes | int | float) or (
        isinstance(value, str) and _STORED_TIME.fullmatch(value) is not None
    )


_FORMS: Sequence[tuple[Any, str, Callable[[object], bool]]] = (
    (JsonText, "a JSON object", partial(_is_json, kind=dict)),
    (JsonList, "a JSON list", partial(_is_json, kind=list)),
    (UtcTimestamp, "a time", is_time),
)
"""Types of columns whose values have a form, what to call it, and whether a value has it."""


def _digests(rows: _Rows, table: str, report: CheckReport) -> None:
    changed: list[str] = []
    strangers: list[str] = []
    if (columns := covered(table, rows.columns(table))) is None:
        return
    extra = "input_fingerprint" if table == "runs" else "NULL"
    names = f"{_identity(table)}, content_digest, {extra}, {', '.join(columns)}"
    for row in rows.select(f"SELECT {names} FROM {table}"):
        if row[1] is None and not any(value is not None for value in row[3:]):
            # A score that is a value only.
            continue
        if not verified(columns, row[3:], row[1]):
            changed.append(str(row[0]))
        elif table == "runs" and input_fingerprint(row[3], row[4]) != row[2]:
            strangers.append(str(row[0]))
        report.runs_verified += table == "runs"
    if changed:
        report.add(
            "content",
            table,
            f"{len(changed)} {table} are not what was recorded: their digest differs",
            changed,
        )
    if strangers:
        report.add(
            "content",
            table,
            f"the question's fingerprint of {len(strangers)} runs is wrong",
            strangers,
        )


def verified(columns: Sequence[str], values: Sequence[Any], digest: object) -> bool:
    """Whether stored values have this digest."""
    try:
        return digest_of(columns, values) == digest
    except (TypeError, ValueError):
        return False
