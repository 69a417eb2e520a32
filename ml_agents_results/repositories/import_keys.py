"""Lookups of an import: keys it has seen, and the runs that ids belong to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    select,
)

from ml_agents_results.database.models import RUN_KEY, ParsingMetric, Run, Score
from ml_agents_results.repositories.upserts import compiled, insert_of

_KEY = tuple(getattr(Run, name) for name in RUN_KEY)

# Lists come as parameters: in a statement of its own, which refers to itself, each list would stay
# in memory until Python looks for such cycles.
_WANTED: BindParameter[Any] = bindparam("wanted", expanding=True)
_BY_ID = select(Run.id, *_KEY).where(Run.id.in_(_WANTED))
_BY_INDEX = select(*_KEY).where(
    Run.experiment_id == bindparam("experiment_id"), Run.sample_index.in_(_WANTED)
)
_SCORES = select(
    Score.run_id, Score.metric_id, Score.author, Score.value, Score.content_digest
).where(Score.run_id.in_(_WANTED))
_DIGESTS = (
    _BY_INDEX.add_columns(Run.id, Run.content_digest, ParsingMetric.content_digest)
    .outerjoin(ParsingMetric, ParsingMetric.run_id == Run.id)
    .where(Run.repeat_index == bindparam("repeat_index"))
)


class KeyMap:
    """A mapping of keys to texts on disk: a million keys take no memory.

    It is a temporary table of the connection and ends with its transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._table = Table(
            "import_keys",
            MetaData(),
            Column("key", LargeBinary, primary_key=True),
            Column("value", Text, nullable=False),
            prefixes=["TEMPORARY"],
            postgresql_on_commit="DROP",
            sqlite_with_rowid=False,
        )
        self._table.create(connection)
        engine = connection.dialect.name
        insert = insert_of(engine)(self._table)
        new = {"value": insert.excluded.value}
        changed = insert.on_conflict_do_update(index_elements=["key"], set_=new)
        self._chosen = select(self._table).where(self._table.c.key.in_(_WANTED))
        names = ("key", "value")
        self._add = compiled(insert.on_conflict_do_nothing(), engine, names)
        self._set = compiled(changed, engine, names)

    def get(self, keys: Iterable[bytes]) -> dict[bytes, str]:
        """The values of those keys that are in it."""
        rows = self._connection.execute(self._chosen, {"wanted": list(keys)})
        return {bytes(row.key): row.value for row in rows}

    def add(self, values: Mapping[bytes, str]) -> int:
        """Adds those keys that are not in it yet, and returns how many."""
        return self._execute(self._add, values)

    def set(self, values: Mapping[bytes, str]) -> None:
        """Adds keys, or changes the values of those that are in it."""
        self._execute(self._set, values)

    def _execute(self, statement: str, values: Mapping[bytes, str]) -> int:
        if not values:
            return 0
        return self._connection.exec_driver_sql(statement, list(values.items())).rowcount


def keys_of_ids(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """The natural keys of the runs that have these ids."""
    if not ids:
        return {}
    rows = connection.execute(_BY_ID, {"wanted": ids})
    return {row[0]: tuple(row[1:]) for row in rows}


class RunDigests(NamedTuple):
    """A recorded run's id, and the digests of its contents and of its parsing metrics."""

    id: str
    digest: str
    parsing_digest: str | None


def recorded_runs(
    connection: Connection, keys: Iterable[tuple[Any, ...]]
) -> dict[tuple[Any, ...], RunDigests]:
    """Those runs that are recorded, by their natural keys."""
    samples: dict[tuple[str, int], list[int]] = {}
    wanted = set(keys)
    for key in wanted:
        samples.setdefault((key[0], key[6]), []).append(key[5])
    runs = {}
    # One lookup a group: SQLite searches no index of several columns for a list of rows.
    for (experiment_id, repeat_index), indexes in samples.items():
        group = {"experiment_id": experiment_id, "repeat_index": repeat_index}
        rows = connection.execute(_DIGESTS, {**group, "wanted": list(set(indexes))})
        runs.update(
            {key: RunDigests(*row[-3:]) for row in rows if (key := tuple(row[:-3])) in wanted}
        )
    return runs


def scores_of_ids(
    connection: Connection, ids: Sequence[str]
) -> dict[str, dict[tuple[int, str], tuple[float | None, str | None]]]:
    """Value and digest of the scores of runs, by run, and by metric and author."""
    scores: dict[str, dict[tuple[int, str], tuple[float | None, str | None]]] = {}
    if ids:
        for run, metric, author, value, digest in connection.execute(_SCORES, {"wanted": ids}):
            scores.setdefault(run, {})[metric, author] = (value, digest)
    return scores


def recorded_keys(
    connection: Connection, experiment_id: str, indexes: Iterable[int]
) -> set[tuple[Any, ...]]:
    """The natural keys of the experiment's runs that have one of these sample indexes."""
    wanted = {"experiment_id": experiment_id, "wanted": list(indexes)}
    return {tuple(row) for row in connection.execute(_BY_INDEX, wanted)}
