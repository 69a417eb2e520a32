"""What the pages of the viewer cost beside a bare server that runs the same SQL, at a million runs.

    python -m benchmarks viewer

Both servers run in processes of their own and are asked over HTTP, in turns. The bare one is an
ASGI function that runs the statement by the driver and joins the cells to a table. Pages are
compared by the processor time of the servers, which other programs disturb least.
"""

import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import islice, product, starmap
from pathlib import Path
from statistics import median
from threading import Event, Thread
from urllib.parse import urlencode

from sqlalchemy import Connection

from benchmarks.databases import TASKS, database, records
from benchmarks.figures import Figure, quick, report
from benchmarks.viewer_servers import Server, bare_server, viewer
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

EXPERIMENT = "e000"
OUTCOMES = (("wrong",), ("correct",), ("correct", "wrong"))
MEGABYTES = 120
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

Page = tuple[str, Sequence[str]]
"""The address of a page, and the statements that a bare server needs for the same content."""


def main() -> int:
    path = database(10_000 if quick() else 1_000_000, text=200)
    figures: list[Figure] = []
    with viewer(path) as ours, bare_server(path) as bare:
        for name, pages, most in _kinds(path):
            measured, limit = _in_turns(ours, bare, pages)
            figures.append(Figure(name, measured, "ms CPU", limit, "a bare server", at_most=most))
        [first, last] = (figure.measured for figure in figures[:2])
        figures.append(
            Figure("a page at nine tenths", last, "ms CPU", first, "the first page", at_most=1.2)
        )
        figures.append(_search(ours))
        for part in ("", "&part=costs", "&part=parsing", "&part=failures", "&part=about"):
            ours.ask(f"/experiment?id={EXPERIMENT}{part}")
        ours.ask(f"/compare?experiment={EXPERIMENT}")
        again = [ours.ask(f"/experiment?id={EXPERIMENT}") for _ in range(11)]
        figures.append(
            Figure("an experiment, from memory", median(again), "s", 0.02, "20 ms", at_most=1)
        )
        figures.append(
            Figure("memory after all pages", ours.megabytes, "MB", MEGABYTES, "the goal", at_most=1)
        )
    figures += [_analyses(path), _recording(path)]
    return report(figures)


def _kinds(path: Path) -> Iterator[tuple[str, Sequence[Page], float]]:
    """Kinds of pages, with how many times the bare server they may cost."""
    every, by_key = RunFilters(EXPERIMENT), f"ORDER BY {KEY} LIMIT 101"
    yield "runs, first page", [(RunQuery(every).url(), [f"{START} {by_key}"])] * PAGES, 3.0
    deep = [
        (
            RunQuery(every, after=place).url(),
            [f"{START} AND ({KEY}) > ({_values(place)}) {by_key}"],
        )
        for place in _places(path, replace(every, variants=(BASE,), tasks=("task_15",)))
    ]
    yield "runs, page at nine tenths", deep, 3.0
    yield (
        "runs of variant, task and outcome",
        list(starmap(_in_task, product((COT, BASE), OUTCOMES, _tasks()))),
        3.0,
    )
    nothing = [
        (
            RunQuery(replace(every, time_min=10**9 + number)).url(),
            [f"{START} AND execution_time_ms >= {10**9 + number} {by_key}"],
        )
        for number in range(4 * (1 + ROUNDS))
    ]
    yield "runs, a filter that matches nothing", nothing, 1.3
    slowest = RunQuery(every, RunOrder("time", descending=True))
    by_time = (
        f"SELECT {LINE} FROM runs WHERE id IN (SELECT id FROM runs WHERE experiment_id = "
        f"'{EXPERIMENT}' ORDER BY execution_time_ms DESC, {KEY} LIMIT 101) "
        f"ORDER BY execution_time_ms DESC, {KEY}"
    )
    yield "runs, slowest first", [(slowest.url(), [by_time])] * (4 * (1 + ROUNDS)), 1.3
    regressed = replace(every, change="regressed", candidate=COT, baseline=BASE)
    changed = [
        (RunQuery(regressed, after=place).url(), [_regressed(place)])
        for place in _places(path, regressed)
    ]
    yield "regressed runs", changed, 3.0
    samples = [_sample(path, task, number) for number in range(1 + ROUNDS) for task in _tasks()]
    yield "one sample, both variants", samples, 3.0


def _tasks() -> list[str]:
    return [f"task_{number:02}" for number in range(TASKS)]


def _in_task(variant: Variant, outcomes: tuple[str, ...], task: str) -> Page:
    listed = ", ".join(map(repr, outcomes))
    return RunQuery(RunFilters(EXPERIMENT, (variant,), (task,), outcomes)).url(), [
        f"{START} AND approach_name = '{variant.approach_name}' AND provider = 'p' AND model = 'm' "
        f"AND task = '{task}' AND outcome IN ({listed}) ORDER BY sample_index LIMIT 101"
    ]


