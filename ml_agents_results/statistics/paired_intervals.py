"""Intervals of a paired difference from its 2x2 table: Newcombe's, and the score statistic and
bounds of Tango. `difference_sums` has the intervals that hold for repeats and clusters, too.

Sources:
    Tango 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B
    Newcombe 1998, doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C
"""

import math

from ml_agents_results.statistics.distributions import z_quantile
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.paired_table import PairedTable
from ml_agents_results.statistics.proportions import wilson_bounds

NO_SHARED_SAMPLES = "no_shared_samples"


def newcombe(table: PairedTable, confidence: float = 0.95) -> Interval:
    """Square-and-add of the two Wilson intervals with corrected phi (Newcombe 1998, method 10).

    Bounds as fractions within -1..1; both None with `no_shared_samples`.
    """
    z = z_quantile(confidence)
    difference, n = table.difference, table.pairs
    if difference is None:
        return Interval(None, None, "newcombe", confidence, NO_SHARED_SAMPLES)
    p_t, p_b = table.candidate_correct / n, table.baseline_correct / n
    low_t, high_t = wilson_bounds(p_t, n, z)
    low_b, high_b = wilson_bounds(p_b, n, z)
    phi = _newcombe_phi(table)
    down_t, up_t, down_b, up_b = p_t - low_t, high_t - p_t, p_b - low_b, high_b - p_b
    # Never negative in theory (|phi| <= 1); rounding can leave -1e-20.
    below = math.sqrt(max(0.0, down_t**2 - 2.0 * phi * down_t * up_b + up_b**2))
    above = math.sqrt(max(0.0, up_t**2 - 2.0 * phi * up_t * down_b + down_b**2))
    interval = Interval(difference - below, difference + above, "newcombe", confidence)
    return interval.clipped(-1.0, 1.0)


def _newcombe_phi(table: PairedTable) -> float:
    n, candidate, baseline = table.pairs, table.candidate_correct, table.baseline_correct
    margins = candidate * (n - candidate) * baseline * (n - baseline)
    if not margins:
        return 0.0
    cross = float(table.both_correct * table.neither_correct - table.improved * table.regressed)
    return (max(cross - n / 2.0, 0.0) if cross > 0 else cross) / math.sqrt(margins)


def tango_bounds(b: float, c: float, n: float, quantile: float) -> tuple[float, float]:
    """Both bounds of Tango's interval for `n` samples, `b` improved and `c` regressed, which may
    be fractions; `quantile` is of the normal distribution or Student's t."""
    return -_tango_upper(c, b, n, quantile), _tango_upper(b, c, n, quantile)


def tango_statistic(b: float, c: float, n: float, delta: float) -> float:
    """Tango's score statistic for a difference of `delta`: standard normal where it is true."""
    net = b - c - n * delta
    variance = n * (2.0 * tango_nuisance(b, c, n, delta) + delta * (1.0 - delta))
    if variance <= 0.0:
        return math.copysign(math.inf, net) if net else 0.0
    return net / math.sqrt(variance)


def _tango_upper(b: float, c: float, n: float, z: float) -> float:
    """The difference above (b - c) / n at which the score statistic equals -z."""
    if math.isclose(b, n):
        return 1.0
    # Two tables where the equation also has a root at the estimate itself: solved by hand.
    if math.isclose(c, n):
        return (z * z - n) / (z * z + n)
    if b + c == 0:
        return z * z / (n + z * z)

    def excess(delta: float) -> float:
        variance = 2.0 * tango_nuisance(b, c, n, delta) + delta * (1.0 - delta)
        return b - c - n * delta + z * math.sqrt(n * max(0.0, variance))

    from scipy.optimize import brentq  # rare: this interval is an option

    return float(brentq(excess, (b - c) / n, 1.0, xtol=1e-15, rtol=1e-14))


def tango_nuisance(b: float, c: float, n: float, delta: float) -> float:
    """Maximum likelihood share of baseline-only samples when the difference is `delta`."""
    linear = -b - c + (2.0 * n - b + c) * delta
    constant = -c * delta * (1.0 - delta)
    root = math.sqrt(max(0.0, linear * linear - 8.0 * n * constant))
    # The textbook form (root - linear) / 4n loses its digits when linear > 0.
    return (root - linear) / (4.0 * n) if linear <= 0.0 else -2.0 * constant / (root + linear)
