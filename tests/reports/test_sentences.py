"""Sentences to quote: what they say of every verdict, and where documents carry them."""

import dataclasses
from collections.abc import Callable

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import Variant
from ml_agents_results.reports.sentences import (
    comparison_document,
    comparison_frame,
    comparison_sentence,
)
from ml_agents_results.reports.wording import format_p
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from tests.services.building import of_table, runs

Change = Callable[..., str]


@pytest.fixture
def sentence(processor: ResultsProcessor) -> Change:
    """The sentence of a comparison of 2,011 samples, with some fields changed."""
    processor.save_experiment("exp", {})
    processor.save_runs(of_table((12, 5, 1, 2)))
    (row,) = processor.compare(["exp"]).comparisons
    row = dataclasses.replace(
        row,
        samples=2011,
        difference=0.12978617603182496,
        ci_low=0.10462,
        ci_high=0.15469,
        p_value_adjusted=1.1325643305951262e-23,
        family_size=9,
        mde=0.03665,
        verdict="candidate_better",
    )

    def change(**fields: object) -> str:
        changed: ComparisonRow = dataclasses.replace(row, **fields)  # type: ignore[arg-type]
        return comparison_sentence(changed)

    return change


def test_a_sentence_to_quote(sentence: Change) -> None:
    assert sentence() == (
        "ChainOfThought is better: on 2,011 shared samples ChainOfThought is 13.0 percentage "
        "points more accurate than None (95% CI 10.5 to 15.5; p = 1.1e-23, adjusted for 9 tests; "
        "minimum detectable difference 3.7 points at 80% power)."
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"difference": -0.1, "ci_low": -0.15, "ci_high": -0.05, "verdict": "baseline_better"},
            "ChainOfThought is 10.0 percentage points less accurate than None (95% CI -15.0 to "
            "-5.0;",
        ),
        ({"verdict": "baseline_better"}, "None is better: on 2,011 shared samples "),
        ({"verdict": "inconclusive"}, "Inconclusive, which does not mean equal: on 2,011 "),
        ({"p_value_adjusted": None}, "; p undefined, adjusted for 9 tests;"),
        ({"p_value_adjusted": 0.0}, "; p < 1e-300, adjusted for 9 tests;"),
        ({"family_size": 1}, "; p = 1.1e-23;"),
        ({"correction": "none"}, "; p = 1.1e-23;"),
        ({"ci_low": None}, "(no confidence interval;"),
        ({"interval_level": 1 - 0.05 / 3}, "(98.33% CI 10.5 to 15.5;"),
        ({"difference": 0.0}, "ChainOfThought is as accurate as None ("),
        (
            {"difference": 0.0, "verdict": "inconclusive"},
            "No difference seen, which does not show that there is none: on 2,011 ",
        ),
        (
            {"difference": 0.0, "metric": "brevity", "metric_kind": "numeric"},
            "ChainOfThought has the same mean brevity as None (",
        ),
        ({"mde": None}, "; minimum detectable difference not known)"),
        ({"mde": 81.2}, "; too little data for 80% power at any difference)"),
        ({"ci_low": -0.0001}, "95% CI 0.0 to 15.5;"),
        (
            {
                "verdict": "equivalent",
                "margin": 0.02,
                "margin_ci_low": -0.0061,
                "margin_ci_high": 0.0061,
            },
            "90% CI -0.6 to 0.6 held against a margin of 2.0 points).",
        ),
        ({"verdict": "equivalent", "margin": 0.02}, "Equivalent within 2.0 points: on 2,011 "),
        (
            {"verdict": "non_inferior", "margin": 0.02},
            "ChainOfThought is less than 2.0 points worse (non-inferior), but not shown to be "
            "better: on 2,011 ",
        ),
        (
            {"pairing_rule": "unpaired", "candidate_samples": 70, "baseline_samples": 1080},
            "ChainOfThought is 13.0 percentage points more accurate on its 70 samples than None "
            "on its 1,080 (",
        ),
        ({"difference": None}, "ChainOfThought and None share no graded sample: there is nothing"),
        (
            {"difference": None, "pairing_rule": "unpaired", "baseline_samples": 0},
            "None has no graded sample: there is nothing to compare.",
        ),
        (
            {"candidate": Variant("exp", "None", "p", "large")},
            "large is 13.0 percentage points more accurate than",
        ),
    ],
)
def test_what_the_sentence_says(sentence: Change, fields: dict[str, object], words: str) -> None:
    assert words in sentence(**fields)


def test_documents_and_frames_carry_the_sentence_of_every_comparison(
    processor: ResultsProcessor,
) -> None:
    processor.save_experiment("exp", {})
    for task in ("a", "b"):
        for variant, grades in (("CoT1", [1, 1, 0, 1]), ("None", [1, 0, 0, 1])):
            processor.save_runs(runs("exp", variant, grades, task=task))
    comparison = processor.compare(["exp"], by_task=True)
    document = comparison_document(comparison)
    rows = [
        *document["comparisons"],
        *(row for task in document["tasks"] for row in task["comparisons"]),
    ]
    told = [row["sentence"] for row in rows]
    assert told == list(comparison_frame(comparison)["sentence"])
    assert "on 8 shared samples CoT1 is 25.0 percentage points more accurate" in told[0]
    assert all("on 4 shared samples" in one for one in told[1:])
    assert list(processor.compare_approaches(["exp"])["sentence"].dropna()) == told[:1]


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (None, "-"),
        (1.0, "1"),
        (0.04277, "0.0428"),
        (0.001, "0.001"),
        (1.6442e-28, "1.6e-28"),
        (1e-300, "1.0e-300"),
        (5e-324, "<1e-300"),
        (0.0, "<1e-300"),
    ],
)
def test_p_values_in_print(p: float | None, text: str) -> None:
    assert format_p(p) == text
