"""What all providers over HTTP share: attempts, time limits, bounded reading, clear errors."""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

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
from ml_agents_results.providers.provider_settings import ProviderSettings, Reply, Target
from ml_agents_results.providers.retry import Pace, attempt
from ml_agents_results.providers.urls import scrub

if TYPE_CHECKING:
    from pydantic import BaseModel

LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; an endpoint that sends more is cut off. No model writes this much at once."""

_SCHEMA_WORDS = ("response_format", "output_config", "schema", "structured", "guided")


class HttpProvider(ABC):
    """A provider behind an HTTP endpoint. Subclasses speak its protocol through its client.

    The client's own retries are off: one rule for all endpoints repeats what a client does not,
    such as a broken document under status 200, counts attempts and keeps the pace.
    """

    sdk: Any
    """The client library; all that are used here name their exceptions alike."""

    def __init__(self, target: Target, settings: ProviderSettings) -> None:
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


def _obeyed(schema: "type[BaseModel] | None", text: str) -> dict[str, Any] | None:
    if schema is None:
        return None
    from pydantic import ValidationError

    try:
        return schema.model_validate_json(text).model_dump(mode="json")
    except ValidationError:
        return None
