"""Base of all approaches: a dialogue that asks step by step, and the trace of its steps."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ml_agents_results.experiments.approaches.prompt_files import fill
from ml_agents_results.providers.interface import (
    Completion,
    Message,
    Provider,
    ProviderError,
    Schema,
    total,
)
from ml_agents_results.scoring.cleaning import without_thinking

EXECUTION = "execution"
"""The name of the steps that run a program and ask nothing."""


FROM_CACHE = "from_cache"
"""Key of a step that is a stored answer, and in a run's metadata of the number of such steps."""


class NothingWritten(Exception):
    """A step wrote nothing but its thinking (it was cut off, or declined): none can follow."""


@dataclass(slots=True)
class Step:
    """One request to the model, or one run of its program.

    Attributes:
        name: The step's name, with a number if a step is repeated.
        prompt: What was sent; of an `execution`, the program.
        completion: What came back.
        note: Anything else worth knowing about it.
    """

    name: str
    prompt: str
    completion: Completion
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The recorded form of the step."""
        answer = self.completion
        return {
            "name": self.name,
            "prompt": self.prompt,
            "answer": answer.text,
            "reasoning_text": answer.reasoning_text,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "cached_tokens": answer.cached_tokens,
            "reasoning_tokens": answer.reasoning_tokens,
            "latency_ms": answer.latency_ms,
            "cost_estimate": answer.cost_estimate,
            "finish_reason": answer.finish_reason,
            "attempts": answer.attempts,
            "served_model": answer.model,
            "response_id": answer.response_id,
            "seed": answer.seed,
            "note": self.note,
            **({FROM_CACHE: True} if answer.from_cache else {}),
        }


@dataclass(slots=True)
class Trace:
    """The course of an answer: every step, and its sums.

    The sums go over all steps, which are taken one after the other; a sum is None where any part
    of it is unknown. Stored answers have cost nothing now, and took no time that says anything.

    Attributes:
        raw_output: The text that states the answer: the last step's.
        steps: All steps in order.
        structured: The last answer as JSON values, if a schema was requested and obeyed.
    """

    raw_output: str = ""
    steps: list[Step] = field(default_factory=list)
    structured: dict[str, Any] | None = None

    @property
    def usage(self) -> Completion:
        """Tokens, reasoning and cost (USD) of all steps. Cached tokens and those of the reasoning
        are counted as far as the endpoint states them; the cost is None where all answers are
        stored ones."""
        parts = [step.completion for step in self.steps]
        asked = [step for step in self.steps if not step.completion.from_cache]
        free = self.from_cache and all(step.name == EXECUTION for step in asked)
        return Completion(
            "",
            prompt_tokens=total([part.prompt_tokens for part in parts]),
            completion_tokens=total([part.completion_tokens for part in parts]),
            cached_tokens=_known([part.cached_tokens for part in parts]),
            reasoning_tokens=_known([part.reasoning_tokens for part in parts]),
            reasoning_text="\n\n".join(filter(None, (part.reasoning_text for part in parts))),
            cost_estimate=None if free else total([s.completion.cost_estimate for s in asked]),
        )

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped in its last step, in the endpoint's words."""
        reasons = [step.completion.finish_reason for step in self.steps if step.name != EXECUTION]
        return reasons[-1] if reasons else None

    @property
    def from_cache(self) -> int:
        """How many steps are stored answers."""
        return sum(step.completion.from_cache for step in self.steps)

    @property
    def execution_time_ms(self) -> int | None:
        """Time of the model and its program, without pauses between attempts, in ms; None where an
        answer is a stored one."""
        if self.from_cache:
            return None
        return sum(step.completion.latency_ms for step in self.steps)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what it is asked with.

    Attributes:
        schema: What the step that states the answer is held to.
        history: The turns before the question, if it is the last of a conversation.
        seed: Replaces the provider's seed.
    """

    question: str
    provider: Provider
    schema: Schema = None
    history: Sequence[Message] = ()
    seed: int | None = None


class Dialogue:
    """Answers one question: fills in prompts, asks, and appends to the trace."""

    def __init__(self, asked: Asked, prompts: Mapping[str, str], trace: Trace) -> None:
        self._asked = asked
        self._prompts = prompts
        self.trace = trace

    async def ask(
        self, step: str, *, final: bool = False, number: int | None = None, **values: str | int
    ) -> str:
        """Sends the step's prompt with these values filled in; returns the model's text, without
        thinking that stands in it.

        Args:
            final: Whether the step states the answer, and is held to a schema.
            number: Distinguishes repetitions of a step; it is a value, too.

        Raises:
            ProviderError: The step could not be asked; what it cost is in the trace.
            NothingWritten: It wrote nothing but its thinking.
        """
        asked = self._asked
        if number is not None:
            values["number"] = number
        texts = {name: str(value) for name, value in values.items()}
        prompt = fill(self._prompts[step], {"question": asked.question, **texts})
        messages = [*asked.history, Message("user", prompt)]
        label = step if number is None else f"{step} {number}"
        try:
            completion = await asked.provider.complete(
                messages, schema=asked.schema if final else None, seed=asked.seed
            )
        except ProviderError as error:
            if error.paid is not None:
                self.trace.steps.append(Step(label, prompt, error.paid, note="unusable answers"))
            raise
        self.trace.steps.append(Step(label, prompt, completion))
        self.trace.raw_output = completion.text
        self.trace.structured = completion.structured
        if not (text := without_thinking(completion.text).strip()):
            raise NothingWritten
        return text


class Approach(ABC):
    """What is done with a question; ready to answer any number of questions at once.

    Attributes:
        name: The name under which runs are stored; a long one where it is built in.
        steps: The names of its prompts, in the order in which they are used first.
        prompts: The text of each; of a function, its fingerprint.
        asks_model: Whether the experiment's model is asked at all.
    """

    name: str
    steps: ClassVar[tuple[str, ...]]
    asks_model = True

    def __init__(self, prompts: Mapping[str, str]) -> None:
        self.prompts = prompts

    @abstractmethod
    async def answer(self, asked: Asked, trace: Trace) -> None:
        """Answers one question.

        Args:
            trace: An empty one, filled step by step: after an error it holds the steps before it.

        Raises:
            ProviderError: A step could not be asked.
        """


class PromptingApproach(Approach):
    """An approach that asks the model with prompts, step by step."""

    def __init__(self, prompts: Mapping[str, str], allow_code_execution: bool = False) -> None:
        super().__init__(prompts)
        self.allow_code_execution = allow_code_execution

    async def answer(self, asked: Asked, trace: Trace) -> None:
        """See `Approach.answer`."""
        # The trace says why nothing was written.
        with suppress(NothingWritten):
            await self.reason(Dialogue(asked, self.prompts, trace))

    async def reason(self, dialogue: Dialogue) -> None:
        """Takes the steps, by default the only one; the last one states the answer."""
        await dialogue.ask(self.steps[0], final=True)


def _known(parts: list[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None
