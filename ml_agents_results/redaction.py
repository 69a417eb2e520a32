"""Keeps secrets out of what is recorded: keys, tokens and passwords become `[redacted]`."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"(^|[_-]|(?<=[a-z])(?=[A-Z]))(?i:"
    r"api[_-]?key|secret([_-]?access)?([_-]?key)?|access[_-]?key|subscription[_-]?key|private[_-]?key"
    r"|password|passwd|passphrase|pwd|authorization|bearer|credentials?|cookie"
    r"|((access|auth|session)[_-]?)?token)$",
)
_SECRET_TEXT = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/@\s]+@"
    r"|\b(?:sk|pk|rk|xai)-[A-Za-z0-9_-]{16,}"
    r"|\b(?:hf|gsk|gh[opsu]|github_pat)_[A-Za-z0-9_]{16,}"
    r"|\bAIza[A-Za-z0-9_-]{30,}"
    r"|\bBearer\s+[A-Za-z0-9._~+/-]{16,}=*"
    r"|(?P<query>[?&](?:api[_-]?key|key|token|access_token|secret|(?:ssl)?password)=)[^&\s]+",
    re.IGNORECASE,
)
# The dict inside: os.environ itself decodes every variable, which took a quarter of a save.
_ENVIRONMENT: Mapping[Any, Any] = os.environ._data  # type: ignore[attr-defined]
_ENVIRONMENT_NAME = re.compile(r"(API_?KEY|TOKEN|SECRET|PASSWORD)$")


def redact(value: Any) -> Any:
    """The value without secrets: by the names of settings, by the looks of texts, and by the keys
    that the environment holds. Mappings and sequences are copied; what JSON does not know becomes
    text first, and could hold secrets there."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {
            name: REDACTED
            if isinstance(name, str) and _SECRET_NAME.search(name) and inner is not None
            else redact(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(inner) for inner in value]
    return redact_text(str(value))


def redact_text(text: str) -> str:
    """The text without what looks like a key, without the user part of URLs, and without the
    values of the environment's keys."""
    for secret in _secrets(frozenset(_ENVIRONMENT.items())):
        text = text.replace(secret, REDACTED)
    return _SECRET_TEXT.sub(_replacement, text)


@lru_cache(maxsize=1)
def _secrets(environment: frozenset[tuple[Any, Any]]) -> list[str]:
    """The values of the environment's keys; `environment` is only what the cache goes by."""
    return [
        value
        for name, value in os.environ.items()
        if len(value) >= 8 and _ENVIRONMENT_NAME.search(name.upper())
    ]


def _replacement(found: re.Match[str]) -> str:
    if scheme := found["scheme"]:
        return f"{scheme}{REDACTED}@"
    return f"{found['query'] or ''}{REDACTED}"
