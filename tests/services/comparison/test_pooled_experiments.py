"""Experiments that differ in their seed are one study, asked as often as all of them."""

from typing import Any

import pytest

from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.analysis_options import AnalysisOptions
from tests.services.building import clear, coin, near, runs, save

POOLED = AnalysisOptions(pool="experiment")
CHANCES = {"None": 0.4, "CoT1": 0.6}


def grades(seed: int, approach: str) -> list[int]:
    return coin(seed * 7 + len(approach), 24, CHANCES[approach])


def figures(processor: ResultsProcessor, *ids: str, **options: Any) -> dict[str, Any]:
    compared = processor.compare(list(ids), by_task=True, options=AnalysisOptions(**options))
    (pair,) = compared.comparisons
    names = ("samples", "difference", "se", "ci_low", "ci_high", "p_value", "p_value_exact")
    return {
        **{name: getattr(pair, name) for name in names},
        "means": [variant.mean for variant in compared.variants],
        "runs": [variant.runs for variant in compared.variants],
    }


@pytest.mark.parametrize("column", ["is_correct", "score"])
def test_pooled_experiments_are_repeats_of_one(store: ResultsProcessor, column: str) -> None:
    def of(seed: int, approach: str) -> list[Any]:
        made = runs(f"seed{seed}", approach, grades(seed, approach))
        if column == "score":
            for one in made:
                one.score, one.is_correct = 0.5 + 0.25 * bool(one.is_correct), None
        return made

    save(store, *(of(seed, approach) for seed in range(3) for approach in CHANCES))
    pooled = figures(store, "seed0", "seed1", "seed2", pool="experiment")
    assert pooled["runs"] == [72, 72]
    clear(store)
    for seed in range(3):
        for approach in CHANCES:
            made = of(seed, approach)
            for one in made:
                one.experiment_id, one.repeat_index = "one", seed
            save(store, made)
    expected = figures(store, "one")
    assert pooled == {
        name: [near(one) for one in value] if isinstance(value, list) else near(value)
        for name, value in expected.items()
    }


def test_without_it_the_same_variants_are_named(processor: ResultsProcessor) -> None:
    save(
        processor,
        *(runs(f"seed{seed}", name, grades(seed, name)) for seed in range(2) for name in CHANCES),
    )
    alone = processor.compare(["seed0", "seed1"])
    assert (len(alone.comparisons), alone.warnings) == (3, ["same_variants"])
    pooled = processor.compare(["seed0", "seed1"], options=POOLED)
    assert (len(pooled.comparisons), pooled.warnings) == (1, ["pooled_experiments"])


def test_what_is_not_one_study_is_not_pooled(processor: ResultsProcessor) -> None:
    save(processor, *(runs(name, "None", [1, 0]) for name in ("one", "two", "three")))
    save(processor, *(runs(name, "CoT1", [1, 1]) for name in ("one", "two", "three")))
    for name, print_of in (("one", "x"), ("two", "y")):
        processor.save_experiment(name, {}, environment={"dataset": {"fingerprint": print_of}})
    with pytest.raises(UsageError, match="one and two cannot be pooled: the two experiments ran"):
        processor.compare(["one", "two"], options=POOLED)
    save(processor, runs("three", "None", [1], input_text="another question"))
    with pytest.raises(UsageError, match="1 of the samples with one index are different"):
        processor.compare(["one", "three"], options=POOLED)
