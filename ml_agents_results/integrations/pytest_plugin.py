"""Pytest plugin: tests of one's own, recorded as runs.

pytest loads this module by its entry point in every session of the environment, so it imports
nothing of the package, and does nothing, until a session is to be recorded. Each process notes on a
test's report what the test said; only the session's own process, which under xdist receives the
reports of all workers, writes to the database.
"""

import json
import os
import re
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import pytest

from ml_agents_results.integrations.switch import SWITCH

Outcome = Literal["correct", "wrong", "error", "skipped"]

_MARK = "experiment"
_VARIANT = ("approach", "model", "provider")
_REPEAT = "__pytest_repeat_step_number"
"""The parameter that pytest-repeat adds."""
_LONGEST_REASON = 2000
"""Characters of an assertion that are recorded."""


class RecordedTest:
    """What a test says of its answer: any attribute may be set.

    `input`, `expected`, `raw_output`, `parsed_answer`, `cost_estimate`, `execution_time_ms`, tokens
    and the like are those of a run; `approach`, `model`, `provider`, `task` and `sample_id` go
    before those of the mark; all others are recorded as metadata.
    """

    def __init__(self) -> None:
        self.scores: list[dict[str, Any]] = []

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    def score(self, name: str, value: Any, **more: Any) -> None:
        """Notes the value of a metric; `label`, `explanation`, `author`, `details` as for a run."""
        self.scores.append({**more, "name": name, "value": value})

    def response(self, response: object) -> str:
        """Takes output, tokens and finish reason from what a client library returned; returns the
        text of the answer, empty if there is none."""
        from ml_agents_results.recording.model_responses import read_response

        self.raw_output, read = read_response(response)
        self.served_model = read.model
        for name in (
            *("finish_reason", "reasoning_text", "response_id", "prompt_tokens"),
            *("completion_tokens", "cached_tokens", "reasoning_tokens"),
        ):
            setattr(self, name, getattr(read, name))
        return read.text


_SAID = pytest.StashKey[RecordedTest]()
_POSITION = pytest.StashKey[int]()


@pytest.fixture
def record_run(request: pytest.FixtureRequest) -> RecordedTest:
    """Records the test as a run, if the session is recorded: set `raw_output` and the like, and
    call `score(name, value)`."""
    request.node.stash[_SAID] = said = RecordedTest()
    return said


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ml-agents-results", "recording tests as runs")
    group.addoption(
        "--record-results",
        metavar="DB",
        help="Record tests with the mark `experiment` or the fixture `record_run` in this results "
        f"database: a file, a URL, or 1 for the usual one. [default: ${SWITCH}]",
    )
    group.addoption(
        "--record-id", metavar="ID", help="The experiment to record in. [default: a new one]"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "experiment(approach, model, provider, metric, task, sample_id): record the test as a run "
        "of this variant; see docs/recording.md of ml-agents-results",
    )
    named = config.getoption("record_results") or os.environ.get(SWITCH, "")
    if named in ("", "0"):
        return
    config.pluginmanager.register(_Reporting(), "ml_agents_results_reporting")
    if not hasattr(config, "workerinput"):
        from ml_agents_results.integrations.recorded_tests import SessionRecorder

        recorder = SessionRecorder(named, config.getoption("record_id"))
        config.pluginmanager.register(recorder, "ml_agents_results_recorder")


class _Reporting:
    """Notes on the reports of a test what is to be recorded, as JSON: it reaches the session's own
    process under xdist, survives reruns and stays out of JUnit files."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Numbers the samples of each test function, before any are deselected."""
        numbers: dict[str, dict[str, int]] = {}
        for item in filter(_is_recorded, items):
            identity = _identity(item)
            of_task = numbers.setdefault(identity["task"], {})
            item.stash[_POSITION] = of_task.setdefault(identity["sample_id"], len(of_task))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if _SAID in item.stash:
            del item.stash[_SAID]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if _is_recorded(item):
            try:
                note = _note(item, call, report)
            except Exception as error:  # noqa: BLE001 - a test never fails by being recorded
                note = json.dumps({"fault": f"{type(error).__name__}: {error}"})
            vars(report)["ml_agents_results"] = note
        return report


def _is_recorded(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return "record_run" in fixtures or item.get_closest_marker(_MARK) is not None


def _note(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> str:
    """What one phase of a test says, as ASCII JSON."""
    outcome, reason = _outcome(call, report)
    note: dict[str, Any] = {"when": report.when, "outcome": outcome, "reason": reason}
    if report.when == "setup":
        note["test"] = _identity(item)
    elif report.when == "call":
        note |= {"seconds": call.duration, "xfail": getattr(report, "wasxfail", None)}
        said = item.stash.get(_SAID, None)
        note["said"] = {} if said is None else vars(said)
    return json.dumps(note, default=_plain)


def _plain(value: Any) -> Any:
    """A NumPy number as a number; anything else as text."""
    return value.item() if hasattr(value, "item") else str(value)


def _identity(item: pytest.Item) -> dict[str, Any]:
    """The variant and the sample that a test is."""
    mark: dict[str, Any] = {}
    for one in item.iter_markers(_MARK):
        mark = {**one.kwargs, **mark}
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    variant = {name: parameters[name] for name in _VARIANT if isinstance(parameters.get(name), str)}
    return {
        "task": _function(item),
        "sample_id": _sample_id(item, variant, parameters) or item.name,
        "repeat_index": parameters.get(_REPEAT, 0),
        "position": item.stash.get(_POSITION, 0),
        **mark,
        **variant,
    }


def _sample_id(item: pytest.Item, variant: Mapping[str, str], parameters: Mapping[str, Any]) -> str:
    """The id of the parameters, without those that name the variant or the repetition."""
    name: str = getattr(getattr(item, "callspec", None), "id", "")
    pieces = [re.escape(value) for value in variant.values()]
    if _REPEAT in parameters:
        pieces.append(rf"{parameters[_REPEAT] + 1}-\d+")
    for piece in pieces:
        name = re.sub(rf"(^|-){piece}(?=-|$)", "", name, count=1).removeprefix("-")
    return name


def _function(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def _outcome(
    call: pytest.CallInfo[None], report: pytest.TestReport
) -> tuple[Outcome | None, str | None]:
    """What a phase says of the answer, and why; None where it says nothing."""
    error = None if call.excinfo is None else call.excinfo.value
    reason = None if error is None else f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
    if report.when != "call":
        return ("error", reason) if report.failed else ("skipped" if report.skipped else None, None)
    if report.skipped and not hasattr(report, "wasxfail"):
        return "skipped", reason
    if error is None:
        strict = report.failed and "XPASS(strict)" in str(report.longrepr)
        return ("correct" if report.passed or strict else "wrong"), None
    return ("wrong" if all(map(_is_verdict, _leaves(error))) else "error"), reason


def _is_verdict(error: BaseException) -> bool:
    """Whether an exception says that the answer is wrong, not that there is none."""
    if isinstance(error, pytest.fail.Exception):
        return not str(error).startswith("Timeout")
    return isinstance(error, AssertionError | pytest.xfail.Exception)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
