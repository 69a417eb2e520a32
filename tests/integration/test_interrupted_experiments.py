"""Experiments that are killed, interrupted, or worked on by several processes at once."""

import json
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.endpoint import Endpoint, Fault
from tests.lengths import short_and_long
from tests.processes import COMMAND, Process, run

CONCURRENCY = 8

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def answer(body: dict[str, Any]) -> str:
    return "The answer is 4."


class Study:
    """The command line working on one database, each command in a process of its own."""

    def __init__(self, folder: Path, endpoint: Endpoint, questions: int) -> None:
        self.folder, self.endpoint = folder, endpoint
        self.database = folder / "r.db"
        self.dataset = folder / "q.jsonl"
        rows = [json.dumps({"input": f"Question {n}?", "target": str(n)}) for n in range(questions)]
        self.dataset.write_text("\n".join(rows), encoding="utf-8")

    def start(self, command: str, *options: str) -> Process:
        arguments = ["--experiment-id", "mine", "--db-path", str(self.database), *options]
        arguments += ["--output-dir", str(self.folder / "out"), "--json"]
        if command == "run":
            arguments += ["--dataset", str(self.dataset), "--approach", "None,CoT", "--model", "m"]
            arguments += ["--base-url", self.endpoint.url, "--parsing", "regex"]
        arguments += ["--concurrency", str(CONCURRENCY)]
        return Process(COMMAND, command, *arguments, cwd=self.folder)

    def finish(self, process: Process, code: int = 0) -> dict[str, Any]:
        out, err = process.communicate()
        assert process.returncode == code, err
        document: dict[str, Any] = json.loads(out)
        return document

    def rows(self) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.database) as connection:
            return connection.execute(
                "SELECT id, approach_name, sample_index, repeat_index, raw_output, created_at "
                "FROM runs"
            ).fetchall()

    def owners(self) -> int:
        """Processes that are asking right now."""
        with sqlite3.connect(self.database) as connection:
            query = "SELECT count(DISTINCT owner) FROM claims"
            return int(connection.execute(query).fetchone()[0])

    def wait_for(self, runs: int) -> None:
        for _ in range(1000):
            if self.database.exists() and len(self._tolerant_rows()) >= runs:
                return
            time.sleep(0.02)
        raise AssertionError(f"never saw {runs} runs")

    def _tolerant_rows(self) -> list[tuple[Any, ...]]:
        try:
            return self.rows()
        except sqlite3.OperationalError:
            return []


@pytest.mark.parametrize(("questions", "kills"), short_and_long((60, 2), (250, 50)))
def test_killed_at_random_moments_nothing_is_lost_doubled_or_asked_again(
    tmp_path: Path, questions: int, kills: int
) -> None:
    seconds = random.Random(0)
    runs = 2 * questions
    with Endpoint(answer, latency=0.02) as endpoint:
        study = Study(tmp_path, endpoint, questions)
        process = study.start("run")
        study.wait_for(1)
        saved: set[tuple[Any, ...]] = set()
        for _ in range(kills):
            time.sleep(seconds.uniform(0, 0.1 if kills == 2 else 0.4))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            now = set(study.rows())
            assert saved <= now, "a run that was saved is gone or changed"
            saved = now
            process = study.start("resume")
            study.wait_for(min(len(now) + 1, runs))
        document = study.finish(process)
    rows = study.rows()
    assert document["status"] == "completed"
    assert saved <= set(rows)
    assert Counter(row[1:4] for row in rows) == Counter(
        (approach, n, 0) for approach in ("None", "ChainOfThought") for n in range(questions)
    )
    assert runs <= endpoint.requests <= runs + kills * CONCURRENCY
    with sqlite3.connect(study.database) as connection:
        assert connection.execute("SELECT count(*) FROM claims").fetchone() == (0,)


@pytest.mark.slow
def test_three_processes_ask_nothing_twice_also_when_one_is_killed(tmp_path: Path) -> None:
    with Endpoint(answer, latency=0.3) as endpoint:
        study = Study(tmp_path, endpoint, questions=150)
        first = study.start("run")
        study.wait_for(1)
        second, third = study.start("resume"), study.start("resume")
        while study.owners() < 3:
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        documents = [study.finish(second), study.finish(third)]
    assert len({row[1:4] for row in study.rows()}) == len(study.rows()) == 300
    assert 300 <= endpoint.requests <= 300 + CONCURRENCY
    assert [document["status"] for document in documents] == ["completed"] * 2
    assert [document["runs"] for document in documents] == [300, 300]
    assert all(document["asked"] > 0 for document in documents)


