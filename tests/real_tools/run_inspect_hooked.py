"""Runs evaluations of Inspect with our hook switched on: ones that end, break off, are tried again
and are stopped by Ctrl-C.

Run where inspect-ai and this package are installed: python run_inspect_hooked.py FOLDER
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from inspect_ai import Task, eval, eval_retry, eval_set, task
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
def breaking(sample_id: str, once: str = "") -> Any:
    """Breaks at a sample; with the name of a file, only where that is not there yet."""

    async def solve(state: Any, generate: Any) -> Any:
        if state.sample_id == sample_id and not (once and Path(once).exists()):
            if once:
                Path(once).touch()
            raise RuntimeError("the tool broke")
        return await generate(state)

    return solve


@solver
def stopped(sample_id: str) -> Any:
    """Presses Ctrl-C at a sample, when others have ended."""

    async def solve(state: Any, generate: Any) -> Any:
        if state.sample_id == sample_id:
            await asyncio.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(5)
        return await generate(state)

    return solve


def eight(*solvers: Any) -> Task:
    samples = [Sample(id=f"s{n}", input=f"What is {n}+2?", target=str(n + 2)) for n in range(8)]
    solver = [chain_of_thought(), generate(), *solvers]
    return Task(dataset=samples, solver=solver, scorer=match(), epochs=2)


@task
def hooked(breaks_at: str = "none") -> Task:
    return eight(breaking(breaks_at))


@task
def retried(once: str) -> Task:
    return eight(breaking("s5", once))


@task
def again(once: str) -> Task:
    return eight(breaking("s5", once))


@task
def interrupted() -> Task:
    return eight(stopped("s5"))


def main(folder: str) -> None:
    common: dict[str, Any] = {"model": "canned/m", "display": "none"}
    logs = {"log_dir": f"{folder}/plain", **common}
    eval([hooked(), hooked(breaks_at="s5")], max_tasks=2, fail_on_error=True, **logs)
    (log,) = eval(retried(f"{folder}/broke once"), fail_on_error=True, **logs)
    eval_retry(log, log_dir=f"{folder}/plain", display="none")
    eval_set([again(f"{folder}/broke, too")], log_dir=f"{folder}/set", retry_wait=0.1, **common)
    eval(interrupted(), max_samples=4, **logs)


if __name__ == "__main__":
    main(sys.argv[1])
