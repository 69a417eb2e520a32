"""Source of the runs in SQLite and PostgreSQL: selects their columns, and decodes them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Function,
    Text,
    and_,
    case,
    cast,
    func,
    literal_column,
    outerjoin,
    select,
    type_coerce,
)

from ml_agents_results.database.dialects import driver_of
from ml_agents_results.database.models import Run, Score
from ml_agents_results.database.types import from_stored
from ml_agents_results.records import Variant
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import VARIANT, Filters, of_variant
from ml_agents_results.repositories.run_metadata import metadata_member
from ml_agents_results.repositories.run_source import RunReading, RunsInMemory, StoredMetric
from ml_agents_results.repositories.text_patterns import PatternRepository, TextPatterns
from ml_agents_results.statistics.run_columns import (
    METADATA,
    NO_FINGERPRINT,
    OUTCOME_INDEX,
    Array,
    Column,
    Runs,
    assembled,
)


class DatabaseSource:
    """Runs in SQLite or PostgreSQL.

    One select hands the columns over, one text or array for each variant and task, from the
    covering index `ix_runs_analysis` (all but `sample_id`, `value` and metadata). An aggregate
    costs the database a tenth of a microsecond a run, a row in Python five times as much.

    Args:
        connection: The transaction to read in.
        metric: The metric to read where it is not the primary one.
    """

    def __init__(self, connection: Connection, metric: StoredMetric | None = None) -> None:
        self.connection = _with_doubles(connection)
        self._metric = metric

    def of_metric(self, metric: StoredMetric) -> "DatabaseSource":
        return DatabaseSource(self.connection, metric)

    def reading(self, filters: Filters, columns: Collection[Column]) -> RunReading:
        return RunsInMemory(partial(self._read, filters), columns)

    def has_sample_ids(self, variant: Variant, filters: Filters) -> bool:
        conditions = (*of_variant(variant), *filters.conditions(), Run.sample_id.is_(None))
        return self.connection.execute(select(Run.id).where(*conditions).limit(1)).first() is None

    def first_recorded(self, variants: Collection[Variant]) -> Mapping[Variant, datetime]:
        # By the index of the natural key: one lookup each, however many runs there are.
        first = select(Run.created_at).order_by(Run.task, Run.sample_index, Run.repeat_index)
        every = (first.where(*of_variant(variant)).limit(1) for variant in variants)
        times = map(self.connection.scalar, every)
        return {one: time for one, time in zip(variants, times, strict=True) if time is not None}

    def recorded_runs(self, experiment_id: str) -> int:
        return ExperimentRepository(self.connection).counts(experiment_id).runs

    def text_patterns(self, filters: Filters) -> TextPatterns:
        return PatternRepository(self.connection, filters)

    def _read(self, filters: Filters, columns: Collection[Column]) -> Runs:
        if self._metric is None:
            return self._selected(filters, columns, Run.score, Run.__table__)
        columns, metric = {"value", *columns}, self._metric
        several = self.connection.dialect.name != "sqlite"
        named = filters.experiment_id or [""]
        scored = partial(_scored, metric, others=not set(named) <= metric.ids.keys())
        runs = self._selected(filters, columns, *scored(several=several))
        if not several and runs.number != self._number(filters):
            # Some run has scores of several authors, and was read once for each.
            runs = self._selected(filters, columns, *scored(several=True))
        runs.rescore(metric.ids, binary=metric.binary)
        return runs

    def _number(self, filters: Filters) -> int:
        counted = select(func.count()).select_from(Run).where(*filters.conditions())
        return self.connection.scalar(counted) or 0

    def _selected(
        self, filters: Filters, columns: Collection[Column], value: Any, source: Any
    ) -> Runs:
        dialect = self.connection.dialect.name
        totals = _totals(columns)
        chosen = _selected(dialect, columns, value)
        rows = self.connection.execute(
            select(*VARIANT, Run.task, *totals.values(), *chosen.values())
            .select_from(source)
            .where(*filters.conditions())
            .group_by(*VARIANT, Run.task)
            .order_by(*VARIANT, Run.task)
            .execution_options(yield_per=1)
        )
        # A loop would hold the texts of one task while those of the next are made.
        one_by_one = iter(rows.fetchone, None)
        parts = (_part(row, list(totals), list(chosen)) for row in one_by_one)
        return assembled(parts, from_stored)


def _scored(metric: StoredMetric, *, others: bool, several: bool) -> tuple[Any, Any]:
    """The value of a run, and what it is selected from.

    Args:
        others: Whether there may be runs of experiments without the metric.
        several: Whether runs may have scores of several authors, of which the mean is taken. That
            takes SQLite twice as long, and PostgreSQL as long as without.
    """
    ids: Any = Score.metric_id.in_([literal_column(f"{one:d}") for one in metric.ids.values()])
    if metric.author is not None:
        ids = and_(ids, Score.author == metric.author)
    scored: Any
    source: Any
    if several:
        means = (
            select(Score.run_id, func.avg(Score.value).label("value"))
            .where(ids)
            .group_by(Score.run_id)
            .subquery()
        )
        scored, source = means.c.value, outerjoin(Run, means, means.c.run_id == Run.id)
    else:
        scored, source = Score.value, outerjoin(Run, Score, and_(Score.run_id == Run.id, ids))
    if others:
        scored = case((Run.experiment_id.in_(metric.ids), scored), else_=Run.score)
    return scored, source


def _constant(value: str) -> ColumnElement[str]:
    """A text of our own as it stands in SQL: SQLite fetches a parameter anew for each row, which
    takes a sixth of the whole time."""
    return literal_column(f"'{value}'", Text)


_CORRECT, _WRONG = _constant("correct"), _constant("wrong")


def _totals(columns: Collection[Column]) -> dict[str, ColumnElement[Any]]:
    """The fields of Totals that do not follow from the columns."""
    cost, confidence = Run.cost_estimate, Run.parsing_confidence
    totals: dict[str, ColumnElement[Any]] = {
        "repeated": func.count().filter(Run.repeat_index > literal_column("0"))
    }
    if "cost" not in columns:
        totals |= {
            "priced": func.count(cost),
            "priced_correct": func.count(cost).filter(Run.outcome == _CORRECT),
            "total_cost": func.coalesce(func.sum(cost), 0.0),
            "graded_cost": func.coalesce(
                func.sum(cost).filter(Run.outcome.in_((_CORRECT, _WRONG))), 0.0
            ),
        }
    if "confidence" not in columns:
        totals |= {
            "rated": func.count(confidence),
            "total_confidence": func.coalesce(func.sum(confidence), 0.0),
        }
    return totals


def _selected(
    dialect: str, columns: Collection[Column], value: Any
) -> dict[str, ColumnElement[Any]]:
    """Each column as one text or array, in the same order of runs."""
    sqlite = dialect == "sqlite"

    def whole(column: Any, unknown: str | None = None, separator: str = ",") -> ColumnElement[Any]:
        # SQLite makes texts of whole numbers by itself, faster than when asked to.
        text = type_coerce(column, Text) if sqlite else cast(column, Text)
        known = text if unknown is None else func.coalesce(text, _constant(unknown))
        return func.aggregate_strings(known, separator)

    def number(column: Any) -> ColumnElement[Any]:
        if sqlite:
            return Function(_DOUBLES, column)
        text = cast(column, Text)
        return func.aggregate_strings(case((column.is_(None), "null"), else_=text), ",")

    def names(column: Any) -> ColumnElement[Any]:
        return func.json_group_array(column) if sqlite else func.array_agg(column)

    every: dict[Column, Callable[[], ColumnElement[Any]]] = {
        "time_ms": lambda: whole(Run.execution_time_ms, "-1"),
        "cost": lambda: number(Run.cost_estimate),
        "value": lambda: number(value),
        "confidence": lambda: number(Run.parsing_confidence),
        "method": lambda: names(Run.parsing_method),
        "sample_index": lambda: whole(Run.sample_index),
        "repeat_index": lambda: whole(Run.repeat_index),
        "sample_id": lambda: names(Run.sample_id),
        "answer": lambda: names(type_coerce(Run.parsed_answer, Text)),
        "fingerprint": lambda: whole(Run.input_fingerprint, f"{NO_FINGERPRINT:x}", ""),
    }
    chosen: dict[str, ColumnElement[Any]] = {"outcome": func.aggregate_strings(Run.outcome, ",")}
    chosen |= {name: select_() for name, select_ in every.items() if name in columns}
    for name in columns:
        if name.startswith(METADATA):
            chosen["metadata"] = names(metadata_member(sqlite, name.removeprefix(METADATA)))
    return chosen


def _part(
    row: Sequence[Any], totals: Sequence[str], names: Sequence[str]
) -> tuple[Variant, str, dict[str, Any], dict[str, Any]]:
    sums, texts = row[5 : 5 + len(totals)], row[5 + len(totals) :]
    columns = {name: _DECODERS[name](text) for name, text in zip(names, texts, strict=True)}
    return Variant(*row[:4]), row[4], columns, dict(zip(totals, sums, strict=True))


def _outcomes(names: str) -> Array:
    """Indexes in OUTCOMES, distinguished by their first and third letter."""
    letters = np.frombuffer(names.encode(), np.uint8)
    starts = np.concatenate([[0], np.flatnonzero(letters == ord(",")) + 1])
    outcomes: Array = _OUTCOME_OF[letters[starts] + letters[starts + 2]]
    return outcomes


_OUTCOME_OF: Array = np.zeros(256, np.uint8)


for _name, _index in OUTCOME_INDEX.items():
    _OUTCOME_OF[(ord(_name[0]) + ord(_name[2])) % 256] = _index


def _whole(numbers: str) -> Array:
    """Whole numbers, in half of the memory if they fit."""
    values = np.fromstring(numbers, np.int64, sep=",")
    return values if np.any(values >= 2**31) else values.astype(np.int32)


class _Doubles:
    """An aggregate for SQLite: numbers as the bytes of an array. By itself SQLite makes texts of
    numbers, which it cuts to 15 digits; all digits take it twice as long, and as long again to be
    read."""

    def __init__(self) -> None:
        self._values: list[float | None] = []
        self.step = self._values.append

    def finalize(self) -> bytes:
        return np.array(self._values, float).tobytes()


_DOUBLES = "double_array"


def _with_doubles(connection: Connection) -> Connection:
    """The connection, on which SQLite has the aggregate."""
    if connection.dialect.name == "sqlite" and _DOUBLES not in connection.info:
        driver_of(connection).create_aggregate(_DOUBLES, 1, _Doubles)
        connection.info[_DOUBLES] = True
    return connection


def _numbers(numbers: str | bytes) -> Array:
    if isinstance(numbers, bytes):
        return np.frombuffer(numbers, float)
    return np.array(orjson.loads(f"[{numbers}]"), float)


def _names(names: str | Sequence[str | None]) -> Sequence[str | None]:
    listed: Sequence[str | None] = orjson.loads(names) if isinstance(names, str) else names
    return listed


def _fingerprints(digits: str) -> Array:
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "outcome": _outcomes,
    "time_ms": _whole,
    "cost": _numbers,
    "value": _numbers,
    "confidence": _numbers,
    "method": _names,
    "sample_index": _whole,
    "repeat_index": _whole,
    "sample_id": _names,
    "metadata": _names,
    "answer": _names,
    "fingerprint": _fingerprints,
}
