"""What the pages of the viewer cost next to a bare server that runs the same SQL.

Both servers run in processes of their own and are asked over HTTP, in turns. Pages are compared by
the processor time of the servers, which other programs disturb least.
"""

import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import islice, product
from pathlib import Path
from statistics import median
from threading import Event, Thread
from urllib.parse import urlencode

from sqlalchemy import Connection

from benchmarks.databases import EXPERIMENT, TASKS, database, records
from benchmarks.harness import Measured
from benchmarks.servers import Server, bare_server, viewer
from ml_agents_results.database.engine import Database
from ml_agents_results.records import ExperimentRecord, RunRecord, Variant
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_filters import Position, RunFilters, RunOrder
from ml_agents_results.repositories.run_list import RunListRepository, position_of
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.summary import SummaryService
from ml_agents_results.viewer.run_query import RunQuery

OUTCOMES = (("wrong",), ("correct",), ("correct", "wrong"))
ROUNDS = 5
PAGES = 20 * (1 + ROUNDS)
"""Pages of each kind, the first twenty to warm up: no two are the same where a reader would not ask
for the same one."""

LINE = (
    "id, approach_name, provider, model, task, sample_index, repeat_index, outcome, "
    "execution_time_ms, cost_estimate, substr(input_text, 1, 161), substr(expected_answer, 1, 161)"
    ", substr(parsed_answer, 1, 161), substr(raw_output, 1, 161)"
)
COT = Variant(EXPERIMENT, "ChainOfThought", "p", "m")
BASE = COT._replace(approach_name="None")
KEY = "approach_name, provider, model, task, sample_index, repeat_index"
START = f"SELECT {LINE} FROM runs INDEXED BY ix_runs_analysis WHERE experiment_id = '{EXPERIMENT}'"
OF_COT = "approach_name = 'ChainOfThought' AND provider = 'p' AND model = 'm'"
BY_KEY = f"ORDER BY {KEY} LIMIT 101"

Page = tuple[str, Sequence[str]]
"""The address of a page, and the statements that a bare server needs for the same content."""


def pages(_folder: Path, runs: int) -> Iterator[Measured]:
    path = database(runs, text=200)
    with viewer(path) as ours, bare_server(path) as bare:
        taken = {}
        for name, kind in _kinds(path).items():
            taken[name], limit = _in_turns(ours, bare, kind)
            yield Measured(name, taken[name], limit)
        first, last = taken["runs, first page"], taken["runs, page at nine tenths"]
        yield Measured("a page at nine tenths", last, first)
        # A text that does not occur: as long as a search takes before it says how far it came.
        search = f"/runs?experiment={EXPERIMENT}&q=nowhere+to+be+seen"
        seconds = median(ours.ask(search) for _ in range(3))
        yield Measured("a search until its first answer", seconds, 1)
        for part in ("", "&part=costs", "&part=parsing", "&part=failures", "&part=about"):
            ours.ask(f"/experiment?id={EXPERIMENT}{part}")
        ours.ask(f"/compare?experiment={EXPERIMENT}")
        again = median(ours.ask(f"/experiment?id={EXPERIMENT}") for _ in range(11))
        yield Measured("an experiment, from memory", again, 0.02)
        yield Measured("memory after all pages", ours.megabytes, 120)


def _kinds(path: Path) -> dict[str, Sequence[Page]]:
    every = RunFilters(EXPERIMENT)
    regressed = replace(every, change="regressed", candidate=COT, baseline=BASE)
    by_time = (
        f"SELECT {LINE} FROM runs WHERE id IN (SELECT id FROM runs WHERE experiment_id = "
        f"'{EXPERIMENT}' ORDER BY execution_time_ms DESC, {KEY} LIMIT 101) "
        f"ORDER BY execution_time_ms DESC, {KEY}"
    )
    slowest = RunQuery(every, RunOrder("time", descending=True)).url()
    tasks = [f"task_{number:02}" for number in range(TASKS)]
    return {
        "runs, first page": [(RunQuery(every).url(), [f"{START} {BY_KEY}"])] * PAGES,
        "runs, page at nine tenths": [
            (
                RunQuery(every, after=end).url(),
                [f"{START} AND ({KEY}) > ({_values(end)}) {BY_KEY}"],
            )
            for end in _ends(path, replace(every, variants=(BASE,), tasks=("task_15",)))
        ],
        "runs of variant, task and outcome": [
            (
                RunQuery(RunFilters(EXPERIMENT, (variant,), (task,), outcomes)).url(),
                [
                    f"{START} AND approach_name = '{variant.approach_name}' AND provider = 'p' AND "
                    f"model = 'm' AND task = '{task}' AND outcome IN "
                    f"({', '.join(map(repr, outcomes))}) ORDER BY sample_index LIMIT 101"
                ],
            )
            for variant, outcomes, task in product((COT, BASE), OUTCOMES, tasks)
        ],
        "runs, a filter that matches nothing": [
            (
                RunQuery(replace(every, time_min=time_min)).url(),
                [f"{START} AND execution_time_ms >= {time_min} {BY_KEY}"],
            )
            for time_min in range(10**9, 10**9 + 4 * (1 + ROUNDS))
        ],
        "runs, slowest first": [(slowest, [by_time])] * (4 * (1 + ROUNDS)),
        "regressed runs": [
            (RunQuery(regressed, after=end).url(), [_regressed(end)])
            for end in _ends(path, regressed)
        ],
        "one sample, both variants": [
            _sample(path, task, number) for number in range(1 + ROUNDS) for task in tasks
        ],
    }


