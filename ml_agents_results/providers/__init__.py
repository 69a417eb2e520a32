"""Providers: models on this machine, behind any OpenAI-compatible address, or at Anthropic.

Keys come from the environment, and from user and password or query of a base URL. They are
never recorded, shown or logged.
"""

import importlib.util
import os

from ml_agents_results.config import ProviderSettings
from ml_agents_results.errors import UsageError
from ml_agents_results.providers import local_model as local
from ml_agents_results.providers.anthropic_messages import ANTHROPIC_URL, Anthropic
from ml_agents_results.providers.http_provider import HttpProvider, Target
from ml_agents_results.providers.interface import AuthenticationFailed
from ml_agents_results.providers.openai_compatible import (
    OPENAI_URL,
    OPENROUTER_URL,
    OpenAICompatible,
)
from ml_agents_results.providers.urls import public_url, read_address

__all__ = ["KNOWN", "default_provider", "named_model", "open_provider", "public_url"]

KNOWN = ("local", "openai", "openrouter", "anthropic")
"""Providers that need no base URL."""

UNNAMED = "openai-compatible"
"""The name of a provider that was given by its base URL alone."""

_HOSTED: dict[str, tuple[type[HttpProvider], str, str]] = {
    "openai": (OpenAICompatible, OPENAI_URL, "OPENAI_API_KEY"),
    "openrouter": (OpenAICompatible, OPENROUTER_URL, "OPENROUTER_API_KEY"),
    "anthropic": (Anthropic, ANTHROPIC_URL, "ANTHROPIC_API_KEY"),
}


def default_provider() -> str | None:
    """`local` if it is installed, else None: then a provider must be named."""
    return "local" if local.installed() else None


def named_model(text: str) -> tuple[str | None, str]:
    """Provider and model of a name such as `anthropic:claude-sonnet-4-5`; without the name of a
    known provider in front, it is the model's name alone (`llama3:8b`).

    Raises:
        UsageError: The name ends after the provider.
    """
    provider, colon, model = text.partition(":")
    if not colon or provider not in KNOWN:
        return None, text
    if not model.strip():
        raise UsageError(f"{text!r} names a provider and no model", f"As in: {provider}:NAME")
    return provider, model


def open_provider(
    name: str | None, model: str | None, settings: ProviderSettings | None = None
) -> HttpProvider:
    """Opens a provider. Nothing is asked yet, but a local model is loaded.

    Args:
        name: `local`, `openai`, `openrouter`, `anthropic`; any name if the settings have a
            `base_url`. None is `openai-compatible` if they have one, else the default provider.
        model: The model's name there; a path ending in .gguf for `local`.
        settings: How the model is asked. A `base_url` speaks the OpenAI chat completions protocol
            (for `anthropic` its own). The key sent there is OPENAI_API_KEY, OPENROUTER_API_KEY for
            `openrouter` and ANTHROPIC_API_KEY for `anthropic`; user and password in the address
            are sent instead. Without any, a placeholder is sent, as local servers expect.

    Raises:
        UsageError: No such provider, no model, an invalid address, something not installed.
        AuthenticationFailed: There is no key in the environment.
        NotFoundError: There is no such model file.
    """
    settings = settings or ProviderSettings()
    if name is None:
        name = UNNAMED if settings.base_url else default_provider()
    if name is None:
        raise UsageError(
            "no provider was chosen, and the local model is not installed",
            f"Choose --provider ({', '.join(KNOWN)}) or --base-url.",
        )
    if name == "local" and settings.base_url is None:
        return local.Local(model, settings)
    return _open_endpoint(name, model, settings)


def _open_endpoint(name: str, model: str | None, settings: ProviderSettings) -> HttpProvider:
    base_url = settings.base_url
    if name not in _HOSTED and base_url is None:
        raise UsageError(
            f"there is no provider {name}",
            f"Choose one of {', '.join(KNOWN)}, or give its address with --base-url.",
        )
    kind, url, variable = _HOSTED.get(name, (OpenAICompatible, "", "OPENAI_API_KEY"))
    address = read_address(base_url or url)
    if not model:
        raise UsageError(f"no model was named for {name}", "Name one with --model.")
    if kind is Anthropic and importlib.util.find_spec("anthropic") is None:
        raise UsageError(
            "the provider `anthropic` is not installed",
            "pip install 'ml-agents-results[anthropic]'",
        )
    key = os.environ.get(variable, "").strip()
    if not key and base_url is None:
        raise AuthenticationFailed(
            f"there is no key for {name}: the environment variable {variable} is not set",
            f"export {variable}=..., or use --provider local.",
        )
    return kind(Target(name, model, address, key or None, variable), settings)
