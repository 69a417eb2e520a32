"""What could the samples at hand have shown, and how many more would show a given difference?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_agents_results.services.comparison import Comparison
from ml_agents_results.services.pairs import PairResult
from ml_agents_results.services.reports import PairRow
from ml_agents_results.services.statistics.power import (
    clustered_sample_size,
    family_alpha,
    paired_sample_size,
    repeated_sample_size,
)

if TYPE_CHECKING:
    import pandas as pd

DIFFERENCES = (0.01, 0.02, 0.05, 0.10)


@dataclass(frozen=True, slots=True)
class PowerRow(PairRow):
    """What a comparison can detect with 80% power, after correction for its family of tests.

    `mde` is the smallest difference (a fraction) that the shared samples show; None where none
    can. `samples_needed` maps differences to shared samples, from the discordance that was seen
    and, where errors are clustered, times the design effect; where samples have repeats, from the
    variance of the differences that was seen. There is no "observed power": it
    says nothing that the p value does not say.
    """

    pairs: int
    discordance: float | None
    design_effect: float | None
    alpha: float
    power: float
    mde: float | None
    samples_needed: dict[str, int | None]
    method: str


@dataclass(frozen=True, slots=True)
class PowerReport:
    """One row a comparison."""

    confidence_level: float
    pairs: Sequence[PowerRow]

    def to_dict(self) -> dict[str, Any]:
        return {
            "confidence_level": self.confidence_level,
            "pairs": [row.to_dict() for row in self.pairs],
        }

    def to_frame(self) -> "pd.DataFrame":
        """One row a comparison, the columns of PowerRow."""
        import pandas as pd

        return pd.DataFrame([row.to_dict() for row in self.pairs])


def power_report(comparison: Comparison) -> PowerReport:
    """The power behind every comparison of a table."""
    return PowerReport(comparison.confidence_level, [_row(pair) for pair in comparison.pairs])


def _row(pair: PairResult) -> PowerRow:
    alpha = family_alpha(1 - pair.confidence_level, max(pair.family_size, 1))
    return PowerRow(
        baseline=pair.baseline,
        treatment=pair.treatment,
        pairs=pair.pairs,
        discordance=pair.discordance,
        design_effect=pair.design_effect,
        alpha=alpha,
        power=0.8,
        mde=pair.mde,
        samples_needed={
            f"{difference:g}": _needed(difference, pair, alpha) for difference in DIFFERENCES
        },
        method=f"{'Miller' if pair.discordance is None else 'Connor'}, {pair.method}",
    )


def _needed(difference: float, pair: PairResult, alpha: float) -> int | None:
    if pair.discordance is None:
        if pair.difference_se is None:
            return None
        # The error already holds what lies between samples and what chance adds within them. In
        # clusters it grows with them, as the design effect does for Connor's formula.
        variance = pair.difference_se**2 * pair.pairs
        return repeated_sample_size(difference, variance, 0.0, 0.0, alpha=alpha).samples
    if difference > pair.discordance:
        return None
    size = paired_sample_size(difference, pair.discordance, alpha)
    if pair.design_effect is not None and pair.design_effect > 1:
        size = clustered_sample_size(size, pair.design_effect)
    return size.samples
