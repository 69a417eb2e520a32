"""Difference of two independent means of a numeric metric, from their estimates."""

import math
from dataclasses import dataclass

from ml_agents_results.statistics.distributions import t_quantile, t_two_sided_p
from ml_agents_results.statistics.estimate import Estimate, Interval


@dataclass(frozen=True, slots=True)
class DifferenceOfMeans:
    """The first mean less the second, with the means and what Welch's t gives."""

    means: tuple[float | None, float | None]
    difference: float | None
    interval: Interval
    se: float | None
    dof: float | None
    p_value: float | None


def difference_of_means(one: Estimate, two: Estimate, bounded: bool) -> DifferenceOfMeans:
    """The difference with its p value by Welch's t (1947, doi:10.1093/biomet/34.1-2.28).

    The interval of bounded metrics recovers the variances from the two intervals (MOVER; Zou,
    Donner 2008, doi:10.1002/sim.3095), so that it exists while both do; else it is Welch's t.
    """
    means = (one.estimate, two.estimate)
    if one.estimate is None or two.estimate is None:
        reason = one.null_reason or two.null_reason
        nothing = Interval(None, None, "welch-t", one.level, reason)
        return DifferenceOfMeans(means, None, nothing, None, None, None)
    difference = one.estimate - two.estimate
    se = dof = p_value = None
    variances = [(each.se or 0.0) ** 2 for each in (one, two)]
    total = sum(variances)
    if total > 0.0 and one.dof and two.dof:
        se = math.sqrt(total)
        dof = total**2 / (variances[0] ** 2 / one.dof + variances[1] ** 2 / two.dof)
        p_value = t_two_sided_p(difference / se, dof)
    interval = Interval(None, None, "welch-t", one.level, "zero_variance")
    ends = (one.ci_low, one.ci_high, two.ci_low, two.ci_high)
    if bounded and None not in ends:
        low_one, high_one, low_two, high_two = (float(end or 0.0) for end in ends)
        interval = Interval(
            difference - math.hypot(one.estimate - low_one, high_two - two.estimate),
            difference + math.hypot(high_one - one.estimate, two.estimate - low_two),
            "mover",
            one.level,
        )
    elif se is not None and dof is not None:
        half = t_quantile(one.level, dof) * se
        interval = Interval(difference - half, difference + half, "welch-t", one.level)
    return DifferenceOfMeans(means, difference, interval, se, dof, p_value)
