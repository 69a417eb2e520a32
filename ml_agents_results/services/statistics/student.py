"""Student's t: its tail and its quantile, from Python's own mathematics.

SciPy gives the same numbers (`tests/services/statistics/test_student.py` holds one to the other),
but takes half as long to import as SQLAlchemy does: every error bar of clustered samples needs a
quantile, most need nothing else of it.

P(|T| >= t) is the incomplete beta function I_x(dof/2, 1/2) at x = dof / (dof + t^2) (Abramowitz,
Stegun 1964, 26.7.1), which a continued fraction gives (NIST DLMF 8.17.22). For many degrees of
freedom, where that takes long and rounds often, t becomes a normal deviate (Hill 1970, algorithm
395 of the ACM).
"""

import math

_TINY = 1e-300
_MOST_STEPS = 10_000
_MANY = 5000
"""Degrees of freedom from which Hill's deviate is the more exact."""


def two_sided_tail(t: float, dof: float) -> float:
    """P(|T| >= |t|) with `dof` > 0 degrees of freedom, which need not be whole."""
    if t == 0.0:
        return 1.0
    if dof >= _MANY:
        return math.erfc(_normal_deviate(t, dof) / math.sqrt(2.0))
    a, x, y = dof / 2.0, 1.0 / (1.0 + t * t / dof), 1.0 / (1.0 + dof / (t * t))
    weight = _weight(a, t * t / dof, y)
    if x * (a + 2.5) < a + 1.0:
        return weight / a * _continued_fraction(a, 0.5, x)
    return 1.0 - 2.0 * weight * _continued_fraction(0.5, a, y)


def quantile(tail: float, dof: float, start: float) -> float:
    """The t > 0 that |T| exceeds with probability `tail`; `start` is that of the normal
    distribution.

    Newton's method on the logarithms of t and of the tail: the one is a concave function of the
    other, so that every step after the first comes from the same side.
    """
    t = start
    for _ in range(100):
        found = two_sided_tail(t, dof)
        y = 1.0 / (1.0 + dof / (t * t))
        step = math.log(found / tail) * found / (2.0 * _weight(dof / 2.0, t * t / dof, y))
        t *= math.exp(step)
        if abs(step) < 1e-15:
            break
    return t


def _normal_deviate(t: float, dof: float) -> float:
    a = dof - 0.5
    square, b = a * math.log1p(t * t / dof), 48.0 * a * a
    powers = (((-0.4 * square - 3.3) * square - 24.0) * square - 85.5) / (
        0.8 * square * square + 100.0 + b
    )
    return ((powers + square + 3.0) / b + 1.0) * math.sqrt(square)


def _weight(a: float, ratio: float, y: float) -> float:
    """x^a y^(1/2) / B(a, 1/2), where x = 1 / (1 + ratio) and y = 1 - x."""
    return _gamma_ratio(a) * math.sqrt(y / math.pi) * math.exp(-a * math.log1p(ratio))


def _gamma_ratio(a: float) -> float:
    """Gamma(a + 1/2) / Gamma(a); from 50 by its asymptotic series (DLMF 5.11.13)."""
    if a < 50.0:
        return math.exp(math.lgamma(a + 0.5) - math.lgamma(a))
    z = 1.0 / a
    series = 1.0 + z * (
        -1 / 8 + z * (1 / 128 + z * (5 / 1024 + z * (-21 / 32768 - z * 399 / 2**18)))
    )
    return math.sqrt(a) * series


def _continued_fraction(a: float, b: float, x: float) -> float:
    """That of I_x(a, b), by Lentz's method as Thompson and Barnett (1986) have it."""
    d = 1.0 / _not_zero(1.0 - (a + b) * x / (a + 1.0))
    c, value = 1.0, d
    for m in range(1, _MOST_STEPS):
        before = value
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _not_zero(1.0 + factor * d)
            c = _not_zero(1.0 + factor / c)
            value *= d * c
        if abs(value - before) <= 1e-16 * abs(value):
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
