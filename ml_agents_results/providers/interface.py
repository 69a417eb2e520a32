"""The provider interface: messages, completions, and the errors of asking a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

from ml_agents_results.errors import ResultsError
from ml_agents_results.records import HIGHEST_COST

if TYPE_CHECKING:
    from pydantic import BaseModel

Number = TypeVar("Number", int, float)
Schema: TypeAlias = "type[BaseModel] | None"
"""What an answer is held to, if to anything."""

MOST_TOKENS = 2**31 - 1
"""More tokens in one answer are an error of the endpoint."""


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
        completion_tokens: Tokens written, those of the reasoning included; None if the endpoint
            does not say.
        cached_tokens: Those of the prompt that the endpoint had read before.
        reasoning_tokens: Those of the completion that are reasoning.
        reasoning_text: The reasoning, where the endpoint sends it apart from the text.
        cost_estimate: USD; None if the price is unknown.
        response_id: The endpoint's own id of the answer.
        finish_reason: Why the model stopped (`stop`, `length`, ...), in the endpoint's words;
            `refusal` where the text is the endpoint's message of a refusal.
        structured: The answer as JSON values, if a schema was requested and obeyed.
        seed: The seed that was sent.
        latency_ms: From sending the attempt that succeeded to its complete answer, in ms.
        attempts: Requests that were made, the successful one included; 0 for a stored answer.
        from_cache: Whether it is the stored answer to an earlier request: without time and cost.
    """

    text: str
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    reasoning_text: str | None = None
    cost_estimate: float | None = None
    response_id: str | None = None
    finish_reason: str | None = None
    structured: dict[str, Any] | None = None
    latency_ms: int = 0
    attempts: int = 1
    seed: int | None = None
    from_cache: bool = False

    def __post_init__(self) -> None:
        """Leaves out what servers state in the wrong shape, next to the text."""
        self.prompt_tokens = token_count(self.prompt_tokens)
        self.completion_tokens = token_count(self.completion_tokens)
        self.cached_tokens = token_count(self.cached_tokens)
        self.reasoning_tokens = token_count(self.reasoning_tokens)
        self.cost_estimate = usd(self.cost_estimate)
        self.model = _text(self.model)
        self.response_id = _text(self.response_id)
        self.finish_reason = _text(self.finish_reason)
        self.reasoning_text = _text(self.reasoning_text)

    def add_usage(self, other: "Completion") -> None:
        """Counts what another answer to the same request has used; unknown parts stay unknown."""
        self.prompt_tokens = total([self.prompt_tokens, other.prompt_tokens])
        self.completion_tokens = total([self.completion_tokens, other.completion_tokens])
        self.cached_tokens = total([self.cached_tokens, other.cached_tokens])
        self.reasoning_tokens = total([self.reasoning_tokens, other.reasoning_tokens])
        self.cost_estimate = total([self.cost_estimate, other.cost_estimate])


def total(parts: Sequence[Number | None]) -> Number | None:
    """The sum; None where any part is unknown."""
    known = [part for part in parts if part is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(parts) else None


def token_count(value: object) -> int | None:
    """A whole number of tokens that can be recorded; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    fits = isinstance(value, int) and not isinstance(value, bool)
    return value if fits and 0 <= value <= MOST_TOKENS else None  # type: ignore[operator, return-value]


def usd(value: object) -> float | None:
    """A cost in USD that can be recorded; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= HIGHEST_COST else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


class Provider(Protocol):
    """Serves a model. Safe to use from many tasks of one event loop at once.

    Attributes:
        name: Stored as the run's provider.
        model: Stored as the run's model.
        endpoint: The address without keys and passwords; for the record only.
        structured_output: Whether `complete` can hold the model to a schema. It turns False when
            an endpoint turns out not to support it.
        identity: What decides its answers besides messages, schema and seed: where it is asked,
            and every setting that is sent, as JSON values without secrets.
    """

    name: str
    model: str
    endpoint: str
    structured_output: bool
    identity: Mapping[str, Any]

    def sent_seed(self, seed: int | None) -> int | None:
        """The seed that is sent where `complete` is given this one."""

    async def complete(
        self, messages: Sequence[Message], *, schema: Schema = None, seed: int | None = None
    ) -> Completion:
        """The model's answer, after as many attempts as the provider's retry settings allow.

        Its usage is that of all attempts. An answer that was cut off or declined may have no text.
        Where `schema` is given and the endpoint supports it, the model is held to that schema;
        an answer that breaks it all the same comes back as text, with `structured` None.
        `seed` replaces the seed of the settings, for endpoints that take one.

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
        by_content: Whether the refusal is about what this request says.
        may_be_billed: Whether the endpoint may charge the attempt without saying so.
        paid: What the unusable answers to the request have used, if there were any.
    """

    retryable = False
    fatal = False
    may_be_billed = False

    def __init__(
        self, message: str, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        """`retry_after`: seconds the endpoint asks us to wait."""
        super().__init__(message, hint)
        self.retry_after = retry_after
        self.by_content = False
        self.paid: Completion | None = None


def billed(error: ProviderError) -> ProviderError:
    """The error, as one of an attempt that the endpoint may charge: it was asked, and its answer
    did not come, or not whole."""
    error.may_be_billed = True
    return error


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
    may_be_billed = True
