"""Verdict on a difference: better, worse, equivalent within a margin, or inconclusive."""

from dataclasses import dataclass
from typing import Literal

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.estimate import Interval

Verdict = Literal["candidate_better", "baseline_better", "equivalent", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known about the candidate's mean minus the baseline's.

    `interval` is the confidence interval of the difference, `p_adjusted` its p value after
    correction. With a `margin`, `equivalence_interval` is the 1 - 2 alpha interval; without it
    `interval` serves, which is stricter. `alpha` is what `p_adjusted` must not exceed, 1 - the
    level of `interval` by default.
    """

    difference: float | None
    interval: Interval
    p_adjusted: float | None
    margin: float | None = None
    equivalence_interval: Interval | None = None
    alpha: float | None = None

    @property
    def deciding_interval(self) -> Interval:
        """The interval that is held against the margin."""
        return self.equivalence_interval or self.interval

    @property
    def non_inferior(self) -> bool:
        """Whether a margin was declared and the candidate is less than that worse, for certain."""
        low = self.deciding_interval.low
        return self.margin is not None and low is not None and low > -self.margin


def decide(finding: Finding) -> Verdict:
    """The verdict; "not significant" alone is never "equivalent".

    `equivalent`: a margin was declared and the interval lies inside it, even if the small
    difference is significant. Better: adjusted p at most 1 - level and an interval that, where it
    exists, excludes 0. Everything else is `inconclusive`. UsageError for a margin outside (0, 1).
    """
    if finding.margin is not None:
        if not 0.0 < finding.margin < 1.0:
            raise UsageError(
                f"margin must lie between 0 and 1, e.g. 0.02 for 2 points, got {finding.margin:g}"
            )
        high = finding.deciding_interval.high
        if finding.non_inferior and high is not None and high < finding.margin:
            return "equivalent"
    alpha = 1.0 - finding.interval.level if finding.alpha is None else finding.alpha
    if not finding.difference or finding.p_adjusted is None or finding.p_adjusted > alpha:
        return "inconclusive"
    if finding.interval.is_defined and not finding.interval.excludes(0.0):
        return "inconclusive"
    return "candidate_better" if finding.difference > 0.0 else "baseline_better"
