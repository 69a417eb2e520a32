"""What the pages of the viewer cost beside a bare server that runs the same SQL, at a million runs.

    python -m benchmarks viewer

Both servers run in processes of their own and are asked over HTTP, in turns. The bare one is an
ASGI function that runs the statement by the driver and joins the cells to a table. Pages are
compared by the processor time of the servers, which other programs disturb least.
"""

import http.client
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from benchmarks.databases import database
from benchmarks.figures import Figure, quick, report
from ml_agents_results.database.engine import Database
from ml_agents_results.records import Variant
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_filters import RunFilters
from ml_agents_results.repositories.run_list import RunListRepository, position_of
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.summary import SummaryService
from ml_agents_results.viewer.run_query import RunQuery

EXPERIMENT = "e000"
MEGABYTES = 120
LINE = (
    "id, approach_name, provider, model, task, sample_index, repeat_index, outcome, "
    "execution_time_ms, cost_estimate, substr(input_text, 1, 161), substr(expected_answer, 1, 161)"
    ", substr(parsed_answer, 1, 161), substr(raw_output, 1, 161)"
)
COT = Variant(EXPERIMENT, "ChainOfThought", "p", "m")
BASE = COT._replace(approach_name="None")
KEY = "approach_name, provider, model, task, sample_index, repeat_index"


def main() -> int:
    path = database(10_000 if quick() else 1_000_000, text=200)
    deep = _deep(path)
    start = (
        f"SELECT {LINE} FROM runs INDEXED BY ix_runs_analysis WHERE experiment_id = '{EXPERIMENT}'"
    )
    at = ", ".join(f"'{part}'" if isinstance(part, str) else str(part) for part in deep.key)
    all_runs = RunQuery(RunFilters(EXPERIMENT))
    in_task = RunQuery(RunFilters(EXPERIMENT, (COT,), ("task_07",), ("wrong",)))
    regressed = RunFilters(EXPERIMENT, change="regressed", candidate=COT, baseline=BASE)
    pages = {
        "runs, first page": (all_runs.url(), f"{start} ORDER BY {KEY} LIMIT 101", 3.0),
        "runs, page at nine tenths": (
            RunQuery(RunFilters(EXPERIMENT), after=deep).url(),
            f"{start} AND ({KEY}) > ({at}) ORDER BY {KEY} LIMIT 101",
            3.0,
        ),
        "runs of variant, task and outcome": (
            in_task.url(),
            f"{start} AND approach_name = 'ChainOfThought' AND provider = 'p' AND model = 'm' "
            f"AND task = 'task_07' AND outcome = 'wrong' ORDER BY sample_index LIMIT 101",
            3.0,
        ),
        "runs, a filter that matches nothing": (
            RunQuery(RunFilters(EXPERIMENT, time_min=10**9)).url(),
            f"{start} AND execution_time_ms >= 1000000000 ORDER BY {KEY} LIMIT 101",
            1.3,
        ),
        "runs, slowest first": (
            f"/runs?experiment={EXPERIMENT}&sort=-time",
            f"SELECT {LINE} FROM runs WHERE id IN (SELECT id FROM runs WHERE experiment_id = "
            f"'{EXPERIMENT}' ORDER BY execution_time_ms DESC LIMIT 101) "
            "ORDER BY execution_time_ms DESC",
            1.3,
        ),
        "regressed runs, first page": (RunQuery(regressed).url(), _regressed(start), 3.0),
        "one sample, both variants": (
            f"/sample?experiment={EXPERIMENT}&task=task_07&index={_sample(path)}",
            f"SELECT * FROM runs WHERE experiment_id = '{EXPERIMENT}' AND approach_name IN "
            f"('ChainOfThought', 'None') AND provider = 'p' AND model = 'm' AND task = 'task_07' "
            f"AND sample_index = {_sample(path)}",
            3.0,
        ),
    }
    figures: list[Figure] = []
    with _viewer(path) as (asks, process), _bare(path) as (bare, bare_pid):
        for name, (url, statement, most) in pages.items():
            sides = (asks, process.pid, url), (bare, bare_pid, "/?" + urlencode({"sql": statement}))
            ours, limit = (_processor_time(*side) for side in sides)
            figures.append(Figure(name, ours, "ms CPU", limit, "a bare server", at_most=most))
        [first, last] = (figure.measured for figure in figures[:2])
        figures.append(
            Figure("a page at nine tenths", last, "ms CPU", first, "the first page", at_most=1.2)
        )
        figures.append(_search(asks))
        for part in ("", "&part=costs", "&part=parsing", "&part=failures", "&part=about"):
            asks(f"/experiment?id={EXPERIMENT}{part}")
        asks(f"/compare?experiment={EXPERIMENT}")
        again = sorted(asks(f"/experiment?id={EXPERIMENT}") for _ in range(11))
        figures.append(
            Figure("an experiment, from memory", again[5], "s", 0.02, "20 ms", at_most=1)
        )
        memory = _megabytes(process.pid)
        figures.append(
            Figure("memory after all pages", memory, "MB", MEGABYTES, "the goal", at_most=1)
        )
    figures += _analyses(path)
    return report(figures)


