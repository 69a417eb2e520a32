"""Column of a table: its name, what heads it, its kind of value and what it means."""

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal[
    "text",
    "count",
    "number",
    "fraction",
    "points",
    "distance",
    "value",
    "change",
    "ms",
    "usd",
    "p",
    "flag",
    "time",
]
"""What a value is. Fractions are shown in percent; `points` (a signed difference of fractions) and
`distance` (an unsigned one) in percentage points; `value` and `change` (a signed difference) are in
the unit of a numeric metric."""


UNITS: dict[Kind, str] = {
    "fraction": "fraction",
    "points": "fraction",
    "distance": "fraction",
    "ms": "ms",
    "usd": "USD",
    "time": "UTC",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name in documents, data frames and workbooks.
        label: What heads it where people read; may hold fields such as `{level}`.
        meaning: What a value says, as one phrase.
        parts: Names of the columns that it shows in one cell: the bounds of an interval, or a
            figure and the bounds of its interval.
    """

    name: str
    label: str
    kind: Kind
    meaning: str
    parts: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether it is aligned to the left."""
        return self.kind in ("text", "flag", "time") and not self.parts

    @property
    def title(self) -> str:
        """The label as it heads a printed table: a word has a capital letter, a symbol has not."""
        first = self.label.split(" ")[0]
        is_word = first.isalpha() and len(first) > 2
        return self.label[:1].upper() + self.label[1:] if is_word else self.label

    def filled(self, **values: object) -> "Column":
        """The column with values for the fields of its name, label and meaning."""
        return replace(
            self,
            name=self.name.format(**values),
            label=self.label.format(**values),
            meaning=self.meaning.format(**values),
        )

    def of_group(self, name: str, label: str) -> "Column":
        """The column for one group of a table that has a column for each group."""
        parts = tuple(f"{part} {name}" for part in self.parts)
        return replace(self, name=name, label=label, parts=parts)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with the bounds of its interval: three columns, or one cell.

    Attributes:
        bounds: What the names of its bounds begin with: `ci` of `ci_low` and `ci_high`.
    """

    name: str
    label: str
    kind: Kind
    meaning: str
    bounds: str = "ci"

    @property
    def columns(self) -> tuple[Column, ...]:
        """The figure, and the bounds."""
        named = ((self.name, ""), *zip(self._ends, (", lower bound", ", upper bound"), strict=True))
        return tuple(
            Column(name, self.label + of, self.kind, self.meaning + of) for name, of in named
        )

    def cell(self, level: str) -> Column:
        """The figure with its interval."""
        sign = " %" if self.kind == "fraction" else ""
        label = f"{self.label}{sign} [{level} CI]"
        return Column(f"{self.name}_ci", label, self.kind, self.meaning, (self.name, *self._ends))

    def values(
        self, value: float | None, low: float | None, high: float | None
    ) -> dict[str, float | None]:
        """The values of its columns."""
        return dict(zip((self.name, *self._ends), (value, low, high), strict=True))

    @property
    def _ends(self) -> tuple[str, str]:
        return f"{self.bounds}_low", f"{self.bounds}_high"
