"""Worker pool: asks each model up to `concurrency` questions at once and saves each answer."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ml_agents_results.errors import ResultsError
from ml_agents_results.experiments.approaches.base import FROM_CACHE, Trace
from ml_agents_results.experiments.fault_watch import FaultWatch
from ml_agents_results.experiments.pool import Pool, Work
from ml_agents_results.experiments.question import Question
from ml_agents_results.experiments.recorder import ENDED_AT, Recorder
from ml_agents_results.experiments.result_hook import ResultHook
from ml_agents_results.experiments.study import Study
from ml_agents_results.providers.interface import Completion, Provider
from ml_agents_results.records import RunRecord, canonical_finish_reason
from ml_agents_results.redaction import redact_text
from ml_agents_results.scoring.extraction import ENDPOINT_REASON, parse
from ml_agents_results.scoring.graders import grade

GRADING_ERROR = "grading_error"
"""Key in a run's metadata of why its grader gave no grade."""

POLL = 0.5
"""Seconds between looks at the runs that another process is asking."""


class _Lane:
    """The asking of one model: a slow one holds up no other.

    Args:
        asked_with: What differs from the experiment's settings; recorded with each run.
    """

    def __init__(
        self, index: int, provider: Provider, concurrency: int, asked_with: Mapping[str, Any]
    ) -> None:
        self.index = index
        self.provider = provider
        self.asked_with = asked_with
        self.taken: deque[int] = deque()
        self.taking = asyncio.Lock()
        self.watch = FaultWatch(
            concurrency,
            "runs",
            "They are saved: ask them again with --retry truncated --max-tokens N.",
        )


class WorkerPool(Pool):
    """Asks what the recorder hands out, until the plan is done or `stop` is called.

    Args:
        providers: One for each model of the plan, in its order.
        asked_with: What differs from the experiment's settings for each model; recorded with each
            run.
        saved: Called with each run when it is durable.
        hook: Is handed each answer, and saves it.
    """

    def __init__(
        self,
        experiment_id: str,
        study: Study,
        providers: Sequence[Provider],
        asked_with: Sequence[Mapping[str, Any]],
        recorder: Recorder,
        saved: Callable[[RunRecord], None],
        hook: ResultHook | None = None,
    ) -> None:
        super().__init__(study.config.grace)
        self._experiment_id = experiment_id
        self._study = study
        self._plan = study.plan
        self._approaches = study.approaches
        self._config = study.config
        concurrency = study.config.concurrency
        self._lanes = [
            _Lane(index, provider, concurrency, settings)
            for index, (provider, settings) in enumerate(zip(providers, asked_with, strict=True))
        ]
        self._recorder = recorder
        self._saved = saved
        self._hook = hook

    def _workers(self) -> Work:
        self._recorder.start()
        if self._hook is not None:
            self._hook.start(self._recorder)
        count = min(self._config.concurrency, len(self._plan))
        return [self._work(lane) for lane in self._lanes for _ in range(count)]

    async def _finish(self) -> None:
        if self._hook is not None:
            await self._hook.finish()
        await self._recorder.finish()

    async def _work(self, lane: _Lane) -> None:
        try:
            while (position := await self._next(lane)) is not None:
                record = await self._ask(lane, position)
                saved, raised = await self._save(position, record)
                if saved is not None:
                    self._saved(saved)
                if raised is not None:
                    raise raised
        except Exception as error:  # noqa: BLE001 - `run` raises the first one
            self._fail(error)

    async def _save(
        self, position: int, record: RunRecord
    ) -> tuple[RunRecord | None, Exception | None]:
        if self._hook is not None:
            return await self._hook.save(position, record)
        return (record if await self._recorder.save(position, record) else None), None

    async def _next(self, lane: _Lane) -> int | None:
        """The next position of a model; None when nothing is left to ask."""
        async with lane.taking:
            while not lane.taken and not self._stopping.is_set():
                taken = await self._recorder.take(2 * self._config.concurrency, lane.index)
                lane.taken.extend(taken.positions)
                if not taken.positions and not taken.elsewhere:
                    return None
                if not taken.positions:
                    await self._rest()
            return None if self._stopping.is_set() else lane.taken.popleft()

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), POLL)
        except TimeoutError:
            return

    async def _ask(self, lane: _Lane, position: int) -> RunRecord:
        """The run at a position, answered or failed.

        Raises:
            ProviderError: Every further run would fail as this one did.
        """
        _, index, question, repeat = self._plan.at(position)
        approach = self._approaches[index]
        record = RunRecord(
            **self._plan.key(position)._asdict(),
            experiment_id=self._experiment_id,
            sample_id=question.sample_id,
            input_text=question.input_text,
            expected_answer=question.expected_answer,
        )
        trace = Trace()
        try:
            held = await self._study.ask(lane.provider, approach, question, repeat, trace)
        except ResultsError as error:
            try:
                self._fail(lane.watch.failed(error))
            except ResultsError as fatal:
                if not trace.steps:
                    raise
                # Its steps are paid for: the run is recorded, and the others end.
                self._fail(fatal)
            record.created_at = datetime.now(UTC)
            record.error = redact_text(f"{type(error).__name__}: {error.message}")
            record.metadata_json = {
                ENDED_AT["failed"]: record.created_at.isoformat(),
                **lane.asked_with,
            }
            if trace.steps:
                # They are paid for, and show how far the approach got.
                record.metadata_json["steps"] = _steps(trace)
                _count(record, trace.usage)
            return record
        self._fail(lane.watch.answered(trace.raw_output, trace.finish_reason))
        record.created_at = datetime.now(UTC)
        record.metadata_json = {**_metadata(trace), **lane.asked_with}
        self._fill(record, question, trace, held_to_schema=held)
        return record

    def _fill(
        self, record: RunRecord, question: Question, trace: Trace, *, held_to_schema: bool
    ) -> None:
        parsed = parse(
            trace.raw_output,
            trace.structured,
            record.input_text or "",
            self._config.parsing,
            held_to_schema,
            kind=question.answer_kind,
            choices=question.choices,
            labels=question.labels,
            pattern=self._config.answer_pattern,
            finish_reason=trace.finish_reason,
        )
        record.raw_output = trace.raw_output
        record.parsed_answer = parsed.parsed_answer
        record.parsing_method = parsed.parsing_method
        record.parsing_confidence = parsed.parsing_confidence
        record.parsing_metrics = parsed.metrics
        record.execution_time_ms = trace.execution_time_ms
        _count(record, trace.usage)
        record.metadata_json = {
            **(record.metadata_json or {}),
            **question.metadata,
            **_asked(question),
        }
        _note_finish(record, trace.finish_reason, parsed.outcome)
        if parsed.extraction:
            record.metadata_json["extraction"] = parsed.extraction
        try:
            verdict = grade(
                parsed.parsed_answer,
                record.expected_answer,
                self._config.grader,
                question=record.input_text or "",
                output=record.raw_output,
                choices=question.choices,
                kind=question.answer_kind,
                labels=question.labels,
                metadata=record.metadata_json,
            )
            record.is_correct, record.score = verdict.is_correct, verdict.score
        except ResultsError as error:
            # The answer is paid for: it is recorded, and can be graded again.
            record.metadata_json[GRADING_ERROR] = error.message


