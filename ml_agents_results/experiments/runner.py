"""ExperimentRunner: asks real models, records every answer on arrival, resumes exactly.

Asynchronous inside, plain to call: an event loop in a thread of its own asks the questions while
the caller's thread waits, so that it works in scripts, notebooks and servers alike.
"""

import os
from collections.abc import Callable, Collection, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from ml_agents_results.config import DatabaseConfig, ExperimentConfig, ProviderSettings
from ml_agents_results.database.new_ids import new_experiment_id
from ml_agents_results.database.origin import signed
from ml_agents_results.errors import DuplicateError, NotFoundError, OutputError, UsageError
from ml_agents_results.experiments.connections import connected, names_of
from ml_agents_results.experiments.environment import environment
from ml_agents_results.experiments.execution import Execution, RunSummary, resume_command
from ml_agents_results.experiments.extension import Extension, record_extension
from ml_agents_results.experiments.plan import PlannedModel
from ml_agents_results.experiments.progress import Progress
from ml_agents_results.experiments.recorder import ENDED_AT
from ml_agents_results.experiments.result_hook import ResultHook
from ml_agents_results.experiments.resumption import (
    ResumeRefused,
    check_given_anew,
    check_plan,
    check_same_models,
    check_unchanged,
    definition,
    described,
    extents,
    given_settings,
    merged,
    note_endpoints,
    recorded_providers,
)
from ml_agents_results.experiments.study import Study, prepare
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.providers.interface import Provider
from ml_agents_results.records import ExperimentRecord, StandardResponse
from ml_agents_results.redaction import redact

LONGEST_ID = 200
"""In bytes, so that the name of its folder is valid on every file system."""


