"""The OpenAI protocol against a real server on loopback, healthy and broken."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from pydantic import BaseModel

from ml_agents_results.config import ProviderSettings
from ml_agents_results.errors import UsageError
from ml_agents_results.providers.http_provider import LONGEST_ANSWER, Target
from ml_agents_results.providers.interface import (
    AuthenticationFailed,
    Completion,
    Message,
    ModelNotFound,
    OutOfCredit,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
    UnusableAnswer,
)
from ml_agents_results.providers.openai_compatible import (
    OPENAI_URL,
    OPENROUTER_URL,
    OpenAICompatible,
)
from ml_agents_results.providers.retry import RetryPolicy
from ml_agents_results.providers.urls import read_address
from tests.endpoint import Endpoint, Fault

KEY = "sk-very-secret-0123"
QUICK = ProviderSettings(max_retries=2, timeout=5)


class Sum(BaseModel):
    reasoning: str
    answer: str


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as running:
        yield running


def provider(
    url: str,
    settings: ProviderSettings = QUICK,
    name: str = "vllm",
    model: str = "m",
    key: str | None = KEY,
) -> OpenAICompatible:
    opened = OpenAICompatible(Target(name, model, read_address(url), KEY), settings)
    opened.retry_policy = RetryPolicy(settings.max_retries, first_pause=0.01)
    return opened


def ask(
    asked: OpenAICompatible,
    text: str = "What is 40 + 2?",
    schema: type[BaseModel] | None = None,
    times: int = 1,
) -> list[Completion]:
    """`times` answers, asked for at once."""

    async def all_of_them() -> list[Completion]:
        try:
            questions = [asked.complete([Message("user", text)], schema=schema)] + [
                asked.complete([Message("user", text)], schema=schema) for _ in range(times - 1)
            ]
            return await asyncio.gather(*questions)
        finally:
            await asked.aclose()

    return asyncio.run(all_of_them())


def test_what_is_sent_and_what_comes_back(endpoint: Endpoint) -> None:
    settings = ProviderSettings(temperature=0.5, max_tokens=99, seed=7)
    (answer,) = ask(provider(endpoint.url, settings))
    assert endpoint.bodies[-1] == {
        "model": "m",
        "messages": [{"role": "user", "content": "What is 40 + 2?"}],
        "temperature": 0.5,
        "max_tokens": 99,
        "seed": 7,
    }
    assert endpoint.headers[-1]["authorization"] == f"Bearer {KEY}"
    assert answer.text == "The answer is 42."
    assert (answer.prompt_tokens, answer.completion_tokens) == (5, 4)
    assert (answer.finish_reason, answer.attempts, answer.structured) == ("stop", 1, None)
    assert answer.response_id == "chatcmpl-1"


def test_settings_that_were_not_made_are_not_sent(endpoint: Endpoint) -> None:
    ask(provider(endpoint.url))
    assert set(endpoint.bodies[-1]) == {"model", "messages"}


def test_all_that_a_study_sets_is_sent(endpoint: Endpoint) -> None:
    settings = ProviderSettings(
        system="Be brief.",
        top_p=0.9,
        stop='["###", "END"]',
        reasoning_effort="low",
        extra_body='{"top_k": 20}',
    )
    ask(provider(endpoint.url, settings))
    assert endpoint.bodies[-1] == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is 40 + 2?"},
        ],
        "top_p": 0.9,
        "stop": ["###", "END"],
        "reasoning_effort": "low",
        "top_k": 20,
    }


@pytest.mark.parametrize("body", ["[1]", "{", '{"model": "other"}'])
def test_further_fields_are_an_object_without_ours(endpoint: Endpoint, body: str) -> None:
    with pytest.raises(UsageError, match="extra_body"):
        provider(endpoint.url, ProviderSettings(extra_body=body))


def test_openai_gets_the_name_of_the_limit_that_its_reasoning_models_take(
    endpoint: Endpoint,
) -> None:
    ask(provider(endpoint.url, ProviderSettings(max_tokens=9), name="openai"))
    assert endpoint.bodies[-1]["max_completion_tokens"] == 9
    assert "max_tokens" not in endpoint.bodies[-1]


@pytest.mark.parametrize("text", ["a\0b", "\ud83d", "😀 \u202e", "{question} {}", "x" * 5_000_000])
def test_any_answer_comes_back_as_it_was(endpoint: Endpoint, text: str) -> None:
    endpoint.answer = text
    assert ask(provider(endpoint.url))[0].text == text


def test_half_a_character_in_a_question_does_not_stop_it(endpoint: Endpoint) -> None:
    ask(provider(endpoint.url), text="a\ud83db")
    assert endpoint.bodies[-1]["messages"][0]["content"] == "a\ufffdb"


def test_a_schema_is_sent_strict_and_its_answer_read(endpoint: Endpoint) -> None:
    (answer,) = ask(provider(endpoint.url), schema=Sum)
    sent = endpoint.bodies[-1]["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["strict"] is True
    assert sent["json_schema"]["schema"]["additionalProperties"] is False
    assert answer.structured == {"reasoning": "The answer is 42.", "answer": "42"}


def test_an_answer_that_breaks_the_schema_comes_back_as_text(endpoint: Endpoint) -> None:
    endpoint.answer = '{"answer": 3, "more": '
    (answer,) = ask(provider(endpoint.url), schema=Sum)
    assert answer.structured is None
    assert answer.text == endpoint.answer


def test_an_endpoint_without_schemas_is_asked_without_from_then_on(endpoint: Endpoint) -> None:
    endpoint.fail(Fault.NO_SCHEMAS, times=None)
    asked = provider(endpoint.url)

    async def twice() -> list[Completion]:
        question = [Message("user", "?")]
        return [await asked.complete(question, schema=Sum) for _ in range(2)]

    answers = asyncio.run(twice())
    assert [answer.text for answer in answers] == ["The answer is 42."] * 2
    assert asked.structured_output is False
    assert endpoint.requests == 3


@pytest.mark.parametrize(
    ("fault", "error", "requests", "words"),
    [
        (Fault.BAD_REQUEST, RequestRefused, 1, "maximum context length"),
        (Fault.WRONG_KEY, AuthenticationFailed, 1, "401"),
        (Fault.FORBIDDEN, AuthenticationFailed, 1, "may not use this model"),
        (Fault.NO_CREDIT, OutOfCredit, 1, "Insufficient credits"),
        (Fault.NO_SUCH_MODEL, ModelNotFound, 1, "model m"),
        (Fault.RATE_LIMITED, RateLimited, 3, "Rate limit reached. (3 attempts)"),
        (Fault.SERVER_ERROR, ProviderUnavailable, 3, "500"),
        (Fault.OVERLOADED, ProviderUnavailable, 3, "503"),
        (Fault.BAD_GATEWAY_PAGE, ProviderUnavailable, 3, "a web page instead of"),
        (Fault.ERROR_IN_BODY, ProviderUnavailable, 3, "upstream model is down"),
        (Fault.HTML, UnusableAnswer, 3, "a web page that is not JSON"),
        (Fault.BROKEN_JSON, UnusableAnswer, 3, "an answer that is not JSON"),
        (Fault.EMPTY_TEXT, UnusableAnswer, 3, "empty text"),
        (Fault.NO_CHOICES, UnusableAnswer, 3, "not a completion"),
        (Fault.CUT, ProviderUnavailable, 3, "closed the connection unexpectedly"),
        (Fault.RESET, ProviderUnavailable, 3, "closed the connection unexpectedly"),
        (Fault.ENDLESS, ProviderError, 1, f"more than {LONGEST_ANSWER // 2**20} MiB"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_broken_endpoint_ends_in_a_clear_error(
    endpoint: Endpoint, fault: Fault, error: type[ProviderError], requests: int, words: str
) -> None:
    endpoint.fail(fault, times=None)
    with pytest.raises(ProviderError) as raised:
        ask(provider(endpoint.url))
    assert type(raised.value) is error
    assert words in raised.value.message
    assert endpoint.url in raised.value.message
    assert endpoint.requests == requests


@pytest.mark.parametrize(
    "fault",
    [Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.HTML, Fault.EMPTY_TEXT, Fault.CUT, Fault.RESET],
)
def test_a_fault_that_passes_is_survived(endpoint: Endpoint, fault: Fault) -> None:
    endpoint.fail(fault, times=2)
    (answer,) = ask(provider(endpoint.url))
    assert answer.text == "The answer is 42."
    assert answer.attempts == 3


@pytest.mark.parametrize("fault", [Fault.SLOW, Fault.TRICKLE])
def test_a_slow_endpoint_is_given_up_in_time(endpoint: Endpoint, fault: Fault) -> None:
    endpoint.fail(fault, times=None, seconds=5)
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable, match=r"did not answer within 0.2 s"):
        ask(provider(endpoint.url, ProviderSettings(timeout=0.2, max_retries=1)))
    assert time.monotonic() - started < 2


def test_an_endpoint_that_is_down(endpoint: Endpoint) -> None:
    endpoint.stop()
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        ask(provider(endpoint.url))


def test_latency_is_that_of_the_attempt_that_succeeded(endpoint: Endpoint) -> None:
    endpoint.fail(Fault.SLOW, seconds=5)
    settings = ProviderSettings(timeout=0.5, max_retries=1)
    assert ask(provider(endpoint.url, settings))[0].latency_ms < 400


def test_retry_after_is_respected(endpoint: Endpoint) -> None:
    endpoint.fail(Fault.RATE_LIMITED, retry_after=0.4)
    started = time.monotonic()
    ask(provider(endpoint.url))
    assert 0.4 <= time.monotonic() - started < 2


def test_an_endpoint_that_wants_too_long_a_pause_is_not_waited_for(endpoint: Endpoint) -> None:
    endpoint.fail(Fault.RATE_LIMITED, times=None, retry_after=86400)
    with pytest.raises(RateLimited) as raised:
        ask(provider(endpoint.url))
    assert endpoint.requests == 1
    assert raised.value.retry_after == 86400


def test_requests_per_minute_space_requests_out(endpoint: Endpoint) -> None:
    started = time.monotonic()
    ask(provider(endpoint.url, ProviderSettings(requests_per_minute=600)), times=5)
    assert 0.4 <= time.monotonic() - started < 2
    assert endpoint.requests == 5


@pytest.mark.parametrize(
    ("url", "model", "cost"),
    [
        (OPENAI_URL, "gpt-4o-mini", 0.15 + 0.60),
        (OPENROUTER_URL, "no/such-model", None),
    ],
)
def test_the_price_table_knows_the_big_providers(url: str, model: str, cost: float | None) -> None:
    prices = provider(url, model=model)._prices
    found = prices.cost(model, 1_000_000, 1_000_000)
    assert found == (None if cost is None else pytest.approx(cost))


def test_an_unknown_price_is_said_once(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        answers = ask(provider(endpoint.url), times=3)
    assert [answer.cost_estimate for answer in answers] == [None] * 3
    assert [record.getMessage() for record in caplog.records] == [
        f"no price is known for m at {endpoint.url}: its cost stays empty"
    ]


def test_the_provider_s_own_figure_is_the_cost(endpoint: Endpoint) -> None:
    endpoint.cost = 0.0012
    (answer,) = ask(provider(endpoint.url, name="openrouter"))
    assert answer.cost_estimate == 0.0012
    assert endpoint.bodies[-1]["usage"] == {"include": True}


@pytest.mark.parametrize("cost", [-1.0, float("inf"), "free"])
def test_a_figure_that_is_no_cost_is_not_taken(endpoint: Endpoint, cost: float) -> None:
    endpoint.cost = cost
    assert ask(provider(endpoint.url))[0].cost_estimate is None


def test_no_secret_is_shown(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    endpoint.key = "another"
    url = endpoint.url.replace("//", "//someone:p%40ssw0rd@") + "?key=query-secret"
    asked = provider(url)
    with caplog.at_level(logging.DEBUG), pytest.raises(AuthenticationFailed) as raised:
        ask(asked)
    sent = endpoint.headers[-1]["authorization"]
    assert sent.startswith("Basic ")
    assert endpoint.paths[-1].endswith("?key=query-secret")
    shown = f"{raised.value} {raised.value.hint} {raised.value.__cause__} {asked.endpoint}"
    shown += caplog.text
    assert "***" in shown
    for secret in (KEY, "p@ssw0rd", "p%40ssw0rd", "query-secret", sent.split()[1]):
        assert secret not in shown


def test_a_key_that_the_endpoint_repeats_is_not_shown(endpoint: Endpoint) -> None:
    endpoint.key = "another"
    with pytest.raises(AuthenticationFailed) as raised:
        ask(provider(endpoint.url))
    assert endpoint.headers[-1]["authorization"].endswith(KEY)
    assert "Bearer ***" in raised.value.message
    assert KEY not in raised.value.message


def test_a_key_that_an_answer_repeats_is_not_taken(endpoint: Endpoint) -> None:
    message = {"content": f"Your key is {KEY}.", "reasoning": f"{KEY}?"}
    endpoint.answer = lambda _body: {"choices": [{"message": message}], "id": KEY}
    (answer,) = ask(provider(endpoint.url))
    assert answer.text == "Your key is [redacted]."
    assert (answer.reasoning_text, answer.response_id) == ("[redacted]?", "[redacted]")


def test_many_requests_at_once(endpoint: Endpoint) -> None:
    endpoint.latency = 0.2
    started = time.monotonic()
    assert len(ask(provider(endpoint.url), times=64)) == 64
    assert endpoint.peak_in_flight == 64
    assert time.monotonic() - started < 5


def test_a_cancelled_request_stops_at_once(endpoint: Endpoint) -> None:
    endpoint.latency = 30

    async def cancel() -> float:
        asked = provider(endpoint.url)
        request = asyncio.create_task(asked.complete([Message("user", "?")]))
        await asyncio.sleep(0.3)
        started = time.monotonic()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await asked.aclose()
        return time.monotonic() - started

    assert asyncio.run(cancel()) < 1


def test_an_error_without_end_is_read_to_its_limit(endpoint: Endpoint) -> None:
    endpoint.fail(Fault.ENDLESS_ERROR)
    with pytest.raises(RequestRefused, match="answered 400"):
        ask(provider(endpoint.url, ProviderSettings(timeout=5, max_retries=0)))


def test_what_the_users_own_key_is_charged_is_a_cost(endpoint: Endpoint) -> None:
    usage: dict[str, Any] = {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.001}
    details = {"is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}
    message = {"role": "assistant", "content": "42"}
    for extra, cost in ((details, 0.021), ({"is_byok": True}, None), ({}, 0.001)):
        document = {"choices": [{"message": message}], "usage": {**usage, **extra}}
        endpoint.answer = lambda body, document=document: document
        (answer,) = ask(provider(endpoint.url))
        assert answer.cost_estimate == (None if cost is None else pytest.approx(cost))


@pytest.mark.parametrize("place", ["before", "after"])
def test_what_is_nested_too_deep_does_not_cost_the_answer(endpoint: Endpoint, place: str) -> None:
    def deep(body: dict[str, Any]) -> bytes:
        nested = '"trace": ' + "[" * 100_000 + "]" * 100_000
        answer = '"choices": [{"message": {"content": "42"}, "finish_reason": "stop"}]'
        parts = [nested, answer] if place == "before" else [answer, nested]
        return ("{" + ", ".join(parts) + ', "usage": {"prompt_tokens": 3}}').encode()

    endpoint.answer = deep
    (answer,) = ask(provider(endpoint.url))
    assert (answer.text, answer.finish_reason, answer.prompt_tokens) == ("42", "stop", 3)


def test_a_prompt_follows_no_redirect_to_another_server(endpoint: Endpoint) -> None:
    elsewhere = endpoint.url

    class Redirecting(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            own = self.path == "/v1/chat/completions"
            self.send_response(307)
            self.send_header("location", "/v1/own" if own else f"{elsewhere}/chat/completions")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Prints nothing."""

    with HTTPServer(("127.0.0.1", 0), Redirecting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = ProviderSettings(timeout=5, max_retries=0)
        with pytest.raises(RequestRefused, match=r"it redirects to another server, 127\.0\.0\.1"):
            ask(provider(f"http://127.0.0.1:{server.server_port}/v1", settings))
        server.shutdown()
    assert endpoint.requests == 0
