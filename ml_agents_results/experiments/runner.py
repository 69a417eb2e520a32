"""ExperimentRunner: asks real models, records every answer on arrival, resumes exactly.

Asynchronous inside, plain to call: an event loop in a thread of its own asks the questions while
the caller's thread waits, so that it works in scripts, notebooks and servers alike.
"""

import asyncio
import os
import shlex
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_agents_results.config import DatabaseConfig, ExperimentConfig, ProviderSettings, settings
from ml_agents_results.database.engine import Database
from ml_agents_results.database.files import refuse_to_replace
from ml_agents_results.database.origin import signed
from ml_agents_results.database.validation import new_experiment_id
from ml_agents_results.errors import (
    DatabaseError,
    DuplicateError,
    NotFoundError,
    OutputError,
    ResultsError,
    UsageError,
)
from ml_agents_results.experiments.environment import environment
from ml_agents_results.experiments.monitoring import Look, Monitor
from ml_agents_results.experiments.plan import Study, prepare
from ml_agents_results.experiments.platform_files import FILES, write_platform_files
from ml_agents_results.experiments.pool_thread import run_pool
from ml_agents_results.experiments.progress import Progress, Tally, recorded_tallies
from ml_agents_results.experiments.recorder import ENDED_AT, Recorder
from ml_agents_results.experiments.result_hook import ResultHook
from ml_agents_results.experiments.resumption import (
    check_given_anew,
    check_plan,
    check_same_model,
    check_unchanged,
    definition,
    recorded_provider,
)
from ml_agents_results.experiments.worker_pool import WorkerPool
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import (
    ExperimentRecord,
    ExperimentStatus,
    MetricRecord,
    RunRecord,
    StandardResponse,
)
from ml_agents_results.redaction import redact
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.scoring.extraction import VERSION as EXTRACTOR
from ml_agents_results.scoring.graders import find_grader
from ml_agents_results.scoring.stored_answers import metric_of
from ml_agents_results.services.asked_samples import STOPPED_EARLY

if TYPE_CHECKING:
    from ml_agents_results.experiments.approaches import Approach
    from ml_agents_results.providers.interface import Provider

LONGEST_ID = 200
"""In bytes, so that the name of its folder is valid on every file system."""


class ExperimentInterrupted(ResultsError):
    """The user stopped the experiment; every answer that arrived is saved."""

    exit_code = 130


