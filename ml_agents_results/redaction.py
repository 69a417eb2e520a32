"""Keeps secrets out of what is recorded: keys, tokens and passwords become `[redacted]`."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

_PLAIN = (bool, int, float)

_SECRET_NAME = re.compile(
    r"(^|[_-]|(?<=[a-z])(?=[A-Z]))(?i:"
    r"api[_-]?key|secret([_-]?access)?([_-]?key)?|access[_-]?key|subscription[_-]?key|private[_-]?key"
    r"|password|passwd|passphrase|pwd|authorization|bearer|credentials?|cookie"
    r"|((access|auth|session)[_-]?)?token)$",
)
_SECRET_TEXTS = tuple(
    (mark, re.compile(pattern, re.IGNORECASE))
    for mark, pattern in (
        ("://", r"(?P<kept>://)[^/@\s]+(?=@)"),
        ("k-", r"(?P<kept>)\b[spr]k-[a-z0-9_-]{16,}"),
        ("xai-", r"(?P<kept>)\bxai-[a-z0-9_-]{16,}"),
        ("_", r"(?P<kept>)\b(?:hf|gsk|gh[opsu]|github_pat)_[a-z0-9_]{16,}"),
        ("aiza", r"(?P<kept>)\bAIza[a-z0-9_-]{30,}"),
        ("bearer", r"(?P<kept>)\bBearer\s+[a-z0-9._~+/-]{16,}=*"),
        (
            "=",
            r"(?P<kept>[?&](?:api[_-]?key|key|token|access_token|secret|(?:ssl)?password)=)[^&\s]+",
        ),
    )
)
"""Looks of secrets, each with a mark without which it is not looked for: on the texts of a run, a
pattern takes as long as saving the run, and an `in` a hundredth of that."""
# The dict inside: os.environ itself decodes every variable, which took a quarter of a save.
_ENVIRONMENT: Mapping[Any, Any] = os.environ._data  # type: ignore[attr-defined]
_ENVIRONMENT_NAME = re.compile(r"(API_?KEY|TOKEN|SECRET|PASSWORD)$")


def redact(value: Any) -> Any:
    """The value without secrets: by the names of settings, by the looks of texts, and by the keys
    that the environment holds. Mappings and sequences are copied; what JSON does not know becomes
    text first, and could hold secrets there."""
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {
            name: REDACTED
            if isinstance(name, str) and _is_secret(name) and inner is not None
            else redact(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(inner) for inner in value]
    return redact_text(str(value))


@lru_cache(maxsize=2048)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def redact_text(text: str) -> str:
    """The text without what looks like a key, without the user part of URLs, and without the
    values of the environment's keys."""
    for secret in _secrets():
        text = text.replace(secret, REDACTED)
    lowered = text.lower()
    for mark, pattern in _SECRET_TEXTS:
        if mark in lowered:
            text = pattern.sub(rf"\g<kept>{REDACTED}", text)
    return text


_known: tuple[Mapping[Any, Any], list[str]] = ({}, [])
"""An environment, and the values of its keys."""


def _secrets() -> list[str]:
    """The values of the environment's keys, looked for anew where it changed."""
    global _known
    environment, secrets = _known
    if environment != _ENVIRONMENT:
        secrets = [
            value
            for name, value in os.environ.items()
            if len(value) >= 8 and _ENVIRONMENT_NAME.search(name.upper())
        ]
        _known = (dict(_ENVIRONMENT), secrets)
    return secrets
