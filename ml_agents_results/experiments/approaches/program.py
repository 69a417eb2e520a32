"""Program of thought: the answer is calculated by a program."""

import re

from ml_agents_results.experiments.approaches.base import (
    EXECUTION,
    Dialogue,
    PromptingApproach,
    Step,
)
from ml_agents_results.providers.interface import Completion
from ml_agents_results.sandbox.program_runner import run_program

_BLOCK = re.compile(r"```(?:python|py)?[^\S\n]*\n(.*?)```", re.DOTALL | re.IGNORECASE)

_STATEMENT = re.compile(r"^.*\banswer(?: is|:)[:\s]*", re.IGNORECASE)


class ProgramOfThought(PromptingApproach):
    """The model writes a program whose output is the answer (Chen et al., 2022).

    The program is run only if that is allowed (see sandbox/program_runner.py). If it is not, or
    the program fails or prints nothing, the answer that the model stated is used; a schema is
    requested only if no program will be run.
    """

    name = "ProgramOfThought"
    steps = ("program",)

    async def reason(self, dialogue: Dialogue) -> None:
        if not self.allow_code_execution:
            await dialogue.ask("program", final=True)
            return
        text = await dialogue.ask("program")
        blocks = _BLOCK.findall(text)
        if blocks:
            printed = await _run(blocks[-1], dialogue)
            if printed:
                last = _STATEMENT.sub("", printed.rpartition("\n")[2])
                dialogue.trace.raw_output = (
                    f"{text}\n\nThe program printed:\n{printed}\n\nThe answer is {last}"
                )


async def _run(program: str, dialogue: Dialogue) -> str | None:
    """Runs the program as a step of its own; returns its output, None if it failed."""
    outcome = await run_program(program)
    dialogue.trace.steps.append(
        Step(
            name=EXECUTION,
            prompt=program,
            completion=Completion(
                text=outcome.output if outcome.error is None else f"Error: {outcome.error}",
                prompt_tokens=0,
                completion_tokens=0,
                cost_estimate=0.0,
                latency_ms=outcome.duration_ms,
            ),
            note=f"confined by {', '.join(outcome.confined_by)}",
        )
    )
    return outcome.output if outcome.error is None else None