@dataclass(frozen=True)
class RunSummary:
    """State of an experiment when the runner is done.

    Attributes:
        planned_runs: All runs of the experiment.
        asked: Runs that were answered or failed this time.
        variants: One tally for each approach, over the whole experiment.
        output_dir: The folder of the CSV and JSON files.
        looks: Of a shuffled experiment, what each approach says against the baseline so far.
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
            "looks": [look.document() for look in self.looks],
            "stopped_early": self.stopped_early,
        }


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
            ExperimentInterrupted: Ctrl-C; the hint is the command that resumes.
            ProviderError: The endpoint refuses every request; the experiment can be resumed.
        """
        self._take_over(experiment_id)
        study = prepare(self.config)
        _check_files(study, self.experiment_id)
        with connected(self.config, study.approaches) as provider:
            study = study.asking(provider.name, provider.model)
            processor = self._open()
            if not self._is_new and _exists(processor, self.experiment_id):
                raise DuplicateError(
                    f"there is an experiment {self.experiment_id} already",
                    f"Resume it: {resume_command(processor.database, self.experiment_id)}",
                )
            self._save(processor, study, provider)
            # From now on it is resumed, not run.
            self._is_new = False
            summary = self._execution(processor, study).run(provider)
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
            ExperimentInterrupted, ProviderError: As in `run`.
        """
        again = _to_retry(retry_failed, retry, max_tokens)
        self._take_over(experiment_id)
        processor = self._open()
        record = processor.get_experiment(self.experiment_id)
        check_plan(record)
        command = resume_command(processor.database, record.id)
        given = {**self.config.given(), **self.config.extra}
        if self.config.approaches == record.config_json.get("approaches"):
            given["approach"] = self.config.approaches
        check_given_anew(record, given, command)
        recorded = recorded_provider(record)
        config = self._merged(record, recorded)
        if max_tokens is not None:
            config.max_tokens = max_tokens
        study = prepare(config)
        check_unchanged(record, study)
        _check_files(study, record.id)
        if recorded is not None:
            study = study.asking(recorded["name"], recorded["model"])
            execution = self._execution(processor, study, again, missing=max_tokens is None)
            if execution.complete():
                return execution.close()
        with connected(config, study.approaches) as provider:
            if recorded is None:
                # Saved, but never run.
                study = study.asking(provider.name, provider.model)
                execution = self._execution(processor, study)
                self._save(processor, study, provider)
            else:
                check_same_model(record, provider)
                processor.set_status(record.id, "running")
            asked_with: dict[str, Any] = {} if max_tokens is None else {"max_tokens": max_tokens}
            if recorded is not None and recorded.get("endpoint") != provider.endpoint:
                asked_with["endpoint"] = provider.endpoint
                self._note_endpoint(processor, provider.endpoint)
            return execution.run(provider, asked_with)

    def _merged(
        self, record: ExperimentRecord, provider: Mapping[str, str] | None
    ) -> ExperimentConfig:
        """The experiment's own configuration with the changes that were given."""
        config = ExperimentConfig.from_dict(record.config_json)
        if provider is not None:
            # The default provider of that time.
            config.provider = config.provider or provider["name"]
        changeable = [setting.name for setting in settings() if setting.changeable]
        given = {**self.config.given(), **self.config.extra}
        recorded_settings = {**vars(config), **config.extra}
        changed = {name for name in given if given[name] != recorded_settings.get(name)}
        if self.config.approaches not in (["None"], config.approaches):
            changed.add("approach")
        if fixed := sorted(changed - set(changeable)):
            raise UsageError(
                f"{fixed[0]} cannot be changed when an experiment is resumed",
                f"These can: {', '.join(changeable)}. Start a new experiment for other settings.",
            )
        for name, value in given.items():
            setattr(config, name, value)
        return config

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
        self, processor: ResultsProcessor, study: Study, provider: "Provider | None" = None
    ) -> None:
        record = ExperimentRecord(
            self.experiment_id,
            config_json=redact(_recorded_config(study).to_dict()),
            environment_json={
                **environment(),
                **definition(study),
                **({} if provider is None else {"provider": _described(provider)}),
            },
        )
        processor.save_experiment(
            self.experiment_id,
            record.config_json,
            environment=signed(record, processor.database.identity).environment_json,
            metrics=[_primary_metric(study)],
        )

    def _note_endpoint(self, processor: ResultsProcessor, endpoint: str) -> None:
        """Adds another endpoint to those that the experiment's record names."""
        with processor.database.write() as connection:
            experiments = ExperimentRepository(connection)
            record = experiments.get(self.experiment_id)
            known = record.environment_json.get("further_endpoints") or []
            if endpoint not in known:
                record.environment_json["further_endpoints"] = [*known, endpoint]
                experiments.save(replace(record, metrics=None))

    def _execution(
        self,
        processor: ResultsProcessor,
        study: Study,
        retry: frozenset[str] = frozenset(),
        *,
        missing: bool = True,
    ) -> "_Execution":
        overridden = "_process_single_result" in vars(self) or (
            type(self)._process_single_result is not ExperimentRunner._process_single_result
        )
        self._hook = (
            ResultHook(self._process_single_result, processor.database) if overridden else None
        )
        return _Execution(
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


class _Execution:
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
        self._asked = 0
        self._stopped = False
        self._pool: WorkerPool | None = None
        self._monitor: Monitor | None = None
        if study.plan.shuffle is not None and len(study.plan.approaches) > 1:
            self._monitor = Monitor(study.plan, _primary_metric(study))
            self._monitor.load(self._database, experiment_id)

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

    def run(self, provider: "Provider", asked_with: Mapping[str, Any] | None = None) -> RunSummary:
        """Asks what is missing; raises what `ExperimentRunner.run` raises while asking."""
        try:
            return self._run(provider, asked_with or {})
        except KeyboardInterrupt:
            raise ExperimentInterrupted(
                f"interrupted; every answer to {self._id} that arrived is saved",
                f"Resume with: {resume_command(self._database, self._id)}",
            ) from None

    def _run(self, provider: "Provider", asked_with: Mapping[str, Any]) -> RunSummary:
        plan = self._study.plan
        self._tallies = recorded_tallies(self._database, self._id, plan)
        if "failed" in self._retry:
            for tally in self._tallies.values():
                tally.runs, tally.failed = tally.runs - tally.failed, 0
        recorder = Recorder(
            self._database, self._id, plan, self._settled(), self._retry, self._retry_since
        )
        pool = WorkerPool(
            self._id, self._study, provider, recorder, self._saved, self._hook, asked_with
        )
        self._pool = pool
        self._progress.begin(self._id, self._tallies)
        try:
            failure, interrupted = run_pool(
                pool, [provider], self._study.config.grace, self._progress.say
            )
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
            raise ExperimentInterrupted(
                f"interrupted; {summary.runs} of {summary.planned_runs} runs of {self._id} "
                "are saved",
                f"Resume with: {command}",
            )
        return summary

    def close(self, *, failed: bool = False) -> RunSummary:
        """Sets the status, writes the files, and summarizes the experiment."""
        plan = self._study.plan
        status: ExperimentStatus = "failed" if failed else "running"
        done = all(plan.settled(self._database, self._id))
        stopped = not done and not failed and self._is_decided()
        if done or stopped:
            status = "completed"
        self._note_stop(stopped)
        if self._processor.get_experiment(self._id).status != status:
            self._processor.set_status(self._id, status)
        output_dir = Path(self._study.config.output_dir)
        folder = write_platform_files(self._database, self._id, output_dir, plan.approaches)
        tallies = recorded_tallies(self._database, self._id, plan)
        return RunSummary(
            self._id,
            status,
            len(plan),
            self._asked,
            list(tallies.values()),
            str(folder),
            [] if self._monitor is None else self._monitor.looks(),
            stopped,
        )

    def _note_stop(self, stopped: bool) -> None:
        """Records why the experiment ended before its plan, or that it did not."""
        record = self._processor.get_experiment(self._id)
        if not stopped and STOPPED_EARLY not in record.environment_json:
            return
        record.environment_json.pop(STOPPED_EARLY, None)
        if stopped and self._monitor is not None:
            looks = [look.document() for look in self._monitor.looks()]
            record.environment_json[STOPPED_EARLY] = {"when": "decided", "looks": looks}
        with self._database.write() as connection:
            ExperimentRepository(connection).save(replace(record, metrics=None))

    def _settled(self) -> bytearray:
        plan = self._study.plan
        return plan.settled(self._database, self._id, retry=self._retry, missing=self._missing)

    def _saved(self, record: RunRecord) -> None:
        self._asked += 1
        tally = self._tallies[record.approach_name]
        tally.add(record)
        self._progress.saved(tally)
        self._processor.backup.saved()
        self._look(record)

    def _look(self, record: RunRecord) -> None:
        """Shows now and then what the experiment says, and ends it when that is clear."""
        if self._monitor is None:
            return
        self._monitor.add(record)
        if self._monitor.line_due():
            for look in self._monitor.looks():
                self._progress.say(str(look))
        if self._is_decided() and self._pool is not None and not self._stopped:
            self._stopped = True
            self._progress.say("The differences are clear: asking ends here.")
            self._pool.stop()


def resume_command(database: Database, experiment_id: str) -> str:
    name = shlex.quote(experiment_id)
    return f"ml-agents resume --experiment-id {name} --from-database {database.option}"


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


def _check_files(study: Study, experiment_id: str) -> None:
    """Raises UsageError if the files of the experiment would replace its dataset or a database."""
    folder = Path(study.config.output_dir) / experiment_id
    source = Path(study.dataset.source)
    for path in (folder / name for name in FILES):
        refuse_to_replace(path)
        if path.exists() and source.exists() and path.samefile(source):
            raise UsageError(
                f"the dataset {path} would be replaced by the files of {experiment_id}",
                "Name another folder with --output-dir.",
            )


@contextmanager
def connected(
    config: ExperimentConfig, approaches: "Sequence[Approach]" = ()
) -> "Iterator[Provider]":
    """An open provider, closed at the end even if it was never asked; closing twice is harmless.

    Functions that ask whom they like need none: then it has only the names for the record.

    Raises what `open_provider` raises.
    """
    from ml_agents_results.providers import open_provider
    from ml_agents_results.providers.unasked import Unasked

    if approaches and not any(approach.asks_model for approach in approaches):
        yield Unasked(config.provider or "function", config.model or "")
        return
    provider = open_provider(config.provider, config.model, config)
    try:
        if config.parsing == "instructor" and not provider.structured_output:
            raise UsageError(
                f"{provider.name} does not support structured output",
                "Choose --parsing auto or regex.",
            )
        yield _within_budget(provider, config)
    finally:
        # In a thread: the caller's may have an event loop already.
        closing = threading.Thread(target=lambda: asyncio.run(provider.aclose()))
        closing.start()
        closing.join()


def _within_budget(provider: "Provider", config: ExperimentConfig) -> "Provider":
    if config.max_cost is None:
        return provider
    from ml_agents_results.providers.budget import BudgetedProvider

    if config.max_tokens is None:
        raise UsageError(
            "--max-cost needs to know the most that an answer may cost", "Add --max-tokens N."
        )
    return BudgetedProvider(provider, config.max_cost, config.max_tokens)


def _primary_metric(study: Study) -> MetricRecord:
    """What the runs are graded by, with all that decides their grades."""
    config = study.config
    grader = find_grader(config.grader)
    return metric_of(
        grader,
        {
            "grader": grader.definition,
            "parsing": config.parsing,
            "extractor": EXTRACTOR,
            "answer_kind": config.answer_kind or study.dataset.kinds,
            "answer_pattern": config.answer_pattern,
        },
        is_primary=True,
    )


def _described(provider: "Provider") -> dict[str, Any]:
    """The provider as it is recorded, with the token limit that it sets where none was given."""
    limit = getattr(provider, "default_max_tokens", None)
    return {
        "name": provider.name,
        "model": provider.model,
        "endpoint": provider.endpoint,
        **({} if limit is None else {"default_max_tokens": limit}),
    }


def _exists(processor: ResultsProcessor, experiment_id: str) -> bool:
    try:
        processor.get_experiment(experiment_id)
    except NotFoundError:
        return False
    return True


def _recorded_config(study: Study) -> ExperimentConfig:
    """The configuration as it is recorded: valid from any directory, without secrets."""
    config = deepcopy(study.config)
    config.dataset = study.dataset.source
    config.output_dir = str(Path(config.output_dir).absolute())
    if config.prompts is not None:
        config.prompts = str(Path(config.prompts).absolute())
    if config.base_url is not None:
        from ml_agents_results.providers import public_url

        config.base_url = public_url(config.base_url)
    return config
