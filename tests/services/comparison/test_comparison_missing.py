"""What runs without a grade do to a comparison."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.summary import SummaryService
from tests.services.building import clear, fresh, near, only_pair, runs, save


def test_missing_grades_as_incorrect(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "CoT1", [1, 1, "failed", "unparsed", 1, 0]),
        runs("exp", "None", [0, 1, 1, 0, None, 0]),
    )
    excluded, counted = only_pair(store), only_pair(store, missing="incorrect")
    assert (excluded.samples, excluded.improved) == (3, 1)
    assert counted.samples == 6
    assert (
        counted.both_correct,
        counted.improved,
        counted.regressed,
        counted.neither_correct,
    ) == (1, 2, 1, 2)
    # The bounds do not depend on the policy: 1 of 3 graded pairs, 3 that could be anything.
    assert excluded.difference_bounds == near((-2 / 6, 4 / 6))
    assert counted.difference_bounds == excluded.difference_bounds


def test_bounds_where_both_variants_lack_something(store: ResultsProcessor) -> None:
    """Asked 0-3 and 2-5: four of six samples have no pair, and another one no grade."""
    save(
        store,
        runs("exp", "CoT1", [1, 1, 1, "failed"]),
        runs("exp", "None", [0, 1, 1, 1], first=2),
    )
    pair = only_pair(store)
    assert (pair.samples, pair.difference) == (1, 1.0)
    assert pair.difference_bounds == near((-4 / 6, 6 / 6))


GRADES = st.lists(st.sampled_from([0, 1, None, "failed", "unparsed"]), max_size=8)


@given(
    one=GRADES,
    two=GRADES,
    first=st.integers(0, 3),
    rule=st.sampled_from(["sample_index", "content"]),
    missing=st.sampled_from(["exclude", "incorrect"]),
)
def test_bounds_hold_whatever_is_missing(
    processor: ResultsProcessor, one: Any, two: Any, first: int, rule: str, missing: str
) -> None:
    """Counted here sample by sample."""
    clear(processor)
    home = "exp" if rule == "sample_index" else "other"
    asked = dict(enumerate(one)), dict(enumerate(two, start=first))
    save(processor, runs("exp", "None", one), runs(home, "A", two, first=first))
    if not one or not two:
        return
    (pair,) = processor.compare(
        list(dict.fromkeys(("exp", home))),
        options=AnalysisOptions(missing=missing),  # type: ignore[arg-type]
    ).comparisons
    everything = asked[0].keys() | asked[1].keys()
    both = [
        (asked[1][place], asked[0][place])
        for place in asked[0].keys() & asked[1].keys()
        if asked[0][place] in (0, 1) and asked[1][place] in (0, 1)
    ]
    net, unknown = sum(a - b for a, b in both), len(everything) - len(both)
    assert pair.pairing_rule == rule
    assert pair.difference_bounds == near(
        ((net - unknown) / len(everything), (net + unknown) / len(everything))
    )


def test_bounds_by_task(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "CoT1", [1, "failed"], task="a"),
        runs("exp", "None", [0, "failed"], task="a"),
        runs("exp", "CoT1", [0, 1], task="b"),
        runs("exp", "None", [0, 1], task="b"),
    )
    a, b = store.compare(["exp"], by_task=True).tasks
    assert a.comparisons[0].difference_bounds == near((0, 1))
    assert b.comparisons[0].difference_bounds == (0.0, 0.0)


@given(data=st.data())
def test_bounds_of_repeats_hold_the_accuracy_of_either_policy(
    processor: ResultsProcessor, data: st.DataObject
) -> None:
    grades = st.lists(st.sampled_from([1, 0, None]), min_size=1, max_size=4)
    asked = {name: data.draw(st.lists(grades, min_size=2, max_size=6)) for name in ("A", "B")}
    asked["A"][0] = [1, 0]
    fresh(processor, asked)
    for options in (AnalysisOptions(), AnalysisOptions(missing="incorrect")):
        comparison = processor.compare(["exp"], options=options)
        for variant in comparison.variants:
            if variant.accuracy is not None:
                low, high = variant.accuracy_bounds or (2, 2)
                assert low - 1e-12 <= variant.accuracy <= high + 1e-12
        (pair,) = comparison.comparisons
        if options.missing == "incorrect":
            low, high = pair.difference_bounds or (2, 2)
            assert low - 1e-12 <= (pair.difference or 0) <= high + 1e-12


def test_bounds_weigh_samples_and_not_runs(processor: ResultsProcessor) -> None:
    save(processor, runs("exp", "A", [[1] * 10, [0]]))
    save(processor, runs("some", "A", [[*[1] * 8, 0, None], [0, None]]))
    for name, bounds in (("exp", (0.5, 0.5)), ("some", (0.4, 0.7))):
        with processor.engine.connect() as connection:
            report = SummaryService(connection, Filters.of({"experiment_id": name})).report()
        assert report.variants[0].accuracy_bounds == (near(bounds[0]), near(bounds[1]))
