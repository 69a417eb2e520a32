"""Report of a repair: how many rows of each table were saved, and what was lost."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class TableRepair:
    """The result for one table.

    Attributes:
        expected: Rows that it had, if the table or one of its indexes can still be counted.
        saved: Rows in the new file.
        damaged: Rows that can be read and are not what was recorded, or break a rule.
    """

    expected: int | None = None
    saved: int = 0
    damaged: int = 0

    @property
    def lost(self) -> int | None:
        """Rows of which nothing could be read; None if their number is not known."""
        if self.expected is None:
            return None
        return max(0, self.expected - self.saved - self.damaged)


@dataclass(slots=True)
class RepairReport:
    """The result of `repair`, table by table.

    Attributes:
        left_out: Triggers and views of the damaged file, which are not copied.
        problems: Faults that a check finds in the new file.
    """

    source: str
    destination: str
    tables: dict[str, TableRepair] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every row is known to have been saved, and the new file is intact."""
        saved = all(table.lost == 0 and not table.damaged for table in self.tables.values())
        return saved and not (self.notes or self.problems)

    def to_dict(self) -> dict[str, Any]:
        tables = {
            name: {**asdict(table), "lost": table.lost} for name, table in self.tables.items()
        }
        return {"complete": self.complete, **asdict(self), "tables": tables}
