"""Which approach is better, in one sentence that can be quoted? Words for a paired difference."""

from dataclasses import dataclass
from typing import Literal

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.estimate import Interval

Verdict = Literal["candidate_better", "baseline_better", "equivalent", "inconclusive"]
SMALLEST_PRINTED_P = 1e-300


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known about candidate minus baseline on `n` shared samples.

    `interval` is the confidence interval of the difference, `p_adjusted` its p value over
    `family_size` tests. `mde` is the minimum detectable difference. With a `margin`,
    `equivalence_interval` is the 1 - 2 alpha interval; without it `interval` serves, which is
    stricter. `alpha` is what `p_adjusted` must not exceed, 1 - the level of `interval` by default.
    Where the samples are not shared, `n` are those of the candidate and `baseline_n` those of the
    baseline.
    """

    candidate: str
    baseline: str
    n: int
    difference: float | None
    interval: Interval
    p_adjusted: float | None
    family_size: int = 1
    mde: float | None = None
    margin: float | None = None
    equivalence_interval: Interval | None = None
    alpha: float | None = None
    baseline_n: int | None = None

    @property
    def deciding_interval(self) -> Interval:
        """What is held against the margin."""
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


def sentence(finding: Finding) -> str:
    """The verdict with n, difference in percentage points, interval, adjusted p and MDE.

    With a margin also the interval that was held against it.
    """
    if finding.difference is None:
        if finding.baseline_n is not None:
            return (
                f"{finding.candidate} or {finding.baseline} has no graded sample: "
                "nothing to compare."
            )
        return (
            f"{finding.candidate} and {finding.baseline} share no graded sample: "
            "nothing to compare."
        )
    return f"{_comparison(finding)} ({_evidence(finding)}): {_conclusion(finding)}."


def format_p(p: float | None) -> str:
    """A p value for people: "0.0428", "1.6e-28", "<1e-300", "undefined" for `None`."""
    if p is None:
        return "undefined"
    if p < SMALLEST_PRINTED_P:
        return "<1e-300"
    return f"{p:.3g}" if p >= 0.001 else f"{p:.1e}"


def _comparison(finding: Finding) -> str:
    difference = finding.difference or 0.0
    if finding.baseline_n is not None:
        return _unpaired_comparison(finding, difference, finding.baseline_n)
    shared = f"of {finding.n:,} shared samples"
    if difference == 0.0:
        return f"{finding.candidate} answered as many {shared} as {finding.baseline}"
    word = "more" if difference > 0.0 else "fewer"
    points = f"{_points(abs(difference))} points {word}"
    return f"{finding.candidate} answered {points} {shared} than {finding.baseline}"


def _unpaired_comparison(finding: Finding, difference: float, baseline_n: int) -> str:
    own = f"on its {finding.n:,} samples"
    other = f"{finding.baseline} on its {baseline_n:,}"
    if difference == 0.0:
        return f"{finding.candidate} is as accurate {own} as {other}"
    word = "more" if difference > 0.0 else "less"
    points = f"{_points(abs(difference))} points {word} accurate"
    return f"{finding.candidate} is {points} {own} than {other}"


def _evidence(finding: Finding) -> str:
    parts = [_interval(finding.interval)]
    p = format_p(finding.p_adjusted)
    name = "p" if finding.family_size <= 1 else f"p adjusted over {finding.family_size} tests"
    parts.append(f"{name} {p}" if p.startswith(("<", "u")) else f"{name} = {p}")
    if finding.mde is None:
        parts.append("detectable difference undefined")
    else:
        parts.append(f"detectable with 80% power: {_points(finding.mde)} points")
    if finding.margin is not None:
        margin = f"a margin of {_points(finding.margin)} points"
        parts.append(f"{_interval(finding.deciding_interval)} held against {margin}")
    return "; ".join(parts)


def _interval(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return "no confidence interval"
    return f"{100 * interval.level:.4g}% CI {_points(interval.low)} to {_points(interval.high)}"


def _conclusion(finding: Finding) -> str:
    verdict = decide(finding)
    if verdict == "candidate_better":
        return f"{finding.candidate} is better"
    if verdict == "baseline_better":
        return f"{finding.baseline} is better"
    if verdict == "equivalent":
        return f"equivalent within {_points(finding.margin or 0.0)} points"
    if finding.non_inferior:
        worse = f"less than {_points(finding.margin or 0.0)} points worse"
        return f"{finding.candidate} is not shown to be better, but {worse} (non-inferior)"
    return "inconclusive, which does not mean equal"


def _points(fraction: float) -> str:
    text = f"{100.0 * fraction:.1f}"
    return "0.0" if text == "-0.0" else text
