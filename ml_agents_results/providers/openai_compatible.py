"""Provider for the OpenAI chat completions protocol, through the official client."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import TYPE_CHECKING, Any

from ml_agents_results.config import ProviderSettings
from ml_agents_results.providers.http_clients import client_options, sendable
from ml_agents_results.providers.http_provider import HttpProvider, Target
from ml_agents_results.providers.interface import Completion, Message

if TYPE_CHECKING:
    from pydantic import BaseModel

OPENAI_URL = "https://api.openai.com/v1"
OPENROUTER_URL = "https://openrouter.ai/api/v1"


class OpenAICompatible(HttpProvider):
    """OpenAI, OpenRouter, vLLM, Ollama, LM Studio, llama.cpp and other compatible servers."""

    def __init__(self, target: Target, settings: ProviderSettings) -> None:
        import openai

        super().__init__(target, settings)
        self.sdk = openai
        self._client = openai.AsyncOpenAI(**client_options(target, self.timeout))
        self._parameters = self._sampling_parameters()

    def _send(
        self, messages: Sequence[Message], schema: "type[BaseModel] | None"
    ) -> AbstractAsyncContextManager[Any]:
        body = {
            **self._parameters,
            "messages": [{"role": m.role, "content": sendable(m.content)} for m in messages],
        }
        if schema is not None:
            body["response_format"] = _response_format(schema)
        # Not through the typed parameters: their conversion costs as much as sending them.
        return self._client.chat.completions.with_streaming_response.create(
            model=self.model, messages=[], extra_body=body
        )

    def _read(self, document: Mapping[str, Any]) -> Completion:
        choice = document["choices"][0]
        message = choice["message"]
        usage = document.get("usage") or {}
        details = usage.get("prompt_tokens_details") or {}
        return Completion(
            text=_text(message.get("content")) or message.get("refusal") or "",
            model=document.get("model"),
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
            cached_tokens=details.get("cached_tokens"),
            cost_estimate=usage.get("cost"),
            response_id=document.get("id"),
            finish_reason=choice.get("finish_reason"),
        )

    async def aclose(self) -> None:
        await self._client.close()

    def _sampling_parameters(self) -> dict[str, Any]:
        # OpenAI's reasoning models take only the newer name; most other servers only the older.
        limit = "max_completion_tokens" if self.name == "openai" else "max_tokens"
        parameters = {
            "temperature": self.temperature,
            limit: self.max_tokens,
            "seed": self.seed,
            "usage": {"include": True} if self.name == "openrouter" else None,
        }
        return {name: value for name, value in parameters.items() if value is not None}


@cache
def _response_format(schema: "type[BaseModel]") -> dict[str, Any]:
    from openai import pydantic_function_tool

    # The client's public way to the strict dialect of JSON Schema that endpoints require.
    strict = pydantic_function_tool(schema)["function"]
    return {
        "type": "json_schema",
        "json_schema": {
            "name": strict["name"],
            "strict": True,
            "schema": strict["parameters"],
        },
    }


def _text(content: Any) -> str:
    """The text of a message whose content is a string, or a list of parts."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if part.get("type") == "text")
    if content is None:
        return ""
    if not isinstance(content, str):
        raise TypeError("content is neither text nor parts")
    return content
