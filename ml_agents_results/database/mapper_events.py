"""Mapper events: what a Session writes is as complete, valid and consistent as what we record.

Objects get their defaults when they are made. When a Session flushes, they are checked by the rules
of `validation`, and what is derived (approach, fingerprint, outcome, digest) is set from the same
row that recording would write. What is deleted takes its dependents along where the database does
not: an engine without our settings has SQLite's foreign keys off.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, event, inspect, select, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import object_session
from sqlalchemy.orm.attributes import flag_modified

from ml_agents_results.database.digests import COVERED, content_digest
from ml_agents_results.database.new_ids import new_experiment_id, new_id
from ml_agents_results.database.validation import (
    experiment_values,
    metric_row,
    parsing_row,
    refused,
    run_row,
    score_row,
)
from ml_agents_results.errors import InvalidRecordError, NotFoundError
from ml_agents_results.records import (
    ExperimentRecord,
    MetricRecord,
    ParsingMetrics,
    RunRecord,
    ScoreRecord,
    canonical_approach,
    canonical_finish_reason,
)


def _now() -> datetime:
    return datetime.now(UTC)


_DEFAULTS: Mapping[str, Mapping[str, Callable[[], Any]]] = {
    "experiments": {
        "id": new_experiment_id,
        "status": lambda: "running",
        "created_at": _now,
        "updated_at": _now,
        "config_json": dict,
        "environment_json": dict,
        "tags_json": list,
        "notes_json": list,
    },
    "metrics": {"is_primary": bool, "definition_json": dict, "created_at": _now},
    "scores": {"author": str},
    "runs": {
        "id": new_id,
        "provider": str,
        "model": str,
        "task": str,
        "repeat_index": int,
        "created_at": _now,
    },
}


def listen_to(base: type) -> None:
    """Applies all of this to the models of a declarative base."""
    event.listen(base, "init", _set_defaults, propagate=True)
    event.listen(base, "before_insert", _before_insert, propagate=True)
    event.listen(base, "before_update", _before_update, propagate=True)
    event.listen(base, "before_delete", _before_delete, propagate=True)


def delete_dependents(connection: Connection, model: Any, row_id: object) -> None:
    """Deletes what belongs to a row if the foreign keys of the database do not."""
    if not enforces_foreign_keys(connection):
        table = model.__table__
        _delete_children(connection, table, select(table.c.id).where(table.c.id == row_id))


def _delete_children(connection: Connection, table: Table, ids: Select[Any]) -> None:
    for child in table.metadata.tables.values():
        for key in child.foreign_keys:
            if key.column.table is table:
                of_rows = key.parent.in_(ids)
                if "id" in child.c:
                    _delete_children(connection, child, select(child.c.id).where(of_rows))
                connection.execute(delete(child).where(of_rows))


def enforces_foreign_keys(connection: Connection) -> bool:
    """Whether the database itself refuses orphans; SQLite does if a connection asks for it."""
    if connection.dialect.name != "sqlite" or connection.info.get("configured"):
        return True
    return bool(connection.exec_driver_sql("PRAGMA foreign_keys").scalar())


def digest_of_update(context: DefaultExecutionContext) -> str:
    """The `onupdate` of a digest: what an UPDATE that does not set it writes.

    A Session that changes keys only compares the digest with that of the row, as its version. Any
    other UPDATE would leave a digest that is not true.

    Raises:
        InvalidRecordError: The UPDATE comes from elsewhere.
    """
    given = context.get_current_parameters(False)  # type: ignore[no-untyped-call]
    table = str(context.current_column.table) if context.current_column is not None else ""
    if (digest := given.get(f"{table}_content_digest")) is not None:
        return str(digest)
    raise InvalidRecordError(
        f"an UPDATE of {table} does not set content_digest",
        "Edit the objects in a Session. Where only keys change, also set content_digest to the "
        "column itself.",
    )


def _set_defaults(target: Any, _args: Any, given: dict[str, Any]) -> None:
    for name, default in _DEFAULTS.get(target.__tablename__, {}).items():
        if given.get(name) is None:
            given[name] = default()


def _before_insert(_mapper: Any, connection: Connection, target: Any) -> None:
    _complete(target)
    _require_parents(connection, target)
    if target.__tablename__ == "scores":
        _require_same_experiment(connection, target)


def _before_update(_mapper: Any, connection: Connection, target: Any) -> None:
    session = object_session(target)
    if session is None or not session.is_modified(target, include_collections=False):
        return
    if target.__tablename__ == "experiments":
        target.updated_at = _now()
    _complete(target)
    _require_parents(connection, target)


def _before_delete(_mapper: Any, connection: Connection, target: Any) -> None:
    if "id" in target.__table__.c:
        delete_dependents(connection, target, target.id)


def _complete(target: Any) -> None:
    if (complete := _COMPLETE.get(target.__tablename__)) is not None:
        complete(target)


def _complete_experiment(experiment: Any) -> None:
    values = experiment_values(_record(ExperimentRecord, experiment))
    experiment.content_digest = content_digest(values)


def _complete_run(run: Any) -> None:
    row = dict(
        zip(run.__table__.columns.keys(), run_row(_record(RunRecord, run), False), strict=True)
    )
    run.approach_name = canonical_approach(run.approach_name)
    if run.finish_reason is not None:
        run.finish_reason = canonical_finish_reason(run.finish_reason)
    # Texts are encoded when they are bound; all else is as the row has it.
    for name, value in row.items():
        if not isinstance(value, str) or name in _DERIVED:
            setattr(run, name, value)


_DERIVED = ("id", "input_fingerprint", "outcome", "content_digest")


def _complete_parsing(parsing: Any) -> None:
    names = tuple(field.name for field in fields(ParsingMetrics))
    *values, digest = parsing_row(_record(ParsingMetrics, parsing))
    _take(parsing, names, values, digest)


def _complete_metric(metric: Any) -> None:
    record = _record(MetricRecord, metric)
    row = metric_row(metric.experiment_id, record, metric.created_at, False)
    for name, value in zip(COVERED["metrics"][:4], row[2:6], strict=True):
        if not isinstance(value, str):
            setattr(metric, name, value)
    metric.content_digest = row[-1]


def _complete_score(score: Any) -> None:
    _, value, *content, _, digest = score_row(_record(ScoreRecord, score), False)
    score.value = value
    _take(score, COVERED["scores"], content, digest)


def _take(target: Any, names: Sequence[str], values: Sequence[Any], digest: str | None) -> None:
    """Sets values that are stored in another form than given, and the digest."""
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, str):
            setattr(target, name, value)
    target.content_digest = digest
    # All at once, so that of two Sessions one row wins, and not a mixture.
    if inspect(target).persistent:
        for name in (*names, "content_digest"):
            flag_modified(target, name)


_COMPLETE: Mapping[str, Callable[[Any], None]] = {
    "experiments": _complete_experiment,
    "runs": _complete_run,
    "parsing_metrics": _complete_parsing,
    "metrics": _complete_metric,
    "scores": _complete_score,
}


def _record(kind: type[Any], target: Any) -> Any:
    """The record that has the values of an object."""
    columns = target.__table__.columns
    return kind(
        **{
            field.name: getattr(target, field.name)
            for field in fields(kind)
            if field.name in columns
        }
    )


def _require_parents(connection: Connection, target: Any) -> None:
    """Refuses orphans if the database does not."""
    if enforces_foreign_keys(connection):
        return
    for key in target.__table__.foreign_keys:
        parent = target.__dict__.get(key.parent.name.removesuffix("_id"))
        if parent is not None and inspect(parent).persistent:
            continue
        value = getattr(target, key.parent.name)
        if connection.scalar(select(key.column).where(key.column == value)) is None:
            raise NotFoundError(
                f"there is no row {value!r} in {key.column.table}",
                f"Add it before its {target.__tablename__}.",
            )


def _require_same_experiment(connection: Connection, score: Any) -> None:
    """A score belongs to a run and a metric of one experiment."""
    apart = text(
        "SELECT 1 FROM runs JOIN metrics ON runs.experiment_id <> metrics.experiment_id "
        "WHERE runs.id = :run AND metrics.id = :metric"
    )
    if connection.scalar(apart, {"run": score.run_id, "metric": score.metric_id}) is not None:
        raise refused("metric_id", score.metric_id, "a metric of the experiment of its run")
