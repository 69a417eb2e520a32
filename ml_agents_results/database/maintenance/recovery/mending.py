"""Mending: replaces lost parents of salvaged rows, and sets aside the rows that stay without."""

import sqlite3
from collections.abc import Sequence

from ml_agents_results.database.digests import COVERED, content_digest, digest_of
from ml_agents_results.database.foreign_objects import DAMAGED
from ml_agents_results.database.maintenance.recovery.repair_report import RepairReport
from ml_agents_results.database.maintenance.recovery.sqlite_pages import Value
from ml_agents_results.database.models import PARENTS
from ml_agents_results.database.sqlite import quoted


def mend(connection: sqlite3.Connection, report: RepairReport) -> None:
    """Replaces lost experiments of runs and metrics of scores; moves rows that have lost another
    parent to tables of damaged rows."""
    if "runs" not in report.tables:
        return
    _replace_experiments(connection, report)
    if "scores" in report.tables:
        _replace_metrics(connection, report)
    for name in filter(report.tables.__contains__, PARENTS):
        for column, parent in PARENTS[name]:
            _set_orphans_aside(connection, report, name, column, parent)


def _replace_experiments(connection: sqlite3.Connection, report: RepairReport) -> None:
    columns = columns_of(connection, "experiments")
    values = {
        "id": "experiment_id",
        "name": "'lost experiment'",
        "created_at": "MIN(created_at)",
        "updated_at": "MAX(created_at)",
        "config_json": "'{}'",
        "status": "'failed'",
        "content_digest": "digest('lost experiment', NULL, MIN(created_at), '{}', 'failed', "
        f"MAX(created_at), NULL{', NULL, NULL' * ('tags_json' in columns)})",
    }
    connection.create_function("digest", -1, lambda *values: content_digest(values))
    chosen = [name for name in values if name in columns]
    created = connection.execute(
        f"INSERT INTO experiments ({', '.join(chosen)}) "
        f"SELECT {', '.join(values[name] for name in chosen)} FROM runs "
        "WHERE experiment_id NOT IN (SELECT id FROM experiments) GROUP BY experiment_id"
    ).rowcount
    if created:
        report.notes.append(f"the rows of {created} experiments are lost; their runs are saved")


def _replace_metrics(connection: sqlite3.Connection, report: RepairReport) -> None:
    """What a lost metric measured is lost with it."""
    connection.create_function(
        "metric_digest", -1, lambda *values: digest_of(COVERED["metrics"], values)
    )
    created = connection.execute(
        "INSERT INTO metrics (id, experiment_id, name, kind, is_primary, created_at, "
        "content_digest) SELECT metric_id, experiment_id, 'lost_metric_' || metric_id, "
        "'numeric', 0, MIN(runs.created_at), metric_digest('numeric', NULL, NULL, NULL, NULL, "
        "NULL, 0, MIN(runs.created_at)) FROM scores JOIN runs ON runs.id = run_id "
        "WHERE metric_id NOT IN (SELECT id FROM metrics) GROUP BY metric_id"
    ).rowcount
    if created:
        report.notes.append(
            f"the definitions of {created} metrics are lost; their scores are saved"
        )


def _set_orphans_aside(
    connection: sqlite3.Connection, report: RepairReport, name: str, column: str, parent: str
) -> None:
    alone = f"FROM {name} WHERE {column} NOT IN (SELECT id FROM {parent})"
    for row in connection.execute(f"SELECT * {alone}").fetchall():
        keep_damaged(connection, report, name, row)
    gone = connection.execute(f"DELETE {alone}").rowcount
    report.tables[name].saved -= gone
    report.tables[name].damaged += gone
    if name == "parsing_metrics" and gone:
        report.notes.append(f"at least {gone:,} runs are lost: only their parsing metrics are left")


def keep_damaged(
    connection: sqlite3.Connection, report: RepairReport, name: str, values: Sequence[Value]
) -> None:
    """Puts a row into the table of damaged rows of its table."""
    damaged = DAMAGED + name
    note = f"rows of {name} that are damaged or have lost their parent are in {damaged}"
    if note not in report.notes:
        report.notes.append(note)
        names = ", ".join(map(quoted, columns_of(connection, name)))
        connection.execute(f"CREATE TABLE {quoted(damaged)} ({names})")
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {quoted(damaged)} VALUES ({marks})", values)


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """The names of the columns of a table."""
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]
