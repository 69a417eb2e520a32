"""SQLAlchemy's selects as the SQL of another engine, and rows as SQLAlchemy gives them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import sqlglot
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import IteratorResult, Result
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlglot import exp

from ml_agents_results.database.lake.folder import PARSING_COLUMNS, RUN_COLUMNS, sql_type
from ml_agents_results.database.types import JsonText, UtcTimestamp

_POSTGRES = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


class LakeConnection:
    """What repositories use of a Connection, for selects.

    Args:
        run: Executes SQL of the engine with named parameters and gives its rows.
        aware: Gives a time as the engine gives it its zone.
    """

    def __init__(
        self,
        engine: str,
        run: Callable[[str, dict[str, Any]], Iterable[Sequence[Any]]],
        aware: Callable[[datetime], datetime],
    ) -> None:
        self.dialect = SimpleNamespace(name=engine)
        self._run = run
        self._aware = aware

    def get_execution_options(self) -> dict[str, Any]:
        return {}

    def execute(self, statement: Any, **_options: Any) -> Result[Any]:
        """Runs the select; its parameters stay parameters."""
        sql, parameters = rendered(statement, self.dialect.name)
        columns = list(statement.selected_columns)
        decode = [self._decoder(column.type) for column in columns]
        rows = [
            tuple(
                value if function is None or value is None else function(value)
                for function, value in zip(decode, row, strict=True)
            )
            for row in self._run(sql, parameters)
        ]
        names = [getattr(column, "key", None) or f"column_{n}" for n, column in enumerate(columns)]
        return IteratorResult(SimpleResultMetaData(names), iter(rows))

    def scalar(self, statement: Any, **options: Any) -> Any:
        return self.execute(statement, **options).scalar()

    def scalars(self, statement: Any, **options: Any) -> Any:
        return self.execute(statement, **options).scalars()

    def _decoder(self, kind: Any) -> Callable[[Any], Any] | None:
        if isinstance(kind, UtcTimestamp):
            return self._aware
        if isinstance(kind, JsonText):
            return partial(kind.process_result_value, dialect=_POSTGRES)
        return None


def rendered(statement: Any, engine: str) -> tuple[str, dict[str, Any]]:
    """The select in the SQL of the engine, with its named parameters."""
    compiled = statement.compile(dialect=_POSTGRES, compile_kwargs={"render_postcompile": True})
    tree = sqlglot.parse_one(str(compiled), read="postgres")
    # Both engines order texts by code points of themselves.
    while found := tree.find(exp.Collate):
        found.replace(found.this)
    for cast in tree.find_all(exp.Cast):
        # NUMERIC is exact in PostgreSQL; elsewhere it has three decimal places, or none.
        if cast.to.is_type("decimal"):
            cast.set("to", exp.DataType.build("double"))
    return tree.sql(dialect=engine), dict(compiled.params)


def runs_view(source: str, partitions: Sequence[str], named: str = "{}") -> str:
    """The table `runs`; values that folders are named after are texts by themselves.

    Args:
        named: How such a text is read, where the engine needs help.
    """

    def column(name: str) -> str:
        if name == "created_at":
            return "CAST(created_at AS TIMESTAMP) AS created_at"
        if name not in partitions:
            return name
        if (kind := sql_type(name)) != "VARCHAR":
            return f"CAST({name} AS {kind}) AS {name}"
        text = named.format(name)
        return f"COALESCE({text}, '') AS {name}" if name == "task" else f"{text} AS {name}"

    return f"SELECT {', '.join(map(column, RUN_COLUMNS))} FROM {source}"


def metrics_view(source: str) -> str:
    """The table `parsing_metrics`: of the runs of which something about parsing is known."""
    known = " OR ".join(f"{name} IS NOT NULL" for name in PARSING_COLUMNS)
    return f"SELECT id AS run_id, {', '.join(PARSING_COLUMNS)} FROM {source} WHERE {known}"