class ExperimentRunner:
    """Runs and resumes experiments.

    A subclass may override `_process_single_result`, which is called with every answer.

    Args:
        config: What to ask, and how. For `resume`, only settings that may change are given.
        results_processor: Where the runs go: a new experiment is checked and saved at once. Or a
            function that opens it, which `run` calls once everything else is checked. None
            records into the database of the configuration; if that is not enabled, into a file in
            the output folder, which is deleted when the experiment is complete.
        progress: Where progress is reported.
        experiment_id: The id of the new experiment, or of one that is to be resumed.

    Attributes:
        config: The configuration; a copy of the one that was given.
        results_processor: As given, or opened.
        experiment_id: The id of the experiment, also before it is run.

    Raises:
        UsageError, NotFoundError, InvalidFileError: With a processor: the configuration is
            invalid; nothing was recorded.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        results_processor: ResultsProcessor | Callable[[], ResultsProcessor] | None = None,
        progress: Progress | None = None,
        *,
        experiment_id: str | None = None,
    ) -> None:
        self.config = deepcopy(config)
        self.results_processor = results_processor
        self.experiment_id = experiment_id or new_experiment_id()
        self._progress = progress or Progress()
        self._own_file: Path | None = None
        self._hook: ResultHook | None = None
        _check_id(self.experiment_id)
        self._is_new = isinstance(results_processor, ResultsProcessor) and not _exists(
            results_processor, self.experiment_id
        )
        if self._is_new and isinstance(results_processor, ResultsProcessor):
            self._save(results_processor, prepare(self.config))

    def run(self, experiment_id: str | None = None) -> RunSummary:
        """Asks every planned run of a new experiment.

        Args:
            experiment_id: An id of the caller's in place of `self.experiment_id`.

        Raises:
            UsageError: The configuration is invalid; nothing was asked or recorded.
            DuplicateError: There is an experiment with this id.
            Interrupted: Ctrl-C; the hint is the command that resumes.
            ProviderError: The endpoint refuses every request; the experiment can be resumed.
        """
        self._take_over(experiment_id)
        study = prepare(self.config)
        study.check_files(self.experiment_id)
        with connected(self.config, study.approaches) as providers:
            study = study.asking(names_of(providers))
            processor = self._open()
            if not self._is_new and _exists(processor, self.experiment_id):
                raise DuplicateError(
                    f"there is an experiment {self.experiment_id} already",
                    f"Resume it: {resume_command(processor.database, self.experiment_id)}",
                )
            self._save(processor, study, providers)
            # From now on it is resumed, not run.
            self._is_new = False
            summary = self._execution(processor, study).run(providers)
        if self._own_file is not None and summary.status == "completed":
            others = len(processor.list_experiments()) > 1
            processor.close()
            if not others:
                self._own_file.unlink()
        return summary

    def resume(
        self,
        experiment_id: str | None = None,
        retry_failed: bool = False,
        *,
        retry: Collection[str] = (),
        max_tokens: int | None = None,
    ) -> RunSummary:
        """Asks the missing runs of an experiment, and again those that ended as is named.

        A run that is asked again is replaced; its metadata keeps what it was, its cost and tokens
        are those of all attempts.

        Args:
            experiment_id: Any experiment that was started by `run`; None is the runner's own.
            retry_failed: The same as `failed` in `retry`.
            retry: Which runs are asked again: `failed`, `truncated`.
            max_tokens: The limit for truncated runs, recorded with each. No others are asked.

        If nothing is missing, no provider is needed; the files are written again.

        Raises:
            NotFoundError: There is no such experiment.
            ResumeRefused: It was not started by `run`, or by another version of it; or its
                dataset, prompts or model have changed.
            Interrupted, ProviderError: As in `run`.
        """
        again = _to_retry(retry_failed, retry, max_tokens)
        self._take_over(experiment_id)
        processor = self._open()
        record, study = self._begun(processor)
        if max_tokens is not None:
            study.config.max_tokens = max_tokens
        if recorded := recorded_providers(record):
            study = study.asking([PlannedModel(one["name"], one["model"]) for one in recorded])
            execution = self._execution(processor, study, again, missing=max_tokens is None)
            if execution.complete():
                return execution.close()
        with connected(study.config, study.approaches) as providers:
            if not recorded:
                # Saved, but never run.
                study = study.asking(names_of(providers))
                execution = self._execution(processor, study)
                self._save(processor, study, providers)
            else:
                check_same_models(record, providers)
                processor.set_status(record.id, "running")
            changed: dict[str, Any] = {} if max_tokens is None else {"max_tokens": max_tokens}
            asked_with = note_endpoints(processor.database, record.id, recorded, providers)
            return execution.run(providers, [{**changed, **noted} for noted in asked_with])

    def extend(
        self,
        experiment_id: str | None = None,
        *,
        samples: int | None = None,
        repeats: int | None = None,
        approaches: Sequence[str] = (),
        models: Sequence[str] = (),
    ) -> RunSummary:
        """Adds to an experiment, finished or not, and asks what is missing; existing runs are not
        asked again. What the experiment was before is recorded under `extensions`.

        After an interruption, the same call continues; so does `resume`.

        Args:
            experiment_id: Any experiment that was started by `run`; None is the runner's own.
            samples: New total of samples of each task.
            repeats: New total of repeats of each sample.
            approaches, models: Further ones; existing ones may be named, too.

        Raises:
            UsageError: There is more of it already.
            NotFoundError, ResumeRefused, Interrupted, ProviderError: As in `resume`.
        """
        self._take_over(experiment_id)
        processor = self._open()
        record, study = self._begun(processor, approaches, models)
        if not (recorded := recorded_providers(record)):
            raise ResumeRefused(
                f"{record.id} was never run", "Start it first: ml-agents resume, or runner.run()."
            )
        extended = Extension(samples, repeats, approaches, models).of(record, study)
        if extended is study:
            return self.resume()
        with connected(extended.config, extended.approaches) as providers:
            check_same_models(record, providers)
            extended = extended.asking(names_of(providers))
            record_extension(processor.database, record, extended, providers)
            asked_with = note_endpoints(processor.database, record.id, recorded, providers)
            return self._execution(processor, extended).run(providers, asked_with)

    def planned(self, extension: Extension) -> tuple[Study, bytearray]:
        """What `extend` would ask, and one byte for each position of its plan: 1 where nothing is
        left to do. Nothing is recorded.

        Raises what `extend` raises before it asks.
        """
        processor = self._open()
        record, study = self._begun(processor, extension.approaches, extension.models)
        extended = extension.of(record, study)
        known = [PlannedModel(one["name"], one["model"]) for one in recorded_providers(record)]
        further = extended.plan.models[len(known) :]
        named = extended.asking([*known, *further])
        return extended, named.plan.settled(processor.database, record.id)

    def _begun(
        self,
        processor: ResultsProcessor,
        approaches: Sequence[str] = (),
        models: Sequence[str] = (),
    ) -> tuple[ExperimentRecord, Study]:
        """The experiment as it was recorded, and its study with the changes that were given."""
        record = processor.get_experiment(self.experiment_id)
        check_plan(record)
        given = given_settings(record, self.config, approaches, models)
        check_given_anew(record, given, resume_command(processor.database, record.id))
        study = prepare(merged(record, self.config), extents(record))
        check_unchanged(record, study)
        study.check_files(record.id)
        return record, study

    def _process_single_result(self, result: StandardResponse) -> None:
        """Saves an answer, or the failure of a run; called with each of them.

        An override may look at the response or change it before it calls `super()`. It is called
        in a thread of its own, one answer at a time. An answer that it does not save is saved
        afterwards; what it raises ends the experiment, which can be resumed.
        """
        if self._hook is None:
            raise UsageError("no answer is being processed", "Call run() or resume().")
        self._hook.save_response(result)

    def _take_over(self, experiment_id: str | None) -> None:
        """Makes an experiment the runner's own, in place of the one that the constructor saved."""
        if experiment_id is None or experiment_id == self.experiment_id:
            return
        _check_id(experiment_id)
        if self._is_new and isinstance(self.results_processor, ResultsProcessor):
            self.results_processor.delete_experiment(self.experiment_id)
            self._is_new = False
        self.experiment_id = experiment_id

    def _save(
        self, processor: ResultsProcessor, study: Study, providers: Sequence[Provider] = ()
    ) -> None:
        record = ExperimentRecord(
            self.experiment_id,
            config_json=redact(study.recorded_config().to_dict()),
            environment_json={
                **environment(),
                **definition(study),
                **(described(providers) if providers else {}),
            },
        )
        processor.save_experiment(
            self.experiment_id,
            record.config_json,
            environment=signed(record, processor.database.identity).environment_json,
            metrics=[study.metric],
        )

    def _execution(
        self,
        processor: ResultsProcessor,
        study: Study,
        retry: frozenset[str] = frozenset(),
        *,
        missing: bool = True,
    ) -> Execution:
        overridden = "_process_single_result" in vars(self) or (
            type(self)._process_single_result is not ExperimentRunner._process_single_result
        )
        self._hook = (
            ResultHook(self._process_single_result, processor.database) if overridden else None
        )
        return Execution(
            self.experiment_id, study, processor, self._progress, self._hook, retry, missing
        )

    def _open(self) -> ResultsProcessor:
        """The processor to record with; without a database one on a file of the runner's own."""
        if isinstance(self.results_processor, ResultsProcessor):
            return self.results_processor
        if self.results_processor is not None:
            processor = self.results_processor()
        elif self.config.database.enabled:
            processor = ResultsProcessor(self.config.database)
        else:
            folder = Path(self.config.output_dir) / self.experiment_id
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(
                    f"the folder {folder} cannot be created: {error.strerror}",
                    "Name another one with --output-dir.",
                ) from error
            self._own_file = folder / "recording.db"
            settings = DatabaseConfig(db_path=str(self._own_file), backup_frequency=0)
            return ResultsProcessor(settings)
        self.results_processor = processor
        return processor


