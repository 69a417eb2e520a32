"""A PostgreSQL server that restarts, hangs or is crowded while experiments are recorded."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ml_agents_results.cli import app
from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database import postgres as server_module
from ml_agents_results.errors import DatabaseLockedError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.commands import call, refusal, start
from tests.databases import embedded
from tests.endpoint import Endpoint
from tests.own_server import OwnServer, signalled

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]

PROCESSES = 32


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:
    with embedded() as started:
        yield started


@pytest.fixture
def server(running: Any) -> OwnServer:
    """With an empty database."""
    own = OwnServer(running)
    own.run("DROP SCHEMA public CASCADE")
    own.run("CREATE SCHEMA public")
    return own


def wait_until(server: OwnServer, least: int, counted: str = "*") -> None:
    for _ in range(600):
        if server.query("SELECT to_regclass('runs')")[0][0] is not None:
            [(found,)] = server.query(f"SELECT COUNT({counted}) FROM runs")
            if found >= least:
                return
        time.sleep(0.05)
    raise AssertionError(f"never saw {least} runs")


def test_an_experiment_outlives_restarts_of_its_server(server: OwnServer, tmp_path: Path) -> None:
    questions = tmp_path / "q.jsonl"
    rows = [json.dumps({"input": f"Question {n}?", "target": "4"}) for n in range(150)]
    questions.write_text("\n".join(rows), encoding="utf-8")
    with Endpoint("The answer is 4.", latency=0.1) as endpoint:
        process = start(
            "run", "--experiment-id", "mine", "--db-url", server.locator, "--dataset", questions,
            "--approach", "None,CoT", "--model", "m", "--base-url", endpoint.url,
            "--parsing", "regex", "--concurrency", 4, "--output-dir", tmp_path / "out", "--json",
            cwd=tmp_path,
        )  # fmt: skip
        try:
            for number, mode in enumerate(("immediate", "fast", "immediate"), 1):
                wait_until(server, number * 30)
                server.restart(mode)
            output, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    document = json.loads(output)
    assert (document["status"], document["runs"]) == ("completed", 300)
    recorded = server.query("SELECT approach_name, sample_index, repeat_index FROM runs")
    assert Counter(map(tuple, recorded)) == Counter(
        (approach, n, 0) for approach in ("None", "ChainOfThought") for n in range(150)
    )
    assert endpoint.requests == 300
    assert server.query("SELECT COUNT(*) FROM claims") == [(0,)]


MANY = """
    import os, sys, traceback
    from ml_agents_results.config import DatabaseConfig
    from ml_agents_results.processor import ResultsProcessor
    from ml_agents_results.records import RunRecord

    url, processes, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    children = []
    for number in range(processes):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                processor = ResultsProcessor(DatabaseConfig(url=url))
                processor.save_experiment(f"e{number % 4}", {})
                for index in range(runs):
                    run = RunRecord(f"e{number % 4}", "None", index, provider=str(number))
                    processor.save_run(run)
                processor.close()
                code = 0
            except BaseException:
                traceback.print_exc()
            os._exit(code)
        children.append(child)
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    print("failed", failed)
"""


def test_many_processes_record_into_one_server_that_restarts(server: OwnServer) -> None:
    ResultsProcessor(server.locator).close()
    runs_each = 40
    process = subprocess.Popen(
        [sys.executable, "-c", "import textwrap, sys; exec(textwrap.dedent(sys.argv.pop(1)))",
         MANY, server.locator, str(PROCESSES), str(runs_each)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_until(server, PROCESSES, "DISTINCT provider")
        server.restart("immediate")
        output, _ = process.communicate(timeout=200)
    finally:
        process.kill()
    assert output.split() == ["failed", "0"]
    found = server.query(
        "SELECT provider, COUNT(*), COUNT(DISTINCT sample_index) FROM runs GROUP BY 1"
    )
    assert sorted(map(tuple, found)) == sorted(
        (str(number), runs_each, runs_each) for number in range(PROCESSES)
    )


def test_a_server_that_hangs_is_not_waited_for_without_end(
    server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "GRACE", 0.5)
    impatient = DatabaseConfig(url=server.locator, connection_timeout=2, statement_timeout=0.5)
    processor = ResultsProcessor(impatient)
    processor.save_experiment("e", {})
    processor.save_run(RunRecord("e", "None", 0))
    stopped = server.halt()
    try:
        begun = time.monotonic()
        with pytest.raises(DatabaseLockedError, match="did not answer in time"):
            processor.save_run(RunRecord("e", "None", 1))
        assert time.monotonic() - begun < 15
    finally:
        for pid in stopped:
            signalled(pid, signal.SIGCONT)
    processor.save_run(RunRecord("e", "None", 1))
    processor.save_run(RunRecord("e", "None", 2))
    assert processor.get_runs_paginated("e")["total_runs"] == 3


def test_a_server_that_is_starting_is_waited_for(server: OwnServer) -> None:
    ResultsProcessor(server.locator).close()
    starting = threading.Thread(target=server.restart, args=("immediate",))
    starting.start()
    while starting.is_alive():
        ended = CliRunner().invoke(app, ["list", "--db-url", server.locator])
        # A session that the stopping server ends has nothing to wait for.
        assert ended.exit_code == 0 or "closed the connection" in ended.stderr, ended.stderr
    starting.join()
    call("list", "--db-url", server.locator)


def test_a_wrong_password_is_refused_and_never_repeated(server: OwnServer) -> None:
    server.run("DROP ROLE IF EXISTS guest")
    server.run("CREATE ROLE guest LOGIN PASSWORD 'the right one'")
    server.ask_for_password("guest")
    url = server.url.set(username="guest", password="a-wrong-guess")
    message, hint = refusal("list", "--db-url", url.render_as_string(hide_password=False), code=4)
    assert "refused" in message
    assert "PGPASSWORD" in hint
    assert "a-wrong-guess" not in message + hint
