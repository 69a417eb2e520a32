"""The same runs give the same bytes: in another process, in another order, after a copy."""

import json
import subprocess
import sys

import pytest

from ml_agents_results.processor import ResultsProcessor
from tests.generated import make_runs
from tests.processes import environment
from tests.services.building import runs, save

PROGRAM = """
import json, sys
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.services.failures import FailureService
from ml_agents_results.services.latency import LatencyService
from ml_agents_results.services.power import PowerService

processor = ResultsProcessor(sys.argv[1])
comparison = processor.compare(["exp", "asked"], by_task=True)
with processor.database.read() as connection:
    services = [made(connection) for made in (FailureService, LatencyService, PowerService)]
    reports = [service.report().to_dict() for service in services]
print(json.dumps([
    comparison.to_dict(),
    comparison.to_frame().to_csv(),
    processor.generate_accuracy_report(),
    processor.generate_parsing_analysis("exp"),
    processor.create_cost_breakdown(["exp", "asked"]).to_csv(),
    *reports,
], allow_nan=False))
"""


def elsewhere(processor: ResultsProcessor, seed: int) -> str:
    """Everything that is said of the database, by a process with its own order of hashes."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(processor.database.path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(PYTHONHASHSEED=str(seed)),
    )
    return ended.stdout


def here(
    processor: ResultsProcessor,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """The same, by this process, whose hashes are in an order by chance."""
    monkeypatch.setattr(sys, "argv", ["", str(processor.database.path)])
    exec(PROGRAM, {})
    return capsys.readouterr().out


def test_the_same_runs_give_the_same_bytes(
    processor: ResultsProcessor,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    approaches = ("None", "ChainOfThought", "Reflection")
    save(processor, make_runs(approaches=approaches))
    save(
        processor,
        runs("asked", "None", [[1, 0, 1], [0, 0], [1]] * 5, input_text="q"),
        runs("asked", "ChainOfThought", [[1, 1, 1], [0, 1], [0]] * 5, input_text="q"),
    )
    first, second = here(processor, monkeypatch, capsys), elsewhere(processor, 2)
    assert first == second
    assert json.loads(first)[0]["comparisons"]
