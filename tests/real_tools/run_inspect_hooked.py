"""Runs evaluations of Inspect with our hook switched on: one that ends, and one that breaks off.

Run where inspect-ai and this package are installed: python run_inspect_hooked.py FOLDER
"""

import sys
from typing import Any

from inspect_ai import Task, eval, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, modelapi
from inspect_ai.scorer import match
from inspect_ai.solver import chain_of_thought, generate, solver


@modelapi(name="canned")
class Canned(ModelAPI):
    async def generate(self, input: Any, tools: Any, tool_choice: Any, config: Any) -> ModelOutput:
        output = ModelOutput.from_content(self.model_name, "ANSWER: 4")
        output.usage = ModelUsage(input_tokens=5, output_tokens=3, total_tokens=8)
        return output


@solver
def breaking(sample_id: str) -> Any:
    async def solve(state: Any, generate: Any) -> Any:
        if state.sample_id == sample_id:
            raise RuntimeError("the tool broke")
        return await generate(state)

    return solve


@task
def hooked(breaks_at: str = "none") -> Task:
    samples = [Sample(id=f"s{n}", input=f"What is {n}+2?", target=str(n + 2)) for n in range(8)]
    return Task(
        dataset=samples,
        solver=[chain_of_thought(), generate(), breaking(breaks_at)],
        scorer=match(),
        epochs=2,
    )


def main(folder: str) -> None:
    common: dict[str, Any] = {"model": "canned/m", "log_dir": folder, "display": "none"}
    eval(hooked(), **common)
    eval(hooked(breaks_at="s5"), fail_on_error=True, **common)


if __name__ == "__main__":
    main(sys.argv[1])
