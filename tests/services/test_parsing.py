"""How well answers are parsed, and whether the parser's confidence means what it says."""

from typing import Any

import numpy as np
import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ParsingMetrics
from ml_agents_results.services.parsing import ParsingReport, ParsingService, VariantParsing
from tests.services.building import run, runs, save

CONFIDENCE = (
    [0.95] * 5 + [0.9] * 3 + [0.8] * 3 + [0.7] * 2 + [0.6] * 2 + [0.5] * 2 + [0.3] * 2 + [0.1]
)
CORRECT = [1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0]


def near(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9)


def report(store: ResultsProcessor) -> ParsingReport:
    with store.database.read() as connection:
        return ParsingService(connection).report()


def only_variant(store: ResultsProcessor) -> VariantParsing:
    (variant,) = report(store).variants
    return variant


def rated(confidences: Any, grades: Any, **columns: Any) -> list[Any]:
    return [
        run("exp", "None", place, grade, parsing_confidence=confidence, **columns)
        for place, (confidence, grade) in enumerate(zip(confidences, grades, strict=True))
    ]


def test_the_calibration_fixture(store: ResultsProcessor) -> None:
    variant = only_variant(save(store, rated(CONFIDENCE, CORRECT, parsing_method="regex")))
    assert variant.brier.brier == near(0.21262499999999998)
    assert variant.brier.reliability == near(0.03095833333333333)
    assert variant.brier.resolution == near(0.06583333333333334)
    assert variant.brier.uncertainty == near(0.2475)
    assert variant.brier.skill == near(0.14090909090909098)
    assert variant.auroc.value == near(0.7626262626262627)
    assert variant.auroc.se == near(0.11249709493012511)
    assert [variant.auroc.ci_low, variant.auroc.ci_high] == near(
        [0.4872874218458265, 0.9156860121905915]
    )
    assert variant.spiegelhalter.z == near(1.5654804806774987)
    assert variant.spiegelhalter.p_value == near(0.11747029067840399)
    assert variant.calibration_in_the_large.estimate == near(-0.15749999999999997)
    told = variant.to_dict()["calibration_in_the_large"]
    assert (told["estimate"], told["ci"]) == (
        variant.calibration_in_the_large.estimate,
        [variant.calibration_in_the_large.ci_low, variant.calibration_in_the_large.ci_high],
    )
    assert variant.calibration_error.binning == "distinct"
    assert variant.calibration_error.seed == 0


def test_what_has_no_grade_or_no_confidence_is_left_out(store: ResultsProcessor) -> None:
    made = rated(CONFIDENCE, CORRECT)
    more = rated([0.2, None, 0.4], [None, 1, "failed"])
    for place, one in enumerate(more):
        one.sample_index = 100 + place
    variant = only_variant(save(store, made, more))
    assert (variant.brier.n, variant.brier.brier) == (20, near(0.21262499999999998))
    (row,) = report(store).methods
    assert (row.runs, row.graded, row.rated) == (23, 21, 22)
    # All rated runs, as in the summary; the gap is of those that were graded too.
    assert row.mean_parsing_confidence == near((sum(CONFIDENCE) + 0.2 + 0.4) / 22)
    assert row.confidence_gap == near(np.mean(CONFIDENCE) - np.mean(CORRECT))
    summary = store.get_experiment_summary("exp")["summary_statistics"]["variants"][0]
    assert summary["mean_parsing_confidence"] == near(row.mean_parsing_confidence)


def test_confidences_of_one_kind(store: ResultsProcessor) -> None:
    variant = only_variant(save(store, rated([0.9] * 3, [1, 1, 1])))
    assert (variant.auroc.value, variant.auroc.null_reason) == (None, "one_class")
    assert (variant.brier.skill, variant.brier.null_reason) == (None, "one_class")
    assert variant.calibration_line.null_reason == "one_distinct_confidence"


def test_no_confidences(store: ResultsProcessor) -> None:
    variant = only_variant(save(store, runs("exp", "None", [1, 0, "unparsed", "failed"])))
    assert (variant.brier.brier, variant.brier.null_reason) == (None, "no_values")
    assert variant.calibration_error.ece is None
    # The failed run gave nothing to parse.
    assert (variant.runs, variant.answered, variant.unparsed) == (4, 3, 1)
    assert variant.unparsed_rate == near(1 / 3)
    (row,) = report(store).methods
    assert (row.parsing_method, row.mean_parsing_confidence, row.confidence_gap) == (
        None,
        None,
        None,
    )


def test_methods_and_their_metrics(store: ResultsProcessor) -> None:
    made = runs("exp", "None", [1, 0, 1, 1], parsing_method="regex")
    made[3].parsing_method = "instructor"
    made[0].parsing_metrics = ParsingMetrics(2, True, 0.5, 10, "first parser failed")
    made[1].parsing_metrics = ParsingMetrics(4, False, None, None, None)
    instructor, regex = report(save(store, made)).methods
    assert (instructor.parsing_method, instructor.metrics_runs) == ("instructor", 0)
    assert instructor.mean_parsing_attempts is None
    assert (regex.runs, regex.graded, regex.correct, regex.metrics_runs) == (3, 3, 2, 2)
    assert (regex.mean_parsing_attempts, regex.fallback_rate) == (3.0, 0.5)
    assert (regex.mean_extraction_time_ms, regex.parsing_errors) == (10.0, 1)
