"""Who serves models: on this machine, behind any OpenAI-compatible address, or at Anthropic.

Keys come from the environment, and from user and password or query of a base URL. They are
never recorded, shown or logged.
"""

import importlib.util
import os

from ml_agents_results.errors import UsageError
from ml_agents_results.providers import local_model as local
from ml_agents_results.providers.anthropic_messages import ANTHROPIC_URL, Anthropic
from ml_agents_results.providers.http_provider import HttpProvider
from ml_agents_results.providers.interface import AuthenticationFailed, Provider
from ml_agents_results.providers.openai_compatible import (
    OPENAI_URL,
    OPENROUTER_URL,
    OpenAICompatible,
)
from ml_agents_results.providers.provider_settings import ProviderSettings, Target
from ml_agents_results.providers.retry import Retries
from ml_agents_results.providers.urls import public_url, read_address

__all__ = ["KNOWN", "default_provider", "open_provider", "public_url"]

KNOWN = ("local", "openai", "openrouter", "anthropic")
"""Providers that need no base URL."""

UNNAMED = "openai-compatible"
"""What a provider is called that was given by its base URL alone."""

_HOSTED: dict[str, tuple[type[HttpProvider], str, str]] = {
    "openai": (OpenAICompatible, OPENAI_URL, "OPENAI_API_KEY"),
    "openrouter": (OpenAICompatible, OPENROUTER_URL, "OPENROUTER_API_KEY"),
    "anthropic": (Anthropic, ANTHROPIC_URL, "ANTHROPIC_API_KEY"),
}


def default_provider() -> str | None:
    """`local` where it is installed, else None: then a provider must be named."""
    return "local" if local.installed() else None


def open_provider(
    name: str | None,
    model: str | None,
    *,
    base_url: str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    timeout: float | None = None,
    max_retries: int = 5,
    requests_per_minute: float | None = None,
) -> Provider:
    """Open a provider. Nothing is asked yet, but a local model is loaded.

    Args:
        name: `local`, `openai`, `openrouter`, `anthropic`; any name where `base_url` is given.
            None is `openai-compatible` where `base_url` is given, else the default provider.
        model: The model's name there; a path ending in .gguf for `local`.
        base_url: An address that speaks the OpenAI chat completions protocol (for `anthropic`
            its own). The key sent there is OPENAI_API_KEY, OPENROUTER_API_KEY for `openrouter`
            and ANTHROPIC_API_KEY for `anthropic`; user and password in the address are sent
            instead. Without any, a placeholder is sent, as servers at home expect.
        timeout: Seconds for one attempt; by default 120, and 600 for `local`.
        max_retries: Attempts beyond the first one.
        requests_per_minute: Attempts to start in a minute at most.

    Raises:
        UsageError: No such provider, no model, an address that is none, something not installed.
        AuthenticationFailed: There is no key in the environment.
        NotFoundError: There is no such model file.
    """
    if name is None:
        name = UNNAMED if base_url else default_provider()
    if name is None:
        raise UsageError(
            "No provider was chosen, and the local model is not installed.",
            f"Choose --provider ({', '.join(KNOWN)}) or --base-url.",
        )
    settings = ProviderSettings(
        temperature=temperature,
        max_tokens=max_tokens,
        seed=seed,
        timeout=timeout or (local.QUEUE_TIMEOUT if name == "local" else 120.0),
        retries=Retries(max_retries),
        requests_per_minute=requests_per_minute,
    )
    if name == "local" and base_url is None:
        return local.Local(model, settings)
    return _open_endpoint(name, model, base_url, settings)


def _open_endpoint(
    name: str, model: str | None, base_url: str | None, settings: ProviderSettings
) -> HttpProvider:
    if name not in _HOSTED and base_url is None:
        raise UsageError(
            f"There is no provider {name}.",
            f"Choose one of {', '.join(KNOWN)}, or give its address with --base-url.",
        )
    kind, url, variable = _HOSTED.get(name, (OpenAICompatible, "", "OPENAI_API_KEY"))
    address = read_address(base_url or url)
    if not model:
        raise UsageError(f"No model was named for {name}.", "Name one with --model.")
    if kind is Anthropic and importlib.util.find_spec("anthropic") is None:
        raise UsageError(
            "The provider `anthropic` is not installed.",
            "pip install 'ml-agents-results[anthropic]'",
        )
    key = os.environ.get(variable, "").strip()
    if not key and base_url is None:
        raise AuthenticationFailed(
            f"There is no key for {name}: the environment variable {variable} is not set.",
            f"export {variable}=..., or use --provider local.",
        )
    return kind(Target(name, model, address, key or None, variable), settings)
