"""List of runs: pages in both directions, searches, filters, and the plans of the statements."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord, Variant
from ml_agents_results.repositories.run_filters import RunFilters, RunOrder
from ml_agents_results.repositories.run_list import RunListRepository, position_of
from ml_agents_results.repositories.run_metadata import metadata_keys
from ml_agents_results.repositories.score_rows import scores_of_runs
from tests.generated import make_runs

BASE = Variant("exp", "None", "generated", "m")
COT = BASE._replace(approach_name="ChainOfThought")
ODD = ("100% of it", "under_score", "back\\slash", "quote'\"", "NUL\x00", "\ud800", "🧪 Emoji", "x")


@pytest.fixture
def filled(database: Database) -> Database:
    runs = make_runs(samples=12)
    for number, run in enumerate(runs):
        if run.error is None:
            run.scores = [ScoreRecord(float(number % 5), metric="length")]
        if number % 4 == 0:
            run.execution_time_ms = None
        if number % 3 == 0:
            run.execution_time_ms = 500
        run.input_text = f"{run.input_text} {ODD[number % len(ODD)]}"
    with ResultsProcessor(database) as processor:
        processor.save_experiment("exp", {})
        processor.save_runs(runs)
    return database


def key_of(run: Any) -> tuple[Any, ...]:
    return (run.approach_name, run.task, run.sample_index, run.repeat_index)


def walk(
    runs: RunListRepository, filters: RunFilters, order: RunOrder, limit: int
) -> Iterator[list[str]]:
    after = None
    while True:
        page = runs.page(filters, order, after, limit=limit)
        yield [line.id for line in page.lines]
        if not page.more:
            return
        after = position_of(page.lines[-1], order)


def test_pages_forth_and_back_are_the_sorted_list(filled: Database) -> None:
    with filled.read() as connection:
        runs = RunListRepository(connection)
        every = list(runs.iterate(RunFilters("exp")))
        scores = scores_of_runs(connection, [line.id for line in every])
        lengths = {one: own[0].value for one, own in scores.items()}
        for column in ("key", "time", "metric:length"):
            for descending in (False, True)[: 1 + (column == "time")]:
                order = RunOrder(column, descending)

                def place(line: Any, order: RunOrder = order) -> tuple[Any, ...]:
                    value = line.execution_time_ms if order.column == "time" else None
                    if order.metric is not None:
                        value = lengths.get(line.id)
                    sign = -1 if order.descending else 1
                    return (value is None, sign * (value or 0), key_of(line))

                wanted = [line.id for line in sorted(every, key=place)]
                pages = list(walk(runs, RunFilters("exp"), order, 7))
                assert [one for page in pages for one in page] == wanted
                before = runs.position(wanted[20], order)
                back = runs.page(RunFilters("exp"), order, before, backwards=True, limit=7)
                assert [line.id for line in back.lines] == wanted[13:20]
                assert back.more


def test_filters_are_those_of_python(filled: Database) -> None:
    cases: dict[RunFilters, Any] = {
        RunFilters("exp", (COT,)): lambda r: r.approach_name == "ChainOfThought",
        RunFilters("exp", (COT, BASE), ("sums",), ("failed", "wrong")): lambda r: (
            r.task == "sums" and (r.error or r.is_correct is False)
        ),
        RunFilters("exp", time_min=500, time_max=2000): lambda r: (
            r.execution_time_ms is not None and 500 <= r.execution_time_ms <= 2000
        ),
        RunFilters("exp", cost_max=0.0004): lambda r: r.cost_estimate <= 0.0004,
        RunFilters("exp", metric="length", minimum=3): lambda r: (
            r.scores and r.scores[0].value >= 3
        ),
        RunFilters("exp", tasks=("nothing",)): lambda r: False,
    }
    with ResultsProcessor(filled) as processor:
        every = list(processor.iter_runs(["exp"]))
    with filled.read() as connection:
        runs = RunListRepository(connection)
        for filters, fits in cases.items():
            wanted = sorted(run.id or "" for run in every if fits(run))
            assert sorted(line.id for line in runs.iterate(filters)) == wanted
            assert runs.count(filters) == len(wanted)
            assert sorted(runs.ids(filters)) == wanted


def test_a_search_finds_what_contains_the_text(filled: Database) -> None:
    with ResultsProcessor(filled) as processor:
        every = list(processor.iter_runs(["exp"]))
    with filled.read() as connection:
        for sought in ODD:
            filters = RunFilters("exp", text=sought, text_in=("question",))
            page = RunListRepository(connection).page(filters)
            wanted = {run.id for run in every if sought in (run.input_text or "")}
            assert {line.id for line in page.lines} == wanted != set()
            assert page.searched == 48


def test_a_search_that_runs_out_of_time_can_go_on(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_agents_results.repositories.run_list.SEARCHED_AT_ONCE", 5)
    filters = RunFilters("exp", text="x", text_in=("question",))
    found: list[str] = []
    with filled.read() as connection:
        runs = RunListRepository(connection)
        wanted = [line.id for line in runs.page(filters, seconds=60).lines]
        page = runs.page(filters, seconds=0)
        while page.stopped_at is not None:
            found += [line.id for line in page.lines]
            page = runs.page(filters, after=page.stopped_at, seconds=0)
        found += [line.id for line in page.lines]
    assert found == wanted != []


def test_changed_runs(filled: Database) -> None:
    with ResultsProcessor(filled) as processor:
        by_key = {key_of(run): run for run in processor.iter_runs(["exp"])}
    wanted = [
        run.id
        for (approach, *rest), run in sorted(by_key.items())
        if approach == "ChainOfThought"
        and run.is_correct is False
        and by_key[("None", *rest)].is_correct is True
    ]
    filters = RunFilters("exp", change="regressed", candidate=COT, baseline=BASE)
    with filled.read() as connection:
        runs = RunListRepository(connection)
        assert [line.id for line in runs.iterate(filters)] == wanted != []
        half = runs.page(filters, limit=2)
        rest = runs.page(filters, after=position_of(half.lines[-1]))
        assert [line.id for line in (*half.lines, *rest.lines)] == wanted


def test_runs_that_are_recorded_meanwhile_neither_repeat_nor_hide_others(
    filled: Database,
) -> None:
    with filled.read() as connection:
        first = RunListRepository(connection).page(RunFilters("exp"), limit=10)
    with ResultsProcessor(filled) as processor:
        processor.save_run(RunRecord("exp", "Aaa", 0, provider="generated", model="m"))
    with filled.read() as connection:
        runs = RunListRepository(connection)
        after = position_of(first.lines[-1])
        rest = runs.page(RunFilters("exp"), after=after, limit=500)
        assert len(rest.lines) == 48 - 10
        assert runs.position("nothing") is None


def plans(database: Database, read: Any) -> list[str]:
    """What the database says of each statement that reads runs."""
    statements: list[tuple[str, Any]] = []
    with database.read() as connection:

        @event.listens_for(connection, "before_cursor_execute")
        def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if not statement.startswith("EXPLAIN"):
                statements.append((statement, parameters))

        read(RunListRepository(connection))
        explained = []
        for statement, parameters in [one for one in statements if "FROM runs" in one[0]]:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            explained.append("\n".join(row[3] for row in rows))
    return explained


@pytest.mark.parametrize("analyzed", [False, True])
def test_plans_enter_the_index_where_the_page_begins(
    sqlite_database: Database, analyzed: bool
) -> None:
    with ResultsProcessor(sqlite_database) as processor:
        processor.save_experiment("exp", {})
        processor.save_runs(make_runs(samples=200))
    if analyzed:
        with sqlite_database.write() as connection:
            connection.execute(text("ANALYZE"))
    with sqlite_database.read() as connection:
        runs = RunListRepository(connection)
        after = position_of(runs.page(RunFilters("exp"), limit=300).lines[-1])
        of_task = runs.page(RunFilters("exp", (COT,), ("sums",)), limit=50)
        in_task = position_of(of_task.lines[-1])
    for filters, start, seek in (
        (
            RunFilters("exp"),
            after,
            "(approach_name,provider,model,task,sample_index,repeat_index)>",
        ),
        (RunFilters("exp", outcomes=("failed",)), after, "(approach_name,provider,model,task,"),
        (RunFilters("exp", (COT,), ("sums",)), in_task, "(sample_index,repeat_index)>"),
        (
            RunFilters("exp", change="regressed", candidate=COT, baseline=BASE),
            after,
            "(task,sample_index,repeat_index)>",
        ),
    ):
        [plan] = plans(sqlite_database, lambda r, f=filters, s=start: r.page(f, after=s))
        entered = next(line for line in plan.splitlines() if "ix_runs_analysis" in line)
        assert entered.startswith("SEARCH runs USING COVERING INDEX"), plan
        assert seek in entered, plan
        # Only the lines of the page are sorted, after they were found.
        assert plan.count("TEMP B-TREE") == 1
        assert "SCAN runs" not in plan
    for read in (
        lambda runs: runs.page(RunFilters("exp"), RunOrder("time")),
        lambda runs: runs.count(RunFilters("exp", outcomes=("failed",))),
        lambda runs: runs.ids(RunFilters("exp")),
    ):
        [plan] = plans(sqlite_database, read)
        assert "COVERING INDEX ix_runs_analysis" in plan
    for narrow in (
        lambda runs: runs.of_sample([COT], "sums", 3),
        lambda runs: runs.page(RunFilters("exp"), after=after, backwards=True, columns=()),
    ):
        [plan] = plans(sqlite_database, narrow)
        assert plan.startswith("SEARCH runs USING COVERING INDEX ix_runs_analysis")
        assert len(plan.splitlines()) == 1


def test_runs_are_found_by_their_metadata(database: Database) -> None:
    values = ["de", 1, True, None, 0.5, "true"]
    with ResultsProcessor(database) as processor:
        processor.save_experiment("exp", {})
        for index, value in enumerate(values):
            run = RunRecord("exp", "None", index, metadata_json={"k y": value, "steps": [1]})
            processor.save_run(run)
    with database.read() as connection:
        assert metadata_keys(connection, "exp") == ["k y"]
        runs = RunListRepository(connection)
        for asked, expected in (("de", [0]), ("1", [1]), ("true", [2, 5]), ("0.5", [4]), ("x", [])):
            page = runs.page(RunFilters("exp", metadata=(("k y", asked),)))
            assert [line.sample_index for line in page.lines] == expected, asked


def test_disagreements_are_between_metrics_or_authors(database: Database) -> None:
    said = [(1, 1, 1), (1, 0, 1), (0, 1, 1), (1, None, 1), (1, 1, 0)]
    with ResultsProcessor(database) as processor:
        metric = MetricRecord("exact", "binary", is_primary=True)
        processor.save_experiment("exp", {}, metrics=[metric])
        for index, (right, ada, bob) in enumerate(said):
            scores = [
                ScoreRecord(value, metric="human", author=author)
                for author, value in (("ada", ada), ("bob", bob))
            ]
            run = RunRecord("exp", "None", index, is_correct=bool(right), scores=scores)
            processor.save_run(run)
    with database.read() as connection:
        runs = RunListRepository(connection)
        for names, expected in ((("exact", "human"), [1, 2, 4]), (("human", "human"), [1, 4])):
            found = runs.iterate(RunFilters("exp", disagree=names))
            assert [line.sample_index for line in found] == expected, names
