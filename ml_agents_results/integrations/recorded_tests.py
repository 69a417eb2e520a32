"""Recorded tests: a pytest session as an experiment, each test as a run when it has ended."""

import json
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ml_agents_results.integrations.switch import note_loss, recording_database

if TYPE_CHECKING:
    from ml_agents_results.processor import ResultsProcessor
    from ml_agents_results.recording.experiment_recording import ExperimentRecording

PASSED = "passed"
"""The metric that says whether a test passed."""

_OF_SAMPLE = ("input", "expected")
_OF_VARIANT = ("approach", "model", "provider", "task", "sample_id")


@dataclass
class _Attempt:
    """One attempt at a test: what its phases said together."""

    outcome: str | None = None
    reason: str | None = None
    seconds: float | None = None
    said: dict[str, Any] = field(default_factory=dict)
    xfail: str | None = None
    failed_subtest: str | None = None
    repeated: bool = False
    """Whether another attempt follows."""

    def add(self, note: Mapping[str, Any]) -> None:
        if note["when"] == "call":
            self.seconds, self.said, self.xfail = note["seconds"], note["said"], note["xfail"]
        if note["outcome"] is not None:
            self.outcome, self.reason = note["outcome"], note["reason"]
        if self.outcome == "correct" and self.failed_subtest is not None:
            self.outcome, self.reason = "wrong", self.failed_subtest

    @property
    def graded(self) -> bool:
        return self.outcome in ("correct", "wrong")


@dataclass
class _Test:
    identity: dict[str, Any]
    attempts: list[_Attempt] = field(default_factory=list)

    @property
    def counted(self) -> _Attempt:
        """The first attempt that was graded, else the last one."""
        return next((each for each in self.attempts if each.graded), self.attempts[-1])