def _asked(question: Question) -> dict[str, Any]:
    """What is needed to grade the answer again, besides the run's columns."""
    asked: dict[str, Any] = {}
    if question.choices:
        asked["choices"] = list(question.choices)
    if question.answer_kind not in (None, "any"):
        asked["answer_kind"] = question.answer_kind
    if question.labels:
        asked["labels"] = list(question.labels)
    return asked


def _note_finish(record: RunRecord, reason: str | None, outcome: str | None) -> None:
    """Records why the model stopped, or what its text says of that: a refusal in words, a thought
    that never ends."""
    assert record.metadata_json is not None
    record.finish_reason = canonical_finish_reason(reason) if reason else None
    shown = {"truncated": ("length",), "refused": ("content_filter", "refusal")}.get(outcome or "")
    if shown is not None and record.finish_reason not in shown:
        record.finish_reason = "length" if outcome == "truncated" else "refusal"
    if reason is not None and reason != record.finish_reason:
        record.metadata_json[ENDPOINT_REASON] = reason
    if outcome == "truncated" and record.created_at is not None:
        record.metadata_json[ENDED_AT["truncated"]] = record.created_at.isoformat()


def _count(record: RunRecord, usage: Completion) -> None:
    """Records the usage; a sum of several steps that is too large is as unknown as that of one."""
    for name in (
        *("prompt_tokens", "completion_tokens", "cached_tokens"),
        *("reasoning_tokens", "reasoning_text", "cost_estimate"),
    ):
        setattr(record, name, getattr(usage, name))


def _steps(trace: Trace) -> list[dict[str, Any]]:
    return [step.to_dict() for step in trace.steps]


def _metadata(trace: Trace) -> dict[str, Any]:
    """Every step of several; of a single one what the run's columns do not have."""
    stored = {FROM_CACHE: trace.from_cache} if trace.from_cache else {}
    if len(trace.steps) > 1:
        return {"steps": _steps(trace), **stored}
    single = {
        name: value
        for step in _steps(trace)
        for name in ("attempts", "note", "served_model", "response_id", "seed")
        if (value := step[name]) is not None
    }
    return {**single, **stored}
