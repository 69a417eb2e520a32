"""Which provider one gets, and what is said where there is none."""

import asyncio
import sys
from pathlib import Path

import pytest

from ml_agents_results.config import ProviderSettings
from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.providers import named_model, open_provider, public_url
from ml_agents_results.providers.interface import AuthenticationFailed, Message, Provider
from tests.endpoint import Endpoint


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "OPENROUTER", "ANTHROPIC"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)


def ask(provider: Provider) -> str:
    async def once() -> str:
        try:
            return (await provider.complete([Message("user", "?")])).text
        finally:
            await provider.aclose()

    return asyncio.run(once())


def test_a_provider_without_a_model_is_refused() -> None:
    assert named_model("openrouter:m") == ("openrouter", "m")
    assert named_model("llama3:8b") == (None, "llama3:8b")
    with pytest.raises(UsageError, match="'openrouter:' names a provider and no model"):
        named_model("openrouter:")


@pytest.mark.parametrize("name", ["openai", "openrouter", "anthropic"])
def test_without_a_key_the_variable_is_named(name: str) -> None:
    pytest.importorskip("anthropic", reason="the extra `anthropic` is not installed")
    with pytest.raises(AuthenticationFailed, match=f"{name.upper()}_API_KEY is not set"):
        open_provider(name, "some-model")


def test_an_empty_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    with pytest.raises(AuthenticationFailed):
        open_provider("openai", "some-model")


def test_a_server_at_home_needs_no_key() -> None:
    with Endpoint() as endpoint:
        provider = open_provider(None, "m", ProviderSettings(base_url=endpoint.url))
        assert (provider.name, provider.model) == ("openai-compatible", "m")
        assert ask(provider) == "The answer is 42."


@pytest.mark.parametrize(
    ("name", "variable"), [("openrouter", "OPENROUTER_API_KEY"), ("vllm", "OPENAI_API_KEY")]
)
def test_the_key_of_the_named_provider_is_sent(
    name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "sk-right")
    with Endpoint(key="sk-right") as endpoint:
        provider = open_provider(name, "m", ProviderSettings(base_url=endpoint.url))
        assert ask(provider) == "The answer is 42."


def test_an_unknown_provider_lists_the_known() -> None:
    with pytest.raises(UsageError, match="no provider nosuch") as raised:
        open_provider("nosuch", "m")
    assert "local, openai, openrouter, anthropic" in str(raised.value.hint)


def test_a_model_must_be_named() -> None:
    with pytest.raises(UsageError, match="no model"):
        open_provider("openai", None)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "http://", "http://[::1", "x"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="base URL"):
        open_provider(None, "m", ProviderSettings(base_url=url))


def test_what_is_recorded_of_an_address() -> None:
    url = "https://user:secret@[2001:db8::1]:8443/v1/?api-key=abc#part"
    assert public_url(url) == "https://[2001:db8::1]:8443/v1"


def test_a_local_model_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
    with pytest.raises(NotFoundError, match="no model file"):
        open_provider("local", str(tmp_path / "missing.gguf"))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and no more")
    with pytest.raises(UsageError, match=r"broken.gguf cannot be loaded"):
        open_provider("local", str(broken))
    with pytest.raises(UsageError, match="has no model gpt-4o"):
        open_provider("local", "gpt-4o")


def test_without_a_local_model_a_provider_must_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(UsageError, match="no provider was chosen"):
        open_provider(None, None)
