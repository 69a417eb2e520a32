"""The base of the models, and the kinds of columns and constraints that they share."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import REAL, Boolean, CheckConstraint, Double, ForeignKey, MetaData, inspect
from sqlalchemy.ext.mutable import MutableDict, MutableList
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from ml_agents_results.database.mapper_events import digest_of_update, listen_to
from ml_agents_results.database.types import (
    JsonList,
    JsonText,
    LosslessText,
    PlainText,
    UtcTimestamp,
)

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "uq": "uq_%(table_name)s_%(constraint_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}

# REAL has four bytes in PostgreSQL.
Number: TypeEngine[float] = REAL().with_variant(Double(), "postgresql")


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: UtcTimestamp(),
        float: Number,
        str: LosslessText(),
        # A value that is set or deleted in place is noticed; one that is deeper is not.
        dict[str, Any]: MutableDict.as_mutable(JsonText()),
        list[Any]: MutableList.as_mutable(JsonList()),
    }

    def __repr__(self) -> str:
        state = inspect(self)
        keys = (column.name for column in state.mapper.primary_key)
        known = {**dict(zip(keys, state.identity or (), strict=False)), **state.dict}
        shown = (f"{name}={known[name]!r}" for name in self._shown if name in known)
        return f"{type(self).__name__}({', '.join(shown)})"

    _shown: ClassVar[tuple[str, ...]] = ()
    """The columns that `repr` names, where they are loaded; it never asks the database."""


listen_to(Base)

# The largest double: what is above is infinite.
_FINITE = "1.7976931348623157e308"


def reference(column: str, **options: Any) -> Mapped[Any]:
    """A column that refers to a row of another table, and goes with it."""
    return mapped_column(ForeignKey(column, ondelete="CASCADE", onupdate="CASCADE"), **options)


def flag(column: str) -> Mapped[Any]:
    return mapped_column(Boolean(create_constraint=True, name=column))


def from_zero(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} >= 0", name=column)


def not_negative(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} BETWEEN 0 AND {_FINITE}", name=column)


def finite(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} BETWEEN -{_FINITE} AND {_FINITE}", name=column)


def digest() -> Mapped[str]:
    return mapped_column(PlainText, onupdate=digest_of_update)
