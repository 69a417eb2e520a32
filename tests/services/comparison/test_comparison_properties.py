"""What holds for all comparisons, whatever the grades."""

import random

from hypothesis import given
from hypothesis import strategies as st

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.analysis_options import AnalysisOptions
from tests.services.building import clear, fresh, near, runs, save

small = st.lists(st.sampled_from([0, 1, None]), min_size=4, max_size=12)


@given(one=small, two=small)
def test_swapping_the_variants_negates_the_difference(
    processor: ResultsProcessor, one: list[int | None], two: list[int | None]
) -> None:
    fresh(processor, {"A": one, "B": two})
    (forth,) = processor.compare(["exp"], baseline="B").comparisons
    (back,) = processor.compare(["exp"], baseline="A").comparisons
    assert (forth.candidate, forth.baseline) == (back.baseline, back.candidate)
    for name in ("p_value", "p_value_exact", "p_value_adjusted", "samples", "mde", "phi"):
        assert getattr(forth, name) == near(getattr(back, name)), name
    if forth.difference is not None:
        assert forth.difference == near(-(back.difference or 0))
        assert [forth.ci_low, forth.ci_high] == near([-(back.ci_high or 0), -(back.ci_low or 0)])


@given(data=st.data(), unpaired=st.booleans(), cluster=st.sampled_from(["task", "none"]))
def test_swapping_the_variants_over_tasks_and_unpaired(
    processor: ResultsProcessor, data: st.DataObject, unpaired: bool, cluster: str
) -> None:
    clear(processor)
    for task in ("a", "b", "c"):
        for variant in ("A", "B"):
            save(processor, runs("exp", variant, data.draw(small), task=task))
    choices = AnalysisOptions(unpaired=unpaired, cluster=cluster, margin=0.1)
    (forth,) = processor.compare(["exp"], baseline="B", options=choices).comparisons
    (back,) = processor.compare(["exp"], baseline="A", options=choices).comparisons
    for name in ("p_value", "se", "dof", "mde"):
        assert getattr(forth, name) == near(getattr(back, name)), name
    assert (forth.null_reason, forth.equivalent) == (back.null_reason, back.equivalent)
    if forth.difference is not None:
        assert forth.difference == near(-(back.difference or 0))
    if forth.ci_low is not None:
        assert forth.ci_low == near(-(back.ci_high or 0))
    assert (forth.candidate_samples, forth.baseline_samples) == (
        back.baseline_samples,
        back.candidate_samples,
    )


@given(one=small, two=small)
def test_an_identical_repeat_changes_no_estimate_and_no_verdict(
    processor: ResultsProcessor, one: list[int | None], two: list[int | None]
) -> None:
    fresh(processor, {"A": one, "B": two})
    options = AnalysisOptions(margin=0.3)
    before = processor.compare(["exp"], options=options)
    again = {name: [[grade, grade] for grade in given] for name, given in (("A", one), ("B", two))}
    fresh(processor, again)
    after = processor.compare(["exp"], options=options)
    for variant, same in zip(before.variants, after.variants, strict=True):
        assert same.accuracy == near(variant.accuracy)
        assert same.samples == variant.samples
        assert same.graded == 2 * variant.graded
    pair, copied = before.comparisons[0], after.comparisons[0]
    assert (copied.samples, copied.verdict) == (pair.samples, pair.verdict)
    for name in ("difference", "ci_low", "ci_high", "p_value", "p_value_exact", "p_equivalent"):
        assert getattr(copied, name) == near(getattr(pair, name)), name


@given(data=st.data())
def test_sums_over_tasks_equal_the_whole(processor: ResultsProcessor, data: st.DataObject) -> None:
    clear(processor)
    for task in ("a", "b", "c"):
        for variant in ("A", "B"):
            save(processor, runs("exp", variant, data.draw(small), task=task))
    comparison = processor.compare(["exp"], by_task=True)
    (whole,) = comparison.comparisons
    parts = [task.comparisons[0] for task in comparison.tasks]
    for name in ("samples", "both_correct", "improved", "regressed"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
    for name in ("only_in_candidate", "only_in_baseline"):
        assert sum(part.denominators[name] for part in parts) == whole.denominators[name]
    for place, result in enumerate(comparison.variants):
        for name in ("runs", "graded", "correct", "samples"):
            parts_of = [getattr(task.variants[place], name) for task in comparison.tasks]
            assert sum(parts_of) == getattr(result, name)


@given(one=small, two=small, seed=st.integers(0, 99))
def test_the_order_of_recording_does_not_matter(
    processor: ResultsProcessor, one: list[int | None], two: list[int | None], seed: int
) -> None:
    fresh(processor, {"A": one, "B": two})
    before = processor.compare(["exp"], baseline="A").to_dict()
    clear(processor)
    shuffled = [*runs("exp", "A", one), *runs("exp", "B", two)]
    random.Random(seed).shuffle(shuffled)
    save(processor, shuffled)
    assert processor.compare(["exp"], baseline="A").to_dict() == before
