"""Foreign objects: triggers, views, tables and columns that another program added.

A trigger can delete what is saved and a generated column can change what is read; a table or a view
next to ours does no harm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, inspect, text

from ml_agents_results.database.maintenance.adoption.layouts import PREDECESSOR_TABLES
from ml_agents_results.database.models import Base
from ml_agents_results.database.sqlite import quoted
from ml_agents_results.errors import SchemaError

DAMAGED = "damaged_"
"""Prefix of the tables into which a repair puts damaged rows."""

_EXPRESSION = -2
"""Number of a column of an index that is an expression."""

_KNOWN = {"alembic_version", *PREDECESSOR_TABLES}

_CLAUSES = ("ON CONFLICT", "COLLATE")
"""Clauses of SQLite that our tables do not have: one drops rows without a word, the other takes
different texts for the same."""


class ActiveObject(NamedTuple):
    """An object of our tables that changes what is saved or read.

    `reads` says whether a query is enough.
    """

    name: str
    reads: bool = False


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
    objects = ForeignObjects([one.name for one in active_objects(connection)])
    objects.passive += [f"the view {name}" for name in sorted(inspector.get_view_names())]
    objects.passive += [
        f"the table {name}"
        for name in sorted(set(inspector.get_table_names()) - set(_tables()) - _KNOWN)
        if not name.startswith(DAMAGED)
    ]
    return objects


def active_objects(connection: Connection) -> list[ActiveObject]:
    """The foreign objects of our tables that change what is saved or read.

    Takes a millisecond: what writes asks before its first transaction.
    """
    find = _in_sqlite if connection.dialect.name == "sqlite" else _on_server
    return list(find(connection))


def require_own(connection: Connection, database: str, option: str, *, to_write: bool) -> None:
    """Raises SchemaError if a foreign object would change what is read, or what is written.

    Args:
        database: Its name in the message.
        option: The option of the command line that selects it.
    """
    found = next((one for one in active_objects(connection) if to_write or one.reads), None)
    if found is None:
        return
    source = option.removeprefix("--db-path ")
    raise SchemaError(
        f"{database} has {found.name}, which this program did not create and which may change what "
        f"is {'read' if found.reads else 'saved'}",
        f"Remove it, or copy the rows without it: ml-agents db-repair --source {source} --dest FILE"
        if source != option
        else f"Remove it; all of them are listed by: ml-agents db-check {option}",
    )


@cache
def _tables() -> Sequence[str]:
    return sorted(Base.metadata.tables)


def _in_sqlite(connection: Connection) -> Iterator[ActiveObject]:
    # PRAGMAs as statements: a table may have the name of a function like pragma_table_xinfo.
    run = connection.exec_driver_sql
    tables = _tables()
    for kind, name, table, page, sql in run(
        "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY name"
    ):
        if kind == "trigger":
            yield ActiveObject(f"the trigger {name} on {table}")
        elif kind == "table" and name in tables:
            if not page:
                yield ActiveObject(f"the virtual table {name}", reads=True)
            for clause in _CLAUSES:
                if clause in " ".join(str(sql).upper().split()):
                    yield ActiveObject(f"the clause {clause} of {table}", clause == "COLLATE")
    for table in tables:
        for _, name, *_, hidden in run(f"PRAGMA table_xinfo({quoted(table)})"):
            if hidden:
                yield ActiveObject(f"the generated column {name} of {table}", reads=True)
        for _, name, *_ in run(f"PRAGMA index_list({quoted(table)})"):
            columns = run(f"PRAGMA index_xinfo({quoted(name)})").all()
            # The comparison with the models passes over indexes of expressions.
            if any(position == _EXPRESSION for _, position, *_ in columns):
                yield ActiveObject(f"the index {name} of an expression on {table}")


def _on_server(connection: Connection) -> Iterator[ActiveObject]:
    rows = connection.execute(
        text(_ON_SERVER).bindparams(bindparam("tables", expanding=True)), {"tables": _tables()}
    )
    for kind, name, table, reads in rows:
        yield ActiveObject(f"the {kind} {name} of {table}" if name else f"{kind} of {table}", reads)


_ON_SERVER = """
WITH ours AS (
    SELECT oid, relname, relkind, relrowsecurity FROM pg_catalog.pg_class
    WHERE pg_catalog.pg_table_is_visible(oid) AND relname IN :tables
), parts (classid, objid, relname) AS (
    SELECT 'pg_class'::regclass, oid, relname FROM ours
    UNION ALL SELECT 'pg_class'::regclass, indexrelid, relname
    FROM ours o JOIN pg_catalog.pg_index ON indrelid = o.oid
    UNION ALL SELECT 'pg_constraint'::regclass, c.oid, relname
    FROM ours o JOIN pg_catalog.pg_constraint c ON conrelid = o.oid
    UNION ALL SELECT 'pg_attrdef'::regclass, d.oid, relname
    FROM ours o JOIN pg_catalog.pg_attrdef d ON adrelid = o.oid
)
SELECT kind, name, relname, reads FROM (
    SELECT 1, 'trigger', tgname, relname, false
    FROM ours o JOIN pg_catalog.pg_trigger ON tgrelid = o.oid WHERE NOT tgisinternal
    UNION ALL SELECT 2, 'rule', rulename, relname, false
    FROM ours o JOIN pg_catalog.pg_rewrite r ON r.ev_class = o.oid WHERE rulename <> '_RETURN'
    UNION ALL SELECT 3, 'generated column', attname, relname, true
    FROM ours o JOIN pg_catalog.pg_attribute ON attrelid = o.oid WHERE attgenerated <> ''
    UNION ALL SELECT 4, 'another kind of table in place', '', relname, true
    FROM ours WHERE relkind <> 'r'
    UNION ALL SELECT 5, 'row security', '', relname, true FROM ours WHERE relrowsecurity
    UNION ALL SELECT 6, 'child table', inhrelid::regclass::name, relname, true
    FROM ours o JOIN pg_catalog.pg_inherits ON inhparent = o.oid
    UNION ALL SELECT 7, pg_catalog.pg_describe_object(refclassid, refobjid, 0) || ' in a part',
        '', relname, false
    FROM parts p JOIN pg_catalog.pg_depend d ON d.classid = p.classid AND d.objid = p.objid
    WHERE refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)
) AS found (number, kind, name, relname, reads) ORDER BY number, name
"""
"""Functions of checks, defaults and indexes are programs of whoever made them: those of the server
itself are not in `pg_depend`."""
