"""ExperimentRunner: asks real models, records every answer when it arrives, resumes exactly.

Asynchronous inside, plain to call: the asking goes on in a thread of its own, and the caller's
thread waits, so that it works in scripts, notebooks and servers alike.
"""

import asyncio
import os
import threading
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_agents_results.config import DatabaseConfig, ExperimentConfig
from ml_agents_results.errors import DuplicateError, NotFoundError, ResultsError, UsageError
from ml_agents_results.experiments.automatic_backup import AutomaticBackup
from ml_agents_results.experiments.drive import Drive
from ml_agents_results.experiments.environment import environment
from ml_agents_results.experiments.platform_files import write_platform_files
from ml_agents_results.experiments.progress import Progress, Tally
from ml_agents_results.experiments.recorder import Recorder
from ml_agents_results.experiments.study import (
    Study,
    check_origin,
    check_unchanged,
    current_tallies,
    definition,
    prepare,
    settled_positions,
)
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ExperimentRecord, ExperimentStatus, RunRecord

if TYPE_CHECKING:
    from ml_agents_results.experiments.messages import Provider

CHANGEABLE = (
    "concurrency",
    "timeout",
    "max_retries",
    "requests_per_minute",
    "base_url",
    "prompts",
    "output_dir",
    "grace",
)
"""Settings that may differ when an experiment is resumed: they do not change what is measured."""


class ExperimentInterrupted(ResultsError):
    """The user ended the asking; everything that was answered is saved."""

    exit_code = 130


@dataclass(frozen=True)
class RunSummary:
    """How an experiment stands when the runner is done.

    Attributes:
        planned_runs: All runs of the experiment.
        asked: Runs that were answered or failed this time.
        arms: One tally for each approach, over the whole experiment.
        output_dir: Where the CSV and JSON files are.
    """

    experiment_id: str
    status: ExperimentStatus
    planned_runs: int
    asked: int
    arms: Sequence[Tally]
    output_dir: str

    @property
    def runs(self) -> int:
        return sum(tally.runs for tally in self.arms)

    @property
    def failed(self) -> int:
        return sum(tally.failed for tally in self.arms)

    def document(self) -> dict[str, Any]:
        """As JSON; accuracies are fractions, costs USD."""
        return {
            "schema_version": 1,
            "experiment_id": self.experiment_id,
            "status": self.status,
            "planned_runs": self.planned_runs,
            "runs": self.runs,
            "asked": self.asked,
            "failed": self.failed,
            "arms": [tally.document() for tally in self.arms],
            "output_dir": self.output_dir,
        }


