"""Losses of a downgrade of the schema: data that the older tables cannot hold."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.types import Integer, String

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.models import Base
from ml_agents_results.errors import SchemaError

_COMPUTED = {"content_digest", "outcome", "input_fingerprint"}
"""Columns that an upgrade computes again."""

_TRANSIENT = {"claims", "score_claims", "queues", "queue_items"}
"""Tables of work in progress, which hold no results."""

Tables = dict[str, dict[str, Any]]
"""Table to column to what SQLAlchemy's inspector says of it."""


def require_lossless(
    connection: Connection, database: Database, current: str, destination: str
) -> None:
    """Raises SchemaError if the way down from `current` to `destination` would lose data.

    Args:
        destination: A revision as Alembic takes it: `0002`, `-1`, `base`.
    """
    target = _target(current, destination)
    if losses := list(_losses(connection, _tables_at(current), _tables_at(target))):
        raise SchemaError(
            f"{database} would lose data on the way down to {target or 'base'}: "
            + ", ".join(losses),
            f"If that is wanted: alembic -x lossy=yes downgrade {destination}",
        )


def _target(current: str, destination: str) -> str | None:
    """The revision that the downgrade ends at; None is the base."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(schema.scripts_folder()))
    undone = list(
        scripts.revision_map.iterate_revisions(current, destination, select_for_downgrade=True)
    )
    if not undone:
        return current
    below = undone[-1].down_revision
    return None if below is None else str(below)


@cache
def _tables_at(revision: str | None) -> Tables:
    """The tables of a revision, as the scripts make them in memory."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    if revision is None:
        return {}
    scripts = ScriptDirectory(str(schema.scripts_folder()))
    steps = reversed(list(scripts.walk_revisions(head=revision)))
    # Not by Alembic's command: an environment may be running already, and there is only one.
    with create_engine("sqlite://").begin() as connection:
        options = {"target_metadata": Base.metadata}
        with Operations.context(MigrationContext.configure(connection, opts=options)):
            for step in steps:
                step.module.upgrade()
        inspector = inspect(connection)
        return {
            name: {column["name"]: column for column in inspector.get_columns(name)}
            for name in inspector.get_table_names()
        }


def _losses(connection: Connection, newer: Tables, older: Tables) -> Iterator[str]:
    for table, columns in newer.items():
        if table in _TRANSIENT:
            continue
        if table not in older:
            if rows := connection.scalar(text(f"SELECT COUNT(*) FROM {table}")):
                yield f"{rows:,} rows of {table}"
            continue
        names = [name for name in columns if name not in older[table] and name not in _COMPUTED]
        if not names:
            continue
        counts = ", ".join(
            f"COUNT(CASE WHEN {_informs(columns[name])} THEN 1 END)" for name in names
        )
        row = connection.execute(text(f"SELECT {counts} FROM {table}")).one()
        yield from (
            f"{name} of {count:,} rows of {table}"
            for name, count in zip(names, row, strict=True)
            if count
        )


def _informs(column: Any) -> str:
    """The condition that a value holds information: it is not one that an upgrade fills in."""
    name = column["name"]
    if name == "updated_at":
        return "updated_at <> created_at"
    if isinstance(column["type"], String):
        # This excludes NULL, too.
        return f"{name} NOT IN ('', '[]', '{{}}')"
    if column["nullable"]:
        return f"{name} IS NOT NULL"
    return f"{name} <> 0" if isinstance(column["type"], Integer) else "1 = 1"
