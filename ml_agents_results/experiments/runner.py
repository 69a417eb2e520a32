"""ExperimentRunner: asks real models, records every answer when it arrives, resumes exactly.

Asynchronous inside, plain to call: the asking goes on in a thread of its own, and the caller's
thread waits, so that it works in scripts, notebooks and servers alike.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from ml_agents_results.config import DatabaseConfig, ExperimentConfig
from ml_agents_results.database.validation import new_experiment_id
from ml_agents_results.errors import DuplicateError, NotFoundError, OutputError, UsageError
from ml_agents_results.experiments.environment import environment
from ml_agents_results.experiments.progress import Progress
from ml_agents_results.experiments.run_settings import CHANGEABLE
from ml_agents_results.experiments.session import RunSummary, Session, resume_command
from ml_agents_results.experiments.study import (
    Study,
    check_origin,
    check_same_model,
    check_unchanged,
    connect,
    definition,
    prepare,
)
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ExperimentRecord

if TYPE_CHECKING:
    from ml_agents_results.providers.interface import Provider

LONGEST_ID = 200
"""In bytes, so that the name of its folder is none that file systems refuse."""


class ExperimentRunner:
    """Runs and resumes experiments.

    Args:
        config: What to ask. Settings of the runner (see `RunSettings`) are in its `extra`. For
            `resume`, only those in `CHANGEABLE`, and `dataset` where the file has moved.
        results_processor: Where the runs go, or a function that opens it: `run` calls that once
            everything else is checked. None records into a database of its own in the output
            folder, which is deleted when the experiment is complete.
        progress: Who is told how it goes.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        results_processor: ResultsProcessor | Callable[[], ResultsProcessor] | None = None,
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
        _check_id(experiment_id)
        study = prepare(config)
        with _Connected(config) as provider:
            study = study.asking(provider.name, provider.model)
            processor, own_file = self._open(experiment_id, Path(study.settings.output_dir))
            if _exists(processor, experiment_id):
                raise DuplicateError(
                    f"there is an experiment {experiment_id} already",
                    f"Go on with it: {resume_command(processor, experiment_id)}",
                )
            processor.save_experiment(
                experiment_id,
                _kept(config, study),
                environment={
                    **environment(),
                    **definition(study),
                    "provider": {
                        "name": provider.name,
                        "model": provider.model,
                        "endpoint": provider.endpoint,
                    },
                },
            )
            session = Session(experiment_id, study, processor, self._progress)
            summary = session.ask(provider)
        if own_file is not None and summary.status == "completed":
            processor.close()
            own_file.unlink()
        return summary

    def resume(self, experiment_id: str, retry_failed: bool = False) -> RunSummary:
        """Asks what is missing of an experiment, and with `retry_failed` what failed.

        Where nothing is missing, no provider is needed; the files are written again.

        Raises:
            NotFoundError: There is no such experiment.
            ResumeRefused: It was not made by `run`, or by another version of it; or its dataset,
                prompts or model are not what they were.
            ExperimentInterrupted, ProviderError: As in `run`.
        """
        processor = self._opened()
        if processor is None:
            raise UsageError("resuming needs the database", "Name it with --db-path or --db-url.")
        record = processor.get_experiment(experiment_id)
        check_origin(record)
        config = self._merged(record)
        then = record.environment_json["provider"]
        study = prepare(config).asking(then["name"], then["model"])
        check_unchanged(record, study)
        session = Session(record.id, study, processor, self._progress, retry_failed)
        if session.complete():
            return session.close(asked=0)
        with _Connected(config) as provider:
            check_same_model(record, provider)
            processor.set_status(record.id, "running")
            return session.ask(provider)

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

    def _opened(self) -> ResultsProcessor | None:
        if callable(self._processor):
            self._processor = self._processor()
        return self._processor

    def _open(self, experiment_id: str, output_dir: Path) -> tuple[ResultsProcessor, Path | None]:
        """Where to record; and the file, if it is the runner's own."""
        if (processor := self._opened()) is not None:
            return processor, None
        folder = output_dir / experiment_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"the folder {folder} cannot be made: {error.strerror}",
                "Name another one with --output-dir.",
            ) from error
        path = folder / "recording.db"
        return ResultsProcessor(DatabaseConfig(db_path=str(path), backup_frequency=0)), path


def _check_id(experiment_id: str) -> None:
    """The id names the folder of the files: it must not lead out of it, or be too long for one."""
    odd = experiment_id in (".", "..") or any(sign in experiment_id for sign in "/\\\0")
    if odd or len(os.fsencode(experiment_id)) > LONGEST_ID:
        raise UsageError(
            f"the id {experiment_id[:LONGEST_ID]!r} cannot name a folder",
            f"Leave out slashes, and take {LONGEST_ID} bytes at most.",
        )


class _Connected:
    """A provider that is closed also where it was never asked; closing it twice does no harm."""

    def __init__(self, config: ExperimentConfig) -> None:
        self._provider = connect(config)

    def __enter__(self) -> "Provider":
        return self._provider

    def __exit__(self, *_: object) -> None:
        # In a thread: the caller's may have an event loop already.
        closing = threading.Thread(target=lambda: asyncio.run(self._provider.aclose()))
        closing.start()
        closing.join()


def _exists(processor: ResultsProcessor, experiment_id: str) -> bool:
    try:
        processor.get_experiment(experiment_id)
    except NotFoundError:
        return False
    return True


def _kept(config: ExperimentConfig, study: Study) -> ExperimentConfig:
    """The configuration as it is saved: valid from any directory, without secrets."""
    kept = deepcopy(config)
    kept.dataset = study.dataset.source
    for name in ("output_dir", "prompts"):
        if (path := getattr(study.settings, name)) is not None:
            kept.extra[name] = str(Path(path).absolute())
    if study.settings.base_url is not None:
        from ml_agents_results.providers import public_url

        kept.extra["base_url"] = public_url(study.settings.base_url)
    return kept
