"""What statuses and the words of endpoints are taken for."""

import email.utils
import json
import time

import pytest

from ml_agents_results.providers.http_errors import endpoint_words, failure, status_of
from ml_agents_results.providers.interface import (
    AuthenticationFailed,
    ModelNotFound,
    OutOfCredit,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)
from ml_agents_results.providers.retry import RetryPolicy


def error(status: int, body: str = "", retry_after: str | None = None) -> ProviderError:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return failure(status, body, headers, who="vllm (http://h/v1)", model="m", key="K_API_KEY")


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable", "fatal"),
    [
        (400, "", RequestRefused, False, False),
        (401, "", AuthenticationFailed, False, True),
        (402, "", OutOfCredit, False, True),
        (403, "", AuthenticationFailed, False, True),
        (403, "Your input was flagged.", RequestRefused, False, False),
        (404, "", ModelNotFound, False, True),
        (408, "", ProviderUnavailable, True, False),
        (413, "", RequestRefused, False, False),
        (422, "", RequestRefused, False, False),
        (429, "Slow down.", RateLimited, True, False),
        (429, '{"error": {"code": "insufficient_quota", "message": "You exceeded your current '
              'quota, please check your plan and billing details."}}', OutOfCredit, False, True),
        (500, "", ProviderUnavailable, True, False),
        (529, "Overloaded", ProviderUnavailable, True, False),
    ],
)  # fmt: skip
def test_statuses(
    status: int, body: str, kind: type[ProviderError], retryable: bool, fatal: bool
) -> None:
    found = error(status, body)
    assert type(found) is kind
    assert (found.retryable, found.fatal) == (retryable, fatal)
    assert str(status) in found.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "No.\\n  Never."}}', "No. Never."),
        ('{"error": "No."}', "No."),
        ('{"detail": "Not Found"}', "Not Found"),
        ('[{"error": {"message": "No."}}]', "No."),
        ('{"object": "error", "message": "No."}', "No."),
        ("plain words", "plain words"),
        ("  <!DOCTYPE html><p>x", "(a web page instead of an API answer)"),
        ("x" * 1000, "x" * 200 + "..."),
        ("", ""),
        ("[]", "[]"),
    ],
)
def test_words(body: str, words: str) -> None:
    assert endpoint_words(body) == words


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3), ("0.5", 0.5), ("-1", 0), ("soon", None), ("inf", float("inf")), ("nan", 0)],
)
def test_retry_after_in_seconds(header: str, seconds: float | None) -> None:
    assert error(429, retry_after=header).retry_after == seconds


def test_retry_after_as_a_date() -> None:
    wait = error(503, retry_after=email.utils.formatdate(time.time() + 20)).retry_after
    assert wait is not None
    assert 18 < wait <= 20


def test_pauses_grow_to_a_limit_and_differ() -> None:
    policy = RetryPolicy(first_pause=0.5, longest_pause=30)
    for attempt, most in ((1, 0.5), (2, 1), (3, 2), (7, 30), (100, 30)):
        pauses = {policy.pause(attempt, None) for _ in range(50)}
        assert all(most / 2 <= pause <= most for pause in pauses)
        assert len(pauses) > 1
    assert all(10 < policy.pause(1, 10) <= 10.5 for _ in range(50))


QUOTA = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("details", "headers", "kind", "wait"),
    [
        ([], {}, OutOfCredit, None),
        ([{"retryDelay": "1.5s"}], {}, RateLimited, 1.5),
        ([{"quotaId": "GenerateRequestsPerMinutePerProject"}], {}, RateLimited, None),
        ([], {"retry-after": "3"}, RateLimited, 3.0),
    ],
)
def test_a_limit_that_passes_is_not_a_lack_of_credit(
    details: list[dict[str, str]],
    headers: dict[str, str],
    kind: type[ProviderError],
    wait: float | None,
) -> None:
    body = json.dumps({"error": {"code": 429, "message": QUOTA, "details": details}})
    error = failure(429, body, headers, who="x", model="m", key="K")
    assert (type(error), error.retry_after) == (kind, wait)


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"code": 502}, 502),
        ({"code": "503"}, 503),
        ({"code": "context_length_exceeded", "type": "invalid_request_error"}, 400),
        ({"code": "rate_limit_exceeded"}, 429),
        ({"type": "server_error", "code": None}, 500),
        ("broken", 500),
        ({"code": 10**30}, 500),
    ],
)
def test_an_error_under_status_200_stands_for_a_status(document: object, status: int) -> None:
    assert status_of(document) == status
