"""Repeated answers, against enumeration of the runs behind the table."""

import itertools
import math
import statistics
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml_agents_results.errors import UsageError
from ml_agents_results.statistics import repeats
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.proportions import wilson

pairs = st.integers(1, 6).flatmap(lambda k: st.tuples(st.just(k), st.integers(0, k)))
samples = st.lists(pairs, min_size=2, max_size=25)
Samples = list[tuple[int, int]]


def answers(k: int, s: int) -> list[int]:
    return [1] * s + [0] * (k - s)


@given(data=samples, k=st.integers(1, 4))
def test_pass_at_k_is_the_share_of_subsets_with_a_right_answer(data: Samples, k: int) -> None:
    eligible = [answers(*row) for row in data if row[0] >= k]
    at, hat = (f(Counter(data), k) for f in (repeats.pass_at_k, repeats.pass_hat_k))
    if not eligible:
        assert (at.estimate, at.null_reason) == (None, "too_few_repeats")
        return
    any_right = [
        statistics.mean(any(c) for c in itertools.combinations(row, k)) for row in eligible
    ]
    all_right = [
        statistics.mean(all(c) for c in itertools.combinations(row, k)) for row in eligible
    ]
    assert at.estimate == pytest.approx(statistics.mean(any_right), rel=1e-12)
    assert hat.estimate == pytest.approx(statistics.mean(all_right), rel=1e-12)
    assert at.denominators["samples_excluded"] == len(data) - len(eligible)
    assert at.n_samples == len(eligible)
    if len(eligible) > 1 and statistics.stdev(any_right) > 1e-6:
        expected = statistics.stdev(any_right) / math.sqrt(len(eligible))
        assert at.se == pytest.approx(expected, rel=1e-9)


@given(data=samples.filter(lambda rows: any(k > 1 for k, _ in rows)))
def test_accuracy_weighs_samples_not_runs(data: Samples) -> None:
    result = repeats.repeated_accuracy(Counter(data))
    means = [s / k for k, s in data]
    assert result.estimate == pytest.approx(statistics.mean(means), rel=1e-12)
    assert (result.n_samples, result.n_runs) == (len(data), sum(k for k, _ in data))
    if statistics.stdev(means) > 1e-6:
        assert result.se == pytest.approx(float(stats.sem(means)), rel=1e-9)
    assert ("unequal_epochs" in result.warnings) == (len({k for k, _ in data}) > 1)
    assert result.ci_low is not None
    assert result.ci_high is not None
    assert 0 <= result.ci_low < result.ci_high <= 1


@given(data=samples, times=st.integers(2, 5))
def test_identical_repeats_of_every_sample_change_no_estimate(data: Samples, times: int) -> None:
    """Asking a sample again and getting the same answers is no new information about it."""
    once = {(k, s): n for (k, s), n in Counter(data).items()}
    again = {(k * times, s * times): n for (k, s), n in once.items()}
    here, there = (repeats.repeated_accuracy(table) for table in (once, again))
    assert there.estimate == pytest.approx(here.estimate, rel=1e-12)
    if all(k == 1 for k, _ in data):
        return  # Wilson for single answers, by design another interval
    if here.se is None:
        assert there.se is None
    else:
        assert there.se == pytest.approx(here.se, rel=1e-9)


def test_single_answers_are_the_plain_accuracy() -> None:
    result = repeats.repeated_accuracy({(1, 1): 7, (1, 0): 3})
    interval = wilson(7, 10)
    assert (result.estimate, result.method) == (0.7, "wilson")
    assert (result.ci_low, result.ci_high) == (interval.low, interval.high)


@given(data=samples)
def test_variance_split_equals_the_rows(data: Samples) -> None:
    result = repeats.variance_split(Counter(data))
    spare = sum(k - 1 for k, _ in data)
    if spare == 0:
        assert result == repeats.VarianceSplit(None, None, "no_repeats")
        return
    within = sum(statistics.pvariance(answers(k, s)) * k for k, s in data) / spare
    assert result.within == pytest.approx(within, rel=1e-9, abs=1e-12)
    chance = within * statistics.mean(1 / k for k, _ in data)
    between = max(0.0, statistics.variance([s / k for k, s in data]) - chance)
    assert result.between == pytest.approx(between, rel=1e-9, abs=1e-12)


@given(data=samples)
def test_consistency_counts_samples_that_never_waver(data: Samples) -> None:
    asked = [len(set(answers(k, s))) == 1 for k, s in data if k > 1]
    result = repeats.consistency(Counter(data))
    if not asked:
        assert (result.estimate, result.null_reason) == (None, "too_few_repeats")
        return
    assert result.estimate == pytest.approx(statistics.mean(asked))
    assert result.n_runs == sum(k for k, _ in data if k > 1)
    interval = wilson(sum(asked), len(asked))
    assert (result.ci_low, result.ci_high) == (interval.low, interval.high)


def test_one_sample_has_no_error() -> None:
    result = repeats.repeated_accuracy({(4, 3): 1})
    assert (result.estimate, result.se, result.ci_low) == (0.75, None, None)
    assert result.null_reason == "n_lt_2"
    assert repeats.variance_split({(4, 3): 1}).null_reason == "n_lt_2"


def test_nothing_graded() -> None:
    empty: list[Estimate] = [repeats.repeated_accuracy({}), repeats.repeated_accuracy({(0, 0): 5})]
    for result in empty:
        assert (result.estimate, result.null_reason) == (None, "no_graded_runs")


def test_impossible_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="correct"):
        repeats.repeated_accuracy({(2, 3): 1})
    with pytest.raises(ValueError, match="samples"):
        repeats.repeated_accuracy({(2, 1): -1})
    with pytest.raises(UsageError, match="k must"):
        repeats.pass_at_k({(2, 1): 1}, 0)
    with pytest.raises(UsageError, match="confidence"):
        repeats.pass_at_k({}, 1, confidence=95)
