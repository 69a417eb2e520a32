"""Provider for the OpenAI chat completions protocol, through the official client."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ml_agents_results.config import ProviderSettings
from ml_agents_results.providers.http_clients import client_options, sendable
from ml_agents_results.providers.http_provider import HttpProvider, Target, usage_part
from ml_agents_results.providers.interface import Completion, Message, Schema, token_count, usd

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

    def _send(self, messages: Sequence[Message], schema: Schema, seed: int | None) -> Any:
        body = {
            **self._parameters,
            "messages": [{"role": m.role, "content": sendable(m.content)} for m in messages],
        }
        if seed is not None:
            body["seed"] = seed
        if schema is not None:
            body["response_format"] = _response_format(schema)
        # Not through the typed parameters: their conversion costs as much as sending them.
        return self._client.chat.completions.with_streaming_response.create(
            model=self.model, messages=[], extra_body=body
        )

    def _read(self, document: Mapping[str, Any]) -> Completion:
        choice = document["choices"][0]
        message = choice["message"]
        text, refusal = _text(message.get("content")), message.get("refusal")
        declined = not text.strip() and isinstance(refusal, str) and bool(refusal)
        reason = "error" if choice.get("error") else choice.get("finish_reason")
        written, reasoning = _written(document)
        return Completion(
            text=refusal if declined else text,
            model=document.get("model"),
            prompt_tokens=usage_part(document, "usage", "prompt_tokens"),
            completion_tokens=written,
            cached_tokens=usage_part(document, "usage", "prompt_tokens_details", "cached_tokens"),
            reasoning_tokens=reasoning,
            reasoning_text=_reasoning(message),
            cost_estimate=_cost(document),
            response_id=document.get("id"),
            finish_reason="refusal" if declined else reason,
        )

    def _sampling_parameters(self) -> dict[str, Any]:
        # OpenAI's reasoning models take only the newer name; most other servers only the older.
        limit = "max_completion_tokens" if self.name == "openai" else "max_tokens"
        parameters = {
            "temperature": self._settings.temperature,
            "top_p": self._settings.top_p,
            "stop": self.stops or None,
            "reasoning_effort": self._settings.reasoning_effort,
            limit: self.max_tokens,
            "usage": {"include": True} if self.name == "openrouter" else None,
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        return {**given, **self.further_fields}


def _written(document: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Tokens written, and those of them that are reasoning.

    Some endpoints count the reasoning in `total_tokens` only.
    """
    read, written, whole = (
        token_count(usage_part(document, "usage", name))
        for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    reasoning = token_count(
        usage_part(document, "usage", "completion_tokens_details", "reasoning_tokens")
    )
    if read is not None and written is not None and whole is not None and whole - read > written:
        return whole - read, reasoning or whole - read - written
    return written, reasoning


def _cost(document: Mapping[str, Any]) -> float | None:
    """USD, with what the user's own key is charged (bring your own key)."""
    cost = usd(usage_part(document, "usage", "cost"))
    upstream = usd(usage_part(document, "usage", "cost_details", "upstream_inference_cost"))
    if usage_part(document, "usage", "is_byok") is not True:
        return cost
    return None if upstream is None else upstream + (cost or 0.0)


def _reasoning(message: Mapping[str, Any]) -> str | None:
    """The reasoning that comes apart from the text, under any of the names in use."""
    names = ("reasoning_content", "reasoning", "thinking")
    return next((v for name in names if isinstance(v := message.get(name), str) and v), None)


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
    if isinstance(content, int | float):
        return str(content)
    if not isinstance(content, str):
        raise TypeError("content is neither text nor parts")
    return content