@pytest.mark.parametrize("polite", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_saves_running_calls_and_names_the_way_on(
    tmp_path: Path, polite: signal.Signals
) -> None:
    with Endpoint(answer, latency=0.3) as endpoint:
        study = Study(tmp_path, endpoint, questions=30)
        process = study.start("run")
        study.wait_for(CONCURRENCY)
        process.send_signal(polite)
        out, err = process.communicate()
        assert process.returncode == 130, err
        assert out == ""
        assert "Traceback" not in err
        # Every call that was answered is saved: none was dropped.
        assert len(study.rows()) == endpoint.requests < 60
        command = err.rpartition("ml-agents resume ")[2].strip()
        assert command.startswith("--experiment-id mine --from-database --db-path ")
        rerun = run(COMMAND, "resume", *command.split(), "--json")
        assert json.loads(rerun)["status"] == "completed"
        assert endpoint.requests == 60


def test_an_interruption_does_not_wait_for_calls_that_hang(tmp_path: Path) -> None:
    with Endpoint(answer) as endpoint:
        study = Study(tmp_path, endpoint, questions=20)
        config = tmp_path / "c.yaml"
        config.write_text("grace: 0.5\n", encoding="utf-8")
        endpoint.fail(
            Fault.SLOW, None, seconds=60, when=lambda body: "Question 7" in json.dumps(body)
        )
        process = study.start("run", "--config", str(config))
        study.wait_for(38)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        assert process.returncode == 130, err
        assert time.monotonic() - start < 5
        assert len(study.rows()) == 38
        endpoint.recover()
        assert study.finish(study.start("resume"))["runs"] == 40


def test_a_second_interruption_drops_what_is_running(tmp_path: Path) -> None:
    with Endpoint(answer, latency=60) as endpoint:
        study = Study(tmp_path, endpoint, questions=20)
        process = study.start("run", "--timeout", "100")
        while not endpoint.requests:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 130
        assert time.monotonic() - start < 3


@pytest.mark.slow
def test_extensions_that_are_killed_lose_double_and_ask_nothing_again(tmp_path: Path) -> None:
    """Two models and a cache; two processes extend while one that knows neither still asks."""
    seconds = random.Random(1)
    kills = 12
    with Endpoint(answer, latency=0.02) as endpoint:
        study = Study(tmp_path, endpoint, 40)
        stored = ("--cache", str(tmp_path / "cache"))
        first = study.start("run", "--samples", "20", "--model", "n", *stored)
        study.wait_for(1)
        extend = ("--extend", "mine", "--samples", "40", "--repeats", "2", "--model", "o")
        options = ["--db-path", str(study.database), "--json"]
        processes = [first, *(Process(COMMAND, "run", *extend, *options) for _ in range(2))]
        saved: set[tuple[Any, ...]] = set()
        for _ in range(kills):
            time.sleep(seconds.uniform(0.2, 1.0))
            index = seconds.randrange(3)
            processes[index].send_signal(signal.SIGKILL)
            processes[index].communicate()
            now = set(study.rows())
            assert saved <= now, "a run that was saved is gone or changed"
            saved = now
            processes[index] = Process(COMMAND, "run", *extend, *options)
        for process in processes:
            process.communicate()
        document = json.loads(run(COMMAND, "run", *extend, *options))
    assert (document["status"], document["runs"]) == ("completed", 2 * 3 * 40 * 2)
    with sqlite3.connect(study.database) as connection:
        columns = "approach_name, model, task, sample_index, repeat_index"
        distinct = f"SELECT count(*) FROM (SELECT DISTINCT {columns} FROM runs)"
        assert connection.execute(distinct).fetchone() == (480,)
        assert connection.execute("SELECT count(*) FROM claims").fetchone() == (0,)
    assert saved <= set(study.rows())
    # Per process that was killed, at most what each of three models had in flight.
    assert 480 <= endpoint.requests <= 480 + kills * 3 * CONCURRENCY
