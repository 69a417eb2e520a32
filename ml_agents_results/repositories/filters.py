"""Filters: the runs that an analysis covers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement

from ml_agents_results.database.models import Run
from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant, canonical_approach

VARIANT = (Run.experiment_id, Run.approach_name, Run.provider, Run.model)
"""The columns that tell variants apart."""


def of_variant(variant: Variant, run: Any = Run) -> Sequence[ColumnElement[bool]]:
    """The conditions on the runs of a variant; `run` is the table or an alias of it."""
    return [getattr(run, name) == part for name, part in variant._asdict().items()]


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that all hold; None lets everything pass, a tuple any of its values.

    Times are UTC: `created_from` is included, `created_to` is not.
    """

    experiment_id: tuple[str, ...] | None = None
    approach_name: tuple[str, ...] | None = None
    provider: tuple[str, ...] | None = None
    model: tuple[str, ...] | None = None
    task: tuple[str, ...] | None = None
    parsing_method: tuple[str, ...] | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None

    @classmethod
    def of(cls, filters: "Filters | Mapping[str, Any] | None") -> "Filters":
        """Filters from a mapping: a value, a list of values, and times as datetime or ISO 8601.

        Raises:
            UsageError: A key is not known (the hint lists those that are), or a value is not valid.
        """
        if isinstance(filters, Filters):
            return filters
        known = [field.name for field in fields(cls)]
        given = dict(filters or {})
        if unknown := sorted(given.keys() - set(known)):
            raise UsageError(
                f"there is no filter {', '.join(map(repr, unknown))}",
                f"Known filters are: {', '.join(known)}",
            )
        values: dict[str, Any] = {}
        for name, value in given.items():
            if value is None:
                continue
            if name.startswith("created_"):
                values[name] = _time(name, value)
            else:
                values[name] = _names(name, value)
        if approaches := values.get("approach_name"):
            values["approach_name"] = tuple(map(canonical_approach, approaches))
        return cls(**values)

    def conditions(self, run: Any = Run) -> Sequence[ColumnElement[bool]]:
        """The conditions on the columns of `run`, the table or an alias of it."""
        conditions: list[ColumnElement[bool]] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if field.name == "created_from":
                conditions.append(run.created_at >= value)
            elif field.name == "created_to":
                conditions.append(run.created_at < value)
            elif len(value) == 1:
                conditions.append(getattr(run, field.name) == value[0])
            else:
                conditions.append(getattr(run, field.name).in_(value))
        return conditions


def _names(name: str, value: object) -> tuple[str, ...]:
    given = (value,) if isinstance(value, str) else value
    if isinstance(given, Iterable):
        names = tuple(given)
        if all(isinstance(each, str) for each in names):
            return names
    raise UsageError(f"the filter {name} cannot be {value!r}", "Give a text, or a list of texts.")


def _time(name: str, value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise UsageError(
                f"{value!r} is not a valid time for {name}", "Write it like 2026-11-23T10:15:00"
            ) from error
    if not isinstance(value, datetime):
        raise UsageError(f"{name} must be a datetime or ISO 8601 text")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value
