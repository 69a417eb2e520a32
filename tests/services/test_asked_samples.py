"""A report on a part of a study says so, in numbers."""

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.accuracy_report import accuracy_report
from ml_agents_results.reports.comparison_report import comparison_report
from ml_agents_results.reports.paper_report import paper_comparison
from ml_agents_results.services.summary import SummaryService
from tests.services.building import runs, save

PLAN = {"approaches": ["None", "CoT1"], "questions": 40, "repeats": 2, "runs": 160}


def test_a_variant_that_was_asked_the_first_questions_only(store: ResultsProcessor) -> None:
    save(
        store,
        runs("exp", "None", [1, 0, 1, 1], task="a"),
        runs("exp", "None", [1, 0], task="b"),
        runs("exp", "CoT1", [[1, 1], [0, 1]], task="a"),
    )
    with store.engine.connect() as connection:
        report = SummaryService(connection).report(by_task=True)
    cot, none = report.variants
    assert (cot.samples_asked, cot.samples_expected, cot.planned) == (2, 6, None)
    assert (none.samples_asked, none.samples_expected) == (6, 6)
    assert "partly_asked" in cot.warnings
    assert "partly_asked" not in none.warnings
    first = report.tasks[0][1]
    assert [(row.samples_asked, row.samples_expected) for row in first] == [(2, 4), (4, 4)]
    assert any("CoT1 was asked 2 of 6 samples" in note for note in accuracy_report(report).notes)
    compared = store.compare(["exp"]).variants
    assert [row.samples_expected for row in compared] == [6, 6]


def test_experiments_on_other_datasets_expect_nothing_of_each_other(
    processor: ResultsProcessor,
) -> None:
    save(processor, runs("one", "None", [1] * 9), runs("two", "None", [1, 0]))
    with processor.engine.connect() as connection:
        rows = SummaryService(connection).report().variants
    assert [row.samples_expected for row in rows] == [9, 2]


def test_fewer_runs_than_were_planned(processor: ResultsProcessor) -> None:
    save(processor, runs("exp", "None", [[1, 0]] * 9), runs("exp", "CoT1", [[1, 1]] * 9))
    processor.save_experiment("exp", {}, environment={"plan": PLAN})
    comparison = processor.compare(["exp"])
    assert comparison.to_dict()["incomplete"] == [
        {"experiment_id": "exp", "runs": 36, "planned": 160, "stopped_early": False}
    ]
    row = comparison.variants[0]
    assert (row.planned, row.samples_asked, row.samples_expected) == (80, 9, 40)
    note = "exp has 36 of 160 planned runs"
    assert comparison_report(comparison).notes[0].startswith(note)
    assert note in paper_comparison(comparison).views[0].caption
