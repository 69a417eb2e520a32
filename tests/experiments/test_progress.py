import io

import pytest
from rich.console import Console

from ml_agents_results.experiments import progress
from ml_agents_results.experiments.plan import PlannedVariant
from ml_agents_results.experiments.progress import BarProgress, PlainProgress, Tally, progress_on
from ml_agents_results.records import RunRecord


def run(approach: str = "CoT", **values: object) -> RunRecord:
    record = RunRecord("e", approach, 0)
    for name, value in values.items():
        setattr(record, name, value)
    return record


def tally_of(approach: str, planned: int) -> Tally:
    return Tally(PlannedVariant(approach, "p", "m"), planned, approach)


def test_every_run_is_counted_in_one_class() -> None:
    tally = tally_of("CoT", 10)
    for record in (
        run(is_correct=True, parsed_answer="1", cost_estimate=0.5),
        run(is_correct=True, parsed_answer="1", cost_estimate=0.25),
        run(is_correct=False, parsed_answer="2"),
        run(error="down"),
        run(raw_output="?"),
        run(parsed_answer="3"),
    ):
        tally.add(record)
    assert tally.document() == {
        "approach_name": "CoT",
        "provider": "p",
        "model": "m",
        "planned": 10,
        "runs": 6,
        "correct": 2,
        "wrong": 1,
        "failed": 1,
        "unparsed": 1,
        "ungraded": 1,
        "total_cost": 0.75,
        "graded": 3,
        "accuracy": pytest.approx(2 / 3),
    }
    assert str(tally) == (
        "6/10 runs, 1 failed, accuracy 66.7% [20.8%, 93.9%], 2 without a grade, 0.7500 USD"
    )


def test_a_tally_without_grades_or_prices_shows_none() -> None:
    assert str(tally_of("CoT", 10)) == "0/10 runs, 0 failed"
    assert tally_of("CoT", 10).accuracy is None


@pytest.fixture
def page() -> io.StringIO:
    return io.StringIO()


def test_lines_are_few_and_plain_where_there_is_no_terminal(
    page: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = progress_on(Console(file=page))
    assert type(shown) is PlainProgress
    tallies = {name: tally_of(name, 1000) for name in ("None", "CoT")}
    shown.begin("exp_1", list(tallies.values()))
    for _ in range(1000):
        tallies["CoT"].add(run(is_correct=True))
        shown.saved(tallies["CoT"])
    assert page.getvalue() == "Experiment exp_1\n"
    monkeypatch.setattr(progress, "PLAIN_LINES_EVERY", 0.0)
    shown.begin("exp_1", list(tallies.values()))
    shown.saved(tallies["CoT"])
    shown.end()
    lines = page.getvalue().splitlines()
    assert lines[-1] == "CoT: 1000/1000 runs, 0 failed, accuracy 100.0% [99.6%, 100.0%]"
    assert len(lines) == 6
    assert "\x1b" not in page.getvalue()


def test_a_terminal_shows_a_bar_for_each_variant(page: io.StringIO) -> None:
    shown = progress_on(Console(file=page, force_terminal=True, width=120))
    assert type(shown) is BarProgress
    tallies = {name: tally_of(name, 4) for name in ("None", "ChainOfThought")}
    shown.begin("exp_1", list(tallies.values()))
    for tally in tallies.values():
        tally.add(run(is_correct=True))
        shown.saved(tally)
    shown.say("Stopping: [not markup]")
    shown.end()
    text = page.getvalue()
    assert "ChainOfThought" in text
    assert "1/4 runs, 0 failed, accuracy 100.0% [20.7%, 100.0%]" in text
    assert "Stopping: [not markup]" in text
