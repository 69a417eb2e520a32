"""Our exports, read by the programs that they are for.

`make test-real-tools` names the environment that these programs are in.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.formats.writers.sample_experiments import all_runs, odd, run, study

PYTHON = os.environ.get("ML_AGENTS_REAL_TOOLS", "")
LOGS = os.environ.get("ML_AGENTS_REAL_LOGS", "")
READER = Path(__file__).with_name("read_exports.py")

pytestmark = pytest.mark.skipif(not PYTHON, reason="needs other tools: make test-real-tools")


@pytest.fixture
def processor(tmp_path: Path) -> Iterator[ResultsProcessor]:
    """Experiments: exp (two variants), odd (texts that formats stumble over), repeated."""
    processor = ResultsProcessor(str(tmp_path / "results.db"))
    processor.save_experiment("exp", {"temperature": 0.5, "max_tokens": 9}, status="completed")
    processor.save_runs(study())
    processor.save_experiment("odd", {"text": "\x00 \ud800"}, name="\ud800", status="failed")
    processor.save_runs(odd("odd"))
    processor.save_experiment("repeated", {}, status="completed")
    processor.save_runs(
        [
            run("repeated", sample, task="", repeat_index=repeat, score=0.5, is_correct=None)
            for sample in range(3)
            for repeat in range(2)
        ]
    )
    yield processor
    processor.close()


def output_of(*command: str | Path, folder: Path) -> tuple[int, Any]:
    done = subprocess.run(
        [PYTHON, *map(str, command)], cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def read_by_inspect(folder: Path) -> dict[str, dict[str, Any]]:
    _, told = output_of(READER, folder, folder=folder)
    logs: dict[str, dict[str, Any]] = told["logs"]
    # What the viewer lists of a folder.
    assert told["listed"] == sorted(logs)
    return logs


@pytest.mark.parametrize("name", ["exp", "odd", "repeated"])
def test_every_eval_ever_accepts(processor: ResultsProcessor, tmp_path: Path, name: str) -> None:
    export(processor.database, name, tmp_path / "out", "eee")
    files = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.json*")]
    assert files
    code, reports = output_of(
        "-m", "every_eval_ever", "validate", "--format", "json", *files, folder=tmp_path / "out"
    )
    assert [one["errors"] + one["warnings"] for one in reports] == [[]] * len(files)
    assert code == 0


@pytest.mark.parametrize("name", ["exp", "odd", "repeated"])
def test_inspect_reads_every_field(processor: ResultsProcessor, tmp_path: Path, name: str) -> None:
    export(processor.database, name, tmp_path / "logs", "inspect")
    runs = {run.id: run for run in all_runs(processor, name)}
    seen = 0
    for log in read_by_inspect(tmp_path / "logs").values():
        means = means_of_samples(runs.values(), log["solver"])
        figure = log["metrics"].get("accuracy", log["metrics"].get("mean"))
        assert figure == (pytest.approx(fmean(means)) if means else None)
        error = log["metrics"].get("stderr")
        assert error == (
            pytest.approx(stdev(means) / len(means) ** 0.5) if len(means) > 1 else None
        )
        assert len({(row["id"], row["epoch"]) for row in log["rows"]}) == len(log["rows"])
        for row, sample in zip(log["rows"], log["samples"], strict=True):
            run = runs[row["sample_id"]]
            seen += 1
            assert row["epoch"] == run.repeat_index + 1
            assert log["solver"] == run.approach_name
            assert log["model"] == f"{run.provider}/{run.model}"
            score = next(iter((sample["scores"] or {}).values()), None)
            if run.is_correct is None:
                assert score is None or score["value"] == run.score
            else:
                assert score["value"] == ("C" if run.is_correct else "I")
                assert score["answer"] == (run.parsed_answer or None) or name == "odd"
            assert bool(row["error"]) == bool(run.error)
            if run.execution_time_ms is not None:
                assert row["working_time"] == run.execution_time_ms / 1000
                assert row["total_tokens"] == 15
            if name != "odd":
                assert sample["input"] == run.input_text
                assert sample["target"] == run.expected_answer
                assert sample["output"]["completion"] == (run.raw_output or "")
    assert seen == len(runs)


def means_of_samples(runs: Iterable[RunRecord], approach: str) -> list[float]:
    values: dict[tuple[str, int], list[float]] = {}
    for one in runs:
        value = one.score if one.is_correct is None else float(one.is_correct)
        if one.approach_name == approach and value is not None:
            values.setdefault((one.task, one.sample_index), []).append(value)
    return list(map(fmean, values.values()))


@pytest.mark.skipif(not LOGS, reason="needs logs of Inspect: make test-real-tools")
def test_logs_of_inspect_there_and_back(processor: ResultsProcessor, tmp_path: Path) -> None:
    """What Inspect wrote and what it reads of our export of that, are the same."""
    compared = 0
    originals = {}
    for told in sorted(Path(LOGS, "inspect").glob("*.eval.told")):
        result = load(processor.database, [LogSource(told.with_suffix(""))], ImportOptions())
        # Of a log that was retried, the newest attempt comes last.
        originals[result.experiments[0]] = json.loads(told.read_text(encoding="utf-8"))
    export(processor.database, list(originals), tmp_path / "logs", "inspect")
    for log in read_by_inspect(tmp_path / "logs").values():
        said = originals[log["experiment"]]
        assert (log["model"], log["status"]) == (said["model"], said["status"])
        rows = {(str(row["id"]), row["epoch"]): row for row in log["rows"]}
        samples = {(str(one["id"]), one["epoch"]): one for one in log["samples"]}
        for before in said["samples"]:
            after = samples[str(before["id"]), before["epoch"]]
            assert after["input"] == before["input"]
            assert after["output"]["completion"] == before["completion"]
            assert (after["error"] or {}).get("message") == before["error"]
            assert after["working_time"] == pytest.approx(before["working_time"], abs=0.0006)
            for name, score in before["scores"].items():
                assert after["scores"][name]["value"] == score["value"]
                # An answer that is the whole output is not stored twice.
                assert after["scores"][name]["answer"] in (score["answer"], None)
            assert after["model_usage"] == before["usage"]
            compared += 1
        assert rows.keys() == {(str(row["id"]), row["epoch"]) for row in said["rows"]}
        for row in said["rows"]:
            found = rows[str(row["id"]), row["epoch"]]
            assert found["total_tokens"] == row["total_tokens"]
            kept = {name: value for name, value in row.items() if name.startswith("metadata_")}
            assert {name: found.get(name) for name in kept} == kept
    assert compared > 20
