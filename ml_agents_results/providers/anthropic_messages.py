"""Anthropic's messages protocol, through the official client (extra `anthropic`)."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import TYPE_CHECKING, Any

from ml_agents_results.providers.http_clients import client_options, sendable
from ml_agents_results.providers.http_provider import HttpProvider
from ml_agents_results.providers.interface import Message
from ml_agents_results.providers.provider_settings import ProviderSettings, Reply, Target

if TYPE_CHECKING:
    from pydantic import BaseModel

ANTHROPIC_URL = "https://api.anthropic.com"
DEFAULT_MAX_TOKENS = 4096
"""The protocol demands a limit; this one is sent where none was set."""


class Anthropic(HttpProvider):
    """Anthropic's models. The protocol knows no seed, so that setting is not sent."""

    def __init__(self, target: Target, settings: ProviderSettings) -> None:
        import anthropic

        super().__init__(target, settings)
        self.sdk = anthropic
        self._client = anthropic.AsyncAnthropic(**client_options(target, settings))

    def _send(
        self, messages: Sequence[Message], schema: "type[BaseModel] | None"
    ) -> AbstractAsyncContextManager[Any]:
        parameters: dict[str, Any] = {}
        if self.settings.temperature is not None:
            # The client has no such parameter any more; endpoints that do not take it say so.
            parameters["extra_body"] = {"temperature": self.settings.temperature}
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
            max_tokens=self.settings.max_tokens or DEFAULT_MAX_TOKENS,
            messages=turns,
            **parameters,
        )

    def _read(self, document: Mapping[str, Any]) -> Reply:
        usage = document.get("usage") or {}
        return Reply(
            text="".join(p["text"] for p in document["content"] if p["type"] == "text"),
            model=document.get("model"),
            prompt_tokens=usage.get("input_tokens"),
            completion_tokens=usage.get("output_tokens"),
            cached_tokens=None,
            cost=None,
            response_id=document.get("id"),
            finish_reason=document.get("stop_reason"),
        )

    async def aclose(self) -> None:
        await self._client.close()


@cache
def _format(schema: "type[BaseModel]") -> dict[str, Any]:
    from anthropic import transform_schema

    return {"type": "json_schema", "schema": transform_schema(schema)}