class ExperimentRunner:
    """Runs and resumes experiments.

    Args:
        config: What to ask. Settings of the runner (see `RunSettings`) are in its `extra`. For
            `resume`, only those in `CHANGEABLE`, and `dataset` where the file has moved.
        results_processor: Where the runs go. None records into a database of its own in the output
            folder, which is deleted when the experiment is complete.
        progress: Who is told how it goes.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        results_processor: ResultsProcessor | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._config = deepcopy(config)
        self._processor = results_processor
        self._progress = progress or Progress()

    def run(self, experiment_id: str | None = None) -> RunSummary:
        """Asks every planned run of a new experiment.

        Raises:
            UsageError: The configuration makes no sense; nothing was asked or recorded.
            DuplicateError: There is an experiment of this id.
            ExperimentInterrupted: Ctrl-C; the hint is the command that resumes.
            ProviderError: The endpoint refuses every request; the experiment can be resumed.
        """
        config = self._config
        experiment_id = experiment_id or new_experiment_id()
        study = prepare(experiment_id, config)
        with _Closing(study.provider):
            processor, own_file = self._open(study)
            if _exists(processor, experiment_id):
                raise DuplicateError(
                    f"there is an experiment {experiment_id} already",
                    f"Go on with it: {_resume_command(processor, experiment_id)}",
                )
            config.dataset = study.dataset.source
            config.extra["output_dir"] = str(Path(study.settings.output_dir).absolute())
            if study.settings.prompts is not None:
                config.extra["prompts"] = str(Path(study.settings.prompts).absolute())
            if study.settings.base_url is not None:
                from ml_agents_results.experiments.providers import public_url

                config.extra["base_url"] = public_url(study.settings.base_url)
            processor.save_experiment(
                experiment_id, config, environment={**environment(), **definition(study)}
            )
            return self._execute(study, processor, own_file)

    def resume(self, experiment_id: str, retry_failed: bool = False) -> RunSummary:
        """Asks what is missing of an experiment, and with `retry_failed` what failed.

        Raises:
            NotFoundError: There is no such experiment.
            ResumeRefused: It was not made by `run`, or by another version of it; or its dataset,
                prompts or model are not what they were.
            ExperimentInterrupted, ProviderError: As in `run`.
        """
        if self._processor is None:
            raise UsageError("resuming needs the database", "Name it with --db-path or --db-url.")
        processor = self._processor
        record = processor.get_experiment(experiment_id)
        check_origin(record)
        config = self._merged(record)
        study = prepare(record.id, config)
        with _Closing(study.provider):
            check_unchanged(record, study)
            processor.set_status(record.id, "running")
            since = datetime.now(UTC) if retry_failed else None
            return self._execute(study, processor, None, since)

    def _merged(self, record: ExperimentRecord) -> ExperimentConfig:
        """The experiment's own configuration, with what may be changed."""
        config = ExperimentConfig.from_dict(record.config_json)
        given = {name: value for name, value in self._config.extra.items() if value is not None}
        if fixed := sorted(set(given) - set(CHANGEABLE)):
            raise UsageError(
                f"{fixed[0]} cannot be changed when an experiment is resumed",
                f"These can: {', '.join(CHANGEABLE)}. Begin a new experiment for another setting.",
            )
        config.extra |= given
        config.dataset = self._config.dataset or config.dataset
        # What was chosen by default then, now has a name.
        config.provider = config.provider or record.environment_json["provider"]["name"]
        return config

    def _open(self, study: Study) -> tuple[ResultsProcessor, Path | None]:
        """Where to record; and the file, if it is the runner's own."""
        if self._processor is not None:
            return self._processor, None
        folder = Path(study.settings.output_dir) / study.id
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "recording.db"
        return ResultsProcessor(DatabaseConfig(db_path=str(path), backup_frequency=0)), path

    def _execute(
        self,
        study: Study,
        processor: ResultsProcessor,
        own_file: Path | None,
        retry_since: datetime | None = None,
    ) -> RunSummary:
        plan, settings = study.plan, study.settings
        settled = settled_positions(processor, study, retry_failed=retry_since is not None)
        tallies = current_tallies(processor, study)
        if retry_since is not None:
            for tally in tallies.values():
                tally.runs, tally.failed = tally.runs - tally.failed, 0
        self._progress.begin(study.id, tallies)
        backup = AutomaticBackup(processor.database, self._progress.say)
        asked = 0

        def saved(record: RunRecord) -> None:
            nonlocal asked
            asked += 1
            tally = tallies[record.approach_name]
            tally.add(record)
            self._progress.saved(tally)
            backup.saved()

        recorder = Recorder(processor.database, study.id, plan, settled, retry_since)
        drive = Drive(study.id, plan, study.approaches, study.provider, settings, recorder, saved)
        failure, interrupted = self._wait_for(drive, study)
        self._progress.end()
        backup.finish()
        status = _finish(processor, study, failed=failure is not None)
        folder = write_platform_files(
            processor.database, study.id, Path(settings.output_dir), plan.approaches
        )
        tallies = current_tallies(processor, study)
        summary = RunSummary(
            study.id, status, len(plan), asked, list(tallies.values()), str(folder)
        )
        if failure is not None and isinstance(failure, ResultsError):
            hint = f"{failure.hint} " if failure.hint else ""
            failure.hint = f"{hint}Then go on: {_resume_command(processor, study.id)}"
        if failure is not None:
            raise failure
        if interrupted and status != "completed":
            raise ExperimentInterrupted(
                f"interrupted; {summary.runs} of {len(plan)} runs of {study.id} are saved",
                f"Go on with: {_resume_command(processor, study.id)}",
            )
        if own_file is not None and status == "completed":
            processor.close()
            own_file.unlink()
        return summary

    def _wait_for(self, drive: Drive, study: Study) -> tuple[Exception | None, bool]:
        """Lets the asking go on in its own thread; Ctrl-C here stops it there."""
        failures: list[Exception] = []
        ended = threading.Event()

        async def ask() -> None:
            try:
                await drive.run()
            finally:
                await study.provider.aclose()

        def work() -> None:
            try:
                asyncio.run(ask())
            except Exception as error:  # noqa: BLE001 - raised in the caller's thread
                failures.append(error)
            finally:
                ended.set()

        threading.Thread(target=work, name="experiment", daemon=True).start()
        interrupted = False
        while True:
            try:
                # A wait without an end cannot be interrupted on Windows.
                while not ended.wait(0.5):
                    pass
                return (failures[0] if failures else None), interrupted
            except KeyboardInterrupt:
                drive.stop()
                if not interrupted:
                    self._progress.say(
                        f"Stopping: running calls may take {study.settings.grace:g} s to end. "
                        "Press Ctrl-C again to drop them."
                    )
                interrupted = True


class _Closing:
    """Closes a provider also where it was never asked; closing it twice does no harm."""

    def __init__(self, provider: "Provider") -> None:
        self._provider = provider

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        worker = threading.Thread(target=lambda: asyncio.run(self._provider.aclose()))
        worker.start()
        worker.join()


def new_experiment_id() -> str:
    """An id that says when the experiment began (UTC)."""
    return f"exp_{datetime.now(UTC):%Y%m%d_%H%M%S}_{os.urandom(2).hex()}"


def _exists(processor: ResultsProcessor, experiment_id: str) -> bool:
    try:
        processor.get_experiment(experiment_id)
    except NotFoundError:
        return False
    return True


def _finish(processor: ResultsProcessor, study: Study, failed: bool) -> ExperimentStatus:
    complete = all(settled_positions(processor, study, retry_failed=False))
    status: ExperimentStatus = "completed" if complete else "failed" if failed else "running"
    processor.set_status(study.id, status)
    return status


def _resume_command(processor: ResultsProcessor, experiment_id: str) -> str:
    option = processor.database.option
    return f"ml-agents resume --experiment-id {experiment_id} --from-database {option}"
