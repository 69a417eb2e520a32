"""Keeps secrets out of what is recorded: keys, tokens and passwords become `[redacted]`."""

import os
import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"(^|[_-])(api[_-]?key|secret|password|passwd|authorization|access[_-]?token|auth[_-]?token"
    r"|bearer|credentials?|private[_-]?key|token)$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/@\s]+@"
    r"|\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"
    r"|\bBearer\s+[A-Za-z0-9._~+/-]{16,}=*"
    r"|(?P<query>[?&](?:api[_-]?key|key|token|access_token|secret)=)[^&\s]+",
    re.IGNORECASE,
)
_ENVIRONMENT_NAME = re.compile(r"(API_?KEY|TOKEN|SECRET|PASSWORD)$")


def redact(value: Any) -> Any:
    """The value without secrets: by the names of settings, by the looks of texts, and by the keys
    that the environment holds. Mappings and sequences are copied."""
    if isinstance(value, Mapping):
        return {
            name: REDACTED
            if isinstance(name, str) and _SECRET_NAME.search(name) and inner is not None
            else redact(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set):
        return [redact(inner) for inner in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """The text without what looks like a key, without the user part of URLs, and without the
    values of the environment's keys."""
    for name, secret in os.environ.items():
        if len(secret) >= 8 and secret in text and _ENVIRONMENT_NAME.search(name.upper()):
            text = text.replace(secret, REDACTED)
    return _SECRET_TEXT.sub(_replacement, text)


def _replacement(found: re.Match[str]) -> str:
    if scheme := found["scheme"]:
        return f"{scheme}{REDACTED}@"
    return f"{found['query'] or ''}{REDACTED}"
