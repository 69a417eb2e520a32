"""Adopts databases that carry no schema version: rebuilds the three tables of revision 0001.

These are databases of the predecessor, and bare ones; `layouts` recognizes them. Later revisions do
the rest. Other tables are left unchanged.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from sqlalchemy import Connection, inspect

from ml_agents_results.database.maintenance.adoption.layouts import TABLES, layout_of
from ml_agents_results.database.types import to_json, to_stored
from ml_agents_results.errors import DatabaseError
from ml_agents_results.records import PARSING_METHODS, canonical_approach

_BATCH = 2000
_OLD = "adopted_"


@dataclass(slots=True)
class Adoption:
    """The result of adopting a database.

    Attributes:
        layout: 1.0.0, 1.1.0, 1.2.0a, 1.2.0b, 1.2.0b-from-1.1, mixed or bare.
        rows: Rows of each table after the adoption: as many as before, except for what
            `warnings` name.
        repeated: Runs that answer a sample again; they are numbered as repeats.
        warnings: What a person should know.
    """

    layout: str
    rows: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    warnings: list[str] = field(default_factory=list)


def rebuild(connection: Connection, create: Callable[[], None]) -> Adoption:
    """Moves the rows into tables as revision 0001 has them, in the caller's transaction.

    Args:
        create: Creates those tables.

    Raises:
        SchemaError: The layout is not known.
        DatabaseError: A row would be lost.
    """
    adoption = Adoption(layout_of(connection))
    run = connection.exec_driver_sql
    present = [table for table in TABLES if table in inspect(connection).get_table_names()]
    for (name,) in run(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL "
        "AND tbl_name IN ('experiments', 'runs', 'parsing_metrics')"
    ).all():
        run(f'DROP INDEX "{name}"')
    # Other tables go on referring to the tables by their names, not to the old ones.
    run("PRAGMA legacy_alter_table=ON")
    for table in present:
        run(f"ALTER TABLE {table} RENAME TO {_OLD}{table}")
    run("PRAGMA legacy_alter_table=OFF")
    create()
    job = _Rebuilding(connection, adoption, "parsing_metrics" in present)
    for table in present:
        job.move(table)
    for table in present:
        run(f"DROP TABLE {_OLD}{table}")
    job.report()
    for table in TABLES:
        adoption.rows[table] = run(f"SELECT COUNT(*) FROM {table}").scalar_one()
    return adoption


class _Rebuilding:
    """The state of one adoption."""

    def __init__(self, connection: Connection, adoption: Adoption, measured: bool) -> None:
        self._connection = connection
        self._adoption = adoption
        self._notes: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._measured, self._several = _metrics(connection) if measured else (set(), {})

    def move(self, table: str) -> None:
        names = TABLES[table]
        insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        convert = getattr(self, f"_{table}")
        for batch in _batches(self._connection, _OLD + table):
            rows = [tuple(row[name] for name in names) for row in map(convert, batch) if row]
            if rows:
                self._connection.exec_driver_sql(insert, rows)
        missing = self._count(_OLD + table) - self._count(table) - self._left_out[table]
        if missing:
            raise DatabaseError(
                f"{missing} rows of {table} would be lost; nothing was changed",
                "Check the database with: ml-agents db-check",
            )

    def _count(self, table: str) -> int:
        return int(self._connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar_one())

    def _experiments(self, row: Mapping[str, Any]) -> dict[str, Any]:
        values = self._texts("experiments", row)
        config = self._object(values["config_json"])
        if further := _further("experiments", row):
            config = {**config, "adopted": further}
        values["config_json"] = to_stored(to_json(config))
        if values["status"] not in ("running", "completed", "failed"):
            values["status"] = "completed"
        return values

    def _runs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        values = self._texts("runs", row)
        earlier = self._several.get(str(row["id"]), [])[1:]
        further = _further("runs", row)
        for name, rule in _NUMBERS.items():
            if (value := values.get(name)) is not None and not rule(value):
                further[name], values[name] = value, None
                self._note(f"{name} of runs out of its range; kept in metadata_json")
        method, confidence = values["parsing_method"], values["parsing_confidence"]
        if method not in PARSING_METHODS:
            values["parsing_method"] = None
            if method == "none" and confidence == 0 and row["id"] not in self._measured:
                # The predecessor's value for unknown.
                values["parsing_confidence"] = None
                self._note("runs with the parsing method 'none' and no metrics: now unknown")
            elif method is not None:
                further["parsing_method"] = method
        if earlier:
            further["earlier_parsing_metrics"] = earlier
            self._note(
                "runs with several parsing metrics: the newest counts, the others are in "
                "metadata_json"
            )
        metadata = self._object(values["metadata_json"])
        if "imported_from" in metadata:
            self._note("runs that the predecessor imported from files: it lost their outputs")
        if further:
            metadata = {**metadata, "adopted": further}
        text = (
            None if row["metadata_json"] is None and not further else to_stored(to_json(metadata))
        )
        return {
            **values,
            "approach_name": canonical_approach(str(values["approach_name"] or "unknown")),
            "metadata_json": text,
        }

    def _parsing_metrics(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        several = self._several.get(str(row["run_id"]))
        if several and several[0]["id"] != row["id"]:
            self._left_out["parsing_metrics"] += 1
            return None
        values = self._texts("parsing_metrics", row)
        for name, rule in _NUMBERS.items():
            if (value := values.get(name)) is not None and not rule(value):
                values[name] = None
                self._note(f"{name} of parsing metrics out of its range; left out")
        return values

    def _texts(self, table: str, row: Mapping[str, Any]) -> dict[str, Any]:
        values = {
            name: to_stored(row[name]) if isinstance(row[name], str) else row[name]
            for name in TABLES[table]
        }
        if values.get("created_at") is not None:
            moment = _moment(values["created_at"])
            if moment is None:
                self._note(f"times of {table} that cannot be read; replaced by that of adoption")
            values["created_at"] = moment
        return values

    def _object(self, text: Any) -> dict[str, Any]:
        if text is None:
            return {}
        try:
            value = json.loads(str(text), parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return {"unreadable": str(text)}
        return value if isinstance(value, dict) else {"value": value}

    def _note(self, what: str) -> None:
        self._notes[what] += 1

    def report(self) -> None:
        """Repairs references, counts repeats, and adds the warnings."""
        adoption, run = self._adoption, self._connection.exec_driver_sql
        stubs = run(
            "INSERT INTO experiments (id, name, config_json, status) SELECT DISTINCT "
            "experiment_id, 'lost experiment', '{}', 'failed' FROM runs WHERE experiment_id "
            "IS NOT NULL AND experiment_id NOT IN (SELECT id FROM experiments)"
        ).rowcount
        if stubs:
            adoption.warnings.append(
                f"{stubs} experiments of runs were missing and have been created"
            )
        orphans = "run_id IS NULL OR run_id NOT IN (SELECT id FROM runs)"
        if run(f"SELECT COUNT(*) FROM parsing_metrics WHERE {orphans}").scalar_one():
            run(
                f"CREATE TABLE orphaned_parsing_metrics AS SELECT * FROM parsing_metrics "
                f"WHERE {orphans}"
            )
            number = run(f"DELETE FROM parsing_metrics WHERE {orphans}").rowcount
            adoption.warnings.append(
                f"{number} parsing metrics do not belong to a run: now in orphaned_parsing_metrics"
            )
        adoption.repeated = run(
            "SELECT COALESCE(SUM(number - 1), 0) FROM (SELECT COUNT(*) AS number FROM runs "
            "GROUP BY experiment_id, approach_name, provider, model, sample_index)"
        ).scalar_one()
        if adoption.repeated:
            adoption.warnings.append(
                f"{adoption.repeated} runs answer a sample again: they are repeats of it now"
            )
        adoption.warnings += [f"{what} ({number})" for what, number in self._notes.items()]


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < 2**31


def _is_fraction(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


_NUMBERS: dict[str, Callable[[Any], bool]] = {
    "execution_time_ms": _is_count,
    "cost_estimate": lambda value: (
        isinstance(value, int | float) and value >= 0 and isfinite(value)
    ),
    "parsing_confidence": _is_fraction,
    "is_correct": lambda value: value in (0, 1),
    "parsing_attempts": _is_count,
    "fallback_used": lambda value: value in (0, 1),
    "confidence_score": _is_fraction,
    "extraction_time_ms": _is_count,
}


def _batches(connection: Connection, table: str) -> Iterator[list[Mapping[str, Any]]]:
    last = None
    while True:
        rows = connection.exec_driver_sql(
            f"SELECT rowid AS adopted_place, * FROM {table} "
            f"{'' if last is None else 'WHERE rowid > ?'} ORDER BY rowid LIMIT {_BATCH}",
            () if last is None else (last,),
        ).all()
        if not rows:
            return
        last = rows[-1][0]
        yield [dict(row._mapping) for row in rows]


def _further(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    known = {*TABLES[table], "adopted_place"}
    return {name: value for name, value in row.items() if name not in known and value is not None}


def _metrics(connection: Connection) -> tuple[set[Any], dict[str, list[dict[str, Any]]]]:
    """The runs that have metrics, and all metrics of runs that have several, newest first."""
    run = connection.exec_driver_sql
    table = f"{_OLD}parsing_metrics"
    several: dict[str, list[dict[str, Any]]] = {}
    for row in run(
        f"SELECT * FROM {table} WHERE run_id IN (SELECT run_id FROM {table} GROUP BY run_id "
        "HAVING COUNT(*) > 1) ORDER BY id DESC"
    ):
        several.setdefault(str(row._mapping["run_id"]), []).append(dict(row._mapping))
    return {row[0] for row in run(f"SELECT run_id FROM {table}")}, several


def _moment(value: Any) -> str | None:
    """The time in the stored form: UTC, to the microsecond."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(" ", "microseconds")