def _places(path: Path, filters: RunFilters) -> list[Position]:
    """Where the pages of a list end, as many as there are pages of each kind."""
    opened = Database(str(path))
    with opened.read() as connection:
        lines = islice(RunListRepository(connection).iterate(filters), 99, 100 * PAGES, 100)
        places = [position_of(line) for line in lines]
    opened.close()
    return places


def _values(place: Position) -> str:
    return ", ".join(f"'{part}'" if isinstance(part, str) else str(part) for part in place.key)


def _regressed(place: Position) -> str:
    *_, task, sample, repeat = place.key
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
    with sqlite3.connect(path) as connection:
        [[index]] = connection.execute(
            f"SELECT sample_index FROM runs WHERE {of_task} ORDER BY sample_index "
            f"LIMIT {number + 1}, 1"
        )
    both = (
        f"experiment_id = '{EXPERIMENT}' AND approach_name IN ('ChainOfThought', 'None') AND "
        f"provider = 'p' AND model = 'm' AND task = '{task}' AND sample_index = {index}"
    )
    beside = f"SELECT id, task, sample_index FROM runs WHERE {of_task} AND"
    return f"/sample?experiment={EXPERIMENT}&task={task}&index={index}", [
        f"SELECT * FROM runs WHERE {both}",
        f"SELECT * FROM scores WHERE run_id IN (SELECT id FROM runs WHERE {both})",
        f"{beside} sample_index < {index} ORDER BY sample_index DESC LIMIT 1",
        f"{beside} sample_index > {index} ORDER BY sample_index LIMIT 1",
    ]


def _search(server: Server) -> Figure:
    """A text that does not occur: as long as a search takes before it says how far it came."""
    taken = [server.ask(f"/runs?experiment={EXPERIMENT}&q=nowhere+to+be+seen") for _ in range(3)]
    return Figure("a search until its first answer", median(taken), "s", 1, "a second", at_most=1.3)


def _analyses(path: Path) -> Figure:
    """The first page of an experiment in a new server, beside the services that it asks."""
    opened = Database(str(path))
    filters = Filters(experiment_id=(EXPERIMENT,))

    def services() -> None:
        with opened.read() as connection:
            SummaryService(connection, filters).report(by_task=True)
            ComparisonService(connection, filters).compare([EXPERIMENT], by_task=True)

    services()
    ours, limit = [], []
    for _ in range(1 if quick() else 3):
        with viewer(path) as server:
            server.ask("/nothing")
            before = server.processor_seconds
            server.ask(f"/experiment?id={EXPERIMENT}")
            ours.append(server.processor_seconds - before)
        before = time.process_time()
        services()
        limit.append(time.process_time() - before)
    opened.close()
    return Figure(
        "an experiment, at first", min(ours), "s CPU", min(limit), "its two services", at_most=1.2
    )


def _recording(path: Path) -> Figure:
    """Durable saves into the same file, in turns with and without a browser that asks once a second
    what has changed, and then for the pages that changed."""
    copy = path.with_name("recorded.db")
    shutil.copyfile(path, copy)
    opened, saves = Database(str(copy)), 200 if quick() else 1000
    runs = records("live", 2 * 2 * (1 + ROUNDS) * saves, 200)
    with opened.write() as connection:
        ExperimentRepository(connection).save(
            ExperimentRecord("live", status="running", config_json={})
        )
    taken: tuple[list[float], list[float]] = ([], [])
    with viewer(copy) as server:
        for turn in range(2 * (1 + ROUNDS)):
            with _watched(server) if turn % 2 else nullcontext():
                began = time.perf_counter()
                for run in islice(runs, saves):
                    opened.write_retried(partial(_save, run))
                taken[turn % 2].append((time.perf_counter() - began) / saves * 1000)
    opened.close()
    for file in copy.parent.glob(f"{copy.name}*"):
        file.unlink()
    without, watched = (median(times[1:]) for times in taken)
    return Figure("a save, looked at", watched, "ms", without, "nobody looks", at_most=1.03)


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


def _in_turns(ours: Server, bare: Server, pages: Sequence[Page]) -> tuple[float, float]:
    """Processor time of both servers for one page in ms: of the quietest of some rounds, each of
    which asks for pages of its own."""
    sides = {ours: [url for url, _ in pages], bare: [_bare_url(sql) for _, sql in pages]}
    taken: dict[Server, list[float]] = {server: [] for server in sides}
    for turn in range(1 + ROUNDS):
        for server, urls in sides.items():
            before, asked = server.processor_seconds, urls[turn :: 1 + ROUNDS]
            for url in asked:
                server.ask(url)
            if turn:
                taken[server].append((server.processor_seconds - before) * 1000 / len(asked))
    return min(taken[ours]), min(taken[bare])


def _bare_url(statements: Sequence[str]) -> str:
    return "/?" + urlencode([("sql", statement) for statement in statements])


if __name__ == "__main__":
    sys.exit(main())
