"""Multiplicity: corrections of p values and intervals for the number of tests.

Undefined p values stay `None` and are not counted: that would make every other one weaker.

Sources:
    Holm 1979, Scandinavian Journal of Statistics 6, 65-70
    Benjamini, Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x
    Dunn 1961, doi:10.1080/01621459.1961.10482090
"""

from collections.abc import Callable, Sequence

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics.distributions import check_confidence, check_counts


def holm(p_values: Sequence[float]) -> list[float]:
    """Step-down Bonferroni, valid under any dependence (Holm 1979).

    Returns:
        The corrected p values in the order given; [] gives [].

    Raises:
        ValueError: A p value lies outside 0..1 or is NaN.
    """
    m = len(p_values)
    adjusted, largest = [0.0] * m, 0.0
    for rank, index in enumerate(_order(p_values)):
        largest = max(largest, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def fdr_bh(p_values: Sequence[float]) -> list[float]:
    """Step-up control of the false discovery rate (Benjamini, Hochberg 1995), for exploring.

    Result and errors as of `holm`.
    """
    m = len(p_values)
    adjusted, smallest = [0.0] * m, 1.0
    for rank, index in reversed(list(enumerate(_order(p_values), start=1))):
        smallest = min(smallest, m / rank * p_values[index])
        adjusted[index] = smallest
    return adjusted


def bonferroni(p_values: Sequence[float]) -> list[float]:
    """min(1, m p) for m tests (Dunn 1961), valid under any dependence.

    Result and errors as of `holm`.
    """
    return [min(1.0, len(p_values) * p) for p in _checked(p_values)]


CORRECTIONS: dict[str, Callable[[Sequence[float]], list[float]]] = {
    "holm": holm,
    "fdr_bh": fdr_bh,
    "bonferroni": bonferroni,
}


def adjust(p_values: Sequence[float | None], method: str = "holm") -> list[float | None]:
    """Corrected p values in the order given.

    Args:
        p_values: `None` stays `None` and does not count as a test.
        method: A name of `CORRECTIONS`.

    Raises:
        UsageError: There is no such method.
        ValueError: A p value lies outside 0..1 or is NaN.
    """
    if method not in CORRECTIONS:
        known = ", ".join(CORRECTIONS)
        raise UsageError(f"unknown correction {method!r}", hint=f"choose one of: {known}")
    corrected = iter(CORRECTIONS[method]([p for p in p_values if p is not None]))
    return [None if p is None else next(corrected) for p in p_values]


def count_tests(p_values: Sequence[float | None]) -> int:
    """How many tests `adjust` corrects for: those with a p value."""
    return sum(p is not None for p in p_values)


def simultaneous_confidence(confidence: float, tests: int) -> float:
    """The level, a fraction, that each of `tests` intervals needs so that all hold together at
    `confidence` (Dunn 1961)."""
    check_counts(tests=tests)
    return 1.0 - (1.0 - check_confidence(confidence)) / max(tests, 1)


def _order(p_values: Sequence[float]) -> list[int]:
    return sorted(range(len(p_values)), key=_checked(p_values).__getitem__)


def _checked(p_values: Sequence[float]) -> Sequence[float]:
    for p in p_values:
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"a p value lies between 0 and 1, got {p!r}")
    return p_values
