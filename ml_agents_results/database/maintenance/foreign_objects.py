"""Foreign objects: triggers, views, tables and columns that another program added.

A trigger can delete what is saved and a generated column can change what is read; a table or a view
next to ours does no harm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, inspect, text

from ml_agents_results.database.dialects import Dialect
from ml_agents_results.database.maintenance.adoption.layouts import PREDECESSOR_TABLES
from ml_agents_results.database.models import Base
from ml_agents_results.database.sqlite import quoted

DAMAGED = "damaged_"
"""Prefix of the tables into which a repair puts damaged rows."""

_EXPRESSION = -2
"""Number of a column of an index that is an expression."""

_KNOWN = {"alembic_version", *PREDECESSOR_TABLES}


@dataclass(slots=True)
class ForeignObjects:
    """Objects that do not belong to the schema.

    Attributes:
        active: Objects that can change what is saved or read: triggers, rules, generated columns.
        passive: Tables and views of others.
    """

    active: list[str] = field(default_factory=list)
    passive: list[str] = field(default_factory=list)


def foreign_objects(connection: Connection) -> ForeignObjects:
    """The objects of the database that none of our migrations made."""
    inspector = inspect(connection)
    ours = set(Base.metadata.tables)
    tables = set(inspector.get_table_names())
    objects = ForeignObjects()
    find = _in_sqlite if Dialect.of(connection) is Dialect.SQLITE else _on_server
    objects.active += find(connection, sorted(ours & tables))
    objects.passive += [f"the view {name}" for name in sorted(inspector.get_view_names())]
    objects.passive += [
        f"the table {name}"
        for name in sorted(tables - ours - _KNOWN)
        if not name.startswith(DAMAGED)
    ]
    return objects


def _in_sqlite(connection: Connection, tables: Sequence[str]) -> Iterator[str]:
    run = connection.exec_driver_sql
    for name, table in run("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger'"):
        yield f"the trigger {name} on {table}"
    for table in tables:
        for _, name, *_, hidden in run(f"PRAGMA table_xinfo({quoted(table)})"):
            if hidden:
                yield f"the generated column {name} of {table}"
        for _, name, *_ in run(f"PRAGMA index_list({quoted(table)})"):
            columns = run(f"PRAGMA index_xinfo({quoted(name)})").all()
            # The comparison with the models passes over indexes of expressions.
            if any(position == _EXPRESSION for _, position, *_ in columns):
                yield f"the index {name} of an expression on {table}"


def _on_server(connection: Connection, tables: Sequence[str]) -> Iterator[str]:
    for kind, statement in _ON_SERVER.items():
        rows = connection.execute(
            text(statement).bindparams(bindparam("tables", expanding=True)), {"tables": tables}
        )
        yield from (f"the {kind} {name} of {table}" for name, table in rows)


_ON_SERVER = {
    "trigger": "SELECT tgname, relname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid "
    "WHERE NOT tgisinternal AND pg_table_is_visible(c.oid) AND relname IN :tables "
    "ORDER BY tgname",
    "rule": "SELECT rulename, tablename FROM pg_rules WHERE schemaname = current_schema() "
    "AND tablename IN :tables ORDER BY rulename",
    "generated column": "SELECT column_name, table_name FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND is_generated = 'ALWAYS' AND table_name IN :tables "
    "ORDER BY column_name",
}