def _deep(path: Path) -> Any:
    """The place of a run in the last tenth."""
    opened = Database(str(path))
    with opened.read() as connection:
        last = RunListRepository(connection).page(
            RunFilters(EXPERIMENT, (BASE,), ("task_15",)), limit=1
        )
    opened.close()
    return position_of(last.lines[0])


def _sample(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        [[index]] = connection.execute(
            "SELECT sample_index FROM runs WHERE experiment_id = ? AND approach_name = "
            "'ChainOfThought' AND provider = 'p' AND model = 'm' AND task = 'task_07' LIMIT 1",
            (EXPERIMENT,),
        )
    return int(index)


def _regressed(start: str) -> str:
    same = " AND ".join(f"b.{name} = runs.{name}" for name in ("task", "sample_index"))
    return (
        f"{start} AND approach_name = 'ChainOfThought' AND provider = 'p' AND model = 'm' AND "
        f"outcome = 'wrong' AND EXISTS (SELECT 1 FROM runs b WHERE b.experiment_id = "
        f"'{EXPERIMENT}' AND b.approach_name = 'None' AND b.provider = 'p' AND b.model = 'm' AND "
        f"{same} AND b.repeat_index = runs.repeat_index AND b.outcome = 'correct') "
        "ORDER BY task, sample_index, repeat_index LIMIT 101"
    )


def _search(asks: Callable[[str], float]) -> Figure:
    """A text that does not occur: as long as a search takes before it says how far it came."""
    taken = sorted(asks(f"/runs?experiment={EXPERIMENT}&q=nowhere+to+be+seen") for _ in range(3))
    return Figure("a search until its first answer", taken[1], "s", 1, "a second", at_most=1.3)


def _analyses(path: Path) -> list[Figure]:
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
        with _viewer(path) as (asks, _):
            asks("/nothing")
            ours.append(asks(f"/experiment?id={EXPERIMENT}"))
        began = time.perf_counter()
        services()
        limit.append(time.perf_counter() - began)
    opened.close()
    middle = len(ours) // 2
    return [
        Figure(
            "an experiment, at first",
            sorted(ours)[middle],
            "s",
            sorted(limit)[middle],
            "its two services",
            at_most=1.2,
        )
    ]


def _asker(port: int, token: str) -> Callable[[str], float]:
    """Asks for a page and gives the seconds that it took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    last = time.perf_counter()

    def ask(url: str) -> float:
        nonlocal last
        began = time.perf_counter()
        if began - last > 4:
            # The server ends connections that are idle for some seconds.
            connection.close()
        connection.request("GET", url, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 404):
            raise RuntimeError(f"{answer.status} for {url}")
        last = time.perf_counter()
        return last - began

    return ask


@contextmanager
def _viewer(path: Path) -> Iterator[tuple[Callable[[str], float], "subprocess.Popen[str]"]]:
    command = "from ml_agents_results.cli import main; main()"
    arguments = ["view", "--db-path", str(path), "--no-open", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", command, *arguments], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    link = re.search(r":(\d+)/\?token=(\S+)", process.stderr.readline())
    assert link is not None
    asks = _asker(int(link[1]), link[2])
    _until_it_answers(asks)
    try:
        yield asks, process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)


@contextmanager
def _bare(path: Path) -> Iterator[tuple[Callable[[str], float], int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.viewer", "bare", str(path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    asks = _asker(int(process.stdout.readline()), "")
    _until_it_answers(asks)
    try:
        yield asks, process.pid
    finally:
        process.terminate()
        process.wait(timeout=10)


def _until_it_answers(asks: Callable[[str], float]) -> None:
    for _ in range(200):
        try:
            asks("/static/none")
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server does not answer")


def _serve_bare(path: str) -> None:
    import socket

    import uvicorn

    connection = sqlite3.connect(path, check_same_thread=False)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        given = parse_qs(scope["query_string"].decode())
        rows = connection.execute(given["sql"][0]).fetchall() if "sql" in given else []
        cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
        body = f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>".encode()
        head = {"type": "http.response.start", "status": 200}
        await send({**head, "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="critical", lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


def _processor_time(asks: Callable[[str], float], pid: int, url: str) -> float:
    """Of the server for one request, in ms; the clock of processes ticks a hundred times a
    second."""
    first = max(asks(url), asks(url))
    times = 60 if first < 0.25 else 4
    before = _ticks(pid)
    for _ in range(times):
        asks(url)
    return (_ticks(pid) - before) * 1000 / os.sysconf("SC_CLK_TCK") / times


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not say how much memory a process had")


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        _serve_bare(sys.argv[2])
    else:
        sys.exit(main())
