"""What the rows and reports of every analysis can do: become plain values and data frames."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ml_agents_results.records import Variant

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class VariantRow:
    """A row about one variant; its four parts come first when it becomes plain values."""

    variant: Variant

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        del values["variant"]
        return {**self.variant._asdict(), **values}


@dataclass(frozen=True, slots=True)
class TwoVariantRow:
    """A row about two variants, which become objects of their four parts."""

    baseline: Variant
    candidate: Variant

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        values |= {"baseline": self.baseline._asdict(), "candidate": self.candidate._asdict()}
        return values


def variant_frame(rows: Sequence[VariantRow]) -> "pd.DataFrame":
    """One row a variant row, the fields as columns; nested values stay objects."""
    import pandas as pd

    return pd.DataFrame([row.to_dict() for row in rows])
