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
    if status == 402 or (status == 429 and _NO_CREDIT.search(words)):
        return OutOfCredit(message, "Top up the account behind the key, or use another one.")
    if status == 403 and _MODERATION.search(words):
        return RequestRefused(message)
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
            retry_after=_retry_after(headers),
        )
    if status in (408, 409, 425) or status >= 500:
        return ProviderUnavailable(
            message,
            "Try again later: what was recorded stays recorded.",
            retry_after=_retry_after(headers),
        )
    return RequestRefused(message)


def endpoint_words(body: str) -> str:
    """What the endpoint says went wrong, on one line of limited length."""
    start = body.lstrip()[:15].lower()
    if start.startswith(("<!doctype", "<html")):
        return "(a web page instead of an API answer)"
    try:
        text = _message(json.loads(body)) or body
    except ValueError:
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


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait; the header holds seconds or a date."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
