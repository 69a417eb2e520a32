"""Student's t beside SciPy's."""

import math

import pytest
from scipy import special

from ml_agents_results.statistics.distributions import t_quantile
from ml_agents_results.statistics.student_t import t_two_sided_p

DOFS = (0.3, 1, 1.5, 2.7, 4, 10, 19.5, 99.9, 101, 999.9, 4999, 5001, 1e5, 1e7)


@pytest.mark.parametrize("dof", DOFS)
def test_tail_as_scipy(dof: float) -> None:
    compared = 0
    for step in range(-60, 61):
        t = 10 ** (step / 20)
        expected = 2.0 * float(special.stdtr(dof, -t))
        if expected > 1e-100:
            compared += 1
            assert t_two_sided_p(t, dof) == pytest.approx(expected, rel=1e-12, abs=0)
    assert compared > 60


@pytest.mark.parametrize("dof", [0.5, 2, 7.3, 49.9, 2500, 1e6])
def test_quantile_as_scipy(dof: float) -> None:
    """By the beta distribution, which t is a function of: before 1.17 SciPy's own `stdtrit` has
    nine digits."""
    for tail in (1e-12, 1e-6, 1e-3, 0.05, 0.2, 0.9):
        # In 1 - tail digits are lost, the same ones for both.
        confidence = 1.0 - tail
        small = special.betaincinv(dof / 2, 0.5, 1.0 - confidence)
        large = special.betainccinv(0.5, dof / 2, 1.0 - confidence)
        expected = math.sqrt(dof * large / small)
        assert t_quantile(confidence, dof) == pytest.approx(expected, rel=1e-12, abs=0)


def test_tail_at_the_edges() -> None:
    assert t_two_sided_p(0.0, 3) == t_two_sided_p(1e-170, 3) == 1.0
    assert t_quantile(1e-17, 3) == 0.0
    assert t_quantile(1e-12, 3) == pytest.approx(1e-12 / 0.7351, rel=1e-3)
    assert t_two_sided_p(-2.0, 3) == t_two_sided_p(2.0, 3)
    assert t_two_sided_p(1e100, 1) == pytest.approx(2e-100 / math.pi, rel=1e-12, abs=0)
    assert t_two_sided_p(1e10, 50) == pytest.approx(
        2.0 * float(special.stdtr(50, -1e10)), rel=1e-10
    )
    assert t_two_sided_p(60.0, 1e6) == 0.0


def test_one_and_two_degrees_of_freedom_have_closed_forms() -> None:
    """P(|T| >= t) is 1 - 2 atan(t) / pi, and 1 - t / sqrt(2 + t^2)."""
    for t in (0.01, 0.3, 1.0, 1.7, 2.0, 9.0):
        one, two = 1.0 - 2.0 * math.atan(t) / math.pi, 1.0 - t / math.sqrt(2.0 + t * t)
        assert t_two_sided_p(t, 1) == pytest.approx(one, rel=1e-13, abs=0)
        assert t_two_sided_p(t, 2) == pytest.approx(two, rel=1e-13, abs=0)