def _ends(path: Path, filters: RunFilters) -> list[Position]:
    """Where the pages of a list end, as many as there are pages of each kind."""
    with closing(Database(str(path))) as opened, opened.read() as connection:
        lines = islice(RunListRepository(connection).iterate(filters), 99, 100 * PAGES, 100)
        return [position_of(line) for line in lines]


def _values(end: Position) -> str:
    return ", ".join(f"'{part}'" if isinstance(part, str) else str(part) for part in end.key)


def _regressed(end: Position) -> str:
    *_, task, sample, repeat = end.key
    same = " AND ".join(
        f"b.{name} = runs.{name}" for name in ("task", "sample_index", "repeat_index")
    )
    return (
        f"{START} AND {OF_COT} AND outcome = 'wrong' AND (task, sample_index, repeat_index) > "
        f"('{task}', {sample}, {repeat}) AND EXISTS (SELECT 1 FROM runs b WHERE b.experiment_id = "
        f"'{EXPERIMENT}' AND b.approach_name = 'None' AND b.provider = 'p' AND b.model = 'm' AND "
        f"{same} AND b.outcome = 'correct') "
        "ORDER BY task, sample_index, repeat_index LIMIT 101"
    )


def _sample(path: Path, task: str, number: int) -> Page:
    """A sample of a task: its runs, their scores, and the samples before and after it."""
    of_task = f"experiment_id = '{EXPERIMENT}' AND {OF_COT} AND task = '{task}'"
    with closing(sqlite3.connect(path)) as connection:
        [[index]] = connection.execute(
            f"SELECT sample_index FROM runs WHERE {of_task} ORDER BY sample_index "
            f"LIMIT {number + 1}, 1"
        )
    both = (
        f"experiment_id = '{EXPERIMENT}' AND approach_name IN ('ChainOfThought', 'None') AND "
        f"provider = 'p' AND model = 'm' AND task = '{task}' AND sample_index = {index}"
    )
    neighbour = f"SELECT id, task, sample_index FROM runs WHERE {of_task} AND sample_index"
    return f"/sample?experiment={EXPERIMENT}&task={task}&index={index}", [
        f"SELECT * FROM runs WHERE {both}",
        f"SELECT * FROM scores WHERE run_id IN (SELECT id FROM runs WHERE {both})",
        f"{neighbour} < {index} ORDER BY sample_index DESC LIMIT 1",
        f"{neighbour} > {index} ORDER BY sample_index LIMIT 1",
    ]


def _in_turns(ours: Server, bare: Server, kind: Sequence[Page]) -> tuple[float, float]:
    """Processor time of both servers for one page in ms: of the quietest of some rounds, each of
    which asks for pages of its own."""
    sides = {
        ours: [url for url, _ in kind],
        bare: ["/?" + urlencode([("sql", one) for one in sql]) for _, sql in kind],
    }
    taken: dict[Server, list[float]] = {server: [] for server in sides}
    for turn in range(1 + ROUNDS):
        for server, urls in sides.items():
            before, asked = server.cpu_seconds, urls[turn :: 1 + ROUNDS]
            for url in asked:
                server.ask(url)
            if turn:
                taken[server].append((server.cpu_seconds - before) * 1000 / len(asked))
    return min(taken[ours]), min(taken[bare])


def first_page(_folder: Path, runs: int, rounds: int) -> Iterator[Measured]:
    """The first page of an experiment in a new server, next to the services that it asks."""
    path, filters = database(runs, text=200), Filters(experiment_id=(EXPERIMENT,))
    ours, limit = [], []
    with closing(Database(str(path))) as opened:
        for turn in range(1 + rounds):
            before = time.process_time()
            with opened.read() as connection:
                SummaryService(connection, filters).report(by_task=True)
                ComparisonService(connection, filters).compare([EXPERIMENT], by_task=True)
            if turn:
                limit.append(time.process_time() - before)
                with viewer(path) as server:
                    server.ask("/nothing")
                    before = server.cpu_seconds
                    server.ask(f"/experiment?id={EXPERIMENT}")
                    ours.append(server.cpu_seconds - before)
    yield Measured("an experiment, at first", min(ours), min(limit))


def looked_at(folder: Path, runs: int, saves: int) -> Iterator[Measured]:
    """Durable saves into a file, in turns with and without a browser that asks once a second what
    has changed, and then for the pages that changed."""
    copy = folder / "recorded.db"
    shutil.copyfile(database(runs, text=200), copy)
    ready = records("live", 2 * 2 * (1 + ROUNDS) * saves, 200)
    taken: tuple[list[float], list[float]] = ([], [])
    with closing(Database(str(copy))) as opened, viewer(copy) as server:
        with opened.write() as connection:
            experiment = ExperimentRecord("live", status="running", config_json={})
            ExperimentRepository(connection).save(experiment)
        for turn in range(2 * (1 + ROUNDS)):
            with _watched(server) if turn % 2 else nullcontext():
                began = time.perf_counter()
                for run in islice(ready, saves):
                    opened.write_retried(partial(_save, run))
                taken[turn % 2].append((time.perf_counter() - began) / saves * 1000)
    without, watched = (median(times[1:]) for times in taken)
    yield Measured("a save, looked at", watched, without)


def _save(run: RunRecord, connection: Connection) -> None:
    RunRepository(connection).save(run)


@contextmanager
def _watched(server: Server) -> Iterator[None]:
    ended = Event()

    def watch() -> None:
        while not ended.wait(1):
            for url in ("/state?since=0", "/experiment?id=live", "/"):
                server.ask(url)

    watching = Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
