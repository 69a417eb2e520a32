"""Approaches that compare several plans before following one."""

import re
from typing import TYPE_CHECKING

from ml_agents_results.experiments.approaches.base import Dialogue, PromptingApproach
from ml_agents_results.experiments.approaches.numbered_lists import numbered, points

if TYPE_CHECKING:
    from pydantic import BaseModel

_BEST = re.compile(r"best (?:next )?step is\D{0,20}(\d+)", re.IGNORECASE)


class ReasoningAsPlanning(PromptingApproach):
    """The model as planner and as world model: plans, simulated and rated (Hao et al., 2023).

    The paper searches the tree of actions with Monte Carlo tree search; in this short form the
    model writes whole plans, predicts the states they lead to, and carries out the best rated.
    """

    name = "ReasoningAsPlanning"
    steps = ("plan", "simulate", "answer")
    breadth = 3

    async def reason(self, dialogue: Dialogue, schema: "type[BaseModel] | None") -> None:
        plan = await dialogue.ask("plan", breadth=self.breadth)
        simulation = await dialogue.ask("simulate", plan=plan)
        await dialogue.ask("answer", schema=schema, plan=plan, simulation=simulation)


class TreeOfThought(PromptingApproach):
    """Proposes thoughts, votes, and keeps the best, level by level (Yao et al., 2023).

    Breadth-first search with `breadth` proposals at each of `depth` levels; one is kept.
    """

    name = "TreeOfThought"
    steps = ("propose", "vote", "answer")
    breadth = 3
    depth = 2

    async def reason(self, dialogue: Dialogue, schema: "type[BaseModel] | None") -> None:
        thoughts: list[str] = []
        for level in range(1, self.depth + 1):
            path = numbered(thoughts) or "(none yet)"
            proposed = await dialogue.ask(
                "propose", number=level, thoughts=path, breadth=self.breadth
            )
            proposals = points(proposed, self.breadth)
            vote = await dialogue.ask(
                "vote", number=level, thoughts=path, proposals=numbered(proposals)
            )
            thoughts.append(_elected(vote, proposals))
        await dialogue.ask("answer", schema=schema, thoughts=numbered(thoughts))


def _elected(vote: str, proposals: list[str]) -> str:
    """The proposal that the vote names last; the first one if it names none."""
    named = [int(number) for number in _BEST.findall(vote)]
    return proposals[named[-1] - 1] if named and 0 < named[-1] <= len(proposals) else proposals[0]
