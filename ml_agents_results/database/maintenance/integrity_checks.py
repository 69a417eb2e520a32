"""Integrity checks of a database: its pages, its schema, and what its rows hold."""

import sqlite3
import warnings
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Index

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.foreign_objects import foreign_objects
from ml_agents_results.database.location import file_uri
from ml_agents_results.database.maintenance.check_report import CheckReport
from ml_agents_results.database.maintenance.row_checks import FileRows, ServerRows, check_rows
from ml_agents_results.database.sqlite import quoted
from ml_agents_results.errors import ResultsError


def check(database: Database) -> CheckReport:
    """Checks a database without changing it. Damage is reported, never raised.

    Raises:
        NotFoundError: There is no such file.
        DatabaseError: The file or server cannot be opened at all.
    """
    report = CheckReport(str(database))
    if database.path is not None:
        _check_file(database.path, report)
    _check_schema(database, report)
    if database.path is None:
        with database.read() as connection:
            check_rows(ServerRows(connection), report)
    return report


def _check_file(path: Path, report: CheckReport) -> None:
    try:
        with closing(sqlite3.connect(file_uri(path), uri=True, isolation_level=None)) as connection:
            # A byte that is not text any more must be reported, not end the check.
            connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
            connection.execute("BEGIN")
            _check_pages(connection, report)
            check_rows(FileRows(connection), report)
    except sqlite3.Error as error:
        report.add("damage", None, f"the file is damaged: {error}")


def _check_pages(connection: sqlite3.Connection, report: CheckReport) -> None:
    problems = _integrity(connection, "")
    if not problems:
        return
    attributed = False
    for table in FileRows(connection).tables():
        if messages := _integrity(connection, f"({quoted(table)})"):
            attributed = True
            report.add("damage", table, _in_words(table, messages), messages)
    if not attributed:
        report.add("damage", None, "pages outside of the tables are damaged", problems)


def _integrity(connection: sqlite3.Connection, arguments: str) -> list[str]:
    try:
        rows = connection.execute(f"PRAGMA integrity_check{arguments}").fetchall()
    except sqlite3.Error as error:
        return [str(error)]
    return [str(row[0]) for row in rows if row[0] != "ok"]


def _in_words(table: str, messages: Sequence[str]) -> str:
    joined = "\n".join(messages)
    if "missing from index" in joined or "wrong # of entries" in joined:
        return f"{table} and its indexes contradict each other"
    if "CHECK constraint failed" in joined or "NULL value in" in joined:
        return f"{table} holds values that its rules forbid"
    return f"pages of {table} are damaged"


def _check_schema(database: Database, report: CheckReport) -> None:
    try:
        with database.read() as connection:
            status = schema.status(connection)
            report.schema_revision = status.revision
            if status.state == "current":
                for difference in _differences(connection):
                    if isinstance(difference, Index):
                        report.notes.append(
                            f"the index {difference.name} belongs to another program"
                        )
                    else:
                        report.add("schema", None, difference)
                _check_objects(connection, report)
            elif status.state in ("behind", "unversioned"):
                report.notes.append(str(schema.refusal(status, database)))
            else:
                report.add("schema", None, str(schema.refusal(status, database)))
    except ResultsError as error:
        if not report.problems:
            report.add("damage", None, error.message)


def _check_objects(connection: Connection, report: CheckReport) -> None:
    objects = foreign_objects(connection)
    for name in objects.active:
        report.add(
            "schema", None, f"{name} should not be there: it may change what is saved or read"
        )
    report.notes += [f"{name} belongs to another program" for name in objects.passive]


def _differences(connection: Connection) -> list[str | Index]:
    """What differs from the models; an index that the user added, and that refuses no row, as it
    is."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from ml_agents_results.database.models import Base

    ours = set(Base.metadata.tables)

    def include(name: str | None, kind: str, parents: Any) -> bool:
        return name in ours if kind == "table" else True

    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "include_name": include}
    )
    with warnings.catch_warnings():
        # What it cannot compare is found among the foreign objects.
        warnings.simplefilter("ignore")
        found = compare_metadata(context, Base.metadata)
    return [
        difference[1]
        if difference[0] == "remove_index" and not difference[1].unique
        else _difference(difference)
        for difference in found
    ]


def _difference(found: Any) -> str:
    if isinstance(found, list):
        return "; ".join(map(_difference, found))
    verb, *rest = found
    thing = " ".join(str(getattr(part, "name", part)) for part in rest if part is not None)
    word, _, what = str(verb).partition("_")
    state = {"add": "is missing", "remove": "should not be there"}.get(word, "is different")
    return f"the {what or 'schema'} {thing} {state}"
