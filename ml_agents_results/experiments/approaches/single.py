"""Approaches with a single request."""

from typing import TYPE_CHECKING

from ml_agents_results.experiments.approaches.base import Dialogue, PromptingApproach

if TYPE_CHECKING:
    from pydantic import BaseModel


class Direct(PromptingApproach):
    """No reasoning strategy: the bare question. The baseline for all others."""

    name = "None"
    steps = ("answer",)

    async def reason(self, dialogue: Dialogue, schema: "type[BaseModel] | None") -> None:
        await dialogue.ask("answer", schema=schema)


class ChainOfThought(PromptingApproach):
    """Reasoning step by step before the answer, without examples (Kojima et al., 2022)."""

    name = "ChainOfThought"
    steps = ("answer",)

    async def reason(self, dialogue: Dialogue, schema: "type[BaseModel] | None") -> None:
        await dialogue.ask("answer", schema=schema)
