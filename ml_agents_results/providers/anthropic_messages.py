"""Provider for Anthropic's messages protocol, through the official client (extra `anthropic`)."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import TYPE_CHECKING, Any

from ml_agents_results.config import ProviderSettings
from ml_agents_results.providers.http_clients import client_options, sendable
from ml_agents_results.providers.http_provider import HttpProvider, Target, usage_part
from ml_agents_results.providers.interface import Completion, Message, token_count, total

if TYPE_CHECKING:
    from pydantic import BaseModel

ANTHROPIC_URL = "https://api.anthropic.com"


class Anthropic(HttpProvider):
    """Anthropic's models. The protocol has no seed, so that setting is not sent."""

    # The protocol requires a limit.
    default_max_tokens: int = 4096

    def __init__(self, target: Target, settings: ProviderSettings) -> None:
        import anthropic

        super().__init__(target, settings)
        self.seed = None
        self.sdk = anthropic
        self._client = anthropic.AsyncAnthropic(**client_options(target, self.timeout))

    def _send(
        self, messages: Sequence[Message], schema: "type[BaseModel] | None", seed: int | None
    ) -> AbstractAsyncContextManager[Any]:
        parameters: dict[str, Any] = {}
        if self.temperature is not None:
            # The client no longer has this parameter; endpoints that do not take it say so.
            parameters["extra_body"] = {"temperature": self.temperature}
        if schema is not None:
            parameters["output_config"] = {"format": _format(schema)}
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

    async def aclose(self) -> None:
        await self._client.close()


@cache
def _format(schema: "type[BaseModel]") -> dict[str, Any]:
    from anthropic import transform_schema

    return {"type": "json_schema", "schema": transform_schema(schema)}
