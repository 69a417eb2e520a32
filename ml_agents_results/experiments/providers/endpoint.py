"""What all providers over HTTP share: attempts, time limits, bounded reading, clear errors."""

import asyncio
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml_agents_results.experiments.messages import (
    AuthenticationFailed,
    Completion,
    Message,
    ProviderError,
    ProviderUnavailable,
    RequestRefused,
    UnusableAnswer,
)
from ml_agents_results.experiments.providers.addresses import Address, scrub
from ml_agents_results.experiments.providers.attempts import Pace, Retries, attempt
from ml_agents_results.experiments.providers.failures import failure
from ml_agents_results.experiments.providers.prices import Prices

if TYPE_CHECKING:
    from pydantic import BaseModel

LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; an endpoint that sends more is cut off. No model writes this much at once."""

_SCHEMA_WORDS = ("response_format", "output_config", "schema", "structured", "guided")


@dataclass(frozen=True)
class Target:
    """Which model is asked, and where.

    Attributes:
        name: The provider's name.
        key: None where there is none to send.
        key_variable: The environment variable the key comes from.
    """

    name: str
    model: str
    address: Address
    key: str | None = field(default=None, repr=False)
    key_variable: str = "OPENAI_API_KEY"


@dataclass(frozen=True)
class Settings:
    """How a model is asked.

    Attributes:
        temperature: None leaves it to the endpoint.
        max_tokens: Upper bound on the tokens of one answer; None leaves it to the endpoint.
        seed: For endpoints that take one.
        timeout: Seconds for one attempt, from connecting to the last byte.
        retries: How stubbornly a failed attempt is repeated.
        requests_per_minute: Attempts to start in a minute at most; None sets no limit.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    timeout: float = 120.0
    retries: Retries = field(default_factory=Retries)
    requests_per_minute: float | None = None


@dataclass(slots=True)
class Reply:
    """What an endpoint's answer says, whatever its protocol."""

    text: str
    model: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    cost: float | None
    response_id: str | None
    finish_reason: str | None

    def __post_init__(self) -> None:
        """Keep what servers put in the wrong shape out of the record."""
        self.prompt_tokens = _count(self.prompt_tokens)
        self.completion_tokens = _count(self.completion_tokens)
        self.cached_tokens = _count(self.cached_tokens)
        self.cost = _usd(self.cost)


