"""What the rows and reports of every analysis can do: become plain values and data frames."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ml_agents_results.records import Arm

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ArmRow:
    """A row about one arm; its four parts come first when it becomes plain values."""

    arm: Arm

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        del values["arm"]
        return {**self.arm._asdict(), **values}


@dataclass(frozen=True, slots=True)
class PairRow:
    """A row about two arms, which become objects of their four parts."""

    baseline: Arm
    treatment: Arm

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        values |= {"baseline": self.baseline._asdict(), "treatment": self.treatment._asdict()}
        return values


def arm_frame(rows: Sequence[ArmRow]) -> "pd.DataFrame":
    """One row an arm row, the fields as columns; nested values stay objects."""
    import pandas as pd

    return pd.DataFrame([row.to_dict() for row in rows])