def _to_retry(retry_failed: bool, retry: Collection[str], max_tokens: int | None) -> frozenset[str]:
    again = frozenset({*retry, *(("failed",) if retry_failed else ())})
    if unknown := sorted(again - ENDED_AT.keys()):
        raise UsageError(
            f"runs that are {unknown[0]!r} cannot be asked again", f"One of: {', '.join(ENDED_AT)}"
        )
    if max_tokens is not None and again != {"truncated"}:
        raise UsageError(
            "max_tokens can change only for runs that were cut off",
            "Resume with: --retry truncated --max-tokens N",
        )
    ProviderSettings.max_tokens.check(max_tokens)
    return again


def _check_id(experiment_id: str) -> None:
    """The id names the folder of the files: it must not lead out of it, or be too long for one."""
    odd = experiment_id in (".", "..") or any(sign in experiment_id for sign in "/\\\0")
    if odd or len(os.fsencode(experiment_id)) > LONGEST_ID:
        raise UsageError(
            f"the id {experiment_id[:LONGEST_ID]!r} cannot name a folder",
            f"Leave out slashes; at most {LONGEST_ID} bytes.",
        )


def _exists(processor: ResultsProcessor, experiment_id: str) -> bool:
    try:
        processor.get_experiment(experiment_id)
    except NotFoundError:
        return False
    return True
