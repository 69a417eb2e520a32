"""Regression gate: published sample sizes, and how often it errs on simulated data."""

import pytest

from ml_agents_results.statistics.regression_gate import (
    binary_samples_needed,
    gate_verdict,
    numeric_samples_needed,
    one_sided,
)


@pytest.mark.parametrize(
    ("margin", "discordance", "samples"),
    # Their exact power lies between .803 and .846, by enumeration in R.
    [
        (0.02, 0.01, 298),
        (0.02, 0.05, 837),
        (0.02, 0.10, 1578),
        (0.05, 0.05, 167),
        (0.05, 0.10, 274),
    ],
)
def test_samples_that_decide(margin: float, discordance: float, samples: int) -> None:
    assert binary_samples_needed(discordance, margin) == samples


def test_samples_of_a_numeric_metric() -> None:
    # (1.6449 + 0.8416)^2 = 6.1826 standard deviations squared over the margin squared.
    assert numeric_samples_needed(1.0, 0.1) == 619


def test_verdicts() -> None:
    assert gate_verdict(0.05, 0.9, 0.05) == "pass"
    assert gate_verdict(0.04, 0.01, 0.05) == "pass"
    assert gate_verdict(0.06, 0.05, 0.05) == "worse"
    assert gate_verdict(0.06, 0.06, 0.05) == "undecided"
    assert gate_verdict(None, None, 0.05) == "undecided"


def test_one_sided() -> None:
    assert one_sided(0.04, -0.1) == 0.02
    assert one_sided(0.04, 0.1) == 0.98
    assert one_sided(0.04, 0.1, higher_is_better=False) == 0.02
