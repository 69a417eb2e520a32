"""Execution of an experiment: runs what is missing, sets the status, writes the files."""

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_agents_results.database.engine import Database
from ml_agents_results.database.retries import retried
from ml_agents_results.errors import DatabaseError, ResultsError
from ml_agents_results.experiments.approaches.base import FROM_CACHE
from ml_agents_results.experiments.monitoring import Look, Monitor
from ml_agents_results.experiments.plan import PlannedVariant
from ml_agents_results.experiments.platform_files import write_platform_files
from ml_agents_results.experiments.pool import Interrupted, run_pool
from ml_agents_results.experiments.progress import Progress, Tally, recorded_tallies
from ml_agents_results.experiments.recorder import Recorder
from ml_agents_results.experiments.result_hook import ResultHook
from ml_agents_results.experiments.study import Study
from ml_agents_results.experiments.worker_pool import GRADING_ERROR, WorkerPool
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.providers.interface import Provider
from ml_agents_results.records import ExperimentStatus, RunRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.services.asked_samples import STOPPED_EARLY

LOOK_AT_OTHERS = 2.0
"""Seconds after which the answers of other processes are looked at again, at least; and after
twenty times as long as that takes."""


@dataclass(frozen=True)
class RunSummary:
    """State of an experiment when the runner is done.

    Attributes:
        planned_runs: All runs of the experiment.
        asked: Runs that were answered or failed this time.
        grading_errors: Those of them whose grader failed, and `grading_error` the first reason.
        from_cache: Those of them that have stored answers, which have neither time nor cost.
        variants: One tally for each variant, over the whole experiment.
        output_dir: The folder of the CSV and JSON files.
        looks: Of a shuffled experiment, what each variant says against the baseline so far.
        stopped_early: Whether it ended because that was clear.
    """

    experiment_id: str
    status: ExperimentStatus
    planned_runs: int
    asked: int
    variants: Sequence[Tally]
    output_dir: str
    looks: Sequence[Look] = ()
    stopped_early: bool = False
    from_cache: int = 0
    grading_errors: int = 0
    grading_error: str | None = None

    @property
    def runs(self) -> int:
        return sum(tally.runs for tally in self.variants)

    @property
    def failed(self) -> int:
        return sum(tally.failed for tally in self.variants)

    def document(self) -> dict[str, Any]:
        """As JSON; accuracies are fractions, costs USD."""
        return {
            **vars(self),
            "runs": self.runs,
            "failed": self.failed,
            "variants": [tally.document() for tally in self.variants],
            "looks": [asdict(look) for look in self.looks],
        }


