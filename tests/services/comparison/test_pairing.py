"""What makes two samples the same one: not their text alone, not their place in two data sets."""

from typing import Any

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.sentences import comparison_sentence
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from tests.services.building import run, runs, save


def pair_of(store: ResultsProcessor, *ids: str) -> ComparisonRow:
    (pair,) = store.compare(ids or ("one", "two")).comparisons
    return pair


def test_within_an_experiment_by_task_and_place(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "None", [1, 0], task="a"),
        runs("exp", "None", [0, 1], task="b"),
        runs("exp", "CoT1", [1, 0], task="a"),
        runs("exp", "CoT1", [0, 1], task="b"),
    )
    pair = pair_of(store, "exp")
    assert pair.pairing_rule == "sample_index"
    assert (pair.samples, pair.both_correct, pair.neither_correct) == (4, 2, 2)


def test_one_data_set_by_place(store: ResultsProcessor) -> None:
    """Two experiments on the same data set need no texts."""
    save(
        store,
        runs("one", "None", [1, 0, 0], input_text=None, expected_answer=None),
        runs("two", "CoT1", [1, 1, 0], input_text=None, expected_answer=None),
    )
    for name in ("one", "two"):
        store.save_experiment(name, {}, environment={"dataset": {"fingerprint": "same"}})
    pair = pair_of(store)
    assert (pair.pairing_rule, pair.samples, pair.improved) == ("sample_index", 3, 1)


def test_by_the_data_sets_own_id(store: ResultsProcessor) -> None:
    """Subsets in another order: the id decides, and a text that changed is pointed out."""
    one = [run("one", "None", place, place % 2, sample_id=f"s{place}") for place in range(4)]
    two = [
        run("two", "CoT1", place, (3 - place) % 2, sample_id=f"s{3 - place}", input_text="other")
        for place in range(3)
    ]
    pair = pair_of(save(store, one, two))
    assert (pair.pairing_rule, pair.samples) == ("sample_id", 3)
    assert (pair.improved, pair.regressed) == (0, 0)
    assert pair.denominators["mismatched"] == 3
    assert "mismatched_inputs" in pair.warnings


def test_an_id_that_is_missing_once_decides_nothing(store: ResultsProcessor) -> None:
    one = [run("one", "None", place, 1, sample_id=f"s{place}") for place in range(3)]
    two = [run("two", "CoT1", place, 1, sample_id=f"s{place}") for place in range(3)]
    two[1].sample_id = None
    assert pair_of(save(store, one, two)).pairing_rule == "content"


def content(experiment: str, approach: str, rows: list[tuple[str, str, int]]) -> list[Any]:
    return [
        run(experiment, approach, place, grade, input_text=text, expected_answer=answer)
        for place, (text, answer, grade) in enumerate(rows)
    ]


def test_by_content_the_same_text_with_another_answer_is_another_sample(
    store: ResultsProcessor,
) -> None:
    pair = pair_of(
        save(
            store,
            content("one", "None", [("is it?", "yes", 1), ("is it?", "no", 0), ("why?", "so", 1)]),
            content("two", "CoT1", [("is it?", "no", 0), ("is it?", "yes", 1)]),
        )
    )
    assert (pair.pairing_rule, pair.samples) == ("content", 2)
    assert (pair.both_correct, pair.neither_correct) == (1, 1)
    assert pair.denominators["only_in_baseline"] == 1


def test_by_content_duplicates_pair_by_their_occurrence(store: ResultsProcessor) -> None:
    """True duplicates are two samples; no pair is counted twice."""
    pair = pair_of(
        save(
            store,
            content("one", "None", [("q", "a", 1), ("r", "b", 0), ("q", "a", 0)]),
            content("two", "CoT1", [("q", "a", 1), ("q", "a", 0), ("r", "b", 1)]),
        )
    )
    assert (pair.samples, pair.both_correct, pair.neither_correct) == (3, 1, 1)
    assert pair.improved == 1


def test_without_any_content_nothing_is_shared(store: ResultsProcessor) -> None:
    """The place of a sample says nothing where the data sets may be two."""
    nothing: dict[str, Any] = {"input_text": None, "expected_answer": None}
    pair = pair_of(
        save(store, runs("one", "None", [1, 0], **nothing), runs("two", "CoT1", [1, 1], **nothing))
    )
    assert (pair.samples, pair.difference) == (0, None)
    assert pair.null_reason == "no_shared_samples"


