"""The provider interface: messages, completions, and the errors of asking a model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ml_agents_results.errors import ResultsError

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(slots=True)
class Completion:
    """A model's answer to one request, from the endpoint to the record.

    Attributes:
        text: What the model wrote.
        model: The model that was served, as the endpoint names it.
        prompt_tokens: Tokens read; None if the endpoint does not say.
        completion_tokens: Tokens written; None if the endpoint does not say.
        cached_tokens: Those of the prompt that the endpoint had read before.
        cost_estimate: USD; None if the price is unknown.
        response_id: The endpoint's own id of the answer.
        finish_reason: Why the model stopped (`stop`, `length`, ...).
        structured: The answer as JSON values, if a schema was requested and obeyed.
        latency_ms: From sending the attempt that succeeded to its complete answer, in ms.
        attempts: Requests that were made, the successful one included.
    """

    text: str
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cost_estimate: float | None = None
    response_id: str | None = None
    finish_reason: str | None = None
    structured: dict[str, Any] | None = None
    latency_ms: int = 0
    attempts: int = 1

    def __post_init__(self) -> None:
        """Leaves out counts and costs that servers state in the wrong shape."""
        self.prompt_tokens = _count(self.prompt_tokens)
        self.completion_tokens = _count(self.completion_tokens)
        self.cached_tokens = _count(self.cached_tokens)
        self.cost_estimate = _usd(self.cost_estimate)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _usd(value: object) -> float | None:
    if isinstance(value, int | float) and math.isfinite(value) and value >= 0:
        return float(value)
    return None


class Provider(Protocol):
    """Serves a model. Safe to use from many tasks of one event loop at once.

    Attributes:
        name: Stored as the run's provider.
        model: Stored as the run's model.
        endpoint: The address without keys and passwords; for the record only.
        structured_output: Whether `complete` can hold the model to a schema. It turns False when
            an endpoint turns out not to support it.
    """

    name: str
    model: str
    endpoint: str
    structured_output: bool

    async def complete(
        self, messages: Sequence[Message], *, schema: "type[BaseModel] | None" = None
    ) -> Completion:
        """The model's answer, after as many attempts as the provider's retry settings allow.

        Where `schema` is given and the endpoint supports it, the model is held to that schema;
        an answer that breaks it all the same comes back as text, with `structured` None.

        Raises:
            ProviderError: No attempt got an answer.
        """

    async def aclose(self) -> None:
        """Close connections, and stop a server this provider started."""


class ProviderError(ResultsError):
    """A model could not be asked, or gave no usable answer.

    Attributes:
        retryable: Whether the same request may succeed later (it has been retried already).
        fatal: Whether every other request would fail the same way, so that asking must stop.
    """

    retryable = False
    fatal = False

    def __init__(
        self, message: str, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        """`retry_after`: seconds the endpoint asks us to wait."""
        super().__init__(message, hint)
        self.retry_after = retry_after


class AuthenticationFailed(ProviderError):
    """The endpoint refuses the key, or there is none."""

    fatal = True


class OutOfCredit(ProviderError):
    """The account behind the key has no credit."""

    fatal = True


class ModelNotFound(ProviderError):
    """The endpoint is there but does not serve this model."""

    fatal = True


class RequestRefused(ProviderError):
    """The endpoint refuses this request: too long, a content filter, a bad parameter."""


class ProviderUnavailable(ProviderError):
    """The endpoint is down, too slow, overloaded or broken."""

    retryable = True


class RateLimited(ProviderUnavailable):
    """The endpoint still asks for fewer requests after all retries."""


class UnusableAnswer(ProviderError):
    """The endpoint answered something that is not a completion, or an empty one."""

    retryable = True
