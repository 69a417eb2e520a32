"""Skeleton of thought: an outline first, then each of its points."""

from typing import TYPE_CHECKING

from ml_agents_results.experiments.approaches.base import Dialogue, PromptingApproach
from ml_agents_results.experiments.approaches.numbered_lists import numbered, points

if TYPE_CHECKING:
    from pydantic import BaseModel


class SkeletonOfThought(PromptingApproach):
    """A skeleton of points, each written out by itself, then put together (Ning et al., 2023).

    The paper expands the points in parallel to save time; here they are expanded one after the
    other, so that an experiment keeps to its concurrency. The prompts are the same.
    """

    name = "SkeletonOfThought"
    steps = ("skeleton", "expand", "answer")
    most_points = 5

    async def reason(self, dialogue: Dialogue, schema: "type[BaseModel] | None") -> None:
        skeleton = points(await dialogue.ask("skeleton", count=self.most_points), self.most_points)
        written = [
            await dialogue.ask("expand", number=n, skeleton=numbered(skeleton), point=point)
            for n, point in enumerate(skeleton, 1)
        ]
        await dialogue.ask("answer", schema=schema, points=numbered(written))
