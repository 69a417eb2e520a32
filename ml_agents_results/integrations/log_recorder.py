"""Log recorder: a thread that imports an evaluation's samples while it runs."""

import json
import queue
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import ResultsError
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.integrations.switch import note_loss, recording_database
from ml_agents_results.records import ExperimentStatus
from ml_agents_results.repositories.experiment_repository import ExperimentRepository

_LONGEST_WAIT = 60.0
"""Seconds that the end of a run waits for what is still to be recorded."""


@dataclass
class _Task:
    """One task of an evaluation."""

    header: dict[str, Any]
    given: int = 0
    recorded: int = 0
    location: str | None = None
    ended: bool = False
    experiments: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The id that all attempts at the task share."""
        return str(self.header["eval"].get("task_id"))


class LogRecorder:
    """Takes samples without waiting, and records those that are waiting together.

    Args:
        say: Shows a message.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._jobs: queue.SimpleQueue[tuple[str, dict[str, Any] | None] | None] = (
            queue.SimpleQueue()
        )
        self._tasks: dict[str, _Task] = {}
        self._database: Database | None = None
        self._thread: threading.Thread | None = None

    def begin(self, task: str, header: dict[str, Any]) -> None:
        """A task begins; `header` is that of its log."""
        self._tasks[task] = _Task(header)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="results", daemon=True)
            self._thread.start()

    def add(self, task: str, sample: dict[str, Any], location: str | None = None) -> None:
        """A sample of the task has ended; `location` is where its log will be."""
        if task in self._tasks:
            self._tasks[task].given += 1
            self._tasks[task].location = location
            self._jobs.put((task, sample))

    def end(self, task: str, location: str | None) -> None:
        """The task has ended, and its log is there."""
        if task in self._tasks:
            self._tasks[task].location = location
            self._tasks[task].ended = True
            self._jobs.put((task, None))

    def finish(self, locations: Mapping[str, str | None]) -> None:
        """Waits until everything is recorded, and says what could not be.

        Args:
            locations: The logs of tasks, where known; those that never ended are imported, too.
        """
        retried = {known.name for known in self._tasks.values() if known.ended}
        for task, known in self._tasks.items():
            if not known.ended and known.name not in retried:
                known.location = locations.get(task) or known.location
                self._jobs.put((task, None))
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(_LONGEST_WAIT)
        late = self._thread is not None and self._thread.is_alive()
        for known in self._tasks.values():
            if known.recorded < known.given or known.faults:
                self._say(_loss(known))
                note_loss()
        if late:
            # It is still at work; what it does not end is in the logs that were named.
            return
        self._thread = None
        self._tasks.clear()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _work(self) -> None:
        ending = False
        while not ending:
            jobs = [self._jobs.get()]
            while True:
                try:
                    jobs.append(self._jobs.get_nowait())
                except queue.Empty:
                    break
            ending = None in jobs
            batches: dict[str, list[dict[str, Any]]] = {}
            ended = []
            for job in jobs:
                if job is None:
                    continue
                task, sample = job
                if sample is None:
                    ended.append(task)
                else:
                    batches.setdefault(task, []).append(sample)
            for task, samples in batches.items():
                self._attempt(self._tasks[task], partial(self._save, task, samples))
            for task in ended:
                self._attempt(self._tasks[task], partial(self._import_log, task))

    def _attempt(self, task: _Task, work: Callable[[], None]) -> None:
        """An evaluation goes on whatever happens here; what is lost is said at its end."""
        try:
            work()
        except ResultsError as error:
            task.faults.append(error.message)
        except Exception as error:  # noqa: BLE001 - said by `finish`
            task.faults.append(f"{type(error).__name__}: {error}")

    def _save(self, name: str, samples: list[dict[str, Any]]) -> None:
        task = self._tasks[name]
        with tempfile.TemporaryDirectory(prefix="ml-agents-") as folder:
            path = Path(folder) / "samples.json"
            path.write_text(json.dumps({**task.header, "samples": samples}), encoding="utf-8")
            source = LogSource(path, f"{task.name} while it ran.json")
            self._load(task, source, running=True)
        task.recorded += len(samples)

    def _import_log(self, name: str) -> None:
        """The whole log: samples whose end was never told, the final status, and the metrics as
        all of their values show them."""
        task = self._tasks[name]
        if task.location is None:
            self._set_status(task, "failed")
            return
        path = Path(task.location.removeprefix("file://"))
        if not path.is_file():
            # A log in a remote store; its samples are recorded.
            self._set_status(task, "completed" if task.ended else "failed")
            return
        self._load(task, LogSource(path), running=False)
        task.recorded = max(task.recorded, task.given)
        task.faults.clear()

    def _load(self, task: _Task, source: LogSource, *, running: bool) -> None:
        database = self._opened()
        result = load(database, [source], ImportOptions(), format_name="inspect")
        task.experiments.update(result.experiments)
        if running:
            self._set_status(task, "running")

    def _set_status(self, task: _Task, status: ExperimentStatus) -> None:
        with self._opened().write() as connection:
            for experiment in task.experiments:
                ExperimentRepository(connection).set_status(experiment, status)

    def _opened(self) -> Database:
        if self._database is None:
            from ml_agents_results.database.manager import DatabaseManager

            self._database = Database(recording_database())
            DatabaseManager(self._database).initialize_schema()
        return self._database


def _loss(task: _Task) -> str:
    reason = f" ({task.faults[0]})" if task.faults else ""
    where = task.location or "its log"
    return (
        f"ml-agents-results: recorded {task.recorded} of {task.given} samples{reason}; "
        f"the rest: ml-agents import {where}"
    )
