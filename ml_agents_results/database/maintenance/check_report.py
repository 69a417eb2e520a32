"""Report of an integrity check: its problems and notes, and how many rows were read."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SHOWN = 10
"""Number of examples that a problem names."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a database. `table` is None if it concerns the whole file."""

    kind: str
    table: str | None
    message: str
    examples: Sequence[str] = ()


@dataclass(slots=True)
class CheckReport:
    """The result of `check`.

    Attributes:
        tables: Number of readable rows of each table.
        runs_verified: Runs whose content was compared with their digest.
        problems: The faults; empty if the database is intact.
        notes: Remarks that are not faults.
    """

    database: str
    schema_revision: str | None = None
    tables: dict[str, int] = field(default_factory=dict)
    runs_verified: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        return {"intact": self.intact, **asdict(self)}

    def add(self, kind: str, table: str | None, message: str, examples: Sequence[str] = ()) -> None:
        self.problems.append(Problem(kind, table, message, tuple(examples[:SHOWN])))
