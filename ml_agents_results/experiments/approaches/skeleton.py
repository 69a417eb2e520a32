"""An answer written from its skeleton."""

from typing import TYPE_CHECKING

from ml_agents_results.experiments.approaches.base import Approach, Dialogue
from ml_agents_results.experiments.approaches.numbered_lists import numbered, points

if TYPE_CHECKING:
    from pydantic import BaseModel


class SkeletonOfThought(Approach):
    """A skeleton of points, each written out by itself, then put together (Ning et al., 2023).

    The paper expands the points side by side to save time; here they follow one another, so that
    the concurrency of an experiment is what was asked for. What each sees is the same.
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
