"""Patterns of failure: outcomes, slices, errors, hard samples, samples that changed sides."""

import random
from typing import Any

import pytest
from scipy.stats import fisher_exact
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.failure_report import failure_report
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.failures import FailureReport, FailureService
from tests.services.building import run, runs, save


def near(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9)


def report(store: ResultsProcessor, **choices: Any) -> FailureReport:
    with store.database.read() as connection:
        return FailureService(connection).report(**choices)


def test_rates_of_all_outcomes(store: ResultsProcessor) -> None:
    save(store, runs("exp", "None", [1, 1, 0, "failed", "unparsed", "unparsed", None]))
    rows = {row.outcome: row for row in report(store).outcomes}
    expected = {"failed": 1, "unparsed": 2, "ungraded": 1, "wrong": 1, "correct": 2}
    assert {name: row.runs for name, row in rows.items()} == expected
    for name, row in rows.items():
        assert (row.of_runs, row.rate) == (7, near(expected[name] / 7))
        assert [row.rate_ci_low, row.rate_ci_high] == near(
            list(proportion_confint(expected[name], 7, method="wilson"))
        )


def test_slices_against_the_rest(store: ResultsProcessor) -> None:
    """Fisher's exact test and Benjamini-Hochberg over all slices that are large enough."""
    chance = random.Random(5)
    made = []
    for task, rate in (("easy", 0.95), ("hard", 0.15), ("middle", 0.7), ("tiny", 0.5)):
        for place in range(6 if task == "tiny" else 40):
            grade = int(chance.random() < rate)
            said = f"The answer is {grade}" if place % 3 else "x" * 150
            made.append(run("exp", "None", place, grade, task=task, raw_output=said))
            made[-1].parsing_method = "regex" if place % 2 else "manual"
    save(store, made)
    slices = report(store).slices
    correct, n = sum(bool(one.is_correct) for one in made), len(made)
    tested = [row for row in slices if row.graded >= 10 and n - row.graded >= 10]
    p_values = []
    for row in slices:
        outside = (correct - row.correct, n - row.graded)
        assert row.accuracy == near(row.correct / row.graded)
        assert row.rest_accuracy == near(outside[0] / outside[1])
        assert row.difference == near(row.correct / row.graded - outside[0] / outside[1])
        if row not in tested:
            assert (row.p_value, row.p_value_adjusted) == (None, None)
            continue
        cells = [
            [row.correct, row.graded - row.correct],
            [outside[0], outside[1] - outside[0]],
        ]
        p_values.append(fisher_exact(cells).pvalue)
        assert row.p_value == near(p_values[-1])
    adjusted = multipletests(p_values, method="fdr_bh")[1]
    assert [row.p_value_adjusted for row in tested] == near(list(adjusted))
    assert {row.family_size for row in slices} == {len(tested)}
    assert {row.dimension for row in slices} == {
        "task",
        "parsing_method",
        "output_length",
        "answer_marker",
    }
    assert [row.value for row in slices if row.dimension == "task"] == [
        "easy",
        "hard",
        "middle",
        "tiny",
    ]
    patterns = store.identify_failure_patterns("exp")
    worse = [row for row in patterns if row["kind"] == "slice"]
    assert worse[0]["value"] == "hard"
    assert all(row["difference"] < 0 and row["p_value_adjusted"] <= 0.05 for row in worse)


def test_an_output_that_never_states_its_answer(store: ResultsProcessor) -> None:
    made = runs("exp", "None", [1] * 30 + [0] * 12, raw_output="So THE ANSWER IS 4.")
    for one in made[30:]:
        one.raw_output = "I am not sure"
    rows = {row.value: row for row in report(save(store, made)).slices}
    assert rows["lacks 'the answer is'"].accuracy == 0.0
    assert rows["lacks 'the answer is'"].graded == 12
    assert rows["has 'the answer is'"].accuracy == 1.0


def test_outputs_are_read_only_when_asked(store: ResultsProcessor) -> None:
    save(store, runs("exp", "None", [1, 0], raw_output="x"))
    without = report(store, read_texts=False)
    assert "outputs_not_read" in without.warnings
    assert {row.dimension for row in without.slices} == {"task", "parsing_method"}
    assert report(store, read_texts=True).warnings == []


def test_errors_by_their_number(store: ResultsProcessor) -> None:
    made = runs("exp", "None", ["failed"] * 5)
    for place, error in enumerate(["a", "b", "b", "c" * 200, "b"]):
        made[place].error = error
    rows = report(save(store, made)).errors
    assert [(row.error, row.runs) for row in rows] == [("b", 3), ("a", 1), ("c" * 80, 1)]
    shortened = report(store, limit=2)
    assert (len(shortened.errors), shortened.error_count) == (2, 3)


def test_errors_of_one_cause_are_one_row(store: ResultsProcessor) -> None:
    made = runs("exp", "None", ["failed"] * 45)
    for place, one in enumerate(made):
        one.error = (
            f"HTTP 429: retry after {place} s" if place < 40 else f"HTTP 500 of req_{place}abcdef"
        )
    found = report(save(store, made))
    assert [(row.error, row.runs, row.example) for row in found.errors] == [
        ("HTTP 429: retry after # s", 40, "HTTP 429: retry after 0 s"),
        ("HTTP 500 of <id>", 5, "HTTP 500 of req_40abcdef"),
    ]
    shown = failure_report(report(store, limit=1))
    (errors,) = (view for table in shown.tables for view in table.views if view.name == "errors")
    assert errors.title == "Errors (the 1 most frequent of 2)"


