"""Keeps secrets out of what is recorded: keys, tokens and passwords become `[redacted]`."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cached_property, lru_cache
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
        # Of a database's URL the password is hidden, of others the user, too: it may be a token.
        ("postgres", r"(?P<kept>\bpostgres(?:ql)?(?:\+\w+)?://[^/@:\s]*:)(?!\*\*\*@)[^/\s]+(?=@)"),
        ("://", r"(?<!\bpostgres)(?<!\bpostgresql)(?<!\+psycopg)(?P<kept>://)[^/\s]+(?=@)"),
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
"""Patterns of secrets, each with a mark that is looked for first: on the texts of a run, a pattern
takes as long as saving the run, and an `in` a hundredth of that."""
_ENVIRONMENT_NAME = re.compile(r"(API_?KEY|TOKEN|SECRET|PASSWORD)$")
_SHORTEST_KEY = 8
"""Characters; a shorter value of the environment is not treated as a key."""


class _EnvironmentKeys:
    """The current values of the environment's keys, read when a text could hold one: reading them
    takes a tenth of saving a run."""

    @cached_property
    def values(self) -> list[str]:
        values = [os.environ.get(name, "") for name in os.environ if _holds_key(name)]
        return [value for value in values if len(value) >= _SHORTEST_KEY]


def redact(value: Any) -> Any:
    """The value without secrets: recognized by the names of settings, by the look of texts, and by
    the keys in the environment. Mappings and sequences are copied; objects that JSON does not have
    become text first, and could hold secrets there."""
    if value is None or isinstance(value, _PLAIN):
        return value
    return _redact(value, _EnvironmentKeys())


def without_keys(text: str, further: Sequence[str] = ()) -> str:
    """The text, to the letter but for the values of the environment's keys and of `further` ones;
    those that are shorter than eight characters could be words."""
    return _without(text, [*further, *_EnvironmentKeys().values])


def redact_text(text: str) -> str:
    """The text without what looks like a key, without the user part of URLs, and without the
    values of the environment's keys."""
    return _redact_text(text, _EnvironmentKeys())


def _redact(value: Any, keys: _EnvironmentKeys) -> Any:
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, str):
        return _redact_text(value, keys)
    # The type that is nearly always given first: asking for an abstract one takes longer.
    if isinstance(value, dict | Mapping):
        return {
            name: REDACTED
            if isinstance(name, str) and _is_secret(name) and inner is not None
            else _redact(inner, keys)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact(inner, keys) for inner in value]
    if is_dataclass(value) and not isinstance(value, type):
        return _redact({field.name: getattr(value, field.name) for field in fields(value)}, keys)
    return _redact_text(str(value), keys)


def _redact_text(text: str, keys: _EnvironmentKeys) -> str:
    if len(text) >= _SHORTEST_KEY:
        text = _without(text, keys.values)
    lowered = text.lower()
    for mark, pattern in _SECRET_TEXTS:
        if mark in lowered:
            text = pattern.sub(rf"\g<kept>{REDACTED}", text)
    return text


def _without(text: str, keys: Sequence[str]) -> str:
    for key in keys:
        if len(key) >= _SHORTEST_KEY:
            text = text.replace(key, REDACTED)
    return text


@lru_cache(maxsize=2048)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


@lru_cache(maxsize=2048)
def _holds_key(variable: str) -> bool:
    return _ENVIRONMENT_NAME.search(variable.upper()) is not None
