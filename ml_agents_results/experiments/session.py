"""One go at an experiment: asks what is missing, sets the status, writes the files."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_agents_results.database.maintenance.automatic_backup import AutomaticBackup
from ml_agents_results.errors import DatabaseError, ResultsError
from ml_agents_results.experiments.platform_files import write_platform_files
from ml_agents_results.experiments.progress import Progress, Tally
from ml_agents_results.experiments.recorder import Recorder
from ml_agents_results.experiments.study import Study, current_tallies, settled_positions
from ml_agents_results.experiments.worker_pool import Drive
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ExperimentStatus, RunRecord

if TYPE_CHECKING:
    from ml_agents_results.providers.interface import Provider


class ExperimentInterrupted(ResultsError):
    """The user ended the asking; everything that was answered is saved."""

    exit_code = 130


@dataclass(frozen=True)
class RunSummary:
    """How an experiment stands when the runner is done.

    Attributes:
        planned_runs: All runs of the experiment.
        asked: Runs that were answered or failed this time.
        variants: One tally for each approach, over the whole experiment.
        output_dir: Where the CSV and JSON files are.
    """

    experiment_id: str
    status: ExperimentStatus
    planned_runs: int
    asked: int
    variants: Sequence[Tally]
    output_dir: str

    @property
    def runs(self) -> int:
        return sum(tally.runs for tally in self.variants)

    @property
    def failed(self) -> int:
        return sum(tally.failed for tally in self.variants)

    def document(self) -> dict[str, Any]:
        """As JSON; accuracies are fractions, costs USD."""
        return {
            "experiment_id": self.experiment_id,
            "status": self.status,
            "planned_runs": self.planned_runs,
            "runs": self.runs,
            "asked": self.asked,
            "failed": self.failed,
            "variants": [tally.document() for tally in self.variants],
            "output_dir": self.output_dir,
        }


class Session:
    """One go at an experiment: from what is there to what is there then."""

    def __init__(
        self,
        experiment_id: str,
        study: Study,
        processor: ResultsProcessor,
        progress: Progress,
        retry_failed: bool = False,
    ) -> None:
        self._id = experiment_id
        self._study = study
        self._processor = processor
        self._progress = progress
        self._retry_since = datetime.now(UTC) if retry_failed else None
        self._asked = 0

    def complete(self) -> bool:
        """Whether nothing is left to ask."""
        return all(self._settled())

    def ask(self, provider: "Provider") -> RunSummary:
        """Asks what is missing.

        Raises:
            ExperimentInterrupted: Ctrl-C; the hint is the command that resumes.
            ProviderError: The endpoint refuses every request; the experiment can be resumed.
        """
        try:
            return self._ask(provider)
        except KeyboardInterrupt:
            raise ExperimentInterrupted(
                f"interrupted; every answer to {self._id} that came is saved",
                f"Go on with: {resume_command(self._processor, self._id)}",
            ) from None

    def _ask(self, provider: "Provider") -> RunSummary:
        study = self._study
        self._tallies = current_tallies(self._processor, self._id, study.plan)
        if self._retry_since is not None:
            for tally in self._tallies.values():
                tally.runs, tally.failed = tally.runs - tally.failed, 0
        self._backup = AutomaticBackup(self._processor.database, self._progress.say)
        recorder = Recorder(
            self._processor.database, self._id, study.plan, self._settled(), self._retry_since
        )
        drive = Drive(
            self._id,
            study.plan,
            study.approaches,
            provider,
            study.settings,
            recorder,
            self._saved,
        )
        self._progress.begin(self._id, self._tallies)
        try:
            failure, interrupted = self._wait_for(drive, provider)
        finally:
            self._progress.end()
        self._backup.finish()
        again = resume_command(self._processor, self._id)
        if isinstance(failure, ResultsError):
            failure.hint = f"{failure.hint or ''} Then go on: {again}".strip()
        if isinstance(failure, DatabaseError):
            raise failure
        summary = self.close(self._asked, failed=failure is not None)
        if failure is not None:
            raise failure
        if interrupted and summary.status != "completed":
            raise ExperimentInterrupted(
                f"interrupted; {summary.runs} of {summary.planned_runs} runs of {self._id} "
                "are saved",
                f"Go on with: {again}",
            )
        return summary

    def close(self, asked: int, failed: bool = False) -> RunSummary:
        """Sets the status, writes the files, and says how the experiment stands."""
        study, processor = self._study, self._processor
        status: ExperimentStatus = "failed" if failed else "running"
        if all(settled_positions(processor, self._id, study.plan)):
            status = "completed"
        if processor.get_experiment(self._id).status != status:
            processor.set_status(self._id, status)
        folder = write_platform_files(
            processor.database, self._id, Path(study.settings.output_dir), study.plan.approaches
        )
        tallies = current_tallies(processor, self._id, study.plan)
        return RunSummary(
            self._id, status, len(study.plan), asked, list(tallies.values()), str(folder)
        )

    def _settled(self) -> bytearray:
        retry = self._retry_since is not None
        return settled_positions(self._processor, self._id, self._study.plan, retry)

    def _saved(self, record: RunRecord) -> None:
        self._asked += 1
        tally = self._tallies[record.approach_name]
        tally.add(record)
        self._progress.saved(tally)
        self._backup.saved()

    def _wait_for(self, drive: Drive, provider: "Provider") -> tuple[Exception | None, bool]:
        """Lets the asking go on in its own thread; Ctrl-C here stops it there."""
        failures: list[Exception] = []
        ended = threading.Event()

        async def ask() -> None:
            try:
                await drive.run()
            finally:
                await provider.aclose()

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
                        f"Stopping: running calls may take {self._study.settings.grace:g} s to "
                        "end. Press Ctrl-C again to drop them."
                    )
                interrupted = True


def resume_command(processor: ResultsProcessor, experiment_id: str) -> str:
    option = processor.database.option
    return f"ml-agents resume --experiment-id {experiment_id} --from-database {option}"
