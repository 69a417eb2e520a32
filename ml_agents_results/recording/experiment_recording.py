"""Experiment recording: a study of one's own as a `with` block, plain or async."""

import asyncio
import threading
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, Self

from sqlalchemy import Connection, select

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.automatic_backup import AutomaticBackup
from ml_agents_results.database.models import Experiment
from ml_agents_results.database.new_ids import new_experiment_id
from ml_agents_results.database.primary_values import set_by_scores
from ml_agents_results.errors import DuplicateError, ResultsError, UsageError
from ml_agents_results.recording.missing_samples import MissingSamples
from ml_agents_results.recording.run_recording import RecordingError, RunRecording, in_thread
from ml_agents_results.recording.sample_claims import SampleClaims
from ml_agents_results.recording.sample_numbering import Sample, sample_of
from ml_agents_results.records import (
    ExperimentRecord,
    ExperimentStatus,
    MetricRecord,
    RunRecord,
    canonical_approach,
)
from ml_agents_results.redaction import redact, redact_text
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.responses import settings_of

OnError = Literal["raise", "continue"]
IfExists = Literal["resume", "new", "error"]

ALIKE = 5
"""Failures in a row of one mistake in the code that end a loop under on_error="continue"."""

_MISTAKES = (NameError, AttributeError, TypeError, ImportError)
_ENDED = "ended"
"""Key in the environment of why a recording ended early."""


