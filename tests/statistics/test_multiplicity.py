"""Corrections for many tests, against statsmodels."""

import gc
import math
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics import multiplicity


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect() -> Iterator[None]:
    """statsmodels collects garbage at every call of Holm's correction."""
    gc.freeze()
    yield
    gc.unfreeze()


p_lists = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.01, 0.05, 1.0, 0.0])), min_size=1, max_size=12
)


@pytest.mark.parametrize("method", sorted(multiplicity.CORRECTIONS))
@settings(max_examples=30)
@given(p_values=p_lists)
def test_equals_statsmodels(method: str, p_values: list[float]) -> None:
    expected = multipletests(p_values, method=method)[1]
    adjusted = multiplicity.adjust(p_values, method)
    assert adjusted == pytest.approx(list(expected), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("method", sorted(multiplicity.CORRECTIONS))
@settings(max_examples=30)
@given(p_values=p_lists, gaps=st.lists(st.integers(0, 12), max_size=5))
def test_undefined_p_values_do_not_count(
    method: str, p_values: list[float], gaps: list[int]
) -> None:
    with_gaps: list[float | None] = list(p_values)
    for gap in gaps:
        with_gaps.insert(min(gap, len(with_gaps)), None)
    adjusted = multiplicity.adjust(with_gaps, method)
    assert [a is None for a in adjusted] == [p is None for p in with_gaps]
    assert [a for a in adjusted if a is not None] == multiplicity.adjust(p_values, method)
    assert multiplicity.count_tests(with_gaps) == len(p_values)


def test_the_example_that_statsmodels_counts_wrongly() -> None:
    """[nan, .01, .02] comes back as [nan, .03, .04] there."""
    assert multiplicity.adjust([None, 0.01, 0.02]) == [None, 0.02, 0.02]


def test_nothing_to_correct() -> None:
    assert multiplicity.adjust([]) == []
    assert multiplicity.adjust([None, None]) == [None, None]


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_impossible_p_values_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match="p value"):
        multiplicity.adjust([0.5, p])


def test_unknown_method() -> None:
    with pytest.raises(UsageError, match="correction"):
        multiplicity.adjust([0.5], "sidak")


def test_simultaneous_confidence() -> None:
    assert multiplicity.simultaneous_confidence(0.95, 10) == pytest.approx(0.995)
    assert multiplicity.simultaneous_confidence(0.95, 0) == pytest.approx(0.95)
