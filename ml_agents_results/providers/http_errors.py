"""Errors of HTTP endpoints: what a status and the endpoint's own words mean."""

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from ml_agents_results.providers.interface import (
    AuthenticationFailed,
    ModelNotFound,
    OutOfCredit,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)

_LONGEST_QUOTE = 200
LONGEST_BODY = 64 * 1024
"""Bytes of an error's body that are read."""

_RETRY_DELAY = re.compile(r'"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"')
_PER_MINUTE = re.compile(r"per.?(?:second|minute)", re.I)
_NO_CREDIT = re.compile(r"insufficient|credit|billing|balance|exceeded your current quota", re.I)
_MODERATION = re.compile(r"moderat|flagged|content.?(policy|filter)|safety", re.I)


def failure(
    status: int, body: str, headers: Mapping[str, str], *, who: str, model: str, key: str
) -> ProviderError:
    """The error that an HTTP status of 400 or more stands for.

    `who` names the endpoint in the message; `key` is the environment variable of its key.
    """
    words = endpoint_words(body)
    message = f"{who} answered {status}: {words}" if words else f"{who} answered {status}"
    wait = _retry_after(headers, body)
    passing = '"insufficient_quota"' not in body and (
        wait is not None or _PER_MINUTE.search(body) is not None
    )
    if status == 402 or (status == 429 and _NO_CREDIT.search(words) and not passing):
        return OutOfCredit(message, "Top up the account behind the key, or use another one.")
    if status in (400, 403) and _MODERATION.search(words):
        refused = RequestRefused(message)
        refused.by_content = True
        return refused
    if status in (401, 403):
        return AuthenticationFailed(message, f"Set {key} to a key that may use {model}.")
    if status in (404, 405, 410):
        return ModelNotFound(
            f"{message} (model {model})", "Check the model's name and the base URL (often .../v1)."
        )
    if status == 429:
        return RateLimited(
            message,
            "Lower the concurrency or the requests per minute.",
            retry_after=wait,
        )
    if status in (408, 409, 425) or status >= 500:
        return ProviderUnavailable(
            message,
            "Try again later: what was recorded stays recorded.",
            retry_after=wait,
        )
    return RequestRefused(message)


def endpoint_words(body: str) -> str:
    """What the endpoint says went wrong, on one line of limited length."""
    start = body.lstrip()[:15].lower()
    if start.startswith(("<!doctype", "<html")):
        return "(a web page instead of an API answer)"
    try:
        text = _message(json.loads(body)) or body
    except (ValueError, RecursionError):
        text = body
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE] + "..."


def _message(document: Any) -> str | None:
    """The message in the error objects that are in use: `error.message`, `error`, `message`..."""
    if isinstance(document, str):
        return document
    if isinstance(document, list) and document:
        return _message(document[0])
    if isinstance(document, dict):
        for name in ("error", "message", "detail", "msg"):
            if document.get(name):
                return _message(document[name])
    return None


def status_of(error: object) -> int:
    """The HTTP status that an error object in a document with status 200 stands for."""
    if not isinstance(error, dict):
        return 500
    code, kind = error.get("code"), error.get("type")
    if isinstance(code, str) and code.isdecimal() and len(code) == 3:
        code = int(code)
    if isinstance(code, int) and 400 <= code < 600:
        return code
    for word in (code, kind):
        if isinstance(word, str) and word:
            return next((s for part, s in _STATUSES.items() if part in word.lower()), 400)
    return 500


_STATUSES = {
    "rate_limit": 429,
    "insufficient_quota": 402,
    "authentication": 401,
    "not_found": 404,
    "overloaded": 503,
    "unavailable": 503,
    "timeout": 408,
    "server": 500,
    "internal": 500,
    "api_error": 500,
}
"""Parts of the codes in words that endpoints use; all others blame the request."""


def _retry_after(headers: Mapping[str, str], body: str) -> float | None:
    """Seconds to wait: the header holds seconds or a date, Google's body a `retryDelay`."""
    value = headers.get("retry-after")
    if value is None:
        delay = _RETRY_DELAY.search(body)
        return float(delay[1]) if delay is not None else None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
