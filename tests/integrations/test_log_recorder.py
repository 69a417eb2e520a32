"""Evaluations recorded while they run: the rows are those of importing the log afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.integrations.log_recorder import LogRecorder
from ml_agents_results.integrations.switch import SWITCH, is_on, recording_database
from ml_agents_results.processor import ResultsProcessor
from tests.commands import call
from tests.formats.readers.inspect_logs import log, sample

SAMPLES = [sample("q1"), sample("q2"), sample("q1", epoch=2)]


def header(**evaluated: Any) -> dict[str, Any]:
    known = log(*SAMPLES, **evaluated)
    return {**{name: known[name] for name in ("version", "eval", "plan")}, "status": "started"}


def written(path: Path) -> Path:
    path.write_text(json.dumps(log(*SAMPLES)), encoding="utf-8")
    return path


def rows(path: Path) -> list[Any]:
    with ResultsProcessor(str(path)) as processor:
        (experiment,) = processor.list_experiments()
        runs = list(processor.iter_runs(experiment["id"]))
        assert experiment["status"] == "completed"
        # Ids are made anew by every database.
        return [
            {name: getattr(run, name) for name in run.__slots__ if name != "id"} for run in runs
        ]


def test_the_rows_are_those_of_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "log.json")
    monkeypatch.setenv(SWITCH, str(tmp_path / "hook.db"))
    said: list[str] = []
    recorder = LogRecorder(said.append)
    recorder.begin("t", header())
    for one in SAMPLES:
        recorder.add("t", one)
    recorder.end("t", str(path))
    recorder.finish({})
    assert said == []
    call("import", path, "--db-path", tmp_path / "import.db")
    assert rows(tmp_path / "hook.db") == rows(tmp_path / "import.db")
    again = call("import", path, "--db-path", tmp_path / "hook.db")
    assert "has all 3 runs already" in again.output


def test_a_task_that_never_ended_keeps_its_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, str(tmp_path / "hook.db"))
    recorder = LogRecorder(print)
    recorder.begin("t", header())
    recorder.add("t", SAMPLES[0])
    recorder.finish({})
    with ResultsProcessor(str(tmp_path / "hook.db")) as processor:
        (experiment,) = processor.list_experiments()
    assert (experiment["status"], experiment["runs"]) == ("failed", 1)


def test_what_could_not_be_recorded_is_said_and_the_evaluation_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hook.db").write_bytes(b"not a database, but a text of some length")
    monkeypatch.setenv(SWITCH, str(tmp_path / "hook.db"))
    said: list[str] = []
    recorder = LogRecorder(said.append)
    recorder.begin("t", header())
    recorder.add("t", SAMPLES[0])
    recorder.end("t", "/logs/a.eval")
    recorder.finish({})
    (message,) = said
    assert message.startswith("ml-agents-results: recorded 0 of 1 samples (")
    assert message.endswith("the rest: ml-agents import /logs/a.eval")


def test_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, on in ((None, False), ("", False), ("0", False), ("1", True), ("r.db", True)):
        if value is None:
            monkeypatch.delenv(SWITCH, raising=False)
        else:
            monkeypatch.setenv(SWITCH, value)
        assert is_on() is on
    assert recording_database().db_path == "r.db"
    monkeypatch.setenv(SWITCH, "postgresql://u@h/name")
    assert recording_database().url == "postgresql://u@h/name"


def test_a_retry_in_the_same_run_decides_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "log.json")
    monkeypatch.setenv(SWITCH, str(tmp_path / "hook.db"))
    recorder = LogRecorder(print)
    recorder.begin("first", header(created="2026-01-01T00:00:00+00:00"))
    for one in SAMPLES[:2]:
        recorder.add("first", one)
    recorder.begin("second", header())
    for one in SAMPLES:
        recorder.add("second", one)
    recorder.end("second", str(path))
    recorder.finish({})
    assert len(rows(tmp_path / "hook.db")) == 3
    with ResultsProcessor(str(tmp_path / "hook.db")) as processor:
        (experiment,) = processor.list_experiments()
        imports = processor.get_experiment(experiment["id"]).environment_json["imports"]
    # One note for each attempt, however many samples ended one after the other.
    assert len(imports) == 3
