"""Migration plans: the effects of a migration, tried on a copy or in a transaction rolled back."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import snapshot


@dataclass(slots=True)
class MigrationPlan:
    """The steps and the SQL of a migration.

    Attributes:
        revision: The schema of the database; None if it carries no version.
        layout: The predecessor's layout, if the database would be adopted.
        steps: Revision and purpose of every script, in order.
        statements: The SQL that changes something; a statement that is repeated for batches of
            rows is listed once.
        warnings: What would happen to rows that do not fit.
    """

    revision: str | None
    head: str
    layout: str | None = None
    steps: list[tuple[str, str]] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    warnings: Sequence[str] = ()


def plan(database: Database, found: schema.SchemaStatus) -> MigrationPlan:
    """The plan for a database in this state; on a server, the trial is rolled back."""
    planned = MigrationPlan(found.revision, found.head)
    if found.state == "current":
        return planned
    planned.steps = [
        step for step in schema.purposes() if found.revision is None or step[0] > found.revision
    ]
    if database.path is None:
        with _noted(database.engine, planned.statements), suppress(_UndoneError):
            schema.upgrade(database, check=_undo)
        return planned
    with tempfile.TemporaryDirectory(prefix="ml-agents-") as folder:
        copy = Path(folder) / "copy.db"
        snapshot(database.path, copy)
        tried = Database(str(copy))
        try:
            with _noted(tried.engine, planned.statements):
                adoption = schema.upgrade(tried).adoption
        finally:
            tried.close()
    if adoption is not None:
        planned.layout, planned.warnings = adoption.layout, adoption.warnings
    return planned


class _UndoneError(Exception):
    """Rolls back a migration that was only tried."""


def _undo() -> None:
    raise _UndoneError


@contextmanager
def _noted(engine: Engine, statements: list[str]) -> Iterator[None]:
    def note(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        text = statement.strip()
        if text.split(None, 1)[0].upper() in ("SELECT", "PRAGMA", "BEGIN", "SHOW"):
            return
        if text not in statements[-3:]:
            statements.append(text)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", note)