def test_within_an_experiment_a_changed_question_is_pointed_out(store: ResultsProcessor) -> None:
    changed = runs("exp", "CoT1", [1, 0, 1])
    changed[0].input_text = "another question"
    pair = pair_of(save(store, runs("exp", "None", [1, 0, 1]), changed), "exp")
    assert pair.denominators["mismatched"] == 1
    assert "mismatched_inputs" in pair.warnings


@pytest.mark.parametrize("repeats", [1, 2])
def test_by_content_with_repeats(store: ResultsProcessor, repeats: int) -> None:
    save(
        store,
        runs("one", "None", [[1, 0][:repeats], [0, 0][:repeats]]),
        runs("two", "CoT1", [[1, 1][:repeats], [1, 0][:repeats]]),
    )
    pair = pair_of(store)
    assert (pair.pairing_rule, pair.samples) == ("content", 2)
    assert pair.difference == pytest.approx(0.5)


def test_ids_win_over_indexes_that_contradict_them(store: ResultsProcessor) -> None:
    """Rows shuffled for each variant, or numbered over both."""
    for name, shift in (("shuffled", 0), ("numbered", 30)):
        one, two = runs(name, "A", [1] * 20 + [0] * 10), runs(name, "None", [1] * 10 + [0] * 20)
        for record in one:
            record.sample_id = f"q{record.sample_index}"
        for record in two:
            record.sample_id = f"q{29 - record.sample_index}"
            record.sample_index += shift
        save(store, one, two)
        (pair,) = store.compare([name]).comparisons
        assert pair.pairing_rule == "sample_id"
        assert "ids_over_indexes" in pair.warnings
        assert (pair.samples, pair.improved, pair.regressed) == (30, 20, 10)


def test_ids_that_agree_with_the_indexes_change_nothing(store: ResultsProcessor) -> None:
    parts = runs("exp", "A", [1, 0, 1]), runs("exp", "None", [0, 0, 1])
    for part in parts:
        for record in part:
            record.sample_id = f"q{record.sample_index}"
    save(store, *parts)
    (pair,) = store.compare(["exp"]).comparisons
    assert (pair.pairing_rule, pair.samples) == ("sample_index", 3)
    assert "ids_over_indexes" not in pair.warnings


def test_ids_of_passages_pair_nothing(store: ResultsProcessor) -> None:
    for name, approach in (("one", "A"), ("two", "None")):
        part = runs(name, approach, [1, 0] * 20)
        for record in part:
            record.sample_id = f"passage {record.sample_index // 10}"
            record.input_text, record.expected_answer = f"question {record.sample_index}", "yes"
        save(store, part)
    (pair,) = store.compare(["one", "two"]).comparisons
    assert (pair.pairing_rule, pair.samples) == ("content", 40)
    assert "sample_ids_not_unique" in pair.warnings


def test_ids_are_not_why_ungraded_samples_are_not_shared(store: ResultsProcessor) -> None:
    save(
        store,
        [run("one", "None", place, True, sample_id=f"a{place}") for place in range(4)],
        [run("two", "CoT1", place, None, sample_id=f"a{place}") for place in range(4)],
    )
    pair = pair_of(store)
    assert (pair.samples, pair.pairing_rule, pair.candidate_ids) == (0, "sample_id", None)
    assert comparison_sentence(pair) == "CoT1 has no graded sample: there is nothing to compare."


def test_ids_that_no_two_samples_share_are_named(store: ResultsProcessor) -> None:
    save(
        store,
        [run("one", "None", place, True, sample_id=f"a{place}") for place in range(4)],
        [run("two", "CoT1", place, True, sample_id=f"b{place}") for place in range(4)],
    )
    pair = pair_of(store)
    assert (pair.samples, pair.pairing_rule) == (0, "sample_id")
    assert (pair.candidate_ids, pair.baseline_ids) == (("b0", "b1", "b2"), ("a0", "a1", "a2"))
    assert "other ids (b0, b1, b2, ... and a0, a1, a2, ...)" in comparison_sentence(pair)
    options = AnalysisOptions(pair_by="content")
    (asked,) = store.compare(("one", "two"), options=options).comparisons
    assert (asked.samples, asked.pairing_rule, asked.candidate_ids) == (4, "content", None)
