"""Which variants are compared with which: in recorded order, and within each model."""

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ExperimentRecord, Variant
from ml_agents_results.services.comparison.baselines import contrasts, recorded_order
from tests.services.building import runs, save


def variants(*names: str) -> list[Variant]:
    """Variants from `experiment/approach/model`."""
    parts = (name.split("/") for name in names)
    return [Variant(experiment, approach, "p", model) for experiment, approach, model in parts]


def short(pairs: list[tuple[Variant, Variant]]) -> dict[str, str]:
    """Baselines by candidate."""
    known = {_short(candidate): _short(baseline) for candidate, baseline in pairs}
    assert len(known) == len(pairs)
    return known


def _short(variant: Variant) -> str:
    return f"{variant.experiment_id}/{variant.approach_name}/{variant.model}"


GRID = variants("e/terse/s", "e/steps/s", "e/terse/t", "e/steps/t")


@pytest.mark.parametrize(
    ("of", "baseline", "expected"),
    [
        (GRID, None, {"e/steps/s": "e/terse/s", "e/steps/t": "e/terse/t"}),
        (GRID, "steps", {"e/terse/s": "e/steps/s", "e/terse/t": "e/steps/t"}),
        (GRID, "t", {"e/terse/s": "e/terse/t", "e/steps/s": "e/steps/t"}),
        (
            GRID,
            "terse/t",
            {"e/terse/s": "e/terse/t", "e/steps/s": "e/terse/t", "e/steps/t": "e/terse/t"},
        ),
        # One approach: the models are what differs.
        (variants("e/a/s", "e/a/t", "e/a/u"), None, {"e/a/t": "e/a/s", "e/a/u": "e/a/s"}),
        # A model without the baseline's approach: the same approach, else the baseline.
        (
            variants("e/a/s", "e/b/s", "e/b/t", "e/c/u"),
            None,
            {"e/b/s": "e/a/s", "e/b/t": "e/b/s", "e/c/u": "e/a/s"},
        ),
        # The approach None comes first, wherever it stands.
        (variants("e/a/s", "e/None/s"), None, {"e/a/s": "e/None/s"}),
        # An experiment, and the same again: each variant with its former self.
        (
            variants("e/a/s", "e/a/t", "f/a/s", "f/a/t"),
            None,
            {"f/a/s": "e/a/s", "f/a/t": "e/a/t"},
        ),
    ],
)
def test_contrasts(of: list[Variant], baseline: str | None, expected: dict[str, str]) -> None:
    assert short(contrasts(of, baseline)) == expected


def test_all_pairs_are_all_pairs() -> None:
    assert len(contrasts(GRID, kind="all-pairs")) == 6


def test_the_plan_comes_before_the_times(store: ResultsProcessor) -> None:
    save(store, runs("exp", "B", [1, 0]), runs("exp", "A", [1, 1]))
    assert {row.baseline.approach_name for row in store.compare(["exp"]).comparisons} == {"B"}
    two = variants("exp/A/m", "exp/B/m")
    planned = ExperimentRecord("exp", environment_json={"plan": {"approaches": ["B", "A"]}})
    assert recorded_order(two, ["exp"], {"exp": planned}, {}) == two[::-1]
    assert recorded_order(two, ["exp"], {}, {}) == two


def test_a_comparison_says_what_it_holds_equal(store: ResultsProcessor) -> None:
    every = [runs("exp", a, [1, 0, 1], model=m) for m in ("small", "tiny") for a in ("x", "y")]
    comparison = save(store, *every).compare(["exp"])
    assert [row.within for row in comparison.comparisons] == ["p/small", "p/tiny"]
    assert "within_models" in comparison.warnings
    assert [row.within for row in store.compare(["exp"], baseline="x/tiny").comparisons] == [
        None, None, None,
    ]  # fmt: skip
