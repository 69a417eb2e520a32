"""Base class of providers behind HTTP endpoints: attempts, time limits, errors."""

import asyncio
import json
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml_agents_results.config import ProviderSettings
from ml_agents_results.errors import UsageError
from ml_agents_results.providers.budget import Budget
from ml_agents_results.providers.http_errors import failure, status_of
from ml_agents_results.providers.interface import (
    Completion,
    Message,
    ProviderError,
    ProviderUnavailable,
    RequestRefused,
    Schema,
    UnusableAnswer,
    billed,
)
from ml_agents_results.providers.prices import Prices
from ml_agents_results.providers.retry import Pace, RetryPolicy, first_answer
from ml_agents_results.providers.token_weight import token_weight
from ml_agents_results.providers.urls import Address, scrub
from ml_agents_results.records import canonical_finish_reason
from ml_agents_results.redaction import without_keys

LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; an endpoint that sends more is cut off. No model writes this much at once."""

_SAFETY = 1.3
"""Factor on the estimated tokens of a request, for the most that it may cost."""
_OVERHEAD = 20
"""Tokens that a message has besides its text."""

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

    _client: Any

    default_timeout = 120.0
    """Seconds for one attempt if the settings name none."""

    default_max_tokens: int | None = None
    """Tokens of one answer at most if the settings name no limit."""

    is_free = False
    """Whether asking costs nothing."""

    def __init__(self, target: Target, settings: ProviderSettings) -> None:
        self.name = target.name
        self.model = target.model
        self.endpoint = target.address.url
        self.structured_output = True
        self._settings = settings
        self.seed = settings.seed
        self.stops = settings.stops()
        self.further_fields = settings.further_fields()
        self.max_tokens = settings.max_tokens or self.default_max_tokens
        self.timeout = settings.timeout or self.default_timeout
        self.retry_policy = RetryPolicy(settings.max_retries)
        self._key_variable = target.key_variable
        self._secrets = (*target.address.secrets, *([target.key] if target.key else []))
        self._pace = Pace(settings.requests_per_minute)
        self._prices = Prices(self.endpoint)
        self._budget = Budget()
        sent = ("temperature", "top_p", "stop", "reasoning_effort", "extra_body", "system")
        self.identity: Mapping[str, Any] = {
            "provider": self.name,
            "model": self.model,
            "endpoint": self.endpoint,
            "max_tokens": self.max_tokens,
            **{name: getattr(settings, name) for name in sent},
        }

    def sent_seed(self, seed: int | None) -> int | None:
        """See `Provider.sent_seed`."""
        return self.seed if seed is None or self.seed is None else seed

    def spend_within(self, budget: Budget) -> None:
        """Makes no attempt that could cost more than is left of a budget, which others may share.

        Raises:
            UsageError: The most that an answer may cost is not known.
        """
        if self.is_free:
            return
        if self._prices.cost(self.model, 1, 1) is None:
            raise UsageError(
                f"the price of {self.model} is not known, so no budget can hold",
                "Leave out --max-cost, and mind --dry-run.",
            )
        self._budget = budget

    @abstractmethod
    def _send(self, messages: Sequence[Message], schema: Schema, seed: int | None) -> Any:
        """Sends the request; the client's streamed response, to be entered."""

    @abstractmethod
    def _read(self, document: Mapping[str, Any]) -> Completion:
        """What the endpoint's JSON document says.

        Raises:
            KeyError, TypeError, ValueError, IndexError: It is not an answer of this protocol.
            ProviderError: It is one that cannot be used.
        """

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def complete(
        self, messages: Sequence[Message], *, schema: Schema = None, seed: int | None = None
    ) -> Completion:
        """See `Provider.complete`."""
        system = Message("system", self._settings.system or "")
        if self._settings.system is not None and messages[:1] != [system]:
            messages = [system, *messages]
        held_to = schema if self.structured_output else None
        seed = self.sent_seed(seed)
        paid: list[Completion] = []
        try:
            completion = await first_answer(
                lambda attempt: self._attempt(messages, held_to, seed, attempt, paid),
                self.retry_policy,
                self._pace,
            )
        except RequestRefused as error:
            if held_to is None or not any(w in error.message.lower() for w in _SCHEMA_WORDS):
                raise _paying(error, paid) from None
            self.structured_output = False
            return await self.complete(messages, seed=seed)
        except ProviderError as error:
            raise _paying(error, paid) from None
        for unusable in paid:
            completion.add_usage(unusable)
        return completion

    async def _attempt(
        self,
        messages: Sequence[Message],
        schema: Schema,
        seed: int | None,
        attempt: int,
        paid: list[Completion],
    ) -> Completion:
        """One attempt; an answer that was paid but cannot be used is appended to `paid`."""
        async with self._budget.attempt(self._most(messages)) as spending:
            started = time.perf_counter()
            completion = await self._ask(messages, schema, seed)
            completion.latency_ms = round((time.perf_counter() - started) * 1000)
            completion.attempts, completion.seed = attempt, seed
            if completion.cost_estimate is None:
                completion.cost_estimate = self._price(completion)
            spending.cost = completion.cost_estimate
        try:
            self._check(completion)
        except ProviderError:
            paid.append(completion)
            raise
        completion.structured = _obeyed(schema, completion.text)
        return completion

    def _check(self, completion: Completion) -> None:
        """Raises ProviderError where the answer has no text, unless it was cut off or declined."""
        reason = canonical_finish_reason(completion.finish_reason or "")
        if reason == "error":
            raise ProviderUnavailable(f"{self._who} broke off the answer with an error")
        if completion.text.strip() or reason in ("length", "content_filter", "refusal"):
            return
        if reason in ("tool_calls", "function_call", "tool_use"):
            raise ProviderError(
                f"{self._who} called a tool and wrote no text",
                "Choose a model or an endpoint that answers without tools.",
            )
        raise UnusableAnswer(f"{self._who} answered with an empty text")

    def _most(self, messages: Sequence[Message]) -> float:
        """USD that an attempt may cost; 0 where no budget asks."""
        if not self._budget.is_limited:
            return 0.0
        weight = sum(token_weight(message.content) + _OVERHEAD for message in messages)
        return self._prices.cost(self.model, round(_SAFETY * weight), self.max_tokens) or 0.0

    def _price(self, completion: Completion) -> float | None:
        if self.is_free:
            return 0.0
        return self._prices.cost(
            self.model,
            completion.prompt_tokens,
            completion.completion_tokens,
            completion.cached_tokens,
        )

    async def _ask(
        self, messages: Sequence[Message], schema: Schema, seed: int | None
    ) -> Completion:
        """One attempt; its errors hold no secret, nor do those that caused them."""
        import httpx2

        try:
            sent = self._send(messages, schema, seed)
            async with asyncio.timeout(self.timeout), sent as response:
                content = await self._content(response)
        except self.sdk.APIStatusError as error:
            refusal = error.response
            raise self._failure(refusal.status_code, refusal.text, refusal.headers) from None
        except (TimeoutError, self.sdk.APITimeoutError, httpx2.TimeoutException):
            raise billed(
                ProviderUnavailable(
                    f"{self._who} did not answer within {self.timeout:g} s",
                    "Raise the timeout, or lower the concurrency.",
                )
            ) from None
        except (self.sdk.APIConnectionError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._disconnected(error) from None
        return self._without_keys(self._parsed(content))

    def _without_keys(self, completion: Completion) -> Completion:
        """The completion without keys of this process that the endpoint repeats."""
        for name in ("text", "reasoning_text", "model", "response_id", "finish_reason"):
            if value := getattr(completion, name):
                setattr(completion, name, without_keys(value, self._secrets))
        return completion

    async def _content(self, response: Any) -> bytes:
        content = bytearray()
        async for part in response.iter_bytes():
            content += part
            if len(content) > LONGEST_ANSWER:
                most = LONGEST_ANSWER // 2**20
                raise billed(
                    ProviderError(f"{self._who} sent more than {most} MiB and was cut off")
                )
        return bytes(content)

    def _parsed(self, content: bytes) -> Completion:
        try:
            document = json.loads(content, parse_int=_integer)
        except RecursionError:
            document = _needed_fields(content.decode("utf-8", "replace"))
            if not document:
                raise self._unusable(content, "is not JSON") from None
        except ValueError:
            raise self._unusable(content, "is not JSON") from None
        if not isinstance(document, dict):
            raise self._unusable(content, "is not a completion")
        if document.get("error"):
            words = content.decode("utf-8", "replace")
            raise self._failure(status_of(document["error"]), words, {})
        try:
            return self._read(document)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise self._unusable(content, "is not a completion") from None

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

    def _disconnected(self, error: Exception) -> ProviderError:
        import httpx2

        cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__
        if isinstance(cause, httpx2.ConnectError | httpx2.UnsupportedProtocol):
            return ProviderUnavailable(
                f"{self._who} cannot be reached", "Is it running, and is the address right?"
            )
        if type(cause) is httpx2.RequestError:
            return RequestRefused(
                f"{self._who} was not followed: {cause}",
                "Name that server with --base-url, if it is the one that you mean.",
            )
        return billed(ProviderUnavailable(f"{self._who} closed the connection unexpectedly"))


def _paying(error: ProviderError, paid: Sequence[Completion]) -> ProviderError:
    """The error, with what its attempts have used."""
    if paid:
        error.paid, *others = paid
        for completion in others:
            error.paid.add_usage(completion)
    return error


_FIELD = re.compile(r'"(id|model|choices|content|usage|error|stop_reason)"\s*:\s*')


def _needed_fields(text: str) -> dict[str, Any]:
    """What is needed of a document that is nested too deep to be read whole: something else in it,
    that nobody asked for, must not cost the answer."""
    decoder = json.JSONDecoder(parse_int=_integer)
    fields: dict[str, Any] = {}
    position = 0
    while (found := _FIELD.search(text, position)) is not None:
        position = found.end()
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            continue
        fields.setdefault(found[1], value)
    return fields


def _integer(digits: str) -> float:
    """A number as usage states it; one of thousands of digits, which `int` refuses, is infinite."""
    return int(digits) if len(digits) < 1000 else math.inf


def usage_part(document: Mapping[str, Any], *names: str) -> Any:
    """A value inside nested objects; None where anything on the way is missing or odd."""
    value: Any = document
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _obeyed(schema: Schema, text: str) -> dict[str, Any] | None:
    if schema is None:
        return None
    from pydantic import ValidationError

    try:
        return schema.model_validate_json(text).model_dump(mode="json")
    except ValidationError:
        return None
