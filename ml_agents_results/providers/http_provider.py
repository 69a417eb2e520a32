"""Base class of providers behind HTTP endpoints: attempts, time limits, errors."""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml_agents_results.config import ProviderSettings
from ml_agents_results.providers.http_errors import failure
from ml_agents_results.providers.interface import (
    Completion,
    Message,
    ProviderError,
    ProviderUnavailable,
    RequestRefused,
    UnusableAnswer,
)
from ml_agents_results.providers.prices import Prices
from ml_agents_results.providers.retry import Pace, RetryPolicy, first_answer
from ml_agents_results.providers.urls import Address, scrub

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
        key: None if there is none to send.
        key_variable: The environment variable that holds the key.
    """

    name: str
    model: str
    address: Address
    key: str | None = field(default=None, repr=False)
    key_variable: str = "OPENAI_API_KEY"


class HttpProvider(ABC):
    """A provider behind an HTTP endpoint. Subclasses speak its protocol through its client.

    The client's own retries are off: one rule for all endpoints repeats what a client does not,
    such as a broken document with status 200, counts attempts and keeps the pace.
    """

    sdk: Any
    """The client library; all that are used here name their exceptions alike."""

    default_timeout = 120.0
    """Seconds for one attempt if the settings name none."""

    default_max_tokens: int | None = None
    """Tokens of one answer at most if the settings name no limit."""

    def __init__(self, target: Target, settings: ProviderSettings) -> None:
        self.name = target.name
        self.model = target.model
        self.endpoint = target.address.url
        self.structured_output = True
        self.temperature = settings.temperature
        self.seed = settings.seed
        self.max_tokens = settings.max_tokens or self.default_max_tokens
        self.timeout = settings.timeout or self.default_timeout
        self.retry_policy = RetryPolicy(settings.max_retries)
        self._key_variable = target.key_variable
        self._secrets = (*target.address.secrets, *([target.key] if target.key else []))
        self._pace = Pace(settings.requests_per_minute)
        self._prices = Prices(self.endpoint)

    @abstractmethod
    def _send(
        self, messages: Sequence[Message], schema: "type[BaseModel] | None"
    ) -> AbstractAsyncContextManager[Any]:
        """Sends the request; the client's streamed response."""

    @abstractmethod
    def _read(self, document: Mapping[str, Any]) -> Completion:
        """What the endpoint's JSON document says.

        Raises:
            KeyError, TypeError, ValueError, IndexError: It is not an answer of this protocol.
            ProviderError: It is one that cannot be used.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Closes the connections."""

    async def complete(
        self, messages: Sequence[Message], *, schema: "type[BaseModel] | None" = None
    ) -> Completion:
        """See `Provider.complete`."""
        held_to = schema if self.structured_output else None
        try:
            return await first_answer(
                lambda attempt: self._attempt(messages, held_to, attempt),
                self.retry_policy,
                self._pace,
            )
        except RequestRefused as error:
            if held_to is None or not any(w in error.message.lower() for w in _SCHEMA_WORDS):
                raise
            self.structured_output = False
            return await self.complete(messages)

    async def _attempt(
        self, messages: Sequence[Message], schema: "type[BaseModel] | None", attempt: int
    ) -> Completion:
        started = time.perf_counter()
        completion = await self._ask(messages, schema)
        completion.latency_ms = round((time.perf_counter() - started) * 1000)
        completion.attempts = attempt
        if completion.cost_estimate is None:
            completion.cost_estimate = self._price(completion)
        completion.structured = _obeyed(schema, completion.text)
        return completion

    def _price(self, completion: Completion) -> float | None:
        return self._prices.cost(
            self.model,
            completion.prompt_tokens,
            completion.completion_tokens,
            completion.cached_tokens,
        )

    async def _ask(
        self, messages: Sequence[Message], schema: "type[BaseModel] | None"
    ) -> Completion:
        """One attempt; its errors hold no secret, nor do those that caused them."""
        import httpx2

        try:
            async with asyncio.timeout(self.timeout), self._send(messages, schema) as response:
                content = await self._content(response)
        except self.sdk.APIStatusError as error:
            refusal = error.response
            raise self._failure(refusal.status_code, refusal.text, refusal.headers) from None
        except (TimeoutError, self.sdk.APITimeoutError, httpx2.TimeoutException):
            raise ProviderUnavailable(
                f"{self._who} did not answer within {self.timeout:g} s",
                "Raise the timeout, or lower the concurrency.",
            ) from None
        except (self.sdk.APIConnectionError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._disconnected(error) from None
        return self._parsed(content)

    async def _content(self, response: Any) -> bytes:
        content = bytearray()
        async for part in response.iter_bytes():
            content += part
            if len(content) > LONGEST_ANSWER:
                raise ProviderError(
                    f"{self._who} sent more than {LONGEST_ANSWER // 2**20} MiB and was cut off"
                )
        return bytes(content)

    def _parsed(self, content: bytes) -> Completion:
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
            completion = self._read(document)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise self._unusable(content, "is not a completion") from None
        if completion.text.strip():
            return completion
        if completion.finish_reason in ("length", "max_tokens"):
            raise ProviderError(
                f"{self._who} reached the token limit before it wrote any text",
                "Raise --max-tokens: a reasoning model spends tokens before it answers.",
            )
        if completion.finish_reason in ("content_filter", "refusal"):
            raise RequestRefused(f"{self._who} blocked the answer (content filter)")
        raise UnusableAnswer(f"{self._who} answered with an empty text")

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
            f"{self._who} sent {'a web page' if page else 'an answer'} that {fault}",
            "Check the base URL: it usually ends in /v1.",
        )

    def _disconnected(self, error: Exception) -> ProviderUnavailable:
        import httpx2

        cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__
        if isinstance(cause, httpx2.ConnectError | httpx2.UnsupportedProtocol):
            return ProviderUnavailable(
                f"{self._who} cannot be reached", "Is it running, and is the address right?"
            )
        return ProviderUnavailable(f"{self._who} closed the connection unexpectedly")


def _obeyed(schema: "type[BaseModel] | None", text: str) -> dict[str, Any] | None:
    if schema is None:
        return None
    from pydantic import ValidationError

    try:
        return schema.model_validate_json(text).model_dump(mode="json")
    except ValidationError:
        return None
