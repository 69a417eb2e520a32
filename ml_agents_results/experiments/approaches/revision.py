"""Approaches that revise a first answer."""

from typing import TYPE_CHECKING

from ml_agents_results.experiments.approaches.base import Dialogue, PromptingApproach
from ml_agents_results.experiments.approaches.numbered_lists import numbered, points

if TYPE_CHECKING:
    from pydantic import BaseModel


class Reflection(PromptingApproach):
    """Answer, criticise the answer, revise it (Self-Refine, Madaan et al., 2023; one round)."""

    name = "Reflection"
    steps = ("answer", "critique", "revise")

    async def reason(self, dialogue: Dialogue, schema: "type[BaseModel] | None") -> None:
        answer = await dialogue.ask("answer")
        critique = await dialogue.ask("critique", answer=answer)
        await dialogue.ask("revise", schema=schema, answer=answer, critique=critique)


class ChainOfVerification(PromptingApproach):
    """Answer, plan questions that check it, answer each alone, revise (Dhuliawala et al., 2023).

    The checks are factored: they are answered without showing the first answer.
    """

    name = "ChainOfVerification"
    steps = ("baseline", "plan", "verify", "revise")
    most_checks = 3

    async def reason(self, dialogue: Dialogue, schema: "type[BaseModel] | None") -> None:
        answer = await dialogue.ask("baseline")
        plan = await dialogue.ask("plan", answer=answer, count=self.most_checks)
        checks = []
        for number, question in enumerate(points(plan, self.most_checks), 1):
            answered = await dialogue.ask("verify", number=number, verification=question)
            checks.append(f"{question}\n{answered}")
        await dialogue.ask("revise", schema=schema, answer=answer, checks=numbered(checks))
