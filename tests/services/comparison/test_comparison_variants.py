"""Which variants are compared with which."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import cochrans_q

from ml_agents_results.errors import NotFoundError, NothingToCompareError, UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.analysis_options import AnalysisOptions
from tests.services.building import coin, near, of_table, runs, save


@pytest.fixture
def study(store: ResultsProcessor) -> ResultsProcessor:
    return save(
        store,
        runs("first", "None", [1, 0, 1]),
        runs("first", "ChainOfThought", [1, 1, 1]),
        runs("second", "ChainOfThought", [1, 1, 0], model="large"),
        runs("third", "Reflection", [0, 0, 0]),
    )


@pytest.mark.parametrize(
    ("ids", "baseline", "expected"),
    [
        (["first", "third"], None, "first/None/p/m"),
        (["third", "second"], None, "third/Reflection/p/m"),
        (["second", "third"], None, "second/ChainOfThought/p/large"),
        (["third", "first"], "CoT", "first/ChainOfThought/p/m"),
        (["first", "second"], "large", "second/ChainOfThought/p/large"),
        (["first", "second"], "cot/first", "first/ChainOfThought/p/m"),
        (["first", "third"], "third", "third/Reflection/p/m"),
    ],
)
def test_the_baseline(
    study: ResultsProcessor, ids: list[str], baseline: str | None, expected: str
) -> None:
    pairs = study.compare(ids, baseline=baseline).comparisons
    assert {str(pair.baseline) for pair in pairs} == {expected}
    assert expected not in {str(pair.candidate) for pair in pairs}


def test_a_baseline_that_nobody_is_called(study: ResultsProcessor) -> None:
    with pytest.raises(UsageError, match="no variant is called 'ToT'") as told:
        study.compare(["first", "third"], baseline="ToT")
    offered = str(told.value.hint).removeprefix("Choose one of: ").split(", ")
    assert offered == ["first/None", "first/ChainOfThought", "third/Reflection"]
    for name in offered:
        baselines = study.compare(["first", "third"], baseline=name).comparisons
        assert {"/".join(pair.baseline[:2]) for pair in baselines} == {name}
    with pytest.raises(UsageError, match="several variants are called 'CoT'"):
        study.compare(["first", "second"], baseline="CoT")


def test_all_pairs_are_one_family(study: ResultsProcessor) -> None:
    pairs = study.compare(
        ["first", "second", "third"],
        options=AnalysisOptions(contrasts="all-pairs"),
    ).comparisons
    assert len(pairs) == 6
    assert len({frozenset((pair.candidate, pair.baseline)) for pair in pairs}) == 6
    assert {pair.family_size for pair in pairs} == {6}
    against_one = study.compare(["first", "second", "third"])
    assert len(against_one.comparisons) == 3


def test_an_experiment_named_twice_counts_once(study: ResultsProcessor) -> None:
    once, twice = study.compare(["first"]), study.compare(["first", "first"])
    assert once.to_dict() == twice.to_dict()
    assert twice.experiment_ids == ["first"]


@pytest.mark.parametrize("ids", [["third"], ["third", "third"]])
def test_one_variant_cannot_be_compared(study: ResultsProcessor, ids: list[str]) -> None:
    with pytest.raises(NothingToCompareError, match="nothing to compare: 1 variant"):
        study.compare(ids)


def test_an_unknown_experiment(study: ResultsProcessor) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        study.compare(["first", "nowhere"])


def test_an_experiment_without_runs_is_pointed_out(study: ResultsProcessor) -> None:
    study.save_experiment("empty", {})
    comparison = study.compare(["first", "empty"])
    assert "experiment_without_runs" in comparison.warnings
    assert study.compare(["first", "third"]).warnings == []


def test_other_experiments_do_not_matter(store: ResultsProcessor) -> None:
    """Not even ones with repeats, which are counted in another way."""
    save(store, of_table((5, 4, 2, 3)))
    before = store.compare(["exp"], by_task=True).to_dict()
    save(store, runs("other", "None", [[1, 0, 1]] * 5, task="t"))
    assert store.compare(["exp"], by_task=True).to_dict() == before
    with_filter = store.compare(["exp"], filters={"experiment_id": ["exp", "other"]})
    assert with_filter.comparisons == store.compare(["exp"]).comparisons
    with pytest.raises(NothingToCompareError, match="no variants"):
        store.compare(["exp"], filters={"experiment_id": "other"})


def test_sixty_variants_at_once(processor: ResultsProcessor) -> None:
    save(
        processor,
        *(runs("exp", f"approach {variant:03}", coin(variant, 20, 0.5)) for variant in range(60)),
    )
    comparison = processor.compare(["exp"], by_task=True)
    assert len(comparison.comparisons) == 59
    assert {pair.family_size for pair in comparison.comparisons} == {59}
    assert comparison.cochrans_q is not None
    grades = np.array([coin(variant, 20, 0.5) for variant in range(60)]).T
    assert comparison.cochrans_q.statistic == near(cochrans_q(grades).statistic)
