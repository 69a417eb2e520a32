"""Runs: record, find, page through, iterate in constant memory, delete."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Text,
    bindparam,
    delete,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.orm import Session

from ml_agents_results.database.dialects import driver_of
from ml_agents_results.database.mapper_events import delete_dependents
from ml_agents_results.database.models import (
    PARSING_COLUMNS,
    RUN_COLUMNS,
    RUN_KEY,
    Metric,
    ParsingMetric,
    Run,
    Score,
)
from ml_agents_results.database.types import JsonText, LosslessText
from ml_agents_results.database.validation import parsing_row, run_row
from ml_agents_results.errors import InvalidRecordError, NotFoundError
from ml_agents_results.records import ParsingMetrics, RunRecord
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.postgres_copy import (
    LEAST,
    copy_new,
    copy_upsert,
    copy_upsert_belonging,
)
from ml_agents_results.repositories.prepared_run import PreparedRun, belongings_of
from ml_agents_results.repositories.repository import Repository
from ml_agents_results.repositories.score_rows import MetricIds, scores_of_runs
from ml_agents_results.repositories.upserts import (
    belonging_insert,
    belonging_upsert,
    by_key,
    run_insert,
    run_upsert,
)

_DERIVED = ("input_fingerprint", "content_digest", "outcome")
RECORD_COLUMNS = tuple(name for name in RUN_COLUMNS if name not in _DERIVED)
_SELECTED = tuple(getattr(Run, name) for name in RECORD_COLUMNS)
_PARSING = tuple(getattr(ParsingMetric, name) for name in PARSING_COLUMNS)
_KEY = tuple(getattr(Run, name) for name in RUN_KEY)
_FLAGS = {0: False, 1: True, None: None}
_FLAGS_AT = (
    RECORD_COLUMNS.index("is_correct"),
    len(RECORD_COLUMNS) + 1 + PARSING_COLUMNS.index("fallback_used"),
)
_CREATED_AT = RECORD_COLUMNS.index("created_at")
_EXPERIMENT_AT = RUN_COLUMNS.index("experiment_id")


_WITH_PARSING = select(*_SELECTED, ParsingMetric.id.label("parsing_id"), *_PARSING).outerjoin(
    ParsingMetric, ParsingMetric.run_id == Run.id
)
"""Whole runs. Made once: to make a statement can take longer than to execute it."""

_OF_IDS = _WITH_PARSING.where(Run.id.in_(bindparam("ids", expanding=True)))


class RunRepository(Repository):
    """Runs with their parsing metrics and scores."""

    def __init__(self, source: Connection | Session) -> None:
        super().__init__(source)
        self._all_new = True

    @cached_property
    def _metric_ids(self) -> MetricIds:
        return MetricIds(self._engine, self._fetch, self._add_metrics)

    def save(self, run: RunRecord) -> bool:
        """Records one run, and returns whether it is new or changed; see `save_many`."""
        prepared = self._prepared(run)
        with self._writing() as connection:
            self._require_experiments(connection, (run.experiment_id,))
            return self._insert((prepared,)) > 0 or self._update((prepared,), copying=False) > 0

    def save_with_id(self, run: RunRecord) -> str:
        """`save` that returns the id of the run: a new one, its own, or that of its key."""
        prepared = self._prepared(run)
        with self._writing() as connection:
            self._require_experiments(connection, (run.experiment_id,))
            if not self._insert((prepared,)):
                self._update((prepared,), copying=False)
                return run.id or self._id_of_row(prepared.row)
            return str(prepared.row[0])

    def save_many(self, runs: Iterable[RunRecord]) -> int:
        """Inserts new runs, updates those whose key exists, and returns how many changed.

        A run without an id gets one, or keeps the one that its key has. A run with an id takes
        it. Parsing metrics and scores are replaced if the record brings some. Of several runs
        with one key the last one stays.

        Raises:
            InvalidRecordError: A value breaks a rule; the message names field, value and rule.
            DuplicateError: The id belongs to a run of another key.
            NotFoundError: There is no such experiment.
        """
        return self.save_prepared(self.prepare(runs))

    def prepare(self, runs: Iterable[RunRecord]) -> list[PreparedRun]:
        """Validates runs and turns them into rows, once for all that is done with them.

        A metric of their scores that the experiment does not have is added to it as numeric.

        Raises:
            InvalidRecordError: A value breaks a rule; `record_number` says of which run.
            NotFoundError: There is no such experiment, and a run brings scores.
        """
        return [self._prepared(run, number) for number, run in enumerate(runs)]

    def _prepared(self, run: RunRecord, number: int = 0) -> PreparedRun:
        try:
            row = run_row(run, self._engine == "sqlite")
            metrics = run.parsing_metrics
            parsing = None if metrics is None else parsing_row(metrics)
            scores = self._metric_ids.rows(run) if run.scores else ()
        except InvalidRecordError as error:
            error.record_number = number
            raise
        return PreparedRun(run.id is not None, row, parsing, scores)

    def save_prepared(self, runs: Sequence[PreparedRun]) -> int:
        """`save_many` of prepared runs."""
        with self._writing() as connection:
            self._require_experiments(connection, (run.row[_EXPERIMENT_AT] for run in runs))
            many = len(runs) >= LEAST
            changed = 0
            if many and self._all_new:
                if (changed := self._insert(runs)) == len(runs):
                    return changed
                # Where runs are recorded again, those of later calls are, too.
                self._all_new = False
            return changed + self._update(runs, copying=many and self._engine != "sqlite")

    def _insert(self, runs: Sequence[PreparedRun]) -> int:
        """Inserts those runs whose key is new, and returns how many; with what belongs to them
        if that is all of them. PostgreSQL inserts many or none."""
        rows, belongings = [run.row for run in runs], belongings_of(runs)
        if len(runs) > 1 and self._engine != "sqlite":
            return len(runs) if copy_new(self._connection, rows, belongings) else 0
        inserted = self._execute(run_insert(self._engine), rows)
        if inserted == len(runs):
            for belonging, pairs in belongings:
                by_id = [(run[0], *row) for run, row in pairs]
                self._execute(belonging_insert(self._engine, belonging), by_id)
        return inserted

    def _update(self, runs: Sequence[PreparedRun], *, copying: bool) -> int:
        """Inserts runs or updates those of their keys, and returns how many changed."""
        changed = 0
        for takes_id, group in groupby(runs, attrgetter("takes_id")):
            rows = [run.row for run in group]
            if copying:
                changed += copy_upsert(self._connection, rows, take_id=takes_id)
            else:
                changed += self._execute(run_upsert(self._engine, take_id=takes_id), rows)
        for belonging, pairs in belongings_of(runs):
            if copying:
                copy_upsert_belonging(self._connection, belonging, pairs)
            else:
                upsert = belonging_upsert(self._engine, belonging)
                self._execute(upsert, [by_key(*pair) for pair in pairs])
        return changed

    def _add_metrics(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        with self._writing() as connection:
            self._require_experiments(connection, (row[0] for row in rows))
            self._execute(statement, rows)

    def _fetch(self, statement: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        if self._engine == "sqlite":
            rows: list[Any] = driver_of(self._connection).execute(statement, parameters).fetchall()
            return rows
        return self._connection.exec_driver_sql(statement, parameters).all()

    def _execute(self, statement: str, rows: list[tuple[Any, ...]]) -> int:
        if self._engine == "sqlite":
            driver = driver_of(self._connection)
            changed: int = driver.executemany(statement, rows).rowcount
            return changed
        return self._connection.exec_driver_sql(
            statement, rows if len(rows) > 1 else rows[0]
        ).rowcount

    def get(self, run_id: str) -> RunRecord:
        """Raises NotFoundError if there is no such run."""
        if (run := self.find(run_id)) is None:
            raise NotFoundError(
                f"there is no run {run_id!r}",
                "Find it by its sample: ml-agents show --experiment-id ID --sample TASK:INDEX",
            )
        return run

    def id_of(self, run: RunRecord) -> str:
        """The id under which a run of this key was saved.

        Raises:
            NotFoundError: There is none.
        """
        return self._id_of_row(run_row(run, self._engine == "sqlite"))

    def _id_of_row(self, row: tuple[Any, ...]) -> str:
        key = {name: row[RUN_COLUMNS.index(name)] for name in RUN_KEY}
        run_id = self._connection.scalar(select(Run.id).filter_by(**key))
        if run_id is None:
            raise NotFoundError(f"there is no run of the key {tuple(key.values())}")
        return run_id

    def find(self, run_id: str) -> RunRecord | None:
        row = self._connection.execute(_WITH_PARSING.where(Run.id == run_id)).one_or_none()
        return None if row is None else self._records([row])[0]

    def find_many(self, ids: Sequence[str]) -> dict[str, RunRecord]:
        """The runs with these ids, as far as they exist, by id."""
        rows = self._connection.execute(_OF_IDS, {"ids": list(ids)}).all()
        return {str(run.id): run for run in self._records(rows)}

    def of_sample(self, experiment_id: str, task: str, sample_index: int) -> Sequence[RunRecord]:
        """Every variant's answers to one sample."""
        rows = self._connection.execute(
            _WITH_PARSING.where(
                Run.experiment_id == experiment_id,
                Run.task == task,
                Run.sample_index == sample_index,
            ).order_by(*_KEY)
        )
        return self._records(rows.all())

    def samples_of_id(self, experiment_id: str, sample_id: str) -> Sequence[tuple[str, int]]:
        """The tasks and indexes of the samples with this id."""
        rows = self._connection.execute(
            select(Run.task, Run.sample_index)
            .where(Run.experiment_id == experiment_id, Run.sample_id == sample_id)
            .distinct()
            .order_by(Run.task, Run.sample_index)
        )
        return [(row.task, row.sample_index) for row in rows]

    def iterate(
        self, experiment_ids: Sequence[str], *, batch_size: int = 1000
    ) -> Iterator[RunRecord]:
        """All runs of the experiments in the order of their keys, `batch_size` in memory at once.

        Each batch begins after the last key of the one before, so that later batches cost no more
        than the first.
        """
        for experiment_id in sorted(set(experiment_ids)):
            page = (
                _WITH_PARSING.where(Run.experiment_id == experiment_id)
                .order_by(*_KEY)
                .limit(batch_size)
            )
            after = page
            scored = self._has_scores(experiment_id)
            while rows := self._connection.execute(after).all():
                yield from self._records(rows) if scored else map(_record, rows)
                # Without the experiment, which is given: SQLite seeks by the columns that follow
                # an equality, and compares the whole key with every row from the first on.
                # Bound with the types of the columns: texts compare in stored form.
                last = [literal(getattr(rows[-1], key.key), key.type) for key in _KEY[1:]]
                after = page.where(tuple_(*_KEY[1:]) > tuple_(*last))

    def stream(
        self,
        experiment_id: str,
        chunk_size: int = 5000,
        filters: Filters | None = None,
        ids: Sequence[str] | None = None,
        further: Sequence[str] = (),
    ) -> Iterator[Sequence[Any]]:
        """The runs of the experiment (that pass, or of these ids) in the order of their keys, for
        writing them elsewhere.

        A row holds RECORD_COLUMNS, the id of its metrics (None if there are none),
        PARSING_COLUMNS, and the `further` columns. Texts and JSON are in stored form:
        `from_stored` brings the originals back. A server sends at most `chunk_size` rows at
        once.
        """
        selected = (
            select(
                *map(_stored, _SELECTED),
                ParsingMetric.id.label("parsing_id"),
                *map(_stored, _PARSING),
                *(getattr(Run, name) for name in further),
            )
            .outerjoin(ParsingMetric, ParsingMetric.run_id == Run.id)
            .where(Run.experiment_id == experiment_id, *(filters or Filters()).conditions())
            .order_by(*_KEY)
        )
        if ids is not None:
            selected = selected.where(Run.id.in_(ids))
        if self._engine == "sqlite":
            # Half the time of an export is reading; SQLAlchemy's rows take a fifth of that.
            cursor: Any = self._connection.execute(selected).cursor
            yield from map(_typed, cursor)
            return
        yield from self._connection.execute(
            selected, execution_options={"stream_results": True, "max_row_buffer": chunk_size}
        )

    def page(self, experiment_id: str, page: int, page_size: int) -> Sequence[RunRecord]:
        """One page of the runs in the order of their keys; pages count from 1."""
        keys = (
            select(Run.id)
            .where(Run.experiment_id == experiment_id)
            .order_by(*_KEY)
            .limit(page_size)
            .offset((page - 1) * page_size)
            .subquery()
        )
        rows = self._connection.execute(
            _WITH_PARSING.where(Run.id.in_(select(keys.c.id))).order_by(*_KEY)
        )
        return self._records(rows.all())

    def _has_scores(self, experiment_id: str) -> bool:
        metrics = select(Metric.id).where(Metric.experiment_id == experiment_id)
        first = select(Score.run_id).where(Score.metric_id.in_(metrics)).limit(1)
        return self._connection.scalar(first) is not None

    def _records(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[RunRecord]:
        """The records of rows of `_with_parsing`, with their scores."""
        runs = [_record(row) for row in rows]
        scores = scores_of_runs(self._connection, [str(run.id) for run in runs])
        for run in runs:
            run.scores = scores.get(str(run.id))
        return runs

    def count(self, experiment_id: str, filters: Filters | None = None) -> int:
        conditions = (Run.experiment_id == experiment_id, *(filters or Filters()).conditions())
        counted = select(func.count()).select_from(Run).where(*conditions)
        return self._connection.scalar(counted) or 0

    def keys(self, experiment_id: str) -> Iterator[tuple[Any, ...]]:
        """The recorded keys after the experiment's id, with the outcome: what resuming asks for.

        Yields (approach_name, provider, model, task, sample_index, repeat_index, outcome).
        """
        return self._keyed(experiment_id, Run.outcome)

    def values(self, experiment_id: str) -> Iterator[tuple[Any, ...]]:
        """As `keys`, with `is_correct` and `score` in place of the outcome."""
        return self._keyed(experiment_id, Run.is_correct, Run.score)

    def _keyed(self, experiment_id: str, *columns: Any) -> Iterator[tuple[Any, ...]]:
        selected = select(*_KEY[1:], *columns).where(Run.experiment_id == experiment_id)
        for row in self._connection.execute(selected.execution_options(yield_per=5000)):
            yield tuple(row)

    def delete(self, run_id: str) -> bool:
        """Deletes the run and all that belongs to it; returns whether there was one."""
        with self._writing() as connection:
            delete_dependents(connection, Run, run_id)
            return connection.execute(delete(Run).where(Run.id == run_id)).rowcount > 0


def _typed(row: Sequence[Any]) -> Sequence[Any]:
    """A streamed row of SQLite, which has neither flags nor times, as a server would send it."""
    values = list(row)
    for index in _FLAGS_AT:
        values[index] = _FLAGS[values[index]]
    values[_CREATED_AT] = datetime.fromisoformat(values[_CREATED_AT] + "+00:00")
    return values


def _stored(column: Any) -> Any:
    """The column without the decoding of its texts."""
    if isinstance(column.type, LosslessText | JsonText):
        return type_coerce(column, Text).label(f"stored_{column.key}")
    return column


def _record(row: Row[*tuple[Any, ...]]) -> RunRecord:
    count = len(RECORD_COLUMNS)
    run = RunRecord(**dict(zip(RECORD_COLUMNS, row, strict=False)))
    if row[count] is not None:
        run.parsing_metrics = ParsingMetrics(*row[count + 1 :])
    return run