class Execution:
    """One execution of an experiment: runs what is missing, sets the status, writes the files."""

    def __init__(
        self,
        experiment_id: str,
        study: Study,
        processor: ResultsProcessor,
        progress: Progress,
        hook: ResultHook | None,
        retry: frozenset[str] = frozenset(),
        missing: bool = True,
    ) -> None:
        self._id = experiment_id
        self._study = study
        self._processor = processor
        self._database = processor.database
        self._progress = progress
        self._hook = hook
        self._retry, self._missing = retry, missing
        self._retry_since = datetime.now(UTC)
        self._asked = self._from_cache = self._grading_errors = 0
        self._grading_error: str | None = None
        self._stopped = False
        self._pool: WorkerPool | None = None
        self._monitor: Monitor | None = None
        self._look_again = 0.0
        if study.plan.is_random and len(study.plan.variants) > 1:
            self._monitor = Monitor(study.plan, study.metric)
            self._look_at_all(self._monitor)

    def complete(self) -> bool:
        """Whether nothing is left to ask."""
        return (self._is_decided() and not self._retry) or all(self._settled())

    def _is_decided(self) -> bool:
        """Whether the experiment ends here because the answer is clear."""
        return (
            self._monitor is not None
            and self._study.config.stop_when == "decided"
            and self._monitor.decided
        )

    def run(
        self,
        providers: Sequence[Provider],
        asked_with: Sequence[Mapping[str, Any]] | None = None,
    ) -> RunSummary:
        """Asks what is missing; raises what `ExperimentRunner.run` raises while asking.

        Args:
            providers: One for each model of the plan.
            asked_with: What differs from the experiment's settings, for each of them.
        """
        try:
            return self._run(providers, asked_with or [{}] * len(providers))
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted; every answer to {self._id} that arrived is saved",
                f"Resume with: {resume_command(self._database, self._id)}",
            ) from None

    def _run(
        self, providers: Sequence[Provider], asked_with: Sequence[Mapping[str, Any]]
    ) -> RunSummary:
        plan = self._study.plan
        self._tallies = recorded_tallies(self._database, self._id, plan)
        if "failed" in self._retry:
            for tally in self._tallies.values():
                tally.runs, tally.failed = tally.runs - tally.failed, 0
        recorder = Recorder(
            self._database, self._id, plan, self._settled(), self._retry, self._retry_since
        )
        pool = WorkerPool(
            self._id, self._study, providers, asked_with, recorder, self._saved, self._hook
        )
        self._pool = pool
        self._progress.begin(self._id, list(self._tallies.values()))
        try:
            failure, interrupted = run_pool(pool, providers, self._progress.say)
        finally:
            self._progress.end()
        self._processor.backup.finish()
        command = resume_command(self._database, self._id)
        if isinstance(failure, ResultsError):
            failure.hint = f"{failure.hint or ''} Then resume: {command}".strip()
        if isinstance(failure, DatabaseError):
            raise failure
        summary = self.close(failed=failure is not None)
        if failure is not None:
            raise failure
        if interrupted and summary.status != "completed":
            raise Interrupted(
                f"interrupted; {summary.runs} of {summary.planned_runs} runs of {self._id} "
                "are saved",
                f"Resume with: {command}",
            )
        return summary

    def close(self, *, failed: bool = False) -> RunSummary:
        """Sets the status, writes the files, and summarizes the experiment; once more where the
        database was away meanwhile."""
        return retried(lambda: self._close(failed), self._database.config.connection_timeout)

    def _close(self, failed: bool) -> RunSummary:
        plan = self._study.plan
        done = all(plan.settled(self._database, self._id))
        stopped = not done and not failed and self._is_decided()
        with self._database.write() as connection:
            experiments = ExperimentRepository(connection)
            record = experiments.get(self._id, lock=True)
            # Where it was extended meanwhile, who did that goes on, and says how it ends.
            if record.environment_json.get("plan") == plan.describe():
                status: ExperimentStatus = "failed" if failed else "running"
                ended = replace(
                    record,
                    status="completed" if done or stopped else status,
                    environment_json=self._with_stop(record.environment_json, stopped),
                    metrics=None,
                )
                if ended != replace(record, metrics=None):
                    experiments.save(ended)
                record = ended
        output_dir = Path(self._study.config.output_dir)
        folder = write_platform_files(self._database, self._id, output_dir, plan.approaches)
        tallies = recorded_tallies(self._database, self._id, plan)
        return RunSummary(
            self._id,
            record.status,
            len(plan),
            self._asked,
            list(tallies.values()),
            str(folder),
            [] if self._monitor is None else self._monitor.looks(),
            stopped,
            self._from_cache,
            self._grading_errors,
            self._grading_error,
        )

    def _with_stop(self, environment: Mapping[str, Any], stopped: bool) -> dict[str, Any]:
        """The environment with why the experiment ended before its plan, or without."""
        noted = {name: value for name, value in environment.items() if name != STOPPED_EARLY}
        if stopped and self._monitor is not None:
            looks = [asdict(look) for look in self._monitor.looks()]
            noted[STOPPED_EARLY] = {"when": "decided", "looks": looks}
        return noted

    def _settled(self) -> bytearray:
        plan = self._study.plan
        return plan.settled(self._database, self._id, retry=self._retry, missing=self._missing)

    def _saved(self, record: RunRecord) -> None:
        self._asked += 1
        metadata = record.metadata_json or {}
        self._from_cache += FROM_CACHE in metadata
        if (reason := metadata.get(GRADING_ERROR)) is not None:
            self._grading_errors += 1
            self._grading_error = self._grading_error or reason
        tally = self._tallies[PlannedVariant(*record.variant[1:])]
        tally.add(record)
        self._progress.saved(tally)
        self._processor.backup.saved()
        self._look(record)

    def _look(self, record: RunRecord) -> None:
        """Shows now and then what the experiment says, and ends it when that is clear."""
        if self._monitor is None:
            return
        self._monitor.add(record)
        if self._monitor.is_waiting and time.monotonic() >= self._look_again:
            self._look_at_all(self._monitor)
        if self._monitor.line_due():
            for look in self._monitor.looks():
                self._progress.say(str(look))
        if self._is_decided() and self._pool is not None and not self._stopped:
            self._stopped = True
            self._progress.say("The differences are clear: asking ends here.")
            self._pool.stop()

    def _look_at_all(self, monitor: Monitor) -> None:
        """Takes what is recorded, that of other processes included."""
        started = time.monotonic()
        monitor.load(self._database, self._id)
        took = time.monotonic() - started
        self._look_again = time.monotonic() + max(LOOK_AT_OTHERS, 20.0 * took)


def resume_command(database: Database, experiment_id: str) -> str:
    name = shlex.quote(experiment_id)
    return f"ml-agents resume --experiment-id {name} --from-database {database.option}"
