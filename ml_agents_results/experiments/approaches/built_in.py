"""Built-in approaches that only ask: one small class each."""

import re
from collections.abc import Sequence

from ml_agents_results.experiments.approaches.base import Dialogue, PromptingApproach

_BEST = re.compile(r"best (?:next )?step is\D{0,20}(\d+)", re.IGNORECASE)
_ITEM = re.compile(r"^\s*(?:\*\*)?(?:\d{1,2}[.):]|[-*•])(?:\*\*)?\s+", re.MULTILINE)


class Direct(PromptingApproach):
    """No reasoning strategy: the bare question. The baseline for all others."""

    name = "None"
    steps = ("answer",)


class ChainOfThought(PromptingApproach):
    """Reasoning step by step before the answer, without examples (Kojima et al., 2022)."""

    name = "ChainOfThought"
    steps = ("answer",)


class Reflection(PromptingApproach):
    """Answer, criticise the answer, revise it (Self-Refine, Madaan et al., 2023; one round)."""

    name = "Reflection"
    steps = ("answer", "critique", "revise")

    async def reason(self, dialogue: Dialogue) -> None:
        answer = await dialogue.ask("answer")
        critique = await dialogue.ask("critique", answer=answer)
        await dialogue.ask("revise", final=True, answer=answer, critique=critique)


class ChainOfVerification(PromptingApproach):
    """Answer, plan questions that check it, answer each alone, revise (Dhuliawala et al., 2023).

    The checks are factored: they are answered without showing the first answer.
    """

    name = "ChainOfVerification"
    steps = ("baseline", "plan", "verify", "revise")
    most_checks = 3

    async def reason(self, dialogue: Dialogue) -> None:
        answer = await dialogue.ask("baseline")
        plan = await dialogue.ask("plan", answer=answer, count=self.most_checks)
        checks = []
        for number, question in enumerate(points(plan, self.most_checks), 1):
            answered = await dialogue.ask("verify", number=number, verification=question)
            checks.append(f"{question}\n{answered}")
        await dialogue.ask("revise", final=True, answer=answer, checks=numbered(checks))


class SkeletonOfThought(PromptingApproach):
    """A skeleton of points, each written out by itself, then put together (Ning et al., 2023).

    The paper expands the points in parallel to save time; here they are expanded one after the
    other, so that an experiment keeps to its concurrency. The prompts are the same.
    """

    name = "SkeletonOfThought"
    steps = ("skeleton", "expand", "answer")
    most_points = 5

    async def reason(self, dialogue: Dialogue) -> None:
        skeleton = points(await dialogue.ask("skeleton", count=self.most_points), self.most_points)
        written = [
            await dialogue.ask("expand", number=n, skeleton=numbered(skeleton), point=point)
            for n, point in enumerate(skeleton, 1)
        ]
        await dialogue.ask("answer", final=True, points=numbered(written))


class ReasoningAsPlanning(PromptingApproach):
    """The model as planner and as world model: plans, simulated and rated (Hao et al., 2023).

    The paper searches the tree of actions with Monte Carlo tree search; in this short form the
    model writes whole plans, predicts the states they lead to, and carries out the best rated.
    """

    name = "ReasoningAsPlanning"
    steps = ("plan", "simulate", "answer")
    breadth = 3

    async def reason(self, dialogue: Dialogue) -> None:
        plan = await dialogue.ask("plan", breadth=self.breadth)
        simulation = await dialogue.ask("simulate", plan=plan)
        await dialogue.ask("answer", final=True, plan=plan, simulation=simulation)


class TreeOfThought(PromptingApproach):
    """Proposes thoughts, votes, and keeps the best, level by level (Yao et al., 2023).

    Breadth-first search with `breadth` proposals at each of `depth` levels; one is kept.
    """

    name = "TreeOfThought"
    steps = ("propose", "vote", "answer")
    breadth = 3
    depth = 2

    async def reason(self, dialogue: Dialogue) -> None:
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
        await dialogue.ask("answer", final=True, thoughts=numbered(thoughts))


def _elected(vote: str, proposals: list[str]) -> str:
    """The proposal that the vote names last; the first one if it names none."""
    named = [int(number) for number in _BEST.findall(vote)]
    return proposals[named[-1] - 1] if named and 0 < named[-1] <= len(proposals) else proposals[0]


def points(text: str, most: int) -> list[str]:
    """The first `most` items of a list; the whole text if there is no list."""
    starts = list(_ITEM.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    items = [text[start.end() : end].strip() for start, end in zip(starts, ends, strict=False)]
    return [item for item in items if item][:most] or [text.strip()]


def numbered(items: Sequence[str]) -> str:
    """The items as a numbered list; empty for none."""
    return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
