"""The statements that record runs, compiled once from the tables for each engine.

Recording is the hot path: executing an insert through SQLAlchemy's own compilation costs about
twice the processor time of SQLite itself, these cost about half as much more (docs/performance.md).
"""

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


PARSING_VALUES = (*PARSING_COLUMNS, "content_digest")
SCORE_KEY = ("run_id", "metric_id", "author")
_KEY_INDEXES = [RUN_COLUMNS.index(name) for name in RUN_KEY]


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
def parsing_insert(engine: str) -> str:
    """Sets the parsing metrics of a run; the parameters are its id and a `parsing_row`.

    To find the run by its key costs three times as much.
    """
    names = ("run_id", *PARSING_VALUES)
    insert = insert_of(engine)(ParsingMetric.__table__)
    statement = _set_parsing(insert.values({name: bindparam(name) for name in names}))
    return compiled(statement, engine, names)


@cache
def parsing_upsert(engine: str) -> str:
    """Sets the parsing metrics of a run; parameters as `parsing_parameters` gives them."""
    chosen = select(
        Run.id,
        *(bindparam(name, type_=ParsingMetric.__table__.c[name].type) for name in PARSING_VALUES),
    )
    for name in RUN_KEY:
        chosen = chosen.where(getattr(Run, name) == bindparam(f"key_{name}"))
    insert = insert_of(engine)(ParsingMetric.__table__).from_select(
        ["run_id", *PARSING_VALUES], chosen
    )
    return compiled(
        _set_parsing(insert), engine, (*PARSING_VALUES, *(f"key_{name}" for name in RUN_KEY))
    )


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


@cache
def score_insert(engine: str) -> str:
    """Sets a score of a run; the parameters are the run's id, the metric's id, a `score_row`."""
    insert = insert_of(engine)(Score.__table__)
    statement = _set_score(insert.values({name: bindparam(name) for name in SCORE_COLUMNS}))
    return compiled(statement, engine, SCORE_COLUMNS)


@cache
def score_upsert(engine: str) -> str:
    """Sets a score of a run; parameters as `score_parameters` gives them."""
    names = SCORE_COLUMNS[1:]
    chosen = select(
        Run.id, *(bindparam(name, type_=Score.__table__.c[name].type) for name in names)
    )
    for name in RUN_KEY:
        chosen = chosen.where(getattr(Run, name) == bindparam(f"key_{name}"))
    insert = insert_of(engine)(Score.__table__).from_select(["run_id", *names], chosen)
    return compiled(_set_score(insert), engine, (*names, *(f"key_{name}" for name in RUN_KEY)))


def score_parameters(run_row: tuple[Any, ...], score: tuple[Any, ...]) -> tuple[Any, ...]:
    """For `score_upsert`: a metric's id and a `score_row`, and the key of the run."""
    return (*score, *(run_row[index] for index in _KEY_INDEXES))


def _set_score(insert: Any) -> Any:
    names = [name for name in SCORE_COLUMNS if name not in SCORE_KEY]
    return insert.on_conflict_do_update(
        index_elements=SCORE_KEY, set_={name: insert.excluded[name] for name in names}
    )


def _set_parsing(insert: Any) -> Any:
    return insert.on_conflict_do_update(
        index_elements=["run_id"], set_={name: insert.excluded[name] for name in PARSING_VALUES}
    )


def parsing_parameters(run_row: tuple[Any, ...], parsing_row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*parsing_row, *(run_row[index] for index in _KEY_INDEXES))


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
