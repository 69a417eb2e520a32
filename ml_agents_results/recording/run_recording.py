"""Run recording: one answer as a `with` block, saved when the block ends."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from ml_agents_results.errors import UsageError
from ml_agents_results.recording.model_responses import read_response
from ml_agents_results.recording.sample_numbering import Sample
from ml_agents_results.records import RunRecord, ScoreRecord, canonical_finish_reason
from ml_agents_results.redaction import redact_text

if TYPE_CHECKING:
    from ml_agents_results.recording.experiment_recording import ExperimentRecording

NOTHING_RECORDED = "NothingRecorded: the block set no output, answer or score"

_TEXTS = ("raw_output", "parsed_answer", "input_text", "expected_answer", "reasoning_text")
_TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


class RecordingError(UsageError):
    """The recording interface was used wrongly; always raised, also under on_error="continue"."""


@dataclass(slots=True, eq=False, repr=False)
class RunRecording:
    """One sample that is being answered; saved when its block ends.

    An exception is saved as a failed run, and raised again unless the experiment was opened with
    `on_error="continue"`. After Ctrl-C or a cancellation nothing is saved: `missing` gives the
    sample again.

    Attributes:
        raw_output: What the model wrote.
        parsed_answer: The answer in it.
        is_correct: Whether it is right, if that is the primary metric.
        execution_time_ms: Time of the model in ms. [default: the time of the block]
        cost_estimate: USD.
        metadata: Anything else, as JSON values.
    """

    _experiment: "ExperimentRecording"
    sample: Sample
    variant: Mapping[str, str]
    raw_output: str | None = None
    parsed_answer: str | None = None
    is_correct: bool | None = None
    input_text: str | None = None
    expected_answer: str | None = None
    execution_time_ms: float | None = None
    cost_estimate: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    reasoning_text: str | None = None
    finish_reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    _scores: dict[tuple[str, str], ScoreRecord] = field(default_factory=dict)
    _started: float | None = None
    _ended: bool = False
    _discarded: bool = False

    def __post_init__(self) -> None:
        self.input_text = self.sample.input_text
        self.expected_answer = self.sample.expected_answer

    def __setattr__(self, name: str, value: object) -> None:
        if name not in RunRecording.__slots__:
            known = ", ".join(each for each in RunRecording.__slots__ if not each.startswith("_"))
            raise RecordingError(f"a run has no attribute {name!r}", f"It has: {known}")
        if name in _TEXTS and value is not None and not isinstance(value, str):
            raise RecordingError(
                f"{name} must be a text, not {type(value).__name__}",
                "Give a text; run.response(...) reads what a client library returns.",
            )
        object.__setattr__(self, name, value)

    def score(
        self,
        name: str,
        value: float | bool | None,
        *,
        label: str | None = None,
        explanation: str | None = None,
        author: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Notes the value of a metric; it is saved with the run.

        The first metric of an experiment without one becomes its primary metric: binary if its
        value is True or False, else numeric.

        Raises:
            RecordingError: The run has such a score, or has ended.
        """
        if self._ended:
            raise RecordingError(
                "the run has ended: it was saved without this score",
                "Score inside the block, or afterwards by results.save_scores(...).",
            )
        value = getattr(value, "item", lambda: value)()
        if value is not None and not isinstance(value, bool | int | float):
            raise RecordingError(
                f"a score is a number, True or False, not {type(value).__name__}",
                "A word goes into label=.",
            )
        if (name, author) in self._scores:
            raise RecordingError(
                f"the run has a score {name!r} already", "Give another name or author."
            )
        self._experiment.note_metric(name, value)
        self._scores[name, author] = ScoreRecord(
            None if value is None else float(value),
            label,
            explanation,
            None if details is None else dict(details),
            metric=name,
            author=author,
        )

    def response(self, response: object) -> str:
        """Takes output, tokens and finish reason from what a client library returned.

        Known are the responses of OpenAI's and Anthropic's clients and of those that return the
        same names, as objects or mappings.

        Returns:
            The text of the answer; empty if there is none.
        """
        self.raw_output, read = read_response(response)
        for name in (*_TOKENS, "reasoning_text"):
            setattr(self, name, getattr(read, name))
        if read.finish_reason is not None:
            self.finish_reason = canonical_finish_reason(read.finish_reason)
        served = {"served_model": read.model, "response_id": read.response_id}
        self.metadata |= {name: value for name, value in served.items() if value is not None}
        return read.text

    def step(self, name: str, answer: str, *, prompt: str | None = None, **more: Any) -> None:
        """Notes one of several requests that led to the output; JSON values."""
        step = {"name": name, "prompt": prompt, "answer": answer, **more}
        self.metadata.setdefault("steps", []).append(step)

    @contextmanager
    def timer(self) -> Iterator[None]:
        """The model's part of the block: its time counts, and nothing else's."""
        started = time.perf_counter()
        try:
            yield
        finally:
            passed = 1000 * (time.perf_counter() - started)
            self.execution_time_ms = (self.execution_time_ms or 0) + passed

    def discard(self) -> None:
        """Saves nothing of this run."""
        self._discarded = True

    def finished(
        self,
        values: Mapping[str, Any],
        scores: Mapping[str, float | bool | None],
        error: str | None,
    ) -> tuple[RunRecord, Sample, Mapping[str, str]]:
        """The run of an answer that is there already, its sample and its variant."""
        self._started = time.perf_counter()
        for name, value in values.items():
            setattr(self, name, value)
        for name, score in scores.items():
            self.score(name, score)
        record = self._ending(None)
        assert record is not None
        record.execution_time_ms = _whole(self.execution_time_ms)
        if error is not None:
            record.error, record.is_correct, record.scores = redact_text(error), None, None
        return record, self.sample, self.variant

    def __enter__(self) -> Self:
        if self._started is not None:
            raise RecordingError("the run was begun before", "Call experiment.run(...) for each.")
        self._started = time.perf_counter()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        record = self._ending(error)
        self._experiment.end_run(record, self.sample, self.variant)
        return self._experiment.goes_on(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, _kind: object, error: BaseException | None, _traceback: object
    ) -> bool:
        record = self._ending(error)
        await in_thread(self._experiment.end_run, record, self.sample, self.variant)
        return self._experiment.goes_on(error)

    def _ending(self, error: BaseException | None) -> RunRecord | None:
        """What is to be saved; None after a cancellation, or if the run was discarded."""
        assert self._started is not None
        self._ended = True
        if self._discarded or (error is not None and not isinstance(error, Exception)):
            return None
        passed = 1000 * (time.perf_counter() - self._started)
        assert self.sample.sample_index is not None
        record = RunRecord(
            experiment_id=self._experiment.id,
            sample_index=self.sample.sample_index,
            task=self.sample.task,
            repeat_index=self.sample.repeat_index,
            sample_id=self.sample.sample_id,
            approach_name=self.variant["approach"],
            provider=self.variant["provider"],
            model=self.variant["model"],
            created_at=datetime.now(UTC),
            metadata_json=dict(self.metadata) or None,
        )
        for name in (*_TEXTS, *_TOKENS, "is_correct", "cost_estimate", "finish_reason"):
            setattr(record, name, getattr(self, name))
        record.execution_time_ms = _whole(
            passed if self.execution_time_ms is None else self.execution_time_ms
        )
        if error is not None:
            record.error = redact_text(f"{type(error).__name__}: {error}")
        elif not self._scores and all(
            value is None for value in (self.raw_output, self.parsed_answer, self.is_correct)
        ):
            record.error = NOTHING_RECORDED
        if record.error is not None:
            record.is_correct = None
        else:
            record.scores = list(self._scores.values()) or None
        return record


def _whole(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


async def in_thread(function: Any, *arguments: Any) -> Any:
    """Calls a function in a thread and waits for its end, also when this task is cancelled."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
