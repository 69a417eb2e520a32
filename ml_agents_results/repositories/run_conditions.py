"""Conditions of lists of runs: what filters say, in SQL."""

from typing import Any

from sqlalchemy import Connection, Text, and_, case, exists, func, literal, or_, select
from sqlalchemy import type_coerce as coerced
from sqlalchemy.orm import aliased

from ml_agents_results.database.models import Run, Score
from ml_agents_results.database.types import to_stored
from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.filters import of_variant
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_filters import TEXT_COLUMNS, RunFilters
from ml_agents_results.repositories.run_metadata import is_member

_SELECTIVE = 10_000
"""Up to so many scores in a range, the scores are read first, then their runs."""


def conditions_of(
    connection: Connection, filters: RunFilters, *, searching: bool = True
) -> list[Any]:
    """The conditions on runs that pass; without those on whole texts unless `searching`."""
    conditions = plain_conditions(filters, rising=is_rising(connection, filters))
    if filters.metric is not None:
        conditions += _of_metric(connection, filters)
    if filters.disagree:
        conditions.append(_disagreeing(connection, filters))
    if searching and filters.searches:
        conditions.append(matching(connection, filters))
    return conditions


def is_rising(connection: Connection, filters: RunFilters) -> bool:
    """Whether more is better by the primary metric; asked only where it matters."""
    if filters.change is None:
        return True
    metric = MetricRepository(connection, filters.experiment_id).primary()
    return metric is None or metric.higher_is_better is not False


def plain_conditions(filters: RunFilters, *, rising: bool) -> list[Any]:
    """Those on columns of the index, which follow from the filters alone."""
    conditions = [Run.experiment_id == filters.experiment_id]
    variants = filters.variants if filters.change is None else _one(filters.candidate)
    for fixed in fixed_by(filters):
        conditions.append(fixed)
    if len(variants) > 1:
        conditions.append(or_(*(and_(*of_variant(one)) for one in variants)))
    if len(filters.tasks) > 1:
        conditions.append(Run.task.in_(filters.tasks))
    if filters.outcomes:
        conditions.append(Run.outcome.in_(filters.outcomes))
    for column, low, high in (
        (Run.execution_time_ms, filters.time_min, filters.time_max),
        (Run.cost_estimate, filters.cost_min, filters.cost_max),
    ):
        conditions += _between(column, low, high)
    if filters.change is not None:
        conditions.append(_changed(filters, rising=rising))
    return conditions


def _of_metric(connection: Connection, filters: RunFilters) -> list[Any]:
    """Runs with a value of the metric in the range, or any value of it by the author."""
    assert filters.metric is not None
    metrics = MetricRepository(connection, filters.experiment_id)
    metric = metrics.get(filters.metric)
    if metric.is_primary and not filters.author:
        value = Run.score if metric.kind != "binary" else _as_number()
        return [value.is_not(None), *_between(value, filters.minimum, filters.maximum)]
    number = metrics.row_id(filters.metric)
    own = [Score.metric_id == number]
    if filters.author:
        own.append(Score.author == filters.author)
    # A score without a value is an opinion, too, where no range is asked for.
    own += _between(Score.value, filters.minimum, filters.maximum)
    some = select(Score.run_id).where(*own).limit(_SELECTIVE + 1).subquery()
    if (connection.scalar(select(func.count()).select_from(some)) or 0) > _SELECTIVE:
        return [exists(select(literal(1)).where(Score.run_id == Run.id, *own))]
    return [Run.id.in_(select(Score.run_id).where(*own))]


def _changed(filters: RunFilters, *, rising: bool) -> Any:
    """That the baseline's run of the same sample and repeat is worse, or better."""
    if filters.baseline is None or filters.candidate is None:
        raise UsageError(
            "what changed is asked of a candidate and a baseline", "Name both variants."
        )
    other = aliased(Run, name="baseline")
    better, worse = (Run, other) if filters.change == "improved" else (other, Run)
    high, low = (better, worse) if rising else (worse, better)
    differs = or_(
        and_(better.outcome == "correct", worse.outcome == "wrong"),
        and_(Run.outcome == "scored", other.outcome == "scored", high.score > low.score),
    )
    same_sample = (
        *of_variant(filters.baseline, other),
        other.task == Run.task,
        other.sample_index == Run.sample_index,
        other.repeat_index == Run.repeat_index,
    )
    # First what the run itself says: other runs of the baseline need not be looked up.
    own = Run.outcome.in_(("correct" if filters.change == "improved" else "wrong", "scored"))
    return and_(own, exists(select(literal(1)).where(*same_sample, differs)))


def matching(connection: Connection, filters: RunFilters) -> Any:
    """That the text occurs in one of the columns, and the metadata are what is asked for."""
    sqlite = connection.dialect.name == "sqlite"
    conditions = [is_member(sqlite, name, value) for name, value in filters.metadata]
    return and_(*([_with_text(connection, filters)] if filters.text else []), *conditions)


def _with_text(connection: Connection, filters: RunFilters) -> Any:
    escaped = to_stored(filters.text)
    for sign in ("\\", "%", "_"):
        escaped = escaped.replace(sign, "\\" + sign)
    pattern = literal(f"%{escaped}%", Text)
    columns = [coerced(TEXT_COLUMNS[name], Text) for name in filters.text_in]
    # SQLite's LIKE does not tell capitals, and its lower() would double the time.
    if connection.dialect.name == "sqlite":
        return or_(*(column.like(pattern, escape="\\") for column in columns))
    return or_(*(column.ilike(pattern, escape="\\") for column in columns))


def _one(variant: Variant | None) -> tuple[Variant, ...]:
    return () if variant is None else (variant,)


def fixed_by(filters: RunFilters) -> list[Any]:
    """Equalities on columns of the key: the index is entered by them."""
    variants = filters.variants if filters.change is None else _one(filters.candidate)
    fixed: list[Any] = []
    if len(variants) == 1:
        [variant] = variants
        fixed += [getattr(Run, name) == getattr(variant, name) for name in Variant._fields[1:]]
    if len(filters.tasks) == 1:
        fixed.append(Run.task == filters.tasks[0])
    return fixed


def metric_value(connection: Connection, experiment_id: str, name: str) -> Any:
    """The value of a metric for a run, the mean of several authors'; null where there is none.

    Raises:
        NotFoundError: The experiment has no such metric.
    """
    metrics = MetricRepository(connection, experiment_id)
    metric = metrics.get(name)
    if metric.is_primary:
        return Run.score if metric.kind != "binary" else _as_number()
    return _of_scores(func.avg(Score.value), metrics.row_id(name))


def _of_scores(value: Any, metric_id: int | None) -> Any:
    """A figure of the scores of a run."""
    return (
        select(value)
        .where(Score.run_id == Run.id, Score.metric_id == metric_id)
        .correlate(Run)
        .scalar_subquery()
    )


def _disagreeing(connection: Connection, filters: RunFilters) -> Any:
    """That two metrics have different values, or two authors of one."""
    one, other = filters.disagree
    values = [metric_value(connection, filters.experiment_id, name) for name in (one, other)]
    if one != other:
        return values[0] != values[1]
    number = MetricRepository(connection, filters.experiment_id).row_id(one)
    return _of_scores(func.max(Score.value) - func.min(Score.value), number) > 0


def _between(column: Any, low: float | None, high: float | None) -> list[Any]:
    return [
        *([] if low is None else [column >= low]),
        *([] if high is None else [column <= high]),
    ]


def _as_number() -> Any:
    return case((Run.outcome == "correct", 1.0), (Run.outcome == "wrong", 0.0))
