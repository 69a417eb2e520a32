"""Provider for Anthropic's messages protocol, through the official client (extra `anthropic`)."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ml_agents_results.config import ProviderSettings
from ml_agents_results.providers.http_clients import client_options, sendable
from ml_agents_results.providers.http_provider import HttpProvider, Target, usage_part
from ml_agents_results.providers.interface import (
    Completion,
    Message,
    RequestRefused,
    Schema,
    token_count,
    total,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

ANTHROPIC_URL = "https://api.anthropic.com"

_MOST_TOKENS = re.compile(r"max_tokens: \d+ > (\d+)")
"""How a refusal names the limit of a model."""


class Anthropic(HttpProvider):
    """Anthropic's models. The protocol has no seed, so that setting is not sent."""

    # The protocol requires a limit. A model that allows fewer says so, and is asked with its own.
    default_max_tokens: int = 16_000

    def __init__(self, target: Target, settings: ProviderSettings) -> None:
        import anthropic

        super().__init__(target, settings)
        self._limited = settings.max_tokens is not None
        self.seed = None
        self.sdk = anthropic
        self._client = anthropic.AsyncAnthropic(**client_options(target, self.timeout))

    def _send(self, messages: Sequence[Message], schema: Schema, seed: int | None) -> Any:
        # The client no longer has these parameters; endpoints that do not take them say so.
        sampling = {"temperature": self._settings.temperature, "top_p": self._settings.top_p}
        further = {name: value for name, value in sampling.items() if value is not None}
        output: dict[str, Any] = {}
        if self._settings.reasoning_effort is not None:
            output["effort"] = self._settings.reasoning_effort
        if schema is not None:
            output["format"] = _format(schema)
        parameters: dict[str, Any] = {"extra_body": {**further, **self.further_fields}}
        if output:
            parameters["output_config"] = output
        if self.stops:
            parameters["stop_sequences"] = self.stops
        system = "\n\n".join(sendable(m.content) for m in messages if m.role == "system")
        if system:
            parameters["system"] = system
        turns: list[Any] = [
            {"role": m.role, "content": sendable(m.content)} for m in messages if m.role != "system"
        ]
        return self._client.messages.with_streaming_response.create(
            model=self.model,
            max_tokens=self.max_tokens or self.default_max_tokens,
            messages=turns,
            **parameters,
        )

    async def complete(
        self, messages: Sequence[Message], *, schema: Schema = None, seed: int | None = None
    ) -> Completion:
        """See `Provider.complete`. Where no limit was set, it is the model's where that is less."""
        try:
            return await super().complete(messages, schema=schema, seed=seed)
        except RequestRefused as error:
            allowed = _MOST_TOKENS.search(error.message)
            if self._limited or allowed is None or int(allowed[1]) >= (self.max_tokens or 0):
                raise
            self.max_tokens = int(allowed[1])
        return await self.complete(messages, schema=schema, seed=seed)

    def _read(self, document: Mapping[str, Any]) -> Completion:
        cached = usage_part(document, "usage", "cache_read_input_tokens")
        parts = [
            usage_part(document, "usage", "input_tokens"),
            cached or 0,
            usage_part(document, "usage", "cache_creation_input_tokens") or 0,
        ]
        thinking = [p["thinking"] for p in document["content"] if p["type"] == "thinking"]
        return Completion(
            text="".join(p["text"] for p in document["content"] if p["type"] == "text"),
            model=document.get("model"),
            prompt_tokens=total([token_count(part) for part in parts]),
            completion_tokens=usage_part(document, "usage", "output_tokens"),
            cached_tokens=cached,
            reasoning_text="\n\n".join(thinking),
            response_id=document.get("id"),
            finish_reason=document.get("stop_reason"),
        )


@cache
def _format(schema: "type[BaseModel]") -> dict[str, Any]:
    from anthropic import transform_schema

    return {"type": "json_schema", "schema": transform_schema(schema)}
