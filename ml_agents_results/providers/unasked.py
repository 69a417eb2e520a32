"""Unasked: the provider of approaches that ask whom they like."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_agents_results.providers.interface import Completion, Message, ProviderError, Schema


class Unasked:
    """Has the names that runs are recorded under, and no model."""

    endpoint = ""
    structured_output = False

    def __init__(self, name: str, model: str) -> None:
        self.name = name
        self.model = model
        self.identity: Mapping[str, Any] = {}

    def sent_seed(self, seed: int | None) -> int | None:
        """No seed is sent."""
        return None

    async def complete(
        self, messages: Sequence[Message], *, schema: Schema = None, seed: int | None = None
    ) -> Completion:
        raise ProviderError("there is no model to ask", "Name one with --model.")

    async def aclose(self) -> None:
        """Nothing is open."""
