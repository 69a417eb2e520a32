"""Tests of somebody's own, recorded as runs by a real pytest in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.integrations.recorded_tests import SessionRecorder
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.commands import call
from tests.processes import Process, environment

SUITE = """
import os
import pytest

class Problem(Exception):
    pass

@pytest.mark.experiment(approach="CoT", model="gpt", metric="exact")
@pytest.mark.parametrize("question,answer", [("2+2", "4"), ("3+3", "6"), ("1+1", "3")], ids=["a", "é", "c"])
def test_sums(record_run, question, answer):
    record_run.input, record_run.expected = question, answer
    record_run.raw_output = str(eval(question)) + "\\ud800"
    record_run.temperature = 0.3
    record_run.score("f1", 0.8, label="B")
    assert record_run.raw_output[:-1] == answer

@pytest.mark.experiment(approach="CoT")
@pytest.mark.parametrize("model", ["m1", "m2"])
@pytest.mark.parametrize("case", ["q1", "q2"])
def test_models(model, case):
    if case == "q2":
        raise ConnectionError("down")

@pytest.mark.experiment
@pytest.mark.xfail(strict=True)
def test_known():
    assert 0

@pytest.mark.experiment
@pytest.mark.xfail(strict=True)
def test_mended():
    pass

@pytest.mark.experiment
def test_skipped():
    pytest.skip("no")

@pytest.fixture
def broken():
    yield
    raise ValueError("closing")

@pytest.mark.experiment
def test_teardown(broken):
    pass

def test_group(record_run):
    raise ExceptionGroup("both", [AssertionError("a"), AssertionError("b")])

def test_parts(record_run, subtests):
    for part in (1, 2):
        with subtests.test(part=part):
            assert part == 1

def test_not_recorded():
    pass

@pytest.mark.experiment
def test_dies():
    if "PYTEST_XDIST_WORKER" in os.environ:
        os._exit(1)
"""  # noqa: E501

Rows = dict[tuple[str, str | None, str], RunRecord]


def session(folder: Path, *options: str, **settings: str) -> tuple[int, str]:
    """How a session ended, and what it printed."""
    code = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    plugin = ("-p", "ml_agents_results.integrations.pytest_plugin", "-p", "no:cacheprovider")
    settings = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **settings}
    process = Process(code, *plugin, "--strict-markers", *options, cwd=folder, settings=settings)
    printed, _ = process.communicate()
    return process.wait(), printed


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_llm.py").write_text(SUITE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def said(suite: Path) -> str:
    """What a session said that recorded into r.db, and wrote JUnit XML."""
    return session(suite, "--junitxml=j.xml", "--record-id=one", ML_AGENTS_RECORD="r.db")[1]


def recorded(database: Path, experiment: str) -> Rows:
    with ResultsProcessor(str(database)) as results:
        assert results.get_experiment(experiment).status == "completed"
        return {
            (run.task.partition("::")[2], run.sample_id, run.model): run
            for run in results.iter_runs(experiment)
        }


def test_every_kind_of_end(suite: Path, said: str) -> None:
    rows = recorded(suite / "r.db", "one")
    verdicts: dict[tuple[str, str | None, str], Any] = {
        key: run.error.partition(":")[0] if run.error else passed(run) for key, run in rows.items()
    }
    assert verdicts == {
        ("test_sums", "a", "gpt"): True,
        ("test_sums", "\\xe9", "gpt"): True,
        ("test_sums", "c", "gpt"): False,
        ("test_models", "q1", "m1"): True,
        ("test_models", "q1", "m2"): True,
        ("test_models", "q2", "m1"): "ConnectionError",
        ("test_models", "q2", "m2"): "ConnectionError",
        ("test_known", "test_known", ""): False,
        ("test_mended", "test_mended", ""): True,
        ("test_teardown", "test_teardown", ""): "ValueError",
        ("test_group", "test_group", ""): False,
        ("test_parts", "test_parts", ""): False,
        ("test_dies", "test_dies", ""): True,
    }
    assert "recorded 13 tests in experiment one of" in said
    assert "(1 skipped)" in said


def passed(run: RunRecord) -> bool:
    (value,) = {score.value for score in run.scores or () if score.metric == "passed"}
    return value == 1


def test_what_a_test_says(suite: Path, said: str) -> None:
    rows = recorded(suite / "r.db", "one")
    run = rows["test_sums", "c", "gpt"]
    assert (run.input_text, run.expected_answer, run.raw_output) == ("1+1", "3", "2\ud800")
    assert (run.approach_name, run.sample_index, run.is_correct) == ("ChainOfThought", 2, False)
    assert run.metadata_json is not None
    assert run.metadata_json["temperature"] == 0.3
    assert run.metadata_json["assertion"].startswith("AssertionError")
    f1 = next(score for score in run.scores or () if score.metric == "f1")
    assert (f1.value, f1.label) == (0.8, "B")
    assert {rows["test_models", "q2", model].sample_index for model in ("m1", "m2")} == {1}
    assert "<propert" not in (suite / "j.xml").read_text(encoding="utf-8")


def test_a_database_that_cannot_be_written_costs_no_test(suite: Path, tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_one(record_run): pass", encoding="utf-8")
    (tmp_path / "r.db").mkdir()
    code, said = session(tmp_path, "--record-results=r.db")
    assert code == 0
    assert "1 tests could not be recorded: " in said


def test_without_the_switch_nothing_happens(suite: Path) -> None:
    program = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import ml_agents_results.integrations.pytest_plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, encoding="utf-8"
    )
    parts = ["", ".integrations", ".integrations.pytest_plugin", ".integrations.switch"]
    assert loaded.stdout.split() == [f"ml_agents_results{part}" for part in parts]


def test_record_says_that_something_was_lost(tmp_path: Path) -> None:
    program = "from ml_agents_results.integrations.switch import note_loss; note_loss()"
    call("record", "--db-path", tmp_path / "r.db", "--", sys.executable, "-c", program, code=5)


@pytest.mark.slow
def test_workers_record_the_same_rows(suite: Path, said: str) -> None:
    options = ("-p", "xdist.plugin", "-n2", "--record-id=two", "--record-results=r.db")
    assert "could not be recorded" not in session(suite, *options)[1]
    alone, shared = recorded(suite / "r.db", "one"), recorded(suite / "r.db", "two")
    died = ("test_dies", "test_dies", "")
    assert shared[died].error is not None
    assert {key: run.sample_index for key, run in alone.items()} == {
        key: run.sample_index for key, run in shared.items()
    }
    assert {key: run.score for key, run in alone.items() if key != died} == {
        key: run.score for key, run in shared.items() if key != died
    }


def test_the_first_attempt_with_a_verdict_counts() -> None:
    """As reports come where pytest-rerunfailures repeats attempts."""
    recorder = SessionRecorder("unused.db", None)
    for outcome, again in (("error", True), ("wrong", True), ("correct", False)):
        for when in ("setup", "call"):
            said = outcome if when == "call" else None
            note: dict[str, Any] = {"when": when, "outcome": said, "reason": None, "test": {}}
            note |= {"seconds": 0.1, "said": {}, "xfail": None}
            reported: Any = "rerun" if again and when == "call" else "passed"
            report = pytest.TestReport("t", ("t", 0, "t"), {}, reported, None, when)
            vars(report)["ml_agents_results"] = json.dumps(note)
            recorder.pytest_runtest_logreport(report)
        if again:
            recorder.pytest_runtest_logfinish("t")
    counted = recorder.tests["t"].counted
    assert (counted.outcome, len(recorder.tests["t"].attempts)) == ("wrong", 3)