class SessionRecorder:
    """A plugin of the session's own process: collects what reports say and writes the runs.

    What cannot be recorded is tried again when the session ends, and then named; it never changes
    how a test or the session ends.

    Attributes:
        tests: Those that have begun and not ended.
    """

    def __init__(self, database: str, experiment_id: str | None) -> None:
        now = datetime.now(UTC)
        self._named = database
        self._id = experiment_id or f"pytest-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self._processor: ResultsProcessor | None = None
        self._experiment: ExperimentRecording | None = None
        self.tests: dict[str, _Test] = {}
        self._waiting: list[_Test] = []
        self._counts: Counter[str] = Counter()
        self._fault: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self.tests.get(report.nodeid)
        if hasattr(report, "context"):
            # A subtest; the report of its test follows, and may say that it passed.
            if test is not None and report.failed:
                test.attempts[-1].failed_subtest = str(report.longreprtext).rpartition("\n")[2]
            return
        if report.when == "???" and test is not None:  # type: ignore[comparison-overlap]
            test.attempts[-1].outcome, test.attempts[-1].reason = "error", "the worker died"
            self._end(report.nodeid)
            return
        if (text := getattr(report, "ml_agents_results", None)) is None:
            return
        note = json.loads(text)
        if "fault" in note:
            self._fault = note["fault"]
            self._counts["lost"] += report.when == "call"
            return
        if report.when == "setup":
            test = self.tests.setdefault(report.nodeid, _Test(note["test"]))
            test.attempts.append(_Attempt())
        if test is not None:
            test.attempts[-1].add(note)
            # pytest-rerunfailures' word for an attempt that it repeats.
            test.attempts[-1].repeated |= str(report.outcome) == "rerun"

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if nodeid in self.tests and not self.tests[nodeid].attempts[-1].repeated:
            self._end(nodeid)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        for nodeid in list(self.tests):
            self._end(nodeid)
        waiting, self._waiting, self._fault = self._waiting, [], None
        for test in waiting:
            self._save(test)
        stopped = exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
        try:
            if self._experiment is not None:
                self._experiment.__exit__(None, KeyboardInterrupt() if stopped else None, None)
            if self._processor is not None:
                self._processor.close()
        except Exception as error:  # noqa: BLE001 - said below
            self._fault = _shown(error)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from ml_agents_results.reports.terminal import printable

        lost = len(self._waiting) + self._counts["lost"]
        if self._counts["recorded"]:
            rest = ", ".join(
                f"{self._counts[name]:,} {name}"
                for name in ("skipped", "passed only on a rerun")
                if self._counts[name]
            )
            line = f"recorded {self._counts['recorded']:,} tests in experiment {self._id} of "
            line += str(self._processor and self._processor.db_path) + (
                f" ({rest})" if rest else ""
            )
            terminalreporter.write_line(printable(f"ml-agents-results: {line}"))
        if lost or self._fault:
            line = f"{lost:,} tests could not be recorded: {self._fault}"
            terminalreporter.write_line(printable(f"ml-agents-results: {line}"))
            note_loss()

    def _end(self, nodeid: str) -> None:
        """A test has no more attempts."""
        test = self.tests.pop(nodeid, None)
        if test is None or not test.attempts:
            return
        counted = test.counted
        if counted.outcome in (None, "skipped"):
            self._counts["skipped"] += 1
            return
        later = test.attempts[test.attempts.index(counted) :]
        if counted.outcome == "wrong" and any(each.outcome == "correct" for each in later):
            self._counts["passed only on a rerun"] += 1
        if self._waiting:
            self._waiting.append(test)
        else:
            self._save(test)

    def _save(self, test: _Test) -> None:
        try:
            self._record(self._opened(), test)
            self._counts["recorded"] += 1
        except Exception as error:  # noqa: BLE001 - said at the end of the session
            self._fault = _shown(error)
            self._waiting.append(test)

    def _opened(self) -> "ExperimentRecording":
        if self._experiment is None:
            from ml_agents_results.processor import ResultsProcessor

            self._processor = ResultsProcessor(recording_database(self._named))
            environment = {"pytest": pytest.__version__}
            experiment = self._processor.experiment(
                self._id, config={"source": "pytest"}, environment=environment
            )
            self._experiment = experiment.__enter__()
        return self._experiment

    def _record(self, experiment: "ExperimentRecording", test: _Test) -> None:
        from ml_agents_results.recording.run_recording import RunRecording
        from ml_agents_results.recording.sample_numbering import sample_of

        counted = test.counted
        said = {name: value for name, value in counted.said.items() if value is not None}
        identity = test.identity | {name: said.pop(name) for name in _OF_VARIANT if name in said}
        metric, position = identity.get("metric"), identity["position"]
        scores = said.pop("scores", [])
        sample = sample_of({**identity, **{name: said.pop(name, None) for name in _OF_SAMPLE}})
        sample = experiment.claims.numbering.numbered(sample, position, Counter())
        run = experiment.run(
            sample,
            approach=str(identity.get("approach", "None")),
            model=str(identity.get("model", "")),
            provider=str(identity.get("provider", "")),
            repeat_index=identity["repeat_index"],
        )
        metadata = _metadata(test, said.pop("metadata", None))
        values = {"execution_time_ms": counted.seconds and 1000 * counted.seconds}
        for name, value in said.items():
            if name in RunRecording.__slots__:
                values[name] = value
            else:
                metadata[name] = value
        if counted.graded:
            scores.sort(key=lambda score: score["name"] != metric)
            named = {score["name"] for score in scores}
            passed = [
                {"name": name, "value": counted.outcome == "correct"}
                for name in dict.fromkeys((metric or PASSED, PASSED))
                if name not in named
            ]
            # The first score of an experiment becomes its primary metric.
            scores = [*passed, *scores] if metric not in named else [*scores, *passed]
            for score in scores:
                run.score(**score)
        error = None if counted.graded else counted.reason or "Error: the test did not end"
        experiment.end_run(*run.finished({**values, "metadata": metadata}, {}, error))


def _metadata(test: _Test, said: Any) -> dict[str, Any]:
    counted = test.counted
    metadata = dict(said) if isinstance(said, dict) else {}
    if counted.graded and counted.reason:
        metadata["assertion"] = counted.reason
    if counted.xfail is not None:
        metadata["xfail"] = counted.xfail
    if len(test.attempts) > 1:
        metadata["attempts"] = [
            {"outcome": each.outcome, "reason": each.reason} for each in test.attempts
        ]
    return metadata


def _shown(error: Exception) -> str:
    return getattr(error, "message", None) or f"{type(error).__name__}: {error}"
