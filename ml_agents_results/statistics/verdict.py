"""Verdict on a difference: better, worse, equivalent within a margin, or inconclusive."""

from dataclasses import dataclass
from typing import Literal

from ml_agents_results.statistics.estimate import Interval

Verdict = Literal[
    "candidate_better", "baseline_better", "equivalent", "non_inferior", "inconclusive"
]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known about the candidate's mean minus the baseline's.

    `interval` is the confidence interval of the difference, `p_adjusted` its p value after
    correction. `p_equivalent` and `p_non_inferior` are those of the tests of a margin after
    correction, None without one. `alpha` is what p values must not exceed, 1 - the level of
    `interval` by default.
    """

    difference: float | None
    interval: Interval
    p_adjusted: float | None
    p_equivalent: float | None = None
    p_non_inferior: float | None = None
    alpha: float | None = None

    @property
    def level(self) -> float:
        """The alpha of every test."""
        return 1.0 - self.interval.level if self.alpha is None else self.alpha

    @property
    def equivalent(self) -> bool | None:
        """Whether the difference is shown to be within the margin; None without a margin."""
        return None if self.p_equivalent is None else self.p_equivalent <= self.level

    @property
    def non_inferior(self) -> bool | None:
        """Whether the candidate is shown to be less than the margin worse; None without one."""
        return None if self.p_non_inferior is None else self.p_non_inferior <= self.level


def decide(finding: Finding) -> Verdict:
    """The verdict; "not significant" alone is never "equivalent".

    `equivalent`: shown to be within the margin, even if the small difference is significant.
    Better: adjusted p at most alpha and an interval that, where it exists, excludes 0.
    `non_inferior`: neither, but shown to be less than the margin worse. Everything else is
    `inconclusive`.
    """
    if finding.equivalent:
        return "equivalent"
    significant = finding.p_adjusted is not None and finding.p_adjusted <= finding.level
    open_to_chance = finding.interval.is_defined and not finding.interval.excludes(0.0)
    if finding.difference and significant and not open_to_chance:
        return "candidate_better" if finding.difference > 0.0 else "baseline_better"
    return "non_inferior" if finding.non_inferior else "inconclusive"
