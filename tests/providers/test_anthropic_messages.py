"""Anthropic's protocol against the loopback server."""

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import pytest
from pydantic import BaseModel

from ml_agents_results.config import ProviderSettings
from ml_agents_results.providers.http_provider import Target
from ml_agents_results.providers.interface import (
    AuthenticationFailed,
    Completion,
    Message,
    ProviderError,
    ProviderUnavailable,
    UnusableAnswer,
)
from ml_agents_results.providers.retry import RetryPolicy
from ml_agents_results.providers.urls import read_address
from ml_agents_results.scoring.extraction import StructuredAnswer
from tests.endpoint import Endpoint, Fault

# Imported by the tests: a process that only collects them need not wait for the client.
pytestmark = pytest.mark.skipif(
    find_spec("anthropic") is None, reason="the extra `anthropic` is not installed"
)

KEY = "sk-ant-secret-0123"


def ask(
    endpoint: Endpoint,
    messages: Sequence[Message],
    settings: ProviderSettings,
    schema: type[BaseModel] | None = None,
) -> Completion:
    from ml_agents_results.providers.anthropic_messages import Anthropic

    async def once() -> Completion:
        address = read_address(endpoint.url.removesuffix("/v1"))
        target = Target("anthropic", "claude-x", address, KEY, "ANTHROPIC_API_KEY")
        provider = Anthropic(target, settings)
        provider.retry_policy = RetryPolicy(settings.max_retries, first_pause=0.01)
        try:
            completion: Completion = await provider.complete(messages, schema=schema)
            return completion
        finally:
            await provider.aclose()

    return asyncio.run(once())


def test_what_is_sent_and_what_comes_back() -> None:
    messages = [Message("system", "Be brief."), Message("user", "What is 40 + 2?")]
    with Endpoint() as endpoint:
        answer = ask(endpoint, messages, ProviderSettings(temperature=0.5, max_tokens=9, seed=1))
        assert endpoint.bodies[-1] == {
            "model": "claude-x",
            "max_tokens": 9,
            "temperature": 0.5,
            "system": "Be brief.",
            "messages": [{"role": "user", "content": "What is 40 + 2?"}],
        }
        assert endpoint.paths[-1] == "/v1/messages"
    assert (answer.text, answer.finish_reason) == ("The answer is 42.", "end_turn")
    assert (answer.prompt_tokens, answer.completion_tokens) == (5, 4)


def test_all_that_a_study_sets_is_sent() -> None:
    settings = ProviderSettings(
        system="Be brief.",
        top_p=0.9,
        stop="###",
        reasoning_effort="low",
        extra_body='{"top_k": 20}',
        max_tokens=9,
    )
    with Endpoint() as endpoint:
        ask(endpoint, [Message("user", "?")], settings)
        assert endpoint.bodies[-1] == {
            "model": "claude-x",
            "max_tokens": 9,
            "system": "Be brief.",
            "messages": [{"role": "user", "content": "?"}],
            "top_p": 0.9,
            "top_k": 20,
            "stop_sequences": ["###"],
            "output_config": {"effort": "low"},
        }


def test_a_model_that_allows_fewer_tokens_is_asked_with_its_own_limit() -> None:
    def strict(body: dict[str, Any]) -> dict[str, Any] | str:
        if body["max_tokens"] <= 8192:
            return "The answer is 42."
        said = f"max_tokens: {body['max_tokens']} > 8192, which is the maximum allowed"
        return {"type": "error", "error": {"type": "invalid_request_error", "message": said}}

    with Endpoint(strict) as endpoint:
        answer = ask(endpoint, [Message("user", "?")], ProviderSettings(max_retries=0))
        assert (answer.text, endpoint.bodies[-1]["max_tokens"]) == ("The answer is 42.", 8192)
        with pytest.raises(ProviderError, match="8192"):
            ask(endpoint, [Message("user", "?")], ProviderSettings(max_tokens=9000, max_retries=0))


def test_a_limit_is_always_sent_and_a_schema_on_demand() -> None:
    from ml_agents_results.providers.anthropic_messages import Anthropic

    with Endpoint('{"reasoning": "r", "answer": "42"}') as endpoint:
        answer = ask(endpoint, [Message("user", "?")], ProviderSettings(), StructuredAnswer)
        assert endpoint.bodies[-1]["max_tokens"] == Anthropic.default_max_tokens
        sent = endpoint.bodies[-1]["output_config"]["format"]
    assert sent["type"] == "json_schema"
    assert set(sent["schema"]["required"]) == {"reasoning", "answer"}
    assert answer.structured == {"reasoning": "r", "answer": "42"}


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        (Fault.WRONG_KEY, AuthenticationFailed, 1),
        (Fault.OVERLOADED, ProviderUnavailable, 2),
        (Fault.HTML, UnusableAnswer, 2),
        (Fault.NO_CHOICES, UnusableAnswer, 2),
        (Fault.CUT, ProviderUnavailable, 2),
        (Fault.RESET, ProviderUnavailable, 2),
    ],
)
def test_a_broken_endpoint_ends_in_a_clear_error(
    fault: Fault, error: type[ProviderError], requests: int
) -> None:
    with Endpoint() as endpoint:
        endpoint.fail(fault, times=None)
        settings = ProviderSettings(max_retries=1)
        with pytest.raises(error) as raised:
            ask(endpoint, [Message("user", "?")], settings)
        assert endpoint.requests == requests
    assert KEY not in raised.value.message