def test_hard_samples(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "None", [1, 0, 0, "failed"]),
        runs("exp", "CoT1", [1, 0, 1, "failed"]),
        runs("exp", "PoT1", [1, 0, None, "failed"]),
    )
    found = [(row.sample_index, row.correct, row.graded) for row in report(store).hard_samples]
    assert found == [(1, 0, 3), (2, 1, 2), (0, 3, 3)]


def test_hard_samples_of_several_experiments_are_told_apart_by_content(
    store: ResultsProcessor,
) -> None:
    save(
        store,
        runs("one", "None", [1, 0, 0], first=7),
        runs("two", "None", [0, 0], first=8),
        runs("two", "None", [0], input_text="another question"),
        runs("two", "None", [0], first=1, input_text=None, expected_answer=None),
        runs("one", "None", [0], first=1, input_text=None, expected_answer=None),
    )
    filters = Filters(experiment_id=("one", "two"))
    with store.engine.connect() as connection:
        hard = FailureService(connection, filters).report().hard_samples
    found = [(row.experiment_id, row.sample_index, row.graded, row.correct) for row in hard]
    alone = [("one", 1, 1, 0), ("two", 0, 1, 0), ("two", 1, 1, 0)]
    assert found == [("one", 8, 2, 0), ("one", 9, 2, 0), *alone, ("one", 7, 1, 1)]


def test_repeats_count_as_what_they_are_worth(store: ResultsProcessor) -> None:
    """Ten equal answers are one: 2 of 10 samples right against 16 of 20."""
    save(
        store,
        runs("exp", "None", [[1] * 10] * 2 + [[0] * 10] * 8, task="hard"),
        runs("exp", "None", [[1] * 10] * 16 + [[0] * 10] * 4, task="easy"),
    )
    found = report(store)
    easy, hard = (row for row in found.slices if row.dimension == "task")
    assert hard.graded == 100
    wilson = proportion_confint(2, 10, method="wilson")
    assert (hard.ci_low, hard.ci_high) == pytest.approx(wilson, rel=1e-9)
    assert hard.p_value == pytest.approx(fisher_exact([[2, 8], [16, 4]]).pvalue, rel=1e-9)
    assert easy.p_value == pytest.approx(hard.p_value, rel=1e-9)
    correct = next(row for row in found.outcomes if row.outcome == "correct")
    wilson = proportion_confint(18, 30, method="wilson")
    assert (correct.rate_ci_low, correct.rate_ci_high) == pytest.approx(wilson, rel=1e-9)


def test_gains_and_regressions_name_both_runs(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "None", [1, 0, 1, 0, "failed"], task="t"),
        runs("exp", "CoT1", [1, 1, 0, 1, 1], task="t"),
    )
    (change,) = report(store).changes
    assert [(one.task, one.sample_index) for one in change.gains] == [("t", 1), ("t", 3)]
    assert [one.sample_index for one in change.regressions] == [2]
    kept = {one["id"]: one for one in store.get_runs_paginated("exp")["runs"]}
    for one in (*change.gains, *change.regressions):
        assert kept[one.candidate_run_id]["approach_name"] == "CoT1"
        assert kept[one.baseline_run_id]["approach_name"] == "None"
        assert kept[one.candidate_run_id]["sample_index"] == one.sample_index
    (pair,) = store.compare(["exp"]).comparisons
    assert (pair.improved, pair.regressed) == (2, 1)
    assert len(report(store, limit=1).changes[0].gains) == 1


def test_with_repeats_each_pair_of_runs_is_listed(store: ResultsProcessor) -> None:
    """The lists are for reading, not for counting: a sample may be in both."""
    save(store, runs("exp", "None", [[1, 0], [0, 0]]), runs("exp", "CoT1", [[0, 1], [1, 1]]))
    (change,) = report(store).changes
    assert [(one.sample_index, one.repeat_index) for one in change.gains] == [
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    assert [(one.sample_index, one.repeat_index) for one in change.regressions] == [(0, 0)]


def test_patterns_over_variants(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "A", [1, 0, 1, 0, 1]),
        runs("exp", "B", [1, 1, 0, 0, 1]),
        runs("exp", "C", [1, 0, 0, 0, "failed"]),
    )
    made = report(store)
    assert made.patterns == {"000": 1, "010": 1, "100": 1, "111": 1}
    assert [variant.approach_name for variant in made.pattern_variants] == ["A", "B", "C"]
    assert made.oracle_accuracy == 0.75


def test_experiments_are_not_thrown_together(store: ResultsProcessor) -> None:
    """Sample 3 of one data set is not sample 3 of another."""
    save(store, runs("one", "None", [1, 0]), runs("two", "CoT1", [0, 1]))
    made = report(store)
    assert (made.changes, made.patterns, made.oracle_accuracy) == ([], {}, None)