class ExperimentRecording:
    """A study that is being recorded; `ResultsProcessor.experiment` opens it.

    A handle is all there is: no current run, no global state. It may be used from threads, tasks
    and forked processes; each run belongs to one of them.

    Attributes:
        id: The id of the experiment.
        claims: The samples of the experiment that this process numbers and claims.
    """

    def __init__(
        self,
        database: Database,
        backup: AutomaticBackup,
        id_or_name: str,
        config: ExperimentConfig | Mapping[str, Any] | object | None,
        environment: Mapping[str, Any],
        on_error: OnError,
        if_exists: IfExists,
    ) -> None:
        self._database = database
        self._backup = backup
        self._given = id_or_name
        self._config = config
        self._environment = dict(environment)
        self._on_error = on_error
        self._if_exists = if_exists
        self._lock = threading.Lock()
        self.claims = SampleClaims(database, id_or_name)
        self._positions: Counter[tuple[str, ...]] = Counter()
        self._seen: dict[tuple[str, ...], Counter[tuple[str, str]]] = {}
        self._new_metrics: dict[str, MetricRecord] = {}
        self._metrics: set[str] = set()
        self._passes: list[MissingSamples] = []
        self._alike = 0
        self._passed_over = 0
        self._last_mistake = ""
        self._open = False
        self.id = id_or_name

    def missing(
        self,
        samples: Iterable[Any],
        *,
        approach: str,
        model: str = "",
        provider: str = "",
        repeats: int = 1,
        retry_failed: bool = True,
        claim: bool = False,
    ) -> MissingSamples:
        """The samples that have no run of this variant yet, in order; `for` and `async for`.

        Args:
            samples: Mappings or objects with id, question and answer; texts; or indexes.
            repeats: How often each sample is asked: all of them once, then all again.
            retry_failed: Whether failed runs are missing, too.
            claim: Whether several processes share the samples: each is given to one only, and is
                free again when its process ends.

        Raises:
            UsageError: `repeats` is not positive.
        """
        self._require_open()
        if repeats < 1:
            raise UsageError(f"repeats is {repeats}", "Ask each sample at least once.")
        variant = self._variant(approach, model, provider)
        passes = MissingSamples(self, samples, variant, repeats, retry_failed, claim)
        self._passes.append(passes)
        self._note_plan(passes)
        return passes

    def run(
        self,
        sample: Any,
        *,
        approach: str,
        model: str = "",
        provider: str = "",
        repeat_index: int | None = None,
    ) -> RunRecording:
        """A sample that is being answered: `with experiment.run(...) as run`.

        A sample without an index, and not from `missing`, is the next one of its variant.
        """
        self._require_open()
        variant = self._variant(approach, model, provider)
        given = sample_of(sample)
        repeat = given.repeat_index if repeat_index is None else repeat_index
        if given.sample_index is None:
            given = self._next(given, (*variant.values(), str(repeat)))
        return RunRecording(self, replace(given, repeat_index=repeat), variant)

    def record(
        self,
        sample: Any,
        *,
        approach: str,
        model: str = "",
        provider: str = "",
        repeat_index: int | None = None,
        scores: Mapping[str, float | bool | None] | None = None,
        error: str | None = None,
        **values: Any,
    ) -> None:
        """Saves one finished answer, without a block.

        Args:
            scores: Metric to value.
            error: What ended the run without an answer.
            values: Any attributes of a RunRecording: raw_output, parsed_answer, cost_estimate, ...
        """
        run = self.run(
            sample, approach=approach, model=model, provider=provider, repeat_index=repeat_index
        )
        self.end_run(*run.finished(values, scores or {}, error))

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._end(error)

    async def __aenter__(self) -> Self:
        await in_thread(self._begin)
        return self

    async def __aexit__(
        self, _kind: object, error: BaseException | None, _traceback: object
    ) -> None:
        await in_thread(self._end, error)

    def note_metric(self, name: str, value: float | bool | None) -> None:
        """Adds a metric to those of the experiment; it is saved with the next run."""
        with self._lock:
            if name in self._metrics or name in self._new_metrics:
                return
            rest = ("binary", 0, 1, True) if isinstance(value, bool) else ("numeric",)
            self._new_metrics[name] = MetricRecord(name, *rest)

    def end_run(self, run: RunRecord | None, sample: Sample, variant: Mapping[str, str]) -> None:
        """Saves a run, durably, and gives its claim back; None saves nothing."""
        with self._lock:
            metrics = dict(self._new_metrics)
        if run is None and not self.claims.holds(sample, variant):
            return
        with self._database.write() as connection:
            if run is not None:
                settled = self.claims.settled(connection, sample)
                assert settled.sample_index is not None
                run.sample_index = settled.sample_index
                self._save(connection, run, metrics)
            self.claims.release(connection, sample, variant)
        self.claims.forget(sample, variant)
        if run is not None:
            with self._lock:
                self._metrics.update(metrics)
                for name in metrics:
                    self._new_metrics.pop(name, None)
            self._backup.saved()

    def goes_on(self, error: BaseException | None) -> bool:
        """Whether a loop goes on after a run that ended like this.

        Raises:
            RecordingError: The same mistake ended several runs in a row.
        """
        if error is None:
            self._alike = 0
            return False
        if self._on_error == "raise" or not isinstance(error, Exception):
            return False
        if isinstance(error, ResultsError):
            return False
        mistake = repr(error) if isinstance(error, _MISTAKES) else ""
        self._alike = self._alike + 1 if mistake and mistake == self._last_mistake else 1
        self._last_mistake = mistake
        if mistake and self._alike >= ALIKE:
            raise RecordingError(
                f"{self._alike} runs in a row failed alike: {mistake}",
                "The mistake is in the code; correct it and run again: nothing is asked twice.",
            ) from error
        self._passed_over += 1
        return True

    def _begin(self) -> None:
        if self._open:
            raise RecordingError("the experiment is open", "Use one `with` block at a time.")
        with self._database.read() as connection:
            known = self._known(connection)
        if known is not None and self._if_exists == "error":
            raise DuplicateError(
                f"there is an experiment {known.id} already", 'Or: if_exists="resume" or "new".'
            )
        if known is not None and self._if_exists == "resume":
            self._resume(known)
        else:
            self._named(self._given if known is None else self._free_id())
            config = {} if self._config is None else settings_of(self._config)
            record = ExperimentRecord(
                self.id,
                name=redact(self._given),
                config_json=redact(config),
                environment_json=redact(self._environment),
            )
            with self._database.write() as connection:
                ExperimentRepository(connection).save(record)
        self._open = True
        self._passed_over = 0

    def _named(self, experiment_id: str) -> None:
        self.id = experiment_id
        self.claims = SampleClaims(self._database, experiment_id)

    def _resume(self, known: ExperimentRecord) -> None:
        self._named(known.id)
        if self._config is not None:
            self._require_same_config(known)
        with self._database.write() as connection:
            experiments = ExperimentRepository(connection)
            environment = {
                key: value for key, value in known.environment_json.items() if key != _ENDED
            }
            experiments.save(
                replace(known, status="running", environment_json=environment, metrics=None)
            )
            self.claims.learn(connection)
            metrics = MetricRepository(connection, self.id).list()
            self._metrics = {metric.name for metric in metrics}

    def _note_plan(self, passes: MissingSamples) -> None:
        """Records how many runs there are to be, for those who look before the end."""
        with self._database.write() as connection:
            experiments = ExperimentRepository(connection)
            record = experiments.get(self.id)
            before = record.environment_json.get("plan")
            if (plan := passes.plan(before)) is not None and plan != before:
                record.environment_json["plan"] = plan
                experiments.save(replace(record, metrics=None))

    def _require_same_config(self, known: ExperimentRecord) -> None:
        given = redact(settings_of(self._config))
        differing = sorted(
            key
            for key in {*given, *known.config_json}
            if given.get(key) != known.config_json.get(key)
        )
        if differing:
            raise UsageError(
                f"experiment {known.id} was recorded with another config: {', '.join(differing)}",
                'Give it as it was, or another id, or if_exists="new".',
            )

    def _known(self, connection: Connection) -> ExperimentRecord | None:
        experiments = ExperimentRepository(connection)
        if (record := experiments.find(self._given)) is not None:
            return record
        ids = connection.scalars(select(Experiment.id).where(Experiment.name == self._given)).all()
        return experiments.get(ids[0]) if len(ids) == 1 else None

    def _free_id(self) -> str:
        with self._database.read() as connection:
            experiments = ExperimentRepository(connection)
            for number in range(2, 1000):
                if experiments.find(f"{self._given}-{number}") is None:
                    return f"{self._given}-{number}"
        return new_experiment_id()

    def _end(self, error: BaseException | None) -> None:
        self._open = False
        status: ExperimentStatus = "completed"
        reason: str | None = None
        if error is not None:
            status = "failed"
            stopped = isinstance(error, KeyboardInterrupt | asyncio.CancelledError | SystemExit)
            reason = "interrupted" if stopped else f"{type(error).__name__}: {error}"
        elif unfinished := [each for each in self._passes if each.unfinished]:
            status = "running"
            warnings.warn(
                f"experiment {self.id} stays running: the loop ended before the samples of "
                f"{unfinished[0].variant['approach']} did",
                stacklevel=4,
            )
        if self._passed_over and error is None:
            runs, they = ("run", "it is") if self._passed_over == 1 else ("runs", "they are")
            warnings.warn(
                f"{self._passed_over} {runs} of experiment {self.id} failed; run the program again "
                f"and {they} asked again",
                stacklevel=4,
            )
        with self._database.write() as connection:
            experiments = ExperimentRepository(connection)
            if reason is None:
                experiments.set_status(self.id, status)
            else:
                record = experiments.get(self.id)
                record.environment_json[_ENDED] = redact_text(reason)
                experiments.save(replace(record, status=status, metrics=None))
            self.claims.release_all(connection)

    def _save(
        self, connection: Connection, run: RunRecord, new: Mapping[str, MetricRecord]
    ) -> None:
        metrics = MetricRepository(connection, self.id)
        primary = metrics.primary()
        for metric in new.values():
            if metrics.find(metric.name) is None:
                first = primary is None and run.is_correct is None
                metric = replace(metric, is_primary=first)
                metrics.save(metric)
                primary = metric if first else primary
        if primary is not None:
            of_primary = [score for score in run.scores or () if score.metric == primary.name]
            if of_primary:
                set_by_scores(run, primary.name, primary.kind, of_primary)
        RunRepository(connection).save(run)

    def _next(self, sample: Sample, variant: tuple[str, ...]) -> Sample:
        with self._lock:
            position = self._positions[(*variant, sample.task)]
            self._positions[(*variant, sample.task)] += 1
            seen = self._seen.setdefault(variant, Counter())
        return self.claims.numbering.numbered(sample, position, seen)

    def _variant(self, approach: str, model: str, provider: str) -> dict[str, str]:
        return {"approach": canonical_approach(approach), "model": model, "provider": provider}

    def _require_open(self) -> None:
        if not self._open:
            raise RecordingError(
                "the experiment is not open",
                "Use it inside its block: with results.experiment(...) as experiment",
            )
