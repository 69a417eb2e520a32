"""The statements that record runs, compiled once from the tables for each engine.

Recording is the hot path: executing an insert through SQLAlchemy's own compilation costs about
twice the processor time of SQLite itself, these cost about half as much more (docs/performance.md).
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Dialect, Text, bindparam, or_, select, type_coerce
from sqlalchemy.dialects import sqlite

from ml_agents_results.database.models import (
    METRIC_COLUMNS,
    PARSING_COLUMNS,
    RUN_COLUMNS,
    RUN_KEY,
    SCORE_COLUMNS,
    Metric,
    ParsingMetric,
    Run,
    Score,
)


def insert_of(engine: str) -> Any:
    """The engine's `insert`, which knows conflicts. That of PostgreSQL takes long to import."""
    if engine == "sqlite":
        return sqlite.insert
    from sqlalchemy.dialects import postgresql

    return postgresql.insert


_KEY_INDEXES = [RUN_COLUMNS.index(name) for name in RUN_KEY]


@dataclass(frozen=True, eq=False, slots=True)
class Belonging:
    """A table whose rows belong to runs.

    Attributes:
        key: The columns that, with `run_id`, identify a row.
        values: All others but its own id.
    """

    table: Any
    key: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns after `run_id`, in the order in which rows are given."""
        return (*self.key, *self.values)


PARSING = Belonging(ParsingMetric.__table__, (), (*PARSING_COLUMNS, "content_digest"))
"""Its rows are `parsing_row`s."""

SCORES = Belonging(Score.__table__, SCORE_COLUMNS[1:3], SCORE_COLUMNS[3:])
"""Its rows are the id of a metric and a `score_row`."""


@cache
def run_upsert(engine: str, *, take_id: bool) -> str:
    """Inserts a run or, if its key exists and its content differs, updates it.

    The parameters are the values of a `run_row`. With `take_id` the row also takes the id that is
    given; otherwise it keeps the one it has.
    """
    insert = insert_of(engine)(Run.__table__).values(
        {name: bindparam(name) for name in RUN_COLUMNS}
    )
    new = insert.excluded
    unchanged = {*RUN_KEY, *(() if take_id else ("id",))}
    differs = Run.content_digest != new.content_digest
    statement = insert.on_conflict_do_update(
        index_elements=RUN_KEY,
        set_={name: new[name] for name in RUN_COLUMNS if name not in unchanged},
        where=or_(differs, Run.id != new.id) if take_id else differs,
    )
    return compiled(statement, engine, RUN_COLUMNS)


@cache
def run_insert(engine: str) -> str:
    """Inserts a run, or does nothing if its key exists.

    In SQLite an upsert that may change ids costs half as much again.
    """
    insert = insert_of(engine)(Run.__table__).values(
        {name: bindparam(name) for name in RUN_COLUMNS}
    )
    return compiled(insert.on_conflict_do_nothing(index_elements=RUN_KEY), engine, RUN_COLUMNS)


@cache
def belonging_insert(engine: str, belonging: Belonging) -> str:
    """Sets what belongs to a run; the parameters are the run's id, and a row.

    To find the run by its key costs three times as much.
    """
    names = ("run_id", *belonging.columns)
    insert = insert_of(engine)(belonging.table).values({name: bindparam(name) for name in names})
    return compiled(_set(insert, belonging), engine, names)


@cache
def belonging_upsert(engine: str, belonging: Belonging) -> str:
    """Sets what belongs to a run that is found by its key; parameters as `by_key` gives them."""
    names = belonging.columns
    chosen = select(Run.id, *(bindparam(one, type_=belonging.table.c[one].type) for one in names))
    for name in RUN_KEY:
        chosen = chosen.where(getattr(Run, name) == bindparam(f"key_{name}"))
    insert = insert_of(engine)(belonging.table).from_select(["run_id", *names], chosen)
    parameters = (*names, *(f"key_{name}" for name in RUN_KEY))
    return compiled(_set(insert, belonging), engine, parameters)


def _set(insert: Any, belonging: Belonging) -> Any:
    return insert.on_conflict_do_update(
        index_elements=("run_id", *belonging.key),
        set_={name: insert.excluded[name] for name in belonging.values},
    )


def key_of(run_row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The natural key of a run."""
    return tuple(run_row[index] for index in _KEY_INDEXES)


def by_key(run_row: tuple[Any, ...], row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row that belongs to a run, and the key of the run, for `belonging_upsert`."""
    return (*row, *key_of(run_row))


@cache
def metric_insert(engine: str) -> str:
    """Adds a metric, or does nothing if the experiment has one of its name; a `metric_row`."""
    insert = insert_of(engine)(Metric.__table__).values(
        {name: bindparam(name) for name in METRIC_COLUMNS}
    )
    ignored = insert.on_conflict_do_nothing(index_elements=["experiment_id", "name"])
    return compiled(ignored, engine, METRIC_COLUMNS)


@cache
def metrics_of_experiment(engine: str) -> str:
    """Name, id and whether it is primary, of the metrics of an experiment."""
    stored = type_coerce(Metric.name, Text)
    selected = select(stored.label("stored_name"), Metric.id, Metric.is_primary)
    return compiled(
        selected.where(Metric.experiment_id == bindparam("experiment_id")),
        engine,
        ("experiment_id",),
    )


def compiled(statement: Any, engine: str, names: tuple[str, ...]) -> str:
    """The SQL text; its parameters are positional and in the order of `names`."""
    dialect: Dialect = sqlite.dialect()
    if engine != "sqlite":
        from sqlalchemy.dialects.postgresql import psycopg

        dialect = psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]
    query = statement.compile(dialect=dialect)
    order = tuple(query.positiontup or ())
    if order != names:
        raise AssertionError(f"parameters are in the order {order}")
    return str(query)
