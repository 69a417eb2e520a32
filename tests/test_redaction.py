"""Secrets stay out of what is recorded, and nothing else does."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_agents_results.redaction import REDACTED, redact, redact_text, without_keys


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "API-KEY",
        "openai_api_key",
        "openaiApiKey",
        "OPENAI_API_KEY",
        "x-api-key",
        "Ocp-Apim-Subscription-Key",
        "aws_secret_access_key",
        "aws_access_key",
        "aws_session_token",
        "secret",
        "client_secret",
        "secret_key",
        "password",
        "db_password",
        "passphrase",
        "Authorization",
        "bearer",
        "token",
        "hf_token",
        "accessToken",
        "private_key",
        "credentials",
        "Cookie",
    ],
)
def test_settings_that_are_named_like_secrets(name: str) -> None:
    assert redact({name: "value"}) == {name: REDACTED}
    assert redact({"a": [{"b": {name: 5}}]}) == {"a": [{"b": {name: REDACTED}}]}
    assert redact({name: None}) == {name: None}


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "prompt_tokens",
        "tokens",
        "tokenizer",
        "key",
        "keyboard",
        "api_key_env",
        "secretary",
        "author",
        "monkey",
        "password_policy",
        "total_tokens",
        "cookies_eaten",
    ],
)
def test_settings_that_are_not(name: str) -> None:
    assert redact({name: 512}) == {name: 512}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "postgresql+psycopg://ada:pw@host:5432/db",
            f"postgresql+psycopg://ada:{REDACTED}@host:5432/db",
        ),
        ("postgres://ada:p@ss:w@host/db", f"postgres://ada:{REDACTED}@host/db"),
        ("https://to:k@en@host/db", f"https://{REDACTED}@host/db"),
        ("see https://user:p%40w@host/a and more", f"see https://{REDACTED}@host/a and more"),
        ("key sk-proj-abcdefghij0123456789 is bad", f"key {REDACTED} is bad"),
        ("sk-ant-api03-abcdefghij_0123456789-x", REDACTED),
        ("hf_abcdefghijABCDEFGHIJ0123", REDACTED),
        ("gsk_abcdefghijABCDEFGHIJ0123", REDACTED),
        ("AIzaSyA-abcdefghijklmnopqrstuvwxyz01234", REDACTED),
        ("Authorization: Bearer abcdefghijklmnopqrst==", f"Authorization: {REDACTED}"),
        ("GET /v1?key=abc&model=m", f"GET /v1?key={REDACTED}&model=m"),
        ("host/db?user=a&password=abc def", f"host/db?user=a&password={REDACTED} def"),
    ],
)
def test_texts_that_look_like_secrets(text: str, left: str) -> None:
    assert redact_text(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "mail ada@example.org about it",
        "postgresql+psycopg://ro:***@host/db cannot be reached",
        "postgresql://ada@host/db",
        "https://example.org/a?model=m&key_size=5",
        "the task is risk-averse-behaviour-of-people",
        "skip-connections-in-networks",
        "a Bearer of bad news",
        "2 + 2 = 4",
        "",
    ],
)
def test_texts_that_do_not(text: str) -> None:
    assert redact_text(text) == text


def test_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PROVIDER_API_KEY", "correct-horse-battery")
    monkeypatch.setenv("SHORT_TOKEN", "yes")
    monkeypatch.setenv("MY_NAME", "correct-horse")
    assert redact_text("it was correct-horse-battery, yes") == f"it was {REDACTED}, yes"
    assert redact({"note": ["correct-horse"]}) == {"note": ["correct-horse"]}


def test_keys_are_taken_out_of_texts_that_stay_to_the_letter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_PROVIDER_API_KEY", "correct-horse-battery")
    text = "correct-horse-battery, sk-proj-abcdefghij0123456789, another-secret, short"
    left = f"{REDACTED}, sk-proj-abcdefghij0123456789, {REDACTED}, short"
    assert without_keys(text, ("another-secret", "short")) == left


@dataclass
class Client:
    api_key: str
    folder: Path


class Opaque:
    def __str__(self) -> str:
        return "<client of https://u:pw@host>"


def test_objects_are_looked_into() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    given: dict[str, Any] = {
        "client": Client("hunter2", Path("/data")),
        "other": Opaque(),
        "when": moment,
        "pair": (1, 2.5),
        "flag": True,
    }
    assert redact(given) == {
        "client": {"api_key": REDACTED, "folder": "/data"},
        "other": f"<client of https://{REDACTED}@host>",
        "when": str(moment),
        "pair": [1, 2.5],
        "flag": True,
    }
    assert isinstance(given["client"], Client)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("abc é😀\n"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "seed", "max_tokens", "model"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(PLAIN)
def test_what_holds_no_secret_is_left_as_it_is(value: Any) -> None:
    assert redact(value) == value
