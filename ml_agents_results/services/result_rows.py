"""Rows and reports of analyses as plain values and data frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from ml_agents_results.records import Variant

if TYPE_CHECKING:
    import pandas as pd


class Row:
    """A dataclass that becomes a dictionary of its fields, whatever these hold."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values; a variant is an object of its four parts."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class VariantRow(Row):
    """A row about one variant; its four parts come first when it becomes plain values."""

    variant: Variant

    def to_dict(self) -> dict[str, Any]:
        values = Row.to_dict(self)
        return {**values.pop("variant"), **values}


@dataclass(frozen=True, slots=True)
class TwoVariantRow(Row):
    """A row about two variants."""

    baseline: Variant
    candidate: Variant


def plain(value: Any) -> Any:
    """The value as dictionaries, sequences, texts and numbers."""
    if isinstance(value, Variant):
        return value._asdict()
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    return value


def variant_frame(rows: Sequence[VariantRow]) -> "pd.DataFrame":
    """One row per variant row, the fields as columns; nested values stay objects."""
    import pandas as pd

    return pd.DataFrame([row.to_dict() for row in rows])