class HttpProvider(ABC):
    """A provider behind an HTTP endpoint. Subclasses speak its protocol through its client.

    The client's own retries are off: one rule for all endpoints repeats what a client does not,
    such as a broken document under status 200, counts attempts and keeps the pace.
    """

    sdk: Any
    """The client library; all that are used here name their exceptions alike."""

    def __init__(self, target: Target, settings: Settings) -> None:
        self.name = target.name
        self.model = target.model
        self.endpoint = target.address.url
        self.structured_output = True
        self.settings = settings
        self._key_variable = target.key_variable
        self._secrets = (*target.address.secrets, *([target.key] if target.key else []))
        self._pace = Pace(settings.requests_per_minute)
        self._prices = Prices(self.endpoint)

    @abstractmethod
    def _send(
        self, messages: Sequence[Message], schema: "type[BaseModel] | None"
    ) -> AbstractAsyncContextManager[Any]:
        """The request, as the client's streamed response."""

    @abstractmethod
    def _read(self, document: Mapping[str, Any]) -> Reply:
        """What the endpoint's JSON document says.

        Raises:
            KeyError, TypeError, ValueError, IndexError: It is no answer of this protocol.
            ProviderError: It is one that cannot be used.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connections."""

    async def complete(
        self, messages: Sequence[Message], *, schema: "type[BaseModel] | None" = None
    ) -> Completion:
        """See `Provider.complete`."""
        held_to = schema if self.structured_output else None
        try:
            completion, made = await attempt(
                lambda: self._attempt(messages, held_to), self.settings.retries, self._pace
            )
        except RequestRefused as error:
            if held_to is None or not any(w in error.message.lower() for w in _SCHEMA_WORDS):
                raise
            self.structured_output = False
            return await self.complete(messages)
        completion.attempts = made
        return completion

    async def _attempt(
        self, messages: Sequence[Message], schema: "type[BaseModel] | None"
    ) -> Completion:
        started = time.perf_counter()
        reply = await self._ask(messages, schema)
        latency_ms = round((time.perf_counter() - started) * 1000)
        cost = reply.cost
        if cost is None:
            cost = self._price(reply)
        return Completion(
            text=reply.text,
            model=reply.model or self.model,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            latency_ms=latency_ms,
            cost_estimate=cost,
            response_id=reply.response_id,
            finish_reason=reply.finish_reason,
            attempts=1,
            structured=_obeyed(schema, reply.text),
        )

    def _price(self, reply: Reply) -> float | None:
        return self._prices.cost(
            self.model, reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens
        )

    async def _ask(self, messages: Sequence[Message], schema: "type[BaseModel] | None") -> Reply:
        """One attempt; its errors hold no secret, and neither do those they came from."""
        import httpx2

        seconds = self.settings.timeout
        try:
            async with asyncio.timeout(seconds), self._send(messages, schema) as response:
                content = await self._content(response)
        except self.sdk.APIStatusError as error:
            refusal = error.response
            raise self._failure(refusal.status_code, refusal.text, refusal.headers) from None
        except (TimeoutError, self.sdk.APITimeoutError, httpx2.TimeoutException):
            raise ProviderUnavailable(
                f"{self._who} did not answer within {seconds:g} s.",
                "Raise the timeout, or lower the concurrency.",
            ) from None
        except (self.sdk.APIConnectionError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._disconnected(error) from None
        return self._understood(content)

    async def _content(self, response: Any) -> bytes:
        content = bytearray()
        async for part in response.iter_bytes():
            content += part
            if len(content) > LONGEST_ANSWER:
                raise ProviderError(
                    f"{self._who} sent more than {LONGEST_ANSWER // 2**20} MiB and was cut off."
                )
        return bytes(content)

    def _understood(self, content: bytes) -> Reply:
        try:
            document = json.loads(content)
        except ValueError:
            raise self._unusable(content, "is not JSON") from None
        if not isinstance(document, dict):
            raise self._unusable(content, "is not a completion")
        if document.get("error"):
            code = document["error"].get("code") if isinstance(document["error"], dict) else None
            raise self._failure(
                code if isinstance(code, int) and code >= 400 else 500,
                content.decode("utf-8", "replace"),
                {},
            )
        try:
            reply = self._read(document)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise self._unusable(content, "is not a completion") from None
        if reply.text.strip():
            return reply
        if reply.finish_reason in ("length", "max_tokens"):
            raise ProviderError(
                f"{self._who} reached the token limit before it wrote any text.",
                "Raise --max-tokens: a reasoning model spends tokens before it answers.",
            )
        if reply.finish_reason in ("content_filter", "refusal"):
            raise RequestRefused(f"{self._who} filtered the answer away.")
        raise UnusableAnswer(f"{self._who} answered with an empty text.")

    @property
    def _who(self) -> str:
        return f"{self.name} ({self.endpoint})"

    def _failure(self, status: int, body: str, headers: Mapping[str, str]) -> ProviderError:
        return failure(
            status,
            scrub(body, self._secrets),
            headers,
            who=self._who,
            model=self.model,
            key=self._key_variable,
        )

    def _unusable(self, content: bytes, fault: str) -> UnusableAnswer:
        page = content.lstrip()[:15].lower().startswith((b"<!doctype", b"<html"))
        return UnusableAnswer(
            f"{self._who} sent {'a web page' if page else 'an answer'} that {fault}.",
            "Check the base URL: it usually ends in /v1.",
        )

    def _disconnected(self, error: Exception) -> ProviderUnavailable:
        import httpx2

        cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__
        if isinstance(cause, httpx2.ConnectError | httpx2.UnsupportedProtocol):
            return ProviderUnavailable(
                f"{self._who} cannot be reached.", "Is it running, and is the address right?"
            )
        return ProviderUnavailable(f"{self._who} broke the connection off.")


def client_options(target: Target, settings: Settings) -> dict[str, Any]:
    """What every client library is opened with.

    Connections suffice for any concurrency; a proxy from the environment is not used for a
    server on this machine.
    """
    import httpx2

    address = target.address
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    basic = {"Authorization": address.authorization} if address.authorization else {}
    return {
        "api_key": target.key or "none",
        "base_url": address.url,
        "default_query": address.query,
        "default_headers": basic,
        "max_retries": 0,
        "timeout": httpx2.Timeout(settings.timeout, connect=min(10.0, settings.timeout)),
        "http_client": httpx2.AsyncClient(
            limits=limits, follow_redirects=True, trust_env=not address.loopback
        ),
    }


def sendable(text: str) -> str:
    """The text in a form that UTF-8 can carry: half characters become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def no_key(name: str, variable: str) -> AuthenticationFailed:
    """The error for a provider whose key is not in the environment."""
    return AuthenticationFailed(
        f"There is no key for {name}: the environment variable {variable} is not set.",
        f"export {variable}=..., or use --provider local.",
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _usd(value: object) -> float | None:
    if isinstance(value, int | float) and math.isfinite(value) and value >= 0:
        return float(value)
    return None


def _obeyed(schema: "type[BaseModel] | None", text: str) -> dict[str, Any] | None:
    if schema is None:
        return None
    from pydantic import ValidationError

    try:
        return schema.model_validate_json(text).model_dump(mode="json")
    except ValidationError:
        return None
