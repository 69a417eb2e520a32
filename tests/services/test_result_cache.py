"""A second identical analysis reads no run, and no analysis is ever older than the database."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.analysis_options import AnalysisOptions
from tests.databases import locator
from tests.processes import run as in_another_process
from tests.services.building import run, runs, save


@contextmanager
def statements(processor: ResultsProcessor) -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        sent.append(statement)

    engine = processor.database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def reading_runs(sent: list[str]) -> list[str]:
    return [statement for statement in sent if "runs" in statement]


@pytest.fixture
def study(store: ResultsProcessor) -> ResultsProcessor:
    return save(store, runs("exp", "None", [1, 0, 0, 1]), runs("exp", "CoT1", [1, 1, 0, 1]))


def test_the_second_time_no_run_is_read(study: ResultsProcessor) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "compare": lambda: study.compare(["exp"], by_task=True).to_dict(),
        "accuracy": lambda: study.generate_accuracy_report({"experiment_id": "exp"}),
        "parsing": lambda: study.generate_parsing_analysis("exp"),
        "costs": lambda: study.create_cost_breakdown(["exp"]).to_dict(),
        "failures": lambda: study.identify_failure_patterns("exp"),
        "approach": lambda: study.calculate_approach_statistics("CoT1", "exp"),
        "summary": lambda: study.get_experiment_summary("exp"),
    }
    for name, call in calls.items():
        with statements(study) as first:
            before = call()
        assert reading_runs(first), name
        # A server counts the transactions of all its databases, and autovacuum's.
        for _ in range(20):
            state = study.database.state()
            call()
            with statements(study) as second:
                after = call()
            if study.database.state() == state:
                break
        assert reading_runs(second) == [], name
        assert before == after


def test_another_question_is_another_answer(study: ResultsProcessor) -> None:
    assert study.compare(["exp"]).comparisons[0].difference == 0.25
    assert study.compare(["exp"], baseline="CoT1").comparisons[0].difference == -0.25
    assert study.compare(["exp"], options=AnalysisOptions(confidence=0.5)).confidence_level == 0.5
    assert study.compare(["exp"]).confidence_level == 0.95
    (part,) = study.compare(["exp"], filters={"parsing_method": None}).comparisons
    assert part.samples == 4


def test_every_kind_of_write_makes_it_fresh(study: ResultsProcessor) -> None:
    def accuracy() -> list[float]:
        return [variant["accuracy"] for variant in study.generate_accuracy_report()["variants"]]

    assert accuracy() == [0.75, 0.5]
    study.save_run(run("exp", "None", 1, 1))
    assert accuracy() == [0.75, 0.75]
    study.save_runs(runs("exp", "None", [1, 0, 0, 0]))
    assert accuracy() == [0.75, 0.25]
    save(study, runs("other", "None", [1]))
    assert accuracy() == [0.75, 0.25, 1.0]
    with study.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM experiments WHERE id = 'other'")
    assert accuracy() == [0.75, 0.25]


def test_what_another_process_writes_is_seen(study: ResultsProcessor) -> None:
    before = study.compare(["exp"]).comparisons[0]
    code = (
        "import sys\n"
        "from ml_agents_results.processor import ResultsProcessor\n"
        "from ml_agents_results.records import RunRecord\n"
        "processor = ResultsProcessor(sys.argv[1])\n"
        "processor.save_run(RunRecord('exp', 'CoT1', 2, 'p', 'm', is_correct=True))\n"
        "processor.close()\n"
    )
    in_another_process(code, locator(study.database))
    after = study.compare(["exp"]).comparisons[0]
    assert (before.difference, after.difference) == (0.25, 0.5)


def test_what_sqlite_itself_writes_is_seen(processor: ResultsProcessor) -> None:
    save(processor, runs("exp", "None", [1, 0]), runs("exp", "CoT1", [1, 0]))
    assert processor.compare(["exp"]).comparisons[0].difference == 0
    raw = sqlite3.connect(str(processor.database.path))
    raw.execute("UPDATE runs SET is_correct = 1, outcome = 'correct' WHERE approach_name = 'CoT1'")
    # Not committed yet: nothing has changed for others.
    assert processor.compare(["exp"]).comparisons[0].difference == 0
    raw.commit()
    assert processor.compare(["exp"]).comparisons[0].difference == 0.5
    raw.execute("DELETE FROM runs WHERE approach_name = 'CoT1' AND sample_index = 0")
    raw.rollback()
    assert processor.compare(["exp"]).comparisons[0].samples == 2
    raw.close()


def test_a_write_in_the_midst_of_an_analysis(study: ResultsProcessor) -> None:
    """The analysis may or may not see it; the next one does."""
    written: list[str] = []

    def write_once(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "runs" in statement and not written:
            written.append(statement)
            other = ResultsProcessor(locator(study.database))
            other.save_run(run("exp", "CoT1", 2, 1))
            other.close()

    event.listen(study.database.engine, "after_cursor_execute", write_once)
    study.compare(["exp"])
    event.remove(study.database.engine, "after_cursor_execute", write_once)
    assert written
    assert study.compare(["exp"]).comparisons[0].difference == 0.5


@pytest.mark.parametrize("seed", range(3))
def test_never_stale_in_any_order_of_reads_and_writes(database: Database, seed: int) -> None:
    """Two who write and read at random always see what is there, cached or not."""
    chance = random.Random(seed)
    two = [ResultsProcessor(database), ResultsProcessor(locator(database))]
    grades = {("None", 0): 1, ("CoT1", 0): 0}
    save(two[0], [run("exp", variant, place, grade) for (variant, place), grade in grades.items()])
    hits = 0
    for _ in range(60):
        one = chance.choice(two)
        if chance.random() < 0.4:
            variant, place = chance.choice(["None", "CoT1"]), chance.randrange(4)
            grades[variant, place] = chance.randrange(2)
            one.save_run(run("exp", variant, place, grades[variant, place]))
        else:
            with statements(one) as sent:
                comparison = one.compare(["exp"])
            hits += not reading_runs(sent)
            assert comparison.comparisons[0].samples == sum(
                ("None", place) in grades and ("CoT1", place) in grades for place in range(4)
            )
            for row in comparison.variants:
                own = [grade for (name, _), grade in grades.items() if name == row.variant[1]]
                assert (row.runs, row.correct) == (len(own), sum(own))
    assert hits > 5
    two[1].close()


def test_old_results_make_room(study: ResultsProcessor) -> None:
    for place in range(70):
        study.compare(["exp"], options=AnalysisOptions(confidence=0.5 + place / 200))
    with statements(study) as recent:
        study.compare(["exp"], options=AnalysisOptions(confidence=0.5 + 69 / 200))
    with statements(study) as old:
        study.compare(["exp"], options=AnalysisOptions(confidence=0.5))
    assert reading_runs(recent) == []
    assert reading_runs(old)


def test_a_database_in_memory_is_always_read() -> None:
    processor = ResultsProcessor("sqlite://")
    save(processor, runs("exp", "None", [1, 0]), runs("exp", "CoT1", [1, 0]))
    assert processor.compare(["exp"]).comparisons[0].difference == 0
    processor.save_run(run("exp", "CoT1", 1, 1))
    assert processor.compare(["exp"]).comparisons[0].difference == 0.5
    processor.close()
